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
from axiomd.contracts.units import DAY_US, MINUTE_US
from axiomd.core.market.sessions import Int64Array, SessionTable, WindowTable, date_of

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
    if not len(table):
        return WindowTable(*(np.empty(0, np.int64) for _ in range(3)))
    days = np.arange(table.open_us[0] // DAY_US - 1, table.close_us[-1] // DAY_US + 3)
    midnight_us = _midnights_us(days, zone)
    first = np.searchsorted(midnight_us, table.open_us, side="right") - 1
    last = np.searchsorted(midnight_us, table.close_us, side="right") - 1
    columns = []
    for later in range(int((last - first).max()) + 1):
        session = np.flatnonzero(first + later <= last)
        place = first[session] + later
        for bound in bounds:
            start_us, end_us = (_moments_us(days, midnight_us, place, minute, zone) for minute in bound)
            start_us, end_us = np.maximum(start_us, table.open_us[session]), np.minimum(end_us, table.close_us[session])
            columns.append(np.stack((start_us, end_us, session))[:, start_us < end_us])
    rows = np.concatenate(columns, axis=1)
    return WindowTable(*np.ascontiguousarray(rows[:, np.argsort(rows[0], kind="stable")]))


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


def _midnights_us(days: Int64Array, zone: ZoneInfo) -> Int64Array:
    """Give the local midnights that days in a row begin with.

    To convert one takes 2 us, and there are thousands. No zone has ever changed its clocks twice within three days, so
    that a day of 24 hours, or two of 48, have one offset from UTC.
    """
    midnight_us = np.empty(len(days), np.int64)
    midnight_us[::2] = [_utc_us(date_of(day), 0, zone) for day in days[::2].tolist()]
    midnight_us[1::2] = midnight_us[:-1:2] + DAY_US
    odd = np.flatnonzero(np.append(midnight_us[2::2] - midnight_us[:-2:2] != 2 * DAY_US, True)) * 2 + 1
    odd = odd[odd < len(days)]
    midnight_us[odd] = [_utc_us(date_of(day), 0, zone) for day in days[odd].tolist()]
    return midnight_us


def _moments_us(
    days: Int64Array, midnight_us: Int64Array, place: Int64Array, minute: int, zone: ZoneInfo
) -> Int64Array:
    """Give a time of day on the local days at `place` of `days`, whose midnights are known."""
    moment_us = midnight_us[place] + minute * MINUTE_US
    odd = midnight_us[place + 1] - midnight_us[place] != DAY_US
    moment_us[odd] = [_utc_us(date_of(day), minute, zone) for day in days[place[odd]].tolist()]
    return moment_us


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
