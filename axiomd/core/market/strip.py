"""The bars of one symbol laid out for a loop over all of them: narrow columns, and where each session begins.

A row of a tape is 56 bytes, and a pass over them is as slow as memory; a strip is 20 bytes a bar. What the sessions say
of the bars is found here once, so that a run need not look for it bar by bar. A strip holds nothing that its tape does
not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from axiomd.core.compiled import njit
from axiomd.core.market.sessions import BoolArray, Int64Array
from axiomd.core.market.tape import CLOSE, HIGH, LOW, OPEN, TS_US, VOLUME_SHARES, Tape

Int32Array: TypeAlias = npt.NDArray[np.int32]

NUMBER_MAX: Final = 2**31 - 1
"""The largest price in units, or volume in shares, of a strip."""


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Bars of a tape by column and by session.

    `session` int64[k] are the sessions of the table that have a bar, `first` int64[k + 1] the row each begins with, and
    where the last ends, `start_us` int64[k] the start of each one's first bar. `open_`, `high`, `low`, `close`,
    `volume` are int32[n], `run_end` int32[n] the row behind the last that follows without a gap. `is_even` bool[k] says
    of which sessions all bars start on the grid of the timeframe from the session's open on and close within it,
    `is_whole` bool[k] of which of those no bar is missing between two others. No session is even where the tape has
    several symbols or a number too large; the columns are empty then.
    """

    session: Int64Array
    first: Int64Array
    start_us: Int64Array
    open_: Int32Array
    high: Int32Array
    low: Int32Array
    close: Int32Array
    volume: Int32Array
    run_end: Int32Array
    is_even: BoolArray
    is_whole: BoolArray


def strip_of(tape: Tape) -> Strip:
    """Lay a tape out; done once a tape."""
    if not tape.memo:
        tape.memo.append(_strip(tape))
    strip = tape.memo[0]
    assert isinstance(strip, Strip)
    return strip


def _strip(tape: Tape) -> Strip:
    bars, opens_us = tape.bars, tape.sessions.open_us
    first = first_rows(bars, opens_us)
    session = np.flatnonzero(first[1:] > first[:-1])
    first = np.append(first[session], len(bars))
    is_narrow = len(tape.symbols) == 1 and len(bars) > 0 and int(bars[:, OPEN:].max()) <= NUMBER_MAX
    columns = np.empty((6, len(bars) if is_narrow else 0), np.int32)
    open_, high, low, close, volume, run_end = columns
    is_even, is_whole = np.zeros(len(session), np.bool_), np.zeros(len(session), np.bool_)
    if is_narrow:
        closes_us = tape.sessions.close_us[session]
        lay_out(bars, first, opens_us[session], closes_us, tape.timeframe_us, columns, is_even, is_whole)
    start_us = bars[first[:-1], TS_US]
    return Strip(session, first, start_us, open_, high, low, close, volume, run_end, is_even, is_whole)


@njit
def first_rows(bars: Int64Array, opens_us: Int64Array) -> Int64Array:
    """Give the first row at or after each opening, and the number of rows behind the last."""
    found = np.empty(len(opens_us) + 1, np.int64)
    row = 0
    for session in range(len(opens_us)):
        # a session has about as many bars as the one before: gallop from there, then halve
        step = 64
        low = row
        while low + step < len(bars) and bars[low + step, 0] < opens_us[session]:
            low += step
            step *= 2
        high = min(low + step, len(bars))
        while low < high:
            middle = (low + high) // 2
            if bars[middle, 0] < opens_us[session]:
                low = middle + 1
            else:
                high = middle
        row = low
        found[session] = row
    found[len(opens_us)] = len(bars)
    return found


@njit
def lay_out(
    bars: Int64Array, first: Int64Array, opens_us: Int64Array, closes_us: Int64Array, step_us: int,
    columns: Int32Array, is_even: BoolArray, is_whole: BoolArray,
) -> None:  # fmt: skip
    """Fill in O, H, L, C, V and `run_end` as the rows of `columns`, and what is even and whole by session."""
    for k in range(len(opens_us)):
        is_even[k] = is_whole[k] = True
        end = first[k + 1]
        for row in range(end - 1, first[k] - 1, -1):
            columns[0, row], columns[1, row], columns[2, row] = bars[row, OPEN], bars[row, HIGH], bars[row, LOW]
            columns[3, row], columns[4, row] = bars[row, CLOSE], bars[row, VOLUME_SHARES]
            start_us = bars[row, TS_US]
            if (start_us - opens_us[k]) % step_us != 0 or start_us + step_us > closes_us[k]:
                is_even[k] = False
            if row + 1 < first[k + 1] and bars[row + 1, TS_US] != start_us + step_us:
                is_whole[k] = False
                end = row + 1
            columns[5, row] = end
        is_whole[k] = is_whole[k] and is_even[k]
