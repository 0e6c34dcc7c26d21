"""The public face of the bar contract: validate a daily or an intraday frame, resample minutes to five minutes.

Thin wrappers that bring the calendar to the rules of the core. They take polars frames and raise one error that holds
every violation; they mend nothing and keep nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from axiomd.contracts.bars import PRICE_COLUMNS, SYMBOL, TS, VOLUME, Rule, Timeframe, Violation
from axiomd.contracts.errors import ConfigError, DataContractError
from axiomd.core.market.columns import ALL_READ, DTYPES, BarColumns, Unread, normalise, take_apart
from axiomd.core.market.sessions import SessionTable
from axiomd.core.market.validate import (
    daily_violations,
    intraday_violations,
    moment,
    placeable_span,
    raise_if_any,
)
from axiomd.feeds.calendars import session_table, time_zone

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar


def assert_valid_daily(df: pl.DataFrame) -> None:
    """Check a frame of daily bars (`ts` = the session's date at 00:00 UTC).

    Raises `DataContractError` whose `.violations` holds every `Violation` (rule, symbol, ts, detail).
    """
    raise_if_any(daily_violations(polars_frame(df)), "daily bars")


def assert_valid_intraday(
    df: pl.DataFrame, calendar: str | ExchangeCalendar, tz: str, timeframe: str | Timeframe = Timeframe.M1
) -> None:
    """Check a frame of intraday bars against the sessions of a calendar ("XNYS"); `tz` only words the details.

    `timeframe` is "m1" or "m5". Raises `DataContractError` whose `.violations` holds every `Violation` (rule, symbol,
    ts, detail), and `ConfigError` for an unknown calendar, time zone or timeframe.
    """
    raise_if_any(find_intraday(df, calendar, tz, timeframe), "intraday bars")


def find_intraday(
    df: pl.DataFrame,
    calendar: str | ExchangeCalendar,
    tz: str,
    timeframe: str | Timeframe = Timeframe.M1,
    unread: Unread = ALL_READ,
) -> tuple[Violation, ...]:
    """List what `assert_valid_intraday` would raise; the cells of `unread` were told already and are not missing."""
    zone, step_us = time_zone(tz), intraday_timeframe(timeframe).us
    table = covering_table(take_apart(polars_frame(df)), calendar)
    return intraday_violations(df, table, timeframe_us=step_us, zone=zone, unread=unread)


def resample_m1_to_m5(df_m1: pl.DataFrame, calendar: str | ExchangeCalendar, tz: str) -> pl.DataFrame:
    """Make five-minute bars of one-minute bars, on the grid from each session's open, never across sessions.

    Bars outside sessions are left out; an interval without a bar has no row. The result keeps the contract, sorted by
    (symbol, ts). Raises `DataContractError` for any violation but `outside_session`.
    """
    from axiomd.core.market.resample import resample_arrays

    raise_if_any(
        [v for v in find_intraday(df_m1, calendar, tz) if v.rule != Rule.OUTSIDE_SESSION], "resampling one-minute bars"
    )
    frame = normalise(df_m1).sort(SYMBOL, TS)
    columns = take_apart(frame)
    if columns.code is None or columns.ts_us is None or not frame.height:
        return frame
    bars = frame.select(*PRICE_COLUMNS, pl.col(VOLUME).cast(pl.Float64)).to_numpy()
    result = resample_arrays(
        columns.code,
        columns.ts_us,
        np.ascontiguousarray(bars),
        covering_table(columns, calendar),
        step_us=Timeframe.M5.us,
    )
    names = pl.Series(columns.symbols, dtype=pl.String)
    return pl.DataFrame(
        {
            SYMBOL: names.gather(result.symbol),
            TS: pl.Series(result.ts_us).cast(DTYPES[TS]),
            **{name: result.bars[:, k] for k, name in enumerate(PRICE_COLUMNS)},
            VOLUME: pl.Series(result.bars[:, 4]).cast(pl.Int64),
        },
        schema=DTYPES,
    )


def covering_table(columns: BarColumns, calendar: str | ExchangeCalendar) -> SessionTable:
    """Build the sessions around all times of a frame; those of a single day where it has none to place."""
    first_us, last_us = placeable_span(columns) or (0, 0)
    return session_table(
        calendar, moment(first_us).date() - timedelta(days=1), moment(last_us).date() + timedelta(days=1)
    )


def intraday_timeframe(name: str | Timeframe) -> Timeframe:
    """Read "m1" or "m5"; raises `ConfigError` for anything else."""
    if name in (Timeframe.M1, Timeframe.M5):
        return Timeframe(name)
    raise ConfigError(f"unknown timeframe {str(name)!r}", "timeframe", "use m1 or m5")


def polars_frame(df: object) -> pl.DataFrame:
    """Take a polars frame and nothing else; a pandas frame or a lazy one is refused with the way to convert it."""
    if isinstance(df, pl.DataFrame):
        return df
    kind = f"{type(df).__module__.partition('.')[0]} {type(df).__name__}"
    remedy = (
        "call .collect() on it" if isinstance(df, pl.LazyFrame) else "convert it, for example polars.from_pandas(df)"
    )
    violation = Violation(rule=Rule.WRONG_DTYPE, symbol=None, ts=None, detail=f"a {kind} is no polars DataFrame")
    raise DataContractError(violation.detail, "bars", remedy, violations=(violation,))
