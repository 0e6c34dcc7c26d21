"""Sessions of bars as what happens, one thing after the other: a session opens, moments pass, it closes.

A moment is all bars that close together, or the end of an interval that holds a bar but ends without one: the very
moments a replay has. Pure iteration; pacing is the daemon's, and nothing here knows a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from axiomd.core.market.sessions import Int64Array, SessionTable

Rows = tuple[tuple[int, int, int, int, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class SessionBegins:
    """A session opens; `session` is its index in the table."""

    ts_us: int
    session: int


@dataclass(frozen=True, slots=True)
class Moment:
    """Bars that close together at `ts_us`; none where only an interval ends."""

    ts_us: int
    rows: Rows


@dataclass(frozen=True, slots=True)
class SessionEnds:
    """A session is over."""

    ts_us: int
    session: int


Item = SessionBegins | Moment | SessionEnds


@dataclass(frozen=True, slots=True)
class Position:
    """Where a playback goes on: after `now_us`; in the midst of a session whose date is `session`, or before one."""

    now_us: int = -1
    session_date: str = ""
    is_open: bool = False


def items(
    table: SessionTable,
    bars_of: Callable[[int], Int64Array],
    *,
    bar_us: int,
    interval_us: int,
    after: Position,
) -> Iterator[Item]:
    """Play the sessions of a table that have bars, from where `after` left off. `bars_of` gives a session's rows."""
    for session in range(len(table)):
        open_us, close_us = int(table.open_us[session]), int(table.close_us[session])
        date = table.date(session).isoformat()
        is_resumed = after.is_open and date == after.session_date
        bars = bars_of(session)
        if not is_resumed and (date <= after.session_date or not len(bars)):
            continue
        if not is_resumed:
            yield SessionBegins(open_us, session)
        yield from moments(bars, open_us, close_us, bar_us=bar_us, interval_us=interval_us, after_us=after.now_us)
        yield SessionEnds(close_us, session)


def moments(
    bars: Int64Array, open_us: int, close_us: int, *, bar_us: int, interval_us: int, after_us: int
) -> Iterator[Moment]:
    """Give the moments of one session's bars, sorted by (ts, symbol index), that lie after `after_us`."""
    first = np.flatnonzero(np.diff(bars[:, 0], prepend=-1))
    starts = bars[first, 0]
    bounds = [*first.tolist(), len(bars)]
    closes = (starts + bar_us).tolist()
    ends = np.minimum(open_us + (starts - open_us) // interval_us * interval_us + interval_us, close_us)
    rows_at = {ts_us: (bounds[k], bounds[k + 1]) for k, ts_us in enumerate(closes)}
    for ts_us in sorted(set(closes) | set(ends.tolist())):
        if ts_us > after_us:
            begin, end = rows_at.get(ts_us, (0, 0))
            yield Moment(ts_us, tuple(map(tuple, bars[begin:end].tolist())))
