"""The two compiled bodies that find setups: all bars observed in four pieces, then only windows asked.

They are compiled with a strategy's own steps (`steps.address_of`), which are those the scan calls; what stands here
says only which bars they are handed, and in what order.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from axiomd.core.board import (
    FLOAT_PARAMS_SIZE,
    FLOAT_STATE_SIZE,
    INT_PARAMS_SIZE,
    INT_STATE_SIZE,
    SETUP_SIZE,
    Floats,
    Ints,
)
from axiomd.core.compiled import njit
from axiomd.core.market.sessions import BoolArray
from axiomd.core.market.strip import NUMBER_BYTES, OF_CLOSE, OF_HIGH, OF_LOW, OF_OPEN, OF_VOLUME, Int32Array
from axiomd.core.registers import fetch_ahead, own_copy, own_room, pointer_at, put_back
from axiomd.core.steps import call_body
from axiomd.core.strategies.api import OBSERVED_FLOATS, OBSERVED_INTS, Step

KEPT_SIZE: Final = OBSERVED_INTS + OBSERVED_FLOATS
"""So many numbers are kept of what stands before a window."""
BODY: Final = "int64(int64)"
FETCHED_AHEAD: Final = 8
TIMES_AHEAD: Final = 64
GAPPED: Final = -(2**63)
"""In place of the start of a window's first bar: the others do not follow it without a gap."""
_KEPT_BYTES: Final = 8 * KEPT_SIZE
_INT_BYTES: Final = 8 * OBSERVED_INTS
_SETUP_BYTES: Final = 8 * SETUP_SIZE

# columns of what `observe_windows` and `ask_windows` are asked
_BARS, _TS_US, _FIRST, _END, _COUNT, _KEPT_AT, _INTS, _FLOATS, _INT_PARAMS, _FLOAT_PARAMS = range(10)
_ROOM, _WINDOWS, _IS_ASKED, _SETUPS, _FOUND, _STARTS_US, _BAR_US, _APART = range(10, 18)
ASKED_SIZE: Final = 18

# where a body is compiled for a strategy, its own steps stand under these names
observe: Any = None
trigger: Any = None

_bytes_at = pointer_at(np.uint8)
_shorts_at, _longs_at, _doubles_at = pointer_at(np.int32), pointer_at(np.int64), pointer_at(np.float64)
_own_ints, _own_floats = own_copy(np.int64, INT_STATE_SIZE), own_copy(np.float64, FLOAT_STATE_SIZE)
_own_int_params, _own_float_params = own_copy(np.int64, INT_PARAMS_SIZE), own_copy(np.float64, FLOAT_PARAMS_SIZE)
_own_bar = own_room(np.int64, 6)
_put_observed, _put_ints = put_back(OBSERVED_INTS), put_back(INT_STATE_SIZE)
_put_observed_floats, _put_floats = put_back(OBSERVED_FLOATS), put_back(FLOAT_STATE_SIZE)


@njit
def look(
    address: int, asked: Ints, room: Ints, columns: Int32Array, ts_us: Ints, first: Ints, kept: Ints, si: Ints,
    sf: Floats, pi: Ints, pf: Floats,
) -> int:  # fmt: skip
    """Call a strategy's `observe_windows` at its address."""
    asked[_BARS], asked[_APART], asked[_TS_US] = at(columns), columns.shape[1], at(ts_us)
    asked[_FIRST], asked[_COUNT] = at(first), len(first)
    asked[_KEPT_AT], asked[_ROOM], asked[_INTS], asked[_FLOATS] = at(kept), at(room), at(si), at(sf)
    asked[_INT_PARAMS], asked[_FLOAT_PARAMS] = at(pi), at(pf)
    result: int = call_body(address, at(asked))
    return result


@njit
def ask(
    address: int, asked: Ints, columns: Int32Array, ts_us: Ints, bar_us: int, first: Ints, end: Ints, starts_us: Ints,
    session: Ints, kept: Ints, ranks: Ints, first_session: int, si: Ints, sf: Floats, pi: Ints, pf: Floats,
    windows: Ints, is_asked: BoolArray, setups: Ints, found: Ints,
) -> int:  # fmt: skip
    """Call a strategy's `ask_windows` at its address, for the windows in which it is a candidate."""
    # one row of ranks is that of every session
    is_for_all = len(ranks) == 1
    for w in range(len(first)):
        is_asked[w] = session[w] >= first_session and ranks[0 if is_for_all else session[w], 0] >= 0
    asked[_BARS], asked[_APART], asked[_TS_US] = at(columns), columns.shape[1], at(ts_us)
    asked[_FIRST], asked[_END] = at(first), at(end)
    asked[_COUNT], asked[_KEPT_AT], asked[_INTS], asked[_FLOATS] = len(first), at(kept), at(si), at(sf)
    asked[_INT_PARAMS], asked[_FLOAT_PARAMS], asked[_WINDOWS] = at(pi), at(pf), at(windows)
    asked[_IS_ASKED], asked[_SETUPS], asked[_FOUND] = at(is_asked), at(setups), at(found)
    asked[_STARTS_US], asked[_BAR_US] = at(starts_us), bar_us
    result: int = call_body(address, at(asked))
    return result


@njit
def at(array: NDArray[Any]) -> int:
    """Give the address of an array's numbers; who asks for it keeps the array."""
    address: int = array.ctypes.data
    return address


@njit
def hand(
    step: Step, si: Any, sf: Any, pi: Any, pf: Any, win: Any, n: int, bars: Any, apart: int, ts_us: Any, row: int,
    bar: Any, out: Any,
) -> int:  # fmt: skip
    """Hand a bar of a strip to a step."""
    return hand_at(step, si, sf, pi, pf, win, n, bars, apart, ts_us[row], row, bar, out)


@njit
def hand_at(
    step: Step, si: Any, sf: Any, pi: Any, pf: Any, win: Any, n: int, bars: Any, apart: int, start_us: int, row: int,
    bar: Any, out: Any,
) -> int:  # fmt: skip
    """Hand a bar of a strip, whose start is known, to a step: its numbers stand `apart` numbers from one another."""
    bar[0], bar[1], bar[2] = start_us, bars[row + OF_OPEN * apart], bars[row + OF_HIGH * apart]
    bar[3], bar[4] = bars[row + OF_LOW * apart], bars[row + OF_CLOSE * apart]
    bar[5] = bars[row + OF_VOLUME * apart]
    return step(si, sf, pi, pf, win, n, bar, out)


def observe_windows(asked_at: int) -> int:
    """Observe all bars, and keep what stands before the first bar of each window.

    The windows are cut into four pieces, each begun with nothing observed, so that four averages run side by side
    where one would wait for itself. Then each piece is taken again from what truly stood before it, up to where it
    makes no difference any more: what is kept is what one pass keeps, bit for bit.
    """
    asked = _longs_at(asked_at)
    bars, apart, ts_us = _shorts_at(asked[_BARS]), asked[_APART], _longs_at(asked[_TS_US])
    first, count, times_at = _longs_at(asked[_FIRST]), asked[_COUNT], asked[_TS_US]
    kept, room_at = asked[_KEPT_AT], asked[_ROOM]
    pi, pf = _own_int_params(_longs_at(asked[_INT_PARAMS])), _own_float_params(_doubles_at(asked[_FLOAT_PARAMS]))
    si_a, sf_a = _own_ints(_longs_at(asked[_INTS])), _own_floats(_doubles_at(asked[_FLOATS]))
    si_b, sf_b = _own_ints(_longs_at(asked[_INTS])), _own_floats(_doubles_at(asked[_FLOATS]))
    si_c, sf_c = _own_ints(_longs_at(asked[_INTS])), _own_floats(_doubles_at(asked[_FLOATS]))
    si_d, sf_d = _own_ints(_longs_at(asked[_INTS])), _own_floats(_doubles_at(asked[_FLOATS]))
    bar_a, bar_b, bar_c, bar_d = _own_bar(), _own_bar(), _own_bar(), _own_bar()
    end_a, end_b, end_c = count // 4, count // 4 * 2, count // 4 * 3
    a, b, c, d = 0, end_a, end_b, end_c
    row_a = 0
    row_b, row_c, row_d = (first[b - 1], first[c - 1], first[d - 1]) if end_a > 0 else (0, 0, 0)
    while a < end_a and b < end_b and c < end_c and d < count:
        length = min(first[a] - row_a, first[b] - row_b, first[c] - row_c, first[d] - row_d)
        # times are asked for at the end of a window alone, too seldom for the processor to see them coming
        for far in range(TIMES_AHEAD, TIMES_AHEAD + length, 8):
            fetch_ahead(times_at + 8 * (row_a + far))
            fetch_ahead(times_at + 8 * (row_b + far))
            fetch_ahead(times_at + 8 * (row_c + far))
            fetch_ahead(times_at + 8 * (row_d + far))
        # the last two bars apart: what only the last ones leave is not carried along by all before them
        if length > 1:
            for k in range(length - 2):
                hand(observe, si_a, sf_a, pi, pf, asked, 0, bars, apart, ts_us, row_a + k, bar_a, asked)
                hand(observe, si_b, sf_b, pi, pf, asked, 0, bars, apart, ts_us, row_b + k, bar_b, asked)
                hand(observe, si_c, sf_c, pi, pf, asked, 0, bars, apart, ts_us, row_c + k, bar_c, asked)
                hand(observe, si_d, sf_d, pi, pf, asked, 0, bars, apart, ts_us, row_d + k, bar_d, asked)
            hand(observe, si_a, sf_a, pi, pf, asked, 0, bars, apart, ts_us, row_a + length - 2, bar_a, asked)
            hand(observe, si_b, sf_b, pi, pf, asked, 0, bars, apart, ts_us, row_b + length - 2, bar_b, asked)
            hand(observe, si_c, sf_c, pi, pf, asked, 0, bars, apart, ts_us, row_c + length - 2, bar_c, asked)
            hand(observe, si_d, sf_d, pi, pf, asked, 0, bars, apart, ts_us, row_d + length - 2, bar_d, asked)
            hand(observe, si_a, sf_a, pi, pf, asked, 0, bars, apart, ts_us, row_a + length - 1, bar_a, asked)
            hand(observe, si_b, sf_b, pi, pf, asked, 0, bars, apart, ts_us, row_b + length - 1, bar_b, asked)
            hand(observe, si_c, sf_c, pi, pf, asked, 0, bars, apart, ts_us, row_c + length - 1, bar_c, asked)
            hand(observe, si_d, sf_d, pi, pf, asked, 0, bars, apart, ts_us, row_d + length - 1, bar_d, asked)
        elif length == 1:
            hand(observe, si_a, sf_a, pi, pf, asked, 0, bars, apart, ts_us, row_a, bar_a, asked)
            hand(observe, si_b, sf_b, pi, pf, asked, 0, bars, apart, ts_us, row_b, bar_b, asked)
            hand(observe, si_c, sf_c, pi, pf, asked, 0, bars, apart, ts_us, row_c, bar_c, asked)
            hand(observe, si_d, sf_d, pi, pf, asked, 0, bars, apart, ts_us, row_d, bar_d, asked)
        row_a += length
        row_b += length
        row_c += length
        row_d += length
        if row_a == first[a]:
            _put_observed(_longs_at(kept + a * _KEPT_BYTES), si_a)
            _put_observed_floats(_doubles_at(kept + a * _KEPT_BYTES + _INT_BYTES), sf_a)
            a += 1
        if row_b == first[b]:
            _put_observed(_longs_at(kept + b * _KEPT_BYTES), si_b)
            _put_observed_floats(_doubles_at(kept + b * _KEPT_BYTES + _INT_BYTES), sf_b)
            b += 1
        if row_c == first[c]:
            _put_observed(_longs_at(kept + c * _KEPT_BYTES), si_c)
            _put_observed_floats(_doubles_at(kept + c * _KEPT_BYTES + _INT_BYTES), sf_c)
            c += 1
        if row_d == first[d]:
            _put_observed(_longs_at(kept + d * _KEPT_BYTES), si_d)
            _put_observed_floats(_doubles_at(kept + d * _KEPT_BYTES + _INT_BYTES), sf_d)
            d += 1
    # what is left of each piece, and its beginning once more, go one after the other
    room = _longs_at(room_at)
    for piece in range(4):
        begin = count // 4 * piece
        end = count if piece == 3 else begin + count // 4
        for is_again in range(2):
            if is_again:
                if begin == 0 or begin == end:
                    continue
                place, row = begin, first[begin - 1]
                _put_observed(si_a, _longs_at(kept + (begin - 1) * _KEPT_BYTES))
                _put_observed_floats(sf_a, _doubles_at(kept + (begin - 1) * _KEPT_BYTES + _INT_BYTES))
            elif piece == 0:
                place, row = a, row_a
            elif piece == 1:
                place, row = b, row_b
                _put_observed(si_a, si_b)
                _put_observed_floats(sf_a, sf_b)
            elif piece == 2:
                place, row = c, row_c
                _put_observed(si_a, si_c)
                _put_observed_floats(sf_a, sf_c)
            else:
                place, row = d, row_d
                _put_observed(si_a, si_d)
                _put_observed_floats(sf_a, sf_d)
            while place < end:
                while row < first[place]:
                    hand(observe, si_a, sf_a, pi, pf, asked, 0, bars, apart, ts_us, row, bar_a, asked)
                    row += 1
                _put_observed(room, si_a)
                _put_observed_floats(_doubles_at(room_at + _INT_BYTES), sf_a)
                stood = _longs_at(kept + place * _KEPT_BYTES)
                is_same = is_again == 1
                for k in range(KEPT_SIZE):
                    is_same = is_same and stood[k] == room[k]
                if is_same:
                    break
                for k in range(KEPT_SIZE):
                    stood[k] = room[k]
                place += 1
    return 0


def ask_windows(asked_at: int) -> int:
    """Take in the bars of each window from what stands before it, up to its setup; gives how many there are."""
    asked = _longs_at(asked_at)
    bars, apart, ts_us = _shorts_at(asked[_BARS]), asked[_APART], _longs_at(asked[_TS_US])
    first, end = _longs_at(asked[_FIRST]), _longs_at(asked[_END])
    kept, found, win, n = asked[_KEPT_AT], _longs_at(asked[_FOUND]), _longs_at(asked[_WINDOWS]), asked[_COUNT]
    is_asked, setups = _bytes_at(asked[_IS_ASKED]), asked[_SETUPS]
    starts_us, bar_us = _longs_at(asked[_STARTS_US]), asked[_BAR_US]
    pi, pf = _own_int_params(_longs_at(asked[_INT_PARAMS])), _own_float_params(_doubles_at(asked[_FLOAT_PARAMS]))
    si, sf, bar = _own_ints(_longs_at(asked[_INTS])), _own_floats(_doubles_at(asked[_FLOATS])), _own_bar()
    count = 0
    for w in range(n):
        if not is_asked[w]:
            continue
        _put_observed(si, _longs_at(kept + w * _KEPT_BYTES))
        _put_observed_floats(sf, _doubles_at(kept + w * _KEPT_BYTES + _INT_BYTES))
        out = _longs_at(setups + count * _SETUP_BYTES)
        later = min(w + FETCHED_AHEAD, n - 1)
        for column in (OF_HIGH, OF_LOW, OF_CLOSE):
            fetch_ahead(asked[_BARS] + NUMBER_BYTES * (first[later] + column * apart))
        begin, begin_us = first[w], starts_us[w]
        for row in range(begin, end[w]):
            # the bars' own times are eight megabytes a million, and a window's first says all the others
            start_us = begin_us + (row - begin) * bar_us if begin_us != GAPPED else ts_us[row]
            hand_at(observe, si, sf, pi, pf, win, n, bars, apart, start_us, row, bar, out)
            if trigger(si, sf, pi, pf, win, n, bar, out):
                found[count] = row
                count += 1
                break
    _put_ints(_longs_at(asked[_INTS]), si)
    _put_floats(_doubles_at(asked[_FLOATS]), sf)
    return count
