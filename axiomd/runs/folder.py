"""A run folder read back: what the report, the plots and any dashboard show of a run.

It reads and checks that the parts are there; it computes nothing and writes nothing. Numbers stay the text that they
are in the files.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axiomd.contracts.errors import InputError

_REMEDY = "name a run folder, as in artifacts/runs/RUN_ID"


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The parts of a run folder; CSV rows as column to text, JSON as plain values."""

    folder: Path
    label: str
    manifest: Mapping[str, Any]
    metrics: Mapping[str, Any]
    quality: Mapping[str, Any] | None
    curve: list[dict[str, str]]
    trades: list[dict[str, str]]
    filled_orders: list[dict[str, str]]

    @property
    def currency(self) -> str:
        """The account's currency."""
        return str(self.manifest["currency"])


def read_run(folder: Path) -> RunFiles:
    """Read a run folder; `InputError` names the file that is missing or cannot be understood."""
    if not (folder / "manifest.json").is_file():
        raise InputError("there is no run", str(folder), _REMEDY)
    label = _text(folder / "label.txt").strip()
    quality = folder / "quality.json"
    return RunFiles(
        folder=folder,
        label=label or folder.name,
        manifest=_mapping(folder / "manifest.json", ("run_id", "tz", "currency", "strategy")),
        metrics=_mapping(folder / "metrics.json", ("net_pnl", "initial_cash", "max_drawdown", "max_drawdown_pct")),
        quality=_mapping(quality, ()) if quality.exists() else None,
        curve=_rows(folder / "equity_curve.csv", ("ts", "equity", "drawdown")),
        trades=_rows(folder / "trades.csv", ("symbol", "exit_ts", "net_pnl")),
        filled_orders=_rows(folder / "filled_orders.csv", ("status", "reason")),
    )


def find_runs(artifacts_dir: Path) -> list[Path]:
    """Give every run folder under an artifacts dir, by name."""
    runs = artifacts_dir / "runs"
    if not runs.is_dir():
        return []
    return sorted(path for path in runs.iterdir() if (path / "manifest.json").is_file())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path.name} is missing", str(path.parent), _REMEDY) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"it cannot be read ({error})", str(path), _REMEDY) from None


def _mapping(path: Path, keys: tuple[str, ...]) -> Mapping[str, Any]:
    try:
        document = json.loads(_text(path))
    except ValueError as error:
        raise InputError(f"it is no JSON ({error})", str(path), "write the run again") from None
    if not isinstance(document, dict):
        raise InputError("it is no JSON object", str(path), "write the run again")
    _check(path, keys, document)
    return document


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        reader = csv.DictReader(io.StringIO(_text(path), newline=""))
        _check(path, columns, reader.fieldnames or ())
        rows = list(reader)
    except csv.Error as error:
        raise InputError(f"it is no CSV ({error})", str(path), "write the run again") from None
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise InputError("its cells do not fit the header", f"{path}:{number}", "write the run again")
    return rows


def _check(path: Path, needed: tuple[str, ...], there: object) -> None:
    lacking = [name for name in needed if name not in there]  # type: ignore[operator]
    if lacking:
        raise InputError(f"{', '.join(lacking)} is missing", str(path), "write the run again")
