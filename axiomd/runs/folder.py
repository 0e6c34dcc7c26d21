"""A run folder read back: what the report, the plots and any dashboard show of a run.

It reads and checks that the parts are there; it computes nothing and writes nothing. Numbers stay the text that they
are in the files.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from axiomd.contracts.errors import InputError

_REMEDY = "name a run folder, as in artifacts/runs/RUN_ID"


class Rows(Sequence[dict[str, str]]):
    """The rows of a CSV as column to text, each taken apart when it is asked for.

    A report shows two thousand trades of a hundred thousand. `rows` are lines without quotes, or cells.
    """

    def __init__(self, header: Sequence[str], rows: Sequence[str] | Sequence[list[str]]) -> None:
        self.header = tuple(header)
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> dict[str, str]: ...
    @overload
    def __getitem__(self, place: slice) -> list[dict[str, str]]: ...
    def __getitem__(self, place: int | slice) -> dict[str, str] | list[dict[str, str]]:
        if isinstance(place, slice):
            return [self._row(row) for row in self._rows[place]]
        return self._row(self._rows[place])

    def __iter__(self) -> Iterator[dict[str, str]]:
        return map(self._row, self._rows)

    def columns(self, *names: str) -> Iterator[tuple[str, ...]]:
        """Give the cells of some columns, row after row; the nearer they stand to the end, the sooner."""
        from_end = [self.header.index(name) - len(self.header) for name in names]
        deepest = -min(from_end)
        for row in self._rows:
            cells = row.rsplit(",", deepest) if isinstance(row, str) else row
            yield tuple([cells[place] for place in from_end])

    def _row(self, row: str | list[str]) -> dict[str, str]:
        return dict(zip(self.header, row.split(",") if isinstance(row, str) else row, strict=True))


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The parts of a run folder; CSV rows as column to text, JSON as plain values."""

    folder: Path
    label: str
    manifest: Mapping[str, Any]
    metrics: Mapping[str, Any]
    quality: Mapping[str, Any] | None
    curve: Rows
    trades: Rows
    filled_orders: Rows

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


def _rows(path: Path, columns: tuple[str, ...]) -> Rows:
    text = _text(path)
    header, rows = _cells(text, path) if '"' in text or "\r" in text else _lines(text)
    _check(path, columns, header)
    widths = [row.count(",") + 1 if isinstance(row, str) else len(row) for row in rows]
    if widths.count(len(header)) != len(rows):
        number = next(number for number, width in enumerate(widths, start=2) if width != len(header))
        raise InputError("its cells do not fit the header", f"{path}:{number}", "write the run again")
    return Rows(header, rows)


def _lines(text: str) -> tuple[list[str], list[str]]:
    """Give the header's cells, and the other lines whole: without a quote, each is one row."""
    header, *lines = list(filter(None, text.split("\n"))) or [""]
    return header.split(","), lines


def _cells(text: str, path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        header, *rows = list(filter(None, csv.reader(io.StringIO(text, newline="")))) or [[]]
    except csv.Error as error:
        raise InputError(f"it is no CSV ({error})", str(path), "write the run again") from None
    return header, rows


def _check(path: Path, needed: tuple[str, ...], there: object) -> None:
    lacking = [name for name in needed if name not in there]  # type: ignore[operator]
    if lacking:
        raise InputError(f"{', '.join(lacking)} is missing", str(path), "write the run again")
