"""The days a market was open, and what of a strategy's windows lies inside each of them.

Everything comes from the exchange calendar with bounds written out; local times are turned into UTC day by day.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

import exchange_calendars

from tests.reference.exact import EPOCH, MINUTE_US, us_of

M5_US = 5 * MINUTE_US


@dataclass(frozen=True)
class Session:
    """One trading day; times in UTC microseconds."""

    day: date
    open_us: int
    close_us: int
    flatten_us: int

    def interval_end(self, ts_us: int) -> int:
        """The end of the five-minute interval, counted from the open, in which a bar starts."""
        steps = (ts_us - self.open_us) // M5_US
        return min(self.open_us + (steps + 1) * M5_US, self.close_us)

    def interval_ends_until(self, now_us: int) -> list[int]:
        """The ends of all intervals that are over."""
        ends = []
        end = self.open_us
        while end < self.close_us:
            end = min(end + M5_US, self.close_us)
            if end > now_us:
                break
            ends.append(end)
        return ends

    def holds(self, ts_us: int, length_us: int) -> bool:
        """Whether a bar lies wholly inside the session."""
        return self.open_us <= ts_us and ts_us + length_us <= self.close_us


def sessions_between(calendar: str, ts_us: Iterable[int], flatten_minutes: Fraction) -> list[Session]:
    """The calendar's sessions from the day before the first time to the day after the last."""
    times = list(ts_us)
    if not times:
        return []
    first = (EPOCH + timedelta(microseconds=min(times))).date() - timedelta(days=1)
    last = (EPOCH + timedelta(microseconds=max(times))).date() + timedelta(days=1)
    found = []
    for day, opens, closes in _opening_hours(calendar, first, last):
        found.append(Session(day, opens, closes, closes - int(flatten_minutes * MINUTE_US)))
    return found


@lru_cache(maxsize=64)
def _opening_hours(calendar: str, first: date, last: date) -> tuple[tuple[date, int, int], ...]:
    # A calendar wants a session or two inside its bounds, hence the fortnight on each side.
    bounds = first - timedelta(days=14), last + timedelta(days=14)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what the calendar's authors owe pandas is not judged here
        market = exchange_calendars.get_calendar(calendar, start=bounds[0], end=bounds[1])
        return tuple(
            (
                label.date(),
                us_of(market.session_open(label).to_pydatetime()),
                us_of(market.session_close(label).to_pydatetime()),
            )
            for label in market.sessions
            if first <= label.date() <= last
        )


def windows_of(session: Session, windows: Iterable[str], tz: str) -> list[tuple[int, int]]:
    """The windows [start, end) of a session in UTC microseconds, cut to it; an empty one is (start, start)."""
    cut = []
    for window in windows:
        start, end = (_instant(session.day, clock, tz) for clock in window.split("-"))
        start, end = max(start, session.open_us), min(end, session.close_us)
        cut.append((start, max(start, end)))
    return cut


def _instant(day: date, clock: str, tz: str) -> int:
    return us_of(datetime.combine(day, time.fromisoformat(clock.strip()), tzinfo=ZoneInfo(tz)))
