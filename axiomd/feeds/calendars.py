"""Exchange calendars turned into session and window tables, with every bound written out.

The only place that asks exchange_calendars. It never takes that package's default bounds, which follow today's date:
a replay must not depend on the day it runs. Its tables are what the core and the drivers work with.
"""

from __future__ import annotations

import difflib
import itertools
import re
import warnings
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from axiomd.contracts.errors import ConfigError
from axiomd.core.market.sessions import Int64Array, SessionTable, WindowTable

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_WINDOW: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_MARGIN: Final = timedelta(days=14)
"""Asked beyond both ends, since a calendar refuses a span that happens to hold no session at all."""


def session_table(calendar: str | ExchangeCalendar, first: date, last: date) -> SessionTable:
    """Build the table of all sessions dated `first` to `last`, both included; empty where there are none.

    `calendar` is a name or alias of exchange-calendars ("XNYS", "NYSE") or such a calendar; one whose own bounds do not
    cover the dates is built anew by its name. Raises `ConfigError` for an unknown name or dates it does not know.
    """
    if first > last:
        raise ConfigError(f"{first} is after {last}", "session dates", "give the earlier date first")
    known = _covering(calendar, first, last)
    days = known.sessions.to_numpy().astype("datetime64[D]").astype(np.int64)
    wanted = (days >= (first - _EPOCH.date()).days) & (days <= (last - _EPOCH.date()).days)
    close_us = _microseconds(known.closes_nanos)
    break_start_us, break_end_us = _microseconds(known.break_starts_nanos), _microseconds(known.break_ends_nanos)
    without_break = known.break_starts_nanos == np.iinfo(np.int64).min
    return SessionTable(
        calendar=known.name,
        date_days=days[wanted],
        open_us=_microseconds(known.opens_nanos)[wanted],
        close_us=close_us[wanted],
        early=np.asarray(known.sessions.isin(known.early_closes), dtype=np.bool_)[wanted],
        break_start_us=np.where(without_break, close_us, break_start_us)[wanted],
        break_end_us=np.where(without_break, close_us, break_end_us)[wanted],
    )


def window_table(table: SessionTable, windows: Sequence[str], tz: str) -> WindowTable:
    """Place daily windows of local time ("09:30-11:00", start included, end not) into every session of a table.

    Each is cut to its session and dropped where nothing is left; rows rise by start; without any, each session is one
    window. The time zone's own rules place them, so Europe/Berlin windows move against New York in the weeks when only
    one of the two has changed its clocks.
    Raises `ConfigError` for a malformed, empty, backward or overlapping window and for an unknown time zone.
    """
    zone = time_zone(tz)
    if not windows:
        return WindowTable(table.open_us, table.close_us, np.arange(len(table), dtype=np.int64))
    bounds = _window_bounds(windows)
    rows: list[tuple[int, int, int]] = []
    for index in range(len(table)):
        open_us, close_us = int(table.open_us[index]), int(table.close_us[index])
        day, last_day = _local_date(open_us, zone), _local_date(close_us, zone)
        while day <= last_day:
            for start_minute, end_minute in bounds:
                start_us = max(_utc_us(day, start_minute, zone), open_us)
                end_us = min(_utc_us(day, end_minute, zone), close_us)
                if start_us < end_us:
                    rows.append((start_us, end_us, index))
            day += timedelta(days=1)
    columns = np.array(sorted(rows), dtype=np.int64).reshape(-1, 3)
    return WindowTable(*(np.ascontiguousarray(columns[:, k]) for k in range(3)))


def time_zone(name: str) -> ZoneInfo:
    """Find a time zone by its IANA name; raises `ConfigError` naming the nearest ones."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = difflib.get_close_matches(name, sorted(available_timezones()), n=3, cutoff=0.5)
        remedy = f"use {' or '.join(near)}" if near else "use an IANA name such as America/New_York"
        raise ConfigError(f"unknown time zone {name!r}", "tz", remedy) from None


def _covering(calendar: str | ExchangeCalendar, first: date, last: date) -> ExchangeCalendar:
    if isinstance(calendar, str):
        return _named(calendar, first, last)
    if calendar.first_session.date() <= first and last <= calendar.last_session.date():
        return calendar
    return _named(calendar.name, first, last)


def _named(name: str, first: date, last: date) -> ExchangeCalendar:
    import exchange_calendars as xc
    from exchange_calendars.errors import CalendarError, InvalidCalendarName

    try:
        kind = xc.resolve_alias(name)
        known = xc.get_calendar_names(include_aliases=False)
        if kind not in known:
            raise InvalidCalendarName(calendar_name=name)
        with warnings.catch_warnings():
            # its use of pandas is its own affair; ours is that warnings are errors in every test
            warnings.simplefilter("ignore", DeprecationWarning)
            return xc.get_calendar(kind, start=(first - _MARGIN).isoformat(), end=(last + _MARGIN).isoformat())
    except InvalidCalendarName:
        near = difflib.get_close_matches(name.upper(), sorted(xc.get_calendar_names()), n=3, cutoff=0.5)
        remedy = f"use {' or '.join(near)}" if near else "use an exchange-calendars name such as XNYS"
        raise ConfigError(f"unknown calendar {name!r}", "calendar", remedy) from None
    except (CalendarError, ValueError) as error:
        raise ConfigError(
            f"calendar {name} does not cover {first} to {last} ({error})", "calendar", "narrow the dates"
        ) from None


def _microseconds(nanos: Int64Array) -> Int64Array:
    return np.asarray(nanos, dtype=np.int64) // 1_000


def _local_date(ts_us: int, zone: ZoneInfo) -> date:
    return (_EPOCH + timedelta(microseconds=ts_us)).astimezone(zone).date()


def _utc_us(day: date, minute: int, zone: ZoneInfo) -> int:
    local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone)
    return (local - _EPOCH) // _MICROSECOND


def _window_bounds(windows: Sequence[str]) -> list[tuple[int, int]]:
    bounds: list[tuple[int, int]] = []
    for window in windows:
        match = _WINDOW.fullmatch(window) if isinstance(window, str) else None
        if match is None:
            raise ConfigError(f"{window!r} is no window", "windows", 'write it as "09:30-11:00", local time')
        start_hour, start_minute, end_hour, end_minute = map(int, match.groups())
        start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
        if start >= end:
            raise ConfigError(f"window {window!r} does not end after it starts", "windows", "swap its two times")
        bounds.append((start, end))
    bounds.sort()
    for (_, end), (start, _) in itertools.pairwise(bounds):
        if start < end:
            raise ConfigError(f"windows overlap at {start // 60:02d}:{start % 60:02d}", "windows", "make them apart")
    return bounds
