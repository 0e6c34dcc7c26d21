"""M1 bars into M5 bars, in one rule that is called bar by bar when live and in a loop over arrays.

An interval belongs to one session: the grid is anchored at the session's open, the last interval ends with the session,
and a bar outside sessions reaches no interval at all. No calendar and no clock here; both drivers share `absorb`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from axiomd.contracts.bars import Rule, Violation
from axiomd.contracts.errors import DataContractError
from axiomd.contracts.units import MINUTE_US
from axiomd.core.compiled import njit
from axiomd.core.market.sessions import Int64Array, SessionTable

NumberArray = npt.NDArray[Any]
"""`int64` price units or `float64` prices: the rule picks and adds, it never computes a price."""

ACC_SIZE: Final = 6
ACC_EMPTY: Final = -1


@njit
def interval_start(ts_us: int, open_us: int, step_us: int) -> int:
    """Give the start of the interval that holds a moment, on the grid anchored at the session's open."""
    return open_us + (ts_us - open_us) // step_us * step_us


@njit
def absorb(acc: NumberArray, start_us: int, open_: int, high: int, low: int, close: int, volume: int) -> bool:
    """Merge a bar into `acc` = [start_us, O, H, L, C, V]; True where it begins a new bar there.

    `acc` is `int64[6]` price units (or `float64[6]`), its start -1 while empty. A bar of another interval overwrites:
    take the finished bar out first.
    """
    if acc[0] != start_us:
        acc[0] = start_us
        acc[1] = open_
        acc[2] = high
        acc[3] = low
        acc[4] = close
        acc[5] = volume
        return True
    if high > acc[2]:
        acc[2] = high
    if low < acc[3]:
        acc[3] = low
    acc[4] = close
    acc[5] += volume
    return False


@njit
def assemble(
    symbol: Int64Array,
    ts_us: Int64Array,
    open_us: Int64Array,
    bars: NumberArray,
    step_us: int,
    out_symbol: Int64Array,
    out_ts_us: Int64Array,
    out: NumberArray,
) -> int:
    """Resample bars sorted by (symbol, time) into the `out` arrays and give the number of bars written.

    `open_us[n]` is the open of each bar's session, -1 for a bar outside sessions, which is skipped. `bars[n, 5]` and
    `out[n, 5]` are O, H, L, C, V of one dtype; times are bar starts, UTC microseconds.
    """
    acc = np.empty(6, dtype=bars.dtype)
    acc[0] = -1
    count = -1
    for i in range(len(ts_us)):
        if open_us[i] < 0:
            continue
        start_us = interval_start(ts_us[i], open_us[i], step_us)
        if count >= 0 and symbol[i] != out_symbol[count]:
            acc[0] = -1
        if absorb(acc, start_us, bars[i, 0], bars[i, 1], bars[i, 2], bars[i, 3], bars[i, 4]):
            count += 1
            out_symbol[count] = symbol[i]
            out_ts_us[count] = start_us
        for k in range(5):
            out[count, k] = acc[k + 1]
    return count + 1


class Resampled(NamedTuple):
    """Result of `resample_arrays`: symbol index `int64[m]`, bar start UTC `int64[m]`, O H L C V `[m, 5]`."""

    symbol: Int64Array
    ts_us: Int64Array
    bars: NumberArray


def resample_arrays(
    symbol: Int64Array, ts_us: Int64Array, bars: NumberArray, table: SessionTable, *, step_us: int
) -> Resampled:
    """Resample valid bars sorted by (symbol, time); those outside the table's sessions are left out."""
    session = table.indices_of(ts_us)
    open_us = np.where(session < 0, np.int64(-1), table.open_us[session]) if len(table) else session
    size = len(ts_us)
    out_symbol, out_ts_us = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    out = np.empty((size, 5), dtype=bars.dtype)
    count = assemble(symbol, ts_us, open_us, bars, step_us, out_symbol, out_ts_us, out)
    return Resampled(out_symbol[:count], out_ts_us[:count], out[:count])


@dataclass(frozen=True, slots=True)
class IntervalBar:
    """A finished bar: `start_us` UTC, prices in 1/10,000 units, volume in shares."""

    start_us: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class IntervalAssembler:
    """Assemble one symbol's bars into longer ones as they come: a bar in, the bars it finishes out.

    A bar is finished by the last bar of its interval, by a bar of a later one, or by `finish` once its end has passed.
    `outside_count` counts bars outside sessions, `late_count` those that came after their interval was given out.
    """

    __slots__ = (
        "_acc",
        "_bar_us",
        "_done_us",
        "_end_us",
        "_last_us",
        "_step_us",
        "_table",
        "late_count",
        "outside_count",
    )

    def __init__(self, table: SessionTable, *, step_us: int, bar_us: int = MINUTE_US) -> None:
        assert 0 < bar_us <= step_us, "an interval is shorter than its bars"
        self._table = table
        self._step_us = step_us
        self._bar_us = bar_us
        self._acc: Int64Array = np.full(ACC_SIZE, ACC_EMPTY, dtype=np.int64)
        self._end_us = 0
        self._done_us = -(2**63)
        self._last_us = -(2**63)
        self.outside_count = 0
        self.late_count = 0

    def push(self, ts_us: int, open_: int, high: int, low: int, close: int, volume: int) -> tuple[IntervalBar, ...]:
        """Take a bar that starts at `ts_us` (price units, shares) and give the bars that are finished by it.

        Raises `DataContractError` where it does not come after the bar before it.
        """
        if ts_us <= self._last_us:
            raise _out_of_order(ts_us, self._last_us)
        self._last_us = ts_us
        session = self._table.index_of(ts_us)
        if session < 0:
            self.outside_count += 1
            return ()
        if ts_us < self._done_us:
            self.late_count += 1
            return ()
        start_us = interval_start(ts_us, int(self._table.open_us[session]), self._step_us)
        earlier = self._take() if self._acc[0] not in (ACC_EMPTY, start_us) else ()
        absorb(self._acc, start_us, open_, high, low, close, volume)
        self._end_us = min(start_us + self._step_us, int(self._table.close_us[session]))
        return earlier + self.finish(ts_us + self._bar_us)

    def finish(self, now_us: int) -> tuple[IntervalBar, ...]:
        """Give the bar under way where its interval has ended by `now_us`."""
        return self._take() if self._acc[0] != ACC_EMPTY and now_us >= self._end_us else ()

    def _take(self) -> tuple[IntervalBar, ...]:
        bar = IntervalBar(*(int(x) for x in self._acc))
        self._acc[0] = ACC_EMPTY
        self._done_us = self._end_us
        return (bar,)


def _out_of_order(ts_us: int, last_us: int) -> DataContractError:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    ts = epoch + timedelta(microseconds=ts_us)
    last = epoch + timedelta(microseconds=last_us)
    rule = Rule.DUPLICATE_INDEX if ts_us == last_us else Rule.NOT_MONOTONIC
    violation = Violation(rule=rule, symbol=None, ts=ts, detail=f"comes after the bar of {last.isoformat()}")
    return DataContractError(str(violation), "resampling", "feed bars in the order of time", violations=(violation,))
