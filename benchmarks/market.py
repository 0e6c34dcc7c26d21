"""The market of the benchmarks: seeded, dense, as many bars as asked, in the form each contestant likes.

A random walk in ticks over real sessions of XNYS, vectorised, so that ten million bars are made in seconds; where even
fifty years of them hold too few bars, made-up weekdays with New York's hours follow. Dense: a setup comes about twice a
session, which is the expensive case for an engine.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from axiomd.contracts.units import MINUTE_US
from axiomd.core.market.sessions import SessionTable, days_of
from axiomd.core.market.tape import Tape, bars_sha256
from axiomd.feeds.calendars import session_table

FIRST = date(1971, 1, 4)
LAST = date(2023, 12, 29)
TICK_UNITS = 100


def dense_tape(count: int, symbols: int = 1, *, step_minutes: int = 5, seed: int = 7) -> Tape:
    """Make `count` bars in all, shared evenly among `symbols`."""
    each = count // symbols
    table = _sessions(each, step_minutes)
    starts_us, table = _starts(table, each, step_minutes)
    names = tuple(f"S{index:03d}" for index in range(symbols))
    bars = np.empty((each, symbols, 7), np.int64)
    for index in range(symbols):
        bars[:, index, 0] = starts_us
        bars[:, index, 1] = index
        bars[:, index, 2:] = walk(each, seed + index)
    flat = np.ascontiguousarray(bars.reshape(-1, 7))
    step_us = step_minutes * MINUTE_US
    return Tape(names, flat, step_us, table, 0, 0, bars_sha256(names, flat, step_us), ())


def walk(count: int, seed: int) -> np.ndarray:
    """Give `int64[count, 5]` of O, H, L, C in units and V: a walk in ticks that turns back towards 100."""
    dice = np.random.Generator(np.random.PCG64(seed))
    moves = dice.integers(-6, 7, count)
    level = 10_000 + np.cumsum(moves)
    level = 10_000 + np.abs((level - 10_000 + 6_000) % 24_000 - 12_000) - 6_000  # folded between two bounds
    close = level
    open_ = np.concatenate([close[:1], close[:-1]]) + dice.integers(-1, 2, count)
    high = np.maximum(open_, close) + dice.integers(0, 7, count)
    low = np.minimum(open_, close) - dice.integers(0, 7, count)
    volume = dice.integers(2_000, 90_000, count)
    return np.stack([open_ * TICK_UNITS, high * TICK_UNITS, low * TICK_UNITS, close * TICK_UNITS, volume], axis=1)


def _sessions(count: int, step_minutes: int) -> SessionTable:
    """Give sessions that hold so many bars: those of XNYS, then weekdays from 09:30 to 16:00 in New York."""
    table = session_table("XNYS", FIRST, LAST)
    minutes = int((table.close_us - table.open_us).sum()) // MINUTE_US
    missing = count * step_minutes - minutes
    if missing <= 0:
        return table
    zone, days, opens = ZoneInfo("America/New_York"), [], []
    day = LAST
    while len(days) * 390 < missing:
        day += timedelta(days=3 if day.weekday() == 4 else 1)
        days.append(days_of(day))
        opened = datetime.combine(day, time(9, 30), zone).astimezone(UTC)
        opens.append(int(opened.timestamp()) * 1_000_000)
    open_us = np.concatenate([table.open_us, np.array(opens, np.int64)])
    close_us = np.concatenate([table.close_us, np.array(opens, np.int64) + 390 * MINUTE_US])
    return SessionTable(
        calendar=table.calendar,
        date_days=np.concatenate([table.date_days, np.array(days, np.int64)]),
        open_us=open_us,
        close_us=close_us,
        early=np.concatenate([table.early, np.zeros(len(days), bool)]),
        break_start_us=close_us,
        break_end_us=close_us,
    )


def _starts(table: SessionTable, count: int, step_minutes: int) -> tuple[np.ndarray, SessionTable]:
    step_us = step_minutes * MINUTE_US
    made: list[np.ndarray] = []
    total, sessions = 0, 0
    for open_us, close_us in zip(table.open_us.tolist(), table.close_us.tolist(), strict=True):
        starts = np.arange(open_us, close_us, step_us, dtype=np.int64)
        made.append(starts)
        total += len(starts)
        sessions += 1
        if total >= count:
            break
    assert total >= count, f"the calendar holds {total} bars"
    cut = slice(0, sessions)
    used = SessionTable(
        calendar=table.calendar,
        date_days=table.date_days[cut],
        open_us=table.open_us[cut],
        close_us=table.close_us[cut],
        early=table.early[cut],
        break_start_us=table.break_start_us[cut],
        break_end_us=table.break_end_us[cut],
    )
    return np.concatenate(made)[:count], used
