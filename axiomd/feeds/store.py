"""The local store of bars, one Parquet file a symbol and timeframe, and the quality reports beside a run.

Every write goes to a temporary file in the same folder, is synced and renamed, so that a reader or a crash sees the old
file or the new one, never half of one. Nothing is judged here: what is written was validated before.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote

import msgspec
import polars as pl

from axiomd.contracts.bars import SYMBOL, TS, Timeframe, normalise_symbol
from axiomd.contracts.errors import InputError
from axiomd.contracts.quality import QualityReport
from axiomd.core.market.columns import EMPTY, normalise


class BarStore:
    """Bars on this machine under a state dir: `bars/m1/SPY.parquet`, `daily/SPY.parquet`, each sorted by `ts`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, timeframe: Timeframe) -> Path:
        """Say where the bars of a timeframe are kept."""
        return self._root / "daily" if timeframe is Timeframe.D1 else self._root / "bars" / timeframe.value

    def path(self, symbol: str, timeframe: Timeframe) -> Path:
        """Say where a symbol's bars are kept; characters that mean something to a file system are escaped."""
        return self.folder(timeframe) / f"{quote(normalise_symbol(symbol), safe='')}.parquet"

    def symbols(self, timeframe: Timeframe) -> tuple[str, ...]:
        """Name the symbols that have bars, rising."""
        return tuple(sorted(unquote(file.stem) for file in self.folder(timeframe).glob("*.parquet")))

    def read(self, symbol: str, timeframe: Timeframe) -> pl.DataFrame:
        """Read a symbol's bars, an empty frame where there are none; raises `InputError` for a broken file."""
        path = self.path(symbol, timeframe)
        if not path.exists():
            return EMPTY
        try:
            return pl.read_parquet(path, glob=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise InputError(f"not a readable Parquet file ({error})", str(path), "import its bars again") from None

    def merge(self, bars: pl.DataFrame, timeframe: Timeframe) -> tuple[Path, ...]:
        """Add valid bars to what is there, one file a symbol; a bar that comes again replaces the one before."""
        merged: dict[Path, pl.DataFrame] = {}
        for (symbol,), own in normalise(bars).partition_by(SYMBOL, as_dict=True, maintain_order=True).items():
            both = pl.concat([self.read(str(symbol), timeframe), own])
            merged[self.path(str(symbol), timeframe)] = both.unique(TS, keep="last", maintain_order=True).sort(TS)
        # a file that cannot be read ends it before any is written
        for path, frame in merged.items():
            write_frame(frame, path)
        return tuple(merged)


def daily_of(state_dir: Path, symbols: Sequence[str]) -> pl.DataFrame:
    """Read the daily bars of `symbols` from a state dir's store; `InputError` where it has none of any of them."""
    store = BarStore(state_dir)
    known = [symbol for symbol in symbols if symbol in store.symbols(Timeframe.D1)]
    if not known:
        raise InputError(
            "there are no daily bars", str(store.folder(Timeframe.D1)), "bring them in with axiomd data import"
        )
    return pl.concat([store.read(symbol, Timeframe.D1) for symbol in known])


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame as Parquet (zstd), atomically; raises `InputError` where the folder cannot be written."""
    _replace(path, lambda file: frame.write_parquet(file, compression="zstd", statistics=True))


def write_quality(report: QualityReport, artifacts_dir: Path) -> Path:
    """Write a report as `quality/{symbol}-{first date}-{last date}.json` under the artifacts folder, atomically."""
    # a symbol may hold a blank, and is named as it is
    name = f"{quote(report.symbol, safe=' ')}-{report.first_date}-{report.last_date}.json"
    path = artifacts_dir / "quality" / name
    text = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    _replace(path, lambda file: file.write(text))
    return path


def write_qualities(reports: Sequence[QualityReport], artifacts_dir: Path) -> tuple[Path, ...]:
    """Write every report."""
    return tuple(write_quality(report, artifacts_dir) for report in reports)


def _replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            try:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                temporary.chmod(0o644)
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        _sync_folder(path.parent)
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or error})", str(path), "check the folder and its permissions"
        ) from None


def _sync_folder(folder: Path) -> None:
    # a rename is durable only once its folder is
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
