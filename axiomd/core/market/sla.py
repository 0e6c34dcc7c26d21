"""The four service levels of market data: how complete, how late, how clean a symbol's bars are, and every gap.

It measures what is there against what the calendar expects and says pass or fail; what follows from a failure (no
promotion, no entries) is decided elsewhere. It never reads a clock: live, the moment to judge at is an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from axiomd.contracts.bars import Timeframe
from axiomd.contracts.quality import LATENESS_MINUTES_MAX, M5_COMPLETENESS_MIN, Gap, QualityReport, Sla
from axiomd.contracts.units import MINUTE_US, iso_time
from axiomd.core.market.sessions import BoolArray, Int64Array, SessionTable
from axiomd.core.market.tape import SYMBOL_INDEX, TS_US, Tape

if TYPE_CHECKING:
    import polars as pl

    from axiomd.core.market.columns import BarColumns

STEP_US: Final = Timeframe.M5.us


def measure_frame(
    df: pl.DataFrame, table: SessionTable, *, bar_us: int = MINUTE_US, now_us: int | None = None
) -> tuple[QualityReport, ...]:
    """Measure every symbol of a frame, valid or not, that has a bar inside a session; symbols rise.

    `table` covers all bars, `bar_us` is their timeframe. See `measure` for what is measured.
    """
    from axiomd.core.market.columns import take_apart  # it loads polars, which a daemon does without

    bars = take_apart(df)
    if bars.code is None or bars.ts_us is None or bars.ts_known is None:
        return ()
    missing = _missing_price(bars)
    reports = []
    for code, symbol in enumerate(bars.symbols):
        own = (bars.code == code) & bars.ts_known
        ts_us = bars.ts_us[own]
        if (table.indices_of(ts_us) >= 0).any():
            nan_bars = int(np.count_nonzero(missing[own]))
            reports.append(measure(symbol, ts_us, table, bar_us=bar_us, nan_bars=nan_bars, now_us=now_us))
    return tuple(reports)


def measure_tape(tape: Tape) -> tuple[QualityReport, ...]:
    """Measure every symbol of a tape that has a bar; a tape has neither missing prices nor double bars."""
    return measure_bars(tape.symbols, tape.bars, tape.sessions, tape.timeframe_us)


def measure_bars(
    symbols: tuple[str, ...], bars: Int64Array, table: SessionTable, bar_us: int
) -> tuple[QualityReport, ...]:
    """Measure every symbol that has a bar among rows as those of a tape."""
    return tuple(
        measure(symbols[index], ts_us, table, bar_us=bar_us)
        for index, ts_us in enumerate(_by_symbol(symbols, bars))
        if len(ts_us)
    )


def measure(
    symbol: str,
    ts_us: Int64Array,
    table: SessionTable,
    *,
    bar_us: int = MINUTE_US,
    nan_bars: int = 0,
    now_us: int | None = None,
) -> QualityReport:
    """Measure one symbol's bars by their starts (UTC microseconds, in any order, at least one inside a session).

    Expected are the M5 intervals from the open of the session of its first bar to the close of that of its last; live,
    to `now_us`, counting intervals that have ended. An interval is present when it holds at least one bar. Lateness is
    counted from the newest bar to the newest that should be there.
    """
    inside, session = ts_us, table.indices_of(ts_us)
    if bool((session < 0).any()):
        inside, session = ts_us[session >= 0], session[session >= 0]
    assert len(inside), "a symbol without a bar in a session has no quality"
    first, last = int(session.min()), int(session.max())
    if now_us is not None:
        last = max(last, int(np.searchsorted(table.open_us, now_us, side="left")) - 1)
    starts_us, of_session, ends_us = expected_intervals(table, first, last)
    if now_us is not None:
        ended = ends_us <= now_us
        starts_us, of_session, ends_us = starts_us[ended], of_session[ended], ends_us[ended]
    present = _present(starts_us, _interval_starts(inside, session, table))
    completeness = _ratio(int(present.sum()), len(present))
    lateness = _lateness_minutes(inside, table, last, bar_us, now_us)
    dupe_bars = _doubled(ts_us)
    levels = (
        Sla(figure=completeness, limit=M5_COMPLETENESS_MIN, passed=completeness >= M5_COMPLETENESS_MIN),
        Sla(figure=lateness, limit=LATENESS_MINUTES_MAX, passed=lateness <= LATENESS_MINUTES_MAX),
        Sla(figure=nan_bars, limit=0, passed=nan_bars == 0),
        Sla(figure=dupe_bars, limit=0, passed=dupe_bars == 0),
    )
    return QualityReport(
        symbol=symbol,
        calendar=table.calendar,
        first_date=table.date(first).isoformat(),
        last_date=table.date(last).isoformat(),
        m5_expected=len(present),
        m5_present=int(present.sum()),
        m5_completeness=levels[0],
        lateness_minutes=levels[1],
        no_nan_ohlc=levels[2],
        no_dupe_index=levels[3],
        passed=all(level.passed for level in levels),
        gaps=_gaps(symbol, starts_us[~present], ends_us[~present], of_session[~present], table),
    )


def expected_intervals(table: SessionTable, first: int, last: int) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Give the M5 intervals of sessions `first` to `last`: start, session index and end, `int64[n]` each.

    The grid is anchored at each open; the last interval ends with the session, and none starts in a lunch break.
    """
    opens_us, closes_us = table.open_us[first : last + 1], table.close_us[first : last + 1]
    counts = -((opens_us - closes_us) // STEP_US)
    of_session = np.repeat(np.arange(first, last + 1, dtype=np.int64), counts)
    within = np.arange(len(of_session), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    starts_us = table.open_us[of_session] + within * STEP_US
    if bool((table.break_start_us[first : last + 1] < closes_us).any()):
        kept = table.indices_of(starts_us) >= 0
        starts_us, of_session = starts_us[kept], of_session[kept]
    return starts_us, of_session, np.minimum(starts_us + STEP_US, table.close_us[of_session])


def _by_symbol(symbols: tuple[str, ...], bars: Int64Array) -> list[Int64Array]:
    """Give the starts of each symbol's bars, rising."""
    starts_us, code = np.ascontiguousarray(bars[:, TS_US]), bars[:, SYMBOL_INDEX]
    if len(symbols) == 1:
        return [starts_us]
    ends = np.cumsum(np.bincount(code, minlength=len(symbols)))
    return np.split(starts_us[np.argsort(code, kind="stable")], ends[:-1])


def _interval_starts(ts_us: Int64Array, session: Int64Array, table: SessionTable) -> Int64Array:
    starts_us = table.open_us[session]
    starts_us += (ts_us - starts_us) // STEP_US * STEP_US
    return starts_us


def _present(starts_us: Int64Array, found_us: Int64Array) -> BoolArray:
    """Mark the intervals of `starts_us`, which rise, that are among those found."""
    present = np.zeros(len(starts_us), np.bool_)
    if np.array_equal(starts_us[: len(found_us)], found_us):  # none missing up to the last: there is nothing to search
        present[: len(found_us)] = True
    elif len(starts_us):
        place = np.minimum(np.searchsorted(starts_us, found_us), len(starts_us) - 1)
        present[place[starts_us[place] == found_us]] = True
    return present


def _doubled(ts_us: Int64Array) -> int:
    steps = np.diff(ts_us)
    if not bool((steps > 0).all()):
        steps = np.diff(np.sort(ts_us))
    return int(np.count_nonzero(steps == 0))


def _ratio(present: int, expected: int) -> float:
    return present / expected if expected else 1.0


def _lateness_minutes(inside: Int64Array, table: SessionTable, last: int, bar_us: int, now_us: int | None) -> float:
    close_us = int(table.close_us[last])
    due_end_us = close_us if now_us is None else min(close_us, now_us)
    # the grid of the bars starts at the open, so the newest due is the last whole one before that moment
    open_us = int(table.open_us[last])
    whole = (due_end_us - open_us) // bar_us
    newest_due_us = open_us + (whole - 1) * bar_us
    if whole == 0:
        newest_due_us = int(table.close_us[last - 1]) - bar_us if last else open_us
    return max(0, newest_due_us - int(inside.max())) / MINUTE_US


def _gaps(
    symbol: str, starts_us: Int64Array, ends_us: Int64Array, of_session: Int64Array, table: SessionTable
) -> tuple[Gap, ...]:
    if not len(starts_us):
        return ()
    breaks = (starts_us[1:] != ends_us[:-1]) | (of_session[1:] != of_session[:-1])
    firsts = np.flatnonzero(np.concatenate(([True], breaks)))
    lasts = np.concatenate((firsts[1:], [len(starts_us)])) - 1
    return tuple(
        Gap(
            symbol=symbol,
            session=table.date(int(of_session[a])).isoformat(),
            start=iso_time(int(starts_us[a])),
            end=iso_time(int(ends_us[b])),
            m5_bars=int(b - a + 1),
        )
        for a, b in zip(firsts, lasts, strict=True)
    )


def _missing_price(bars: BarColumns) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    missing = np.zeros(bars.height, dtype=np.bool_)
    for price in bars.prices.values():
        missing |= np.isnan(price)
    return missing
