"""A frame of bars taken apart into plain arrays, as far as its columns allow.

Validation, quality and the tape all work on these arrays, so that the casing of symbols is normalised in one place and
a frame with one broken column can still be judged in all the others. It judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from axiomd.contracts.bars import COLUMNS, PRICE_COLUMNS, SYMBOL, TS, VOLUME, normalise_symbol
from axiomd.core.market.sessions import BoolArray, Int64Array

Float64Array = npt.NDArray[np.float64]
Unread = Mapping[str, BoolArray]

DTYPES: Final[dict[str, pl.DataType]] = {
    SYMBOL: pl.String(),
    TS: pl.Datetime("us", "UTC"),
    **{name: pl.Float64() for name in PRICE_COLUMNS},
    VOLUME: pl.Int64(),
}
"""The contract's dtypes as polars has them."""

ALL_READ: Final[Unread] = MappingProxyType({})
EMPTY: Final = pl.DataFrame(schema=DTYPES)
"""A frame of no bars that keeps the contract."""


@dataclass(frozen=True, slots=True, eq=False)
class BarColumns:
    """Arrays of one frame, in its order of rows; a column that cannot be read is None.

    `symbols` are the normalised names, rising, `code` the index into them (-1: missing). `ts_us` is UTC, `ts_known`
    marks the rows that have one; `is_utc` is False where the frame's times are naive, and then only their order counts.
    Prices are `float64[n]` with NaN for missing values; `volume` is `int64[n]`, 0 where `volume_known` is False.
    `unread` marks, by column, the cells that hold something which whoever read the file could not read, and has told.
    """

    height: int
    symbols: tuple[str, ...]
    code: Int64Array | None
    ts_us: Int64Array | None
    ts_known: BoolArray | None
    is_utc: bool
    prices: dict[str, Float64Array]
    volume: Int64Array | None
    volume_known: BoolArray | None
    unread: Unread


def find_column(df: pl.DataFrame, name: str) -> str | None:
    """Find a contract column in a frame, in its own case first, then in any other; None where it is missing."""
    if name in df.columns:
        return name
    return next((column for column in df.columns if column.upper() == name.upper()), None)


def normalise(df: pl.DataFrame) -> pl.DataFrame:
    """Cut a valid frame to the contract's columns with symbols in their one spelling."""
    spelled = df[SYMBOL].unique().to_list()
    if all(symbol == normalise_symbol(symbol) for symbol in spelled):
        return df.select(COLUMNS)
    return df.select(COLUMNS).with_columns(
        pl.col(SYMBOL).replace_strict(spelled, [normalise_symbol(symbol) for symbol in spelled], return_dtype=pl.String)
    )


def legible(df: pl.DataFrame) -> pl.DataFrame:
    """Give what can be read of a frame in the contract's columns and dtypes: missing prices for columns that cannot.

    Rows without a symbol or a UTC time are left out, and all of them where the whole column cannot be read.
    """
    bars = take_apart(df)
    if bars.code is None or bars.ts_us is None or bars.ts_known is None or not bars.is_utc or not bars.symbols:
        return EMPTY
    missing = np.full(bars.height, np.nan)
    volume = bars.volume if bars.volume is not None else np.zeros(bars.height, dtype=np.int64)
    return pl.DataFrame(
        {
            SYMBOL: pl.Series(bars.symbols, dtype=pl.String).gather(np.maximum(bars.code, 0)),
            TS: pl.Series(bars.ts_us).cast(DTYPES[TS]),
            **{name: bars.prices.get(name, missing) for name in PRICE_COLUMNS},
            VOLUME: volume,
        },
        schema=DTYPES,
    ).filter(pl.Series((bars.code >= 0) & bars.ts_known))


def take_apart(df: pl.DataFrame, unread: Unread = ALL_READ) -> BarColumns:
    """Turn a frame into arrays, column by column, without judging it; never raises on what a column holds."""
    symbols, code = _symbols(df)
    ts_us, ts_known, is_utc = _times(df)
    volume, volume_known = _volume(df)
    return BarColumns(
        height=df.height,
        symbols=symbols,
        code=code,
        ts_us=ts_us,
        ts_known=ts_known,
        is_utc=is_utc,
        prices=_prices(df),
        volume=volume,
        volume_known=volume_known,
        unread=unread,
    )


def _symbols(df: pl.DataFrame) -> tuple[tuple[str, ...], Int64Array | None]:
    column = find_column(df, SYMBOL)
    if column is None or df.schema[column] not in (pl.String, pl.Categorical, pl.Enum):
        return (), None
    written = df[column].cast(pl.String)
    spelled = written.drop_nulls().unique().to_list()
    known = {normalise_symbol(symbol) for symbol in spelled}
    names = tuple(sorted(known - {""}))  # a blank names nothing
    if not names:
        return (), np.full(df.height, -1, dtype=np.int64)
    if len(known) == 1 and not written.null_count():
        return names, np.zeros(df.height, dtype=np.int64)
    index = {name: k for k, name in enumerate(names)}
    code = written.replace_strict(
        spelled, [index.get(normalise_symbol(symbol)) for symbol in spelled], default=None, return_dtype=pl.Int64
    )
    return names, code.fill_null(-1).to_numpy()


def _times(df: pl.DataFrame) -> tuple[Int64Array | None, BoolArray | None, bool]:
    column = find_column(df, TS)
    dtype = df.schema[column] if column is not None else None
    if column is None or not isinstance(dtype, pl.Datetime):
        return None, None, False
    series = df[column].dt.cast_time_unit("us")
    return series.to_physical().fill_null(0).to_numpy(), series.is_not_null().to_numpy(), dtype.time_zone is not None


def _prices(df: pl.DataFrame) -> dict[str, Float64Array]:
    found = {name: find_column(df, name) for name in PRICE_COLUMNS}
    return {
        name: df[column].cast(pl.Float64).to_numpy()
        for name, column in found.items()
        if column is not None and df.schema[column].is_numeric()
    }


def _volume(df: pl.DataFrame) -> tuple[Int64Array | None, BoolArray | None]:
    column = find_column(df, VOLUME)
    if column is None or not df.schema[column].is_numeric():
        return None, None
    series = df[column].cast(pl.Int64, strict=False)
    return series.fill_null(0).to_numpy(), series.is_not_null().to_numpy()
