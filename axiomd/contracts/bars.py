"""Bars by name: the columns, dtypes and timeframes every frame of market data has, and the rules it can break.

It says what a valid daily or intraday frame is, in plain strings, so that anything can read it without a data library.
It never looks at data: `axiomd.core.market.validate` does, at the border where bars enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from axiomd.contracts.units import DAY_US, MINUTE_US

SYMBOL: Final = "symbol"
TS: Final = "ts"
PRICE_COLUMNS: Final = ("OPEN", "HIGH", "LOW", "CLOSE")
VOLUME: Final = "VOLUME"
COLUMNS: Final = (SYMBOL, TS, *PRICE_COLUMNS, VOLUME)

DTYPES: Final[dict[str, str]] = {
    SYMBOL: "String",
    TS: "Datetime(us, UTC)",
    **dict.fromkeys(PRICE_COLUMNS, "Float64"),
    VOLUME: "Int64",
}
"""Column to dtype; prices in the instrument's currency, VOLUME in shares, `ts` the START of the bar."""


class Timeframe(StrEnum):
    """The timeframes bars come in; `us` is a bar's length in microseconds."""

    M1 = "m1"
    M5 = "m5"
    D1 = "d1"

    @property
    def us(self) -> int:
        """Length of a bar in microseconds; a daily bar counts as the whole UTC day of its session's date."""
        return _LENGTH_US[self]


_LENGTH_US: Final = {Timeframe.M1: MINUTE_US, Timeframe.M5: 5 * MINUTE_US, Timeframe.D1: DAY_US}


class Rule(StrEnum):
    """The rules a frame can break, by their public names."""

    MISSING_COLUMN = "missing_column"
    WRONG_CASE = "wrong_case"
    WRONG_DTYPE = "wrong_dtype"
    NAIVE_TIMESTAMP = "naive_timestamp"
    NOT_UTC = "not_utc"
    NOT_MONOTONIC = "not_monotonic"
    DUPLICATE_INDEX = "duplicate_index"
    NAN_OHLC = "nan_ohlc"
    BAD_OHLC_RANGE = "bad_ohlc_range"
    NEGATIVE_VOLUME = "negative_volume"
    OUTSIDE_SESSION = "outside_session"
    CROSS_SESSION = "cross_session"
    OFF_GRID = "off_grid"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: where (`symbol`, `ts` = start of the bar, UTC; None where the whole frame is meant) and how."""

    rule: str
    symbol: str | None
    ts: datetime | None
    detail: str

    def __str__(self) -> str:
        where = " ".join(part for part in (self.symbol, self.ts.isoformat() if self.ts else None) if part)
        return f"{self.rule}: {where}: {self.detail}" if where else f"{self.rule}: {self.detail}"


def normalise_symbol(symbol: str) -> str:
    """Give a symbol its one spelling: upper case, no blanks around it."""
    return symbol.strip().upper()


@dataclass(frozen=True, slots=True)
class DailyFrameSpec:
    """What a daily frame must be: one row a symbol and session, `ts` = the session's date at 00:00 UTC."""

    columns: tuple[str, ...] = COLUMNS
    timeframe: Timeframe = Timeframe.D1

    @property
    def dtypes(self) -> dict[str, str]:
        """Column to dtype name."""
        return dict(DTYPES)


@dataclass(frozen=True, slots=True)
class IntradayFrameSpec:
    """What an intraday frame must be: rows by symbol with rising `ts`, inside the calendar's sessions, on the grid."""

    calendar: str
    columns: tuple[str, ...] = COLUMNS
    timeframe: Timeframe = Timeframe.M1

    @property
    def dtypes(self) -> dict[str, str]:
        """Column to dtype name."""
        return dict(DTYPES)
