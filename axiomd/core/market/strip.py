"""The bars of one symbol laid out for a loop over all of them: narrow columns, and where each session begins.

A row of a tape is 56 bytes, and a pass over them is as slow as memory; a strip is 20 bytes a bar, each number in a
column of its own, so that sixteen bars' HIGHs are one vector. What the sessions say of the bars is found here once, so
that a run need not look for it bar by bar. A strip holds nothing that its tape does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from axiomd.core.compiled import njit
from axiomd.core.market.sessions import BoolArray, Int64Array
from axiomd.core.market.tape import OPEN, TAPE_WIDTH, TS_US, Tape

Int32Array: TypeAlias = npt.NDArray[np.int32]

NUMBER_MAX: Final = 2**31 - 1
"""The largest price in units, or volume in shares, of a strip."""
NUMBER_BYTES: Final = 4
COLUMNS: Final = TAPE_WIDTH - OPEN
OF_OPEN, OF_HIGH, OF_LOW, OF_CLOSE, OF_VOLUME = range(COLUMNS)
LANES: Final = 16
"""So many bars are looked at in one go."""


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Bars of a tape in narrow columns, and by session.

    `session` int64[k] are the sessions of the table that have a bar, `first` int64[k + 1] the row each begins with, and
    where the last ends, `start_us` int64[k] the start of each one's first bar, `open_us` and `close_us` int64[k] its
    open and close. `ts_us` int64[n] is the start of every bar, `columns` int32[5, n + 16] its O, H, L, C, V, with room
    to be read of sixteen bars behind the last, `run_end` int32[n] the row behind the last that follows without a gap.
    `is_even` bool[k] says of which sessions all bars start on the grid of the timeframe from the session's open on and
    close within it, `is_whole` bool[k] of which of those no bar is missing between two others. No session is even where
    the tape has several symbols or a number too large; there are no bars then. `is_all_even` says whether all are, so
    that the strip says all of its bars. `memo` keeps what was found of the bars, to be found once.
    """

    session: Int64Array
    first: Int64Array
    start_us: Int64Array
    open_us: Int64Array
    close_us: Int64Array
    ts_us: Int64Array
    columns: Int32Array
    run_end: Int32Array
    is_even: BoolArray
    is_whole: BoolArray
    is_all_even: bool
    memo: list[object] = field(default_factory=list, init=False, repr=False)


def strip_of(tape: Tape) -> Strip:
    """Lay a tape out; done once a tape."""
    if not tape.memo:
        tape.memo.append(_strip(tape))
    strip = tape.memo[0]
    assert isinstance(strip, Strip)
    return strip


def _strip(tape: Tape) -> Strip:
    bars = tape.bars
    first = np.empty(len(tape.sessions.open_us) + 1, np.int64)
    find_first_rows(bars, tape.sessions.open_us, first)
    session = np.flatnonzero(first[1:] > first[:-1])
    first = np.append(first[session], len(bars))
    open_us, close_us = tape.sessions.open_us[session], tape.sessions.close_us[session]
    count = len(bars) if len(tape.symbols) == 1 else 0
    # room behind the last bar, so that sixteen may be looked at from any of them on
    columns, run_end = np.zeros((COLUMNS, count + LANES), np.int32), np.empty(count, np.int32)
    is_even, is_whole = np.zeros(len(session), np.bool_), np.zeros(len(session), np.bool_)
    if count:
        largest = lay_out(bars, first, open_us, close_us, tape.timeframe_us, columns, run_end, is_even, is_whole)
        if largest > NUMBER_MAX:
            columns, run_end = np.zeros((COLUMNS, LANES), np.int32), run_end[:0]
            is_even[:] = is_whole[:] = False
    start_us, ts_us = bars[first[:-1], TS_US], np.ascontiguousarray(bars[: len(run_end), TS_US])
    is_all_even = bool(is_even.all())
    return Strip(session, first, start_us, open_us, close_us, ts_us, columns, run_end, is_even, is_whole, is_all_even)


@njit
def address_in(columns: Int32Array, column: int, row: int) -> int:
    """Give the address of a bar's number in a strip's columns; those of the bars behind it follow."""
    address: int = columns.ctypes.data + NUMBER_BYTES * (column * columns.shape[1] + row)
    return address


@njit
def find_first_rows(bars: Int64Array, opens_us: Int64Array, found: Int64Array) -> None:
    """Fill in the first row at or after each opening, and the number of rows behind the last.

    `found` int64[sessions + 1] is made by who calls: code that makes arrays has all of numba's brought in with it.
    """
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


@njit
def lay_out(
    bars: Int64Array, first: Int64Array, opens_us: Int64Array, closes_us: Int64Array, step_us: int,
    columns: Int32Array, run_end: Int32Array, is_even: BoolArray, is_whole: BoolArray,
) -> int:  # fmt: skip
    """Fill in `columns`, `run_end`, `is_even` and `is_whole` of a strip, and give the largest number met."""
    largest = 0
    for k in range(len(opens_us)):
        is_even[k] = is_whole[k] = True
        end = first[k + 1]
        for row in range(end - 1, first[k] - 1, -1):
            for column in range(COLUMNS):
                largest = max(largest, bars[row, OPEN + column])
                columns[column, row] = bars[row, OPEN + column]
            start_us = bars[row, TS_US]
            if (start_us - opens_us[k]) % step_us != 0 or start_us + step_us > closes_us[k]:
                is_even[k] = False
            if row + 1 < first[k + 1] and bars[row + 1, TS_US] != start_us + step_us:
                is_whole[k] = False
                end = row + 1
            run_end[row] = end
        is_whole[k] = is_whole[k] and is_even[k]
    return largest
