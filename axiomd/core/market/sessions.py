"""Sessions and trading windows as tables: which session holds a moment, which window an interval belongs to.

The tables are made outside from the exchange calendar and handed in as data, so that a decision never depends on the
day it is replayed. Nothing here knows a holiday, a time zone or a clock; every station of the walk asks these tables.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_EPOCH = date(1970, 1, 1)


def days_of(day: date) -> int:
    """Count the days from 1970-01-01 to a date."""
    return (day - _EPOCH).days


def date_of(days: int) -> date:
    """Turn days since 1970-01-01 into a date."""
    return _EPOCH + timedelta(days=int(days))


@dataclass(frozen=True, slots=True, eq=False)
class SessionTable:
    """The sessions of one calendar, rising, as `int64[n]` arrays; times are UTC microseconds.

    `date_days` is the session's date as days since 1970-01-01, trading is [open_us, close_us), `early` marks half days.
    `break_start_us` and `break_end_us` bound a lunch break, in which no bar belongs to the session; both equal
    `close_us` where there is none. Only the sessions the table was asked for are known.
    """

    calendar: str
    date_days: Int64Array
    open_us: Int64Array
    close_us: Int64Array
    early: BoolArray
    break_start_us: Int64Array
    break_end_us: Int64Array
    # bisect on a list costs a fifth of searchsorted on an array for a single moment
    _opens: list[int] = field(init=False, repr=False)
    _has_breaks: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n = len(self.date_days)
        columns = (self.open_us, self.close_us, self.early, self.break_start_us, self.break_end_us)
        assert all(len(column) == n for column in columns), "session columns differ in length"
        assert bool(np.all(self.open_us < self.close_us)), "a session closes before it opens"
        assert bool(np.all(self.close_us[:-1] <= self.open_us[1:])), "sessions overlap or do not rise"
        object.__setattr__(self, "_opens", self.open_us.tolist())
        object.__setattr__(self, "_has_breaks", bool((self.break_start_us < self.break_end_us).any()))

    @property
    def n(self) -> int:
        """Number of sessions."""
        return len(self._opens)

    def __len__(self) -> int:
        return len(self._opens)

    def index_of(self, ts_us: int) -> int:
        """Give the session whose [open, close) holds a moment, -1 outside sessions and in a lunch break."""
        index = bisect_right(self._opens, ts_us) - 1
        if index < 0 or ts_us >= self.close_us[index]:
            return -1
        return -1 if self.break_start_us[index] <= ts_us < self.break_end_us[index] else index

    def indices_of(self, ts_us: Int64Array) -> Int64Array:
        """Give `index_of` for every moment: `int64[k]` in, `int64[k]` out."""
        if not self._opens:
            return np.full(len(ts_us), -1, dtype=np.int64)
        index = self.opened_before(ts_us)
        outside = (index < 0) | (ts_us >= self.close_us[index])
        if self._has_breaks:
            outside |= (ts_us >= self.break_start_us[index]) & (ts_us < self.break_end_us[index])
        index[outside] = -1
        return index

    def opened_before(self, ts_us: Int64Array) -> Int64Array:
        """Give the session that opened last by every moment, -1 before the first: `int64[k]` in, `int64[k]` out."""
        if len(ts_us) > len(self) and bool((ts_us[1:] >= ts_us[:-1]).all()):
            # moments that rise are found from the other side: one search a session instead of one a moment
            firsts = np.searchsorted(ts_us, self.open_us, side="left")
            return np.repeat(np.arange(-1, len(self), dtype=np.int64), np.diff(firsts, prepend=0, append=len(ts_us)))
        return np.searchsorted(self.open_us, ts_us, side="right").astype(np.int64) - 1

    def index_of_date(self, day: date) -> int:
        """Give the session of a date, -1 where there is none."""
        days = days_of(day)
        index = int(np.searchsorted(self.date_days, days))
        return index if index < len(self) and self.date_days[index] == days else -1

    def date(self, index: int) -> date:
        """Give a session's date."""
        return date_of(int(self.date_days[index]))

    def spans(self, indices: Int64Array) -> Iterator[tuple[int, str, int, int]]:
        """Give (index, ISO date, open, close) of sessions as plain values, their columns looked into once for all."""
        dates = np.datetime_as_string(self.date_days[indices].astype("datetime64[D]")).tolist()
        opens_us, closes_us = self.open_us[indices].tolist(), self.close_us[indices].tolist()
        return zip(indices.tolist(), dates, opens_us, closes_us, strict=True)


@dataclass(frozen=True, slots=True, eq=False)
class WindowTable:
    """Trading windows [start_us, end_us) in UTC microseconds, rising and apart; `session` is each one's session."""

    start_us: Int64Array
    end_us: Int64Array
    session: Int64Array
    _starts: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        assert len(self.start_us) == len(self.end_us) == len(self.session), "window columns differ in length"
        assert bool(np.all(self.start_us < self.end_us)), "a window is empty"
        assert bool(np.all(self.end_us[:-1] <= self.start_us[1:])), "windows overlap or do not rise"
        object.__setattr__(self, "_starts", self.start_us.tolist())

    def __len__(self) -> int:
        return len(self._starts)

    def index_of(self, ts_us: int) -> int:
        """Give the window that holds a moment, -1 where none does."""
        index = bisect_right(self._starts, ts_us) - 1
        return index if index >= 0 and ts_us < self.end_us[index] else -1
