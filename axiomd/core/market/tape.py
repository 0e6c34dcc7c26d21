"""The bars of a run as one array: validated, sorted, in integer price units, with the hash that names them.

What a replay and a compiled backtest walk over. The hash is over the bars themselves in one canonical form, so the same
bars have the same hash from whatever files they came. A tape is never changed after it was made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from axiomd.contracts.bars import COLUMNS, PRICE_COLUMNS, SYMBOL, TS, VOLUME
from axiomd.contracts.units import PRICE_SCALE
from axiomd.core.market.sessions import Int64Array, SessionTable

if TYPE_CHECKING:
    import polars as pl

    from axiomd.core.market.columns import Float64Array

TS_US: Final = 0
SYMBOL_INDEX: Final = 1
OPEN: Final = 2
HIGH: Final = 3
LOW: Final = 4
CLOSE: Final = 5
VOLUME_SHARES: Final = 6
TAPE_WIDTH: Final = 7
ROWS_TOGETHER: Final = 32_768
"""Rows of a tape that are filled in at a time: two megabytes."""


@dataclass(frozen=True, slots=True)
class TapeFile:
    """One file behind a tape, for the manifest: content hash, all its rows, first and last `ts` (UTC microseconds)."""

    path: str
    sha256: str
    rows: int
    first_ts_us: int
    last_ts_us: int


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """Bars of all symbols of a run.

    `bars` is `int64[n, 7]`, C-contiguous, sorted by (ts, symbol index): start of the bar in UTC microseconds, index
    into `symbols` (which rise), OPEN, HIGH, LOW, CLOSE in 1/10,000 of the currency, VOLUME in shares. `sessions` covers
    every bar. `dropped` counts the bars outside sessions that were left out, `dropped_near` likewise by the session
    that was nearest (`int64[sessions]`, empty where nobody counted), `between_ticks` the prices off the tick grid.
    `sha256` is over the bars and symbols alone. `memo` keeps what was found of the bars, to be found once.
    """

    symbols: tuple[str, ...]
    bars: Int64Array
    timeframe_us: int
    sessions: SessionTable
    dropped: int
    between_ticks: int
    sha256: str
    files: tuple[TapeFile, ...]
    dropped_near: Int64Array = field(default_factory=lambda: np.zeros(0, np.int64))
    memo: list[object] = field(default_factory=list, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.bars)


def price_units(price: Float64Array) -> Int64Array:
    """Turn prices in the currency into 1/10,000 units, half to even; they must be finite and below 1e9."""
    assert bool(np.all(np.abs(price) < 1e9)), "a price is not finite or beyond any price"
    return np.rint(price * PRICE_SCALE).astype(np.int64)


def bars_sha256(symbols: tuple[str, ...], bars: Int64Array, timeframe_us: int) -> str:
    """Hash bars in their canonical form: a header of timeframe and symbols, then little-endian int64 by row."""
    header = "\n".join(("axiomd bars 1", str(timeframe_us), *symbols, ""))
    digest = hashlib.sha256(header.encode())
    digest.update(np.ascontiguousarray(bars, dtype="<i8").data)
    return digest.hexdigest()


def frame_sha256(frame: pl.DataFrame, timeframe_us: int) -> str:
    """Hash a valid frame of bars as `bars_sha256` does, so that a frame and its tape have one name."""
    symbols = tuple(sorted(frame[SYMBOL].unique().to_list()))
    bars = bars_array(frame.select(COLUMNS), symbols)
    return bars_sha256(symbols, bars, timeframe_us)


def bars_array(frame: pl.DataFrame, symbols: tuple[str, ...]) -> Int64Array:
    """Turn a valid frame into the array of a tape: `int64[n, 7]`, sorted by (ts, index into `symbols`)."""
    bars = np.empty((frame.height, TAPE_WIDTH), dtype=np.int64)
    ts_us, volume = frame[TS].to_physical().to_numpy(), frame[VOLUME].to_numpy()
    prices = [frame[name].to_numpy() for name in PRICE_COLUMNS]
    # some rows at a time: a column of the array is every seventh word, and the whole of it does not stay in the cache
    for first in range(0, frame.height, ROWS_TOGETHER):
        some = slice(first, first + ROWS_TOGETHER)
        bars[some, TS_US] = ts_us[some]
        for column, price in zip((OPEN, HIGH, LOW, CLOSE), prices, strict=True):
            bars[some, column] = price_units(price[some])
        bars[some, VOLUME_SHARES] = volume[some]
    bars[:, SYMBOL_INDEX] = 0
    if len(symbols) > 1:
        import polars as pl  # a frame is there, so it costs nothing: who only walks over tapes never loads it

        bars[:, SYMBOL_INDEX] = frame[SYMBOL].replace_strict(symbols, range(len(symbols)), return_dtype=pl.Int64)
    return in_order(bars)


def in_order(bars: Int64Array) -> Int64Array:
    """Sort the rows of a tape by (ts, symbol index); rows already so are given back as they are."""
    ts_us, symbol = bars[:, TS_US], bars[:, SYMBOL_INDEX]
    later = ts_us[1:] > ts_us[:-1]
    together = (ts_us[1:] == ts_us[:-1]) & (symbol[1:] >= symbol[:-1])
    if bool(np.all(later | together)):
        return bars
    # one key, since a stable sort merges the runs of whole symbols that files come in; a lexsort sorts twice
    width = int(symbol.max()) + 1
    key = (ts_us - ts_us.min()) * width + symbol
    return np.ascontiguousarray(bars[np.argsort(key, kind="stable")])


def count_between_ticks(bars: Int64Array, tick_units: Int64Array) -> int:
    """Count the prices that lie off the grid; `tick_units[k]` is the tick of symbol k in price units."""
    ticks = tick_units[bars[:, SYMBOL_INDEX]]
    return int(sum(np.count_nonzero(bars[:, column] % ticks) for column in (OPEN, HIGH, LOW, CLOSE)))
