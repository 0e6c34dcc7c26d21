"""Every rule of the bar contract, judged over a whole frame: all violations are found, not only the first.

It says what is wrong, where and how, and mends nothing. Sessions come as a table, so the same frame is judged alike on
any day and any machine. It stands at the border: what passes here is trusted by every station behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import numpy as np
import polars as pl

from axiomd.contracts.bars import COLUMNS, PRICE_COLUMNS, TS, VOLUME, Rule, Violation
from axiomd.contracts.errors import DataContractError
from axiomd.contracts.units import DAY_US, PRICE_SCALE, PRICE_UNITS_MAX, SHARES_MAX
from axiomd.core.market.columns import ALL_READ, DTYPES, BarColumns, Float64Array, Unread, find_column, take_apart
from axiomd.core.market.sessions import BoolArray, Int64Array, SessionTable

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TS_MIN_US: Final = (datetime(1900, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_TS_MAX_US: Final = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
PRICE_MIN: Final = 0.5 / PRICE_SCALE
"""A price below half a unit would be zero inside."""
PRICE_MAX: Final = PRICE_UNITS_MAX / PRICE_SCALE


def daily_violations(df: pl.DataFrame, unread: Unread = ALL_READ) -> tuple[Violation, ...]:
    """Find every violation in a frame of daily bars (`ts` = the session's date at 00:00 UTC)."""
    bars = take_apart(df, unread)
    found = [*structure_violations(df, bars), *_value_violations(bars), *_time_violations(bars)]
    if bars.ts_us is not None and bars.is_utc:
        off = _placeable(bars) & (bars.ts_us % DAY_US != 0)
        found += _at(bars, off, Rule.OFF_GRID, lambda i: f"a daily bar stands at 00:00 UTC, not {_clock(bars, i, UTC)}")
    return tuple(found)


def intraday_violations(
    df: pl.DataFrame, table: SessionTable, *, timeframe_us: int, zone: tzinfo = UTC, unread: Unread = ALL_READ
) -> tuple[Violation, ...]:
    """Find every violation in a frame of intraday bars, judged against sessions that cover all its times.

    `zone` only words the details. Times without a zone are judged by their order alone.
    """
    bars = take_apart(df, unread)
    return (*structure_violations(df, bars), *bar_violations(bars, table, timeframe_us=timeframe_us, zone=zone))


def bar_violations(
    bars: BarColumns, table: SessionTable, *, timeframe_us: int, zone: tzinfo = UTC
) -> tuple[Violation, ...]:
    """Find what `intraday_violations` finds in a frame whose structure was judged already and that is taken apart."""
    found = [*_value_violations(bars), *_time_violations(bars)]
    return (*found, *_session_violations(bars, table, timeframe_us, zone))


def structure_violations(df: pl.DataFrame, bars: BarColumns) -> list[Violation]:
    """Find what is wrong with the columns themselves, and the values that are missing where none may be."""
    found: list[Violation] = []
    for name in COLUMNS:
        column = find_column(df, name)
        if column is None:
            found.append(_frame(Rule.MISSING_COLUMN, f"column {name} is missing"))
            continue
        if column != name:
            found.append(_frame(Rule.WRONG_CASE, f"column {column!r} must be written {name}"))
        found += _dtype_violations(name, df.schema[column])
    if bars.code is not None:
        found += _at(bars, bars.code < 0, Rule.WRONG_DTYPE, lambda _: "symbol is missing")
    if bars.ts_known is not None:
        found += _at(bars, _untold(bars, TS, ~bars.ts_known), Rule.WRONG_DTYPE, lambda _: "ts is missing")
    if bars.volume_known is not None:
        found += _at(bars, _untold(bars, VOLUME, ~bars.volume_known), Rule.WRONG_DTYPE, lambda _: "VOLUME is missing")
    return found


def session_faults(ts_us: Int64Array, table: SessionTable, timeframe_us: int) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Tell bars outside every session, across a session's edge, and off the grid: three masks over `ts_us`.

    The grid is anchored at the open of the bar's session, outside sessions at the open before (or the first). The last
    bar of a session whose length is no multiple of the timeframe is cut by the close and crosses nothing.
    """
    if not len(table):
        return np.ones(len(ts_us), np.bool_), np.zeros(len(ts_us), np.bool_), ts_us % timeframe_us != 0
    outside = table.indices_of(ts_us) < 0
    before = np.maximum(table.opened_before(ts_us), 0)
    off_grid = (ts_us - table.open_us[before]) % timeframe_us != 0
    crossing = np.zeros(len(ts_us), np.bool_)
    # a bar on the grid of its own session crosses nothing: the others are few
    odd = np.flatnonzero(outside | off_grid)
    crossing[odd] = _crosses(ts_us[odd], before[odd], ~outside[odd], table, timeframe_us)
    return outside & ~crossing, crossing, off_grid


def _crosses(
    ts_us: Int64Array, before: Int64Array, inside: BoolArray, table: SessionTable, timeframe_us: int
) -> BoolArray:
    """Tell which bars off the grid or outside every session run over an edge; `before` opened last before each."""
    after = np.minimum(before + 1, len(table) - 1)
    end_us = ts_us + timeframe_us
    leaves = (end_us > table.close_us[before]) | (
        (ts_us < table.break_start_us[before]) & (end_us > table.break_start_us[before])
    )
    enters = np.zeros(len(ts_us), np.bool_)
    for opens_us in (table.open_us[before], table.open_us[after], table.break_end_us[before]):
        enters |= (ts_us < opens_us) & (opens_us < end_us)
    return np.where(inside, leaves, enters)


def named(bars: BarColumns, rule: Rule, details: Mapping[int, str]) -> list[Violation]:
    """Name a rule that is broken in some rows, and how, with their symbol and time where these can be told."""
    return _rows(bars, details, rule, details.__getitem__)


def raise_if_any(violations: Sequence[Violation], where: str) -> None:
    """Raise one `DataContractError` that counts the violations by rule and carries them all."""
    if not violations:
        return
    counts = ", ".join(f"{rule} x {count}" for rule, count in sorted(Counter(v.rule for v in violations).items()))
    raise DataContractError(f"{counts}; first: {violations[0]}", where, violations=tuple(violations))


def placeable_span(bars: BarColumns) -> tuple[int, int] | None:
    """Give the first and the last time of a frame, UTC microseconds; None where no row has one that can be placed."""
    if bars.ts_us is None or not bars.is_utc:
        return None
    placeable = bars.ts_us[_placeable(bars)]
    return (int(placeable.min()), int(placeable.max())) if len(placeable) else None


def moment(ts_us: int) -> datetime:
    """Turn UTC microseconds into an aware datetime."""
    return _EPOCH + timedelta(microseconds=int(ts_us))


def _dtype_violations(name: str, dtype: pl.DataType) -> Iterator[Violation]:
    if name != TS or not isinstance(dtype, pl.Datetime):
        if dtype != DTYPES[name]:
            yield _frame(Rule.WRONG_DTYPE, f"column {name} is {dtype}, not {DTYPES[name]}")
        return
    if dtype.time_unit != "us":
        yield _frame(Rule.WRONG_DTYPE, f"column ts counts in {dtype.time_unit}, not in us")
    if dtype.time_zone is None:
        yield _frame(Rule.NAIVE_TIMESTAMP, "column ts has no time zone; it must be UTC")
    elif dtype.time_zone != "UTC":
        yield _frame(Rule.NOT_UTC, f"column ts is in {dtype.time_zone}, not in UTC")


def _value_violations(bars: BarColumns) -> list[Violation]:
    found: list[Violation] = []
    if bars.prices:
        missing = {name: _untold(bars, name, np.isnan(price)) for name, price in bars.prices.items()}
        any_missing = np.logical_or.reduce(list(missing.values()))
        found += _at(bars, any_missing, Rule.NAN_OHLC, lambda i: f"{_names_at(missing, i)} has no value")
        found += _at(bars, _bad_range(bars.prices), Rule.BAD_OHLC_RANGE, lambda i: _range_detail(bars.prices, i))
    if bars.volume is not None:
        volume = bars.volume
        found += _at(bars, volume < 0, Rule.NEGATIVE_VOLUME, lambda i: f"VOLUME {volume[i]} is below 0")
        # a sum of several is computed with
        beyond = volume > SHARES_MAX
        found += _at(bars, beyond, Rule.WRONG_DTYPE, lambda i: f"VOLUME {volume[i]} is above {SHARES_MAX}")
    return found


def _bad_range(prices: dict[str, Float64Array]) -> BoolArray:
    bad = np.zeros(len(next(iter(prices.values()))), np.bool_)
    with np.errstate(invalid="ignore"):  # a missing value is the business of nan_ohlc
        for price in prices.values():
            bad |= (price < PRICE_MIN) | (price >= PRICE_MAX)
        for low, high in _MUST_RISE:
            if low in prices and high in prices:
                bad |= prices[low] > prices[high]
    return bad


_MUST_RISE: Final = (("LOW", "OPEN"), ("LOW", "CLOSE"), ("OPEN", "HIGH"), ("CLOSE", "HIGH"), ("LOW", "HIGH"))


def _range_detail(prices: dict[str, Float64Array], i: int) -> str:
    at = {name: float(prices[name][i]) for name in PRICE_COLUMNS if name in prices}
    for name, price in at.items():
        if price < PRICE_MIN:
            return f"{name} {price} is not a positive price"
        if price >= PRICE_MAX:
            return f"{name} {price} is beyond any price ({PRICE_MAX:.0f})"
    low, high = next((low, high) for low, high in _MUST_RISE if low in at and high in at and at[low] > at[high])
    return f"{low} {at[low]} is above {high} {at[high]}"


def _untold(bars: BarColumns, name: str, missing: BoolArray) -> BoolArray:
    """Give the cells of a column that are missing, without those that could not be read and were told as that."""
    return missing & ~bars.unread[name] if name in bars.unread else missing


def _names_at(columns: dict[str, BoolArray], i: int) -> str:
    return ", ".join(name for name, marked in columns.items() if marked[i])


def _time_violations(bars: BarColumns) -> list[Violation]:
    if bars.ts_us is None or bars.ts_known is None or bars.code is None:
        return []
    far = bars.ts_known & ~_placeable(bars)
    found = _at(bars, far, Rule.OFF_GRID, lambda _: "ts is not between the years 1900 and 2200")
    rows = np.flatnonzero(_placeable(bars))
    whole = len(rows) == bars.height
    code, ts_us = (bars.code, bars.ts_us) if whole else (bars.code[rows], bars.ts_us[rows])
    if not bool((code[1:] >= code[:-1]).all()):
        order = np.argsort(code, kind="stable")
        rows, code, ts_us = rows[order], code[order], ts_us[order]
    same_symbol = code[1:] == code[:-1]
    back = same_symbol & (ts_us[1:] < ts_us[:-1])
    if back.any():
        found += _rows(bars, rows[1:][back], Rule.NOT_MONOTONIC, lambda _: "comes after a later bar")
        order = np.lexsort((ts_us, code))
        rows, code, ts_us = rows[order], code[order], ts_us[order]
        same_symbol = code[1:] == code[:-1]
    again = same_symbol & (ts_us[1:] == ts_us[:-1])
    found += _rows(bars, rows[1:][again], Rule.DUPLICATE_INDEX, lambda _: "the symbol has a bar of this time")
    return found


def _session_violations(bars: BarColumns, table: SessionTable, timeframe_us: int, zone: tzinfo) -> list[Violation]:
    if bars.ts_us is None or not bars.is_utc:
        return []
    placeable = _placeable(bars)
    outside, crossing, off_grid = (mask & placeable for mask in session_faults(bars.ts_us, table, timeframe_us))
    name, minutes = table.calendar, timeframe_us // 60_000_000
    return [
        *_at(bars, outside, Rule.OUTSIDE_SESSION, lambda i: f"{_clock(bars, i, zone)} is in no session of {name}"),
        *_at(
            bars,
            crossing,
            Rule.CROSS_SESSION,
            lambda i: f"{_clock(bars, i, zone)} runs over a session's edge of {name}",
        ),
        *_at(bars, off_grid, Rule.OFF_GRID, lambda i: f"{_clock(bars, i, zone)} is not on the {minutes}-minute grid"),
    ]


def _placeable(bars: BarColumns) -> BoolArray:
    assert bars.ts_us is not None
    assert bars.ts_known is not None
    return bars.ts_known & (bars.ts_us >= _TS_MIN_US) & (bars.ts_us < _TS_MAX_US)


def _clock(bars: BarColumns, i: int, zone: tzinfo) -> str:
    assert bars.ts_us is not None
    return f"{moment(bars.ts_us[i]).astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def _frame(rule: Rule, detail: str) -> Violation:
    return Violation(rule=rule, symbol=None, ts=None, detail=detail)


def _at(bars: BarColumns, mask: BoolArray, rule: Rule, detail: Callable[[int], str]) -> list[Violation]:
    return _rows(bars, np.flatnonzero(mask), rule, detail)


def _rows(bars: BarColumns, rows: Iterable[int], rule: Rule, detail: Callable[[int], str]) -> list[Violation]:
    return [Violation(rule=rule, symbol=_symbol(bars, i), ts=_ts(bars, i), detail=detail(i)) for i in rows]


def _symbol(bars: BarColumns, i: int) -> str | None:
    return bars.symbols[bars.code[i]] if bars.code is not None and bars.code[i] >= 0 else None


def _ts(bars: BarColumns, i: int) -> datetime | None:
    if bars.ts_us is None or not _TS_MIN_US <= bars.ts_us[i] < _TS_MAX_US:
        return None
    return moment(bars.ts_us[i]) if bars.ts_known is not None and bars.ts_known[i] else None
