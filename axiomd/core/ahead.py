"""The setups of a strategy, found ahead of the books: no step sees a position, so none has to wait for one.

Where a strategy promises it (`api.Memory`), its `observe` first takes in all bars, in four pieces side by side, and
what stands before each window is kept; its `trigger` is then asked within windows alone. What was observed serves every
run over the same bars with the same windows and parameters. Without the promise every bar goes through both steps in
turn. The steps are those the scan calls; this says only which bars they are handed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from axiomd.core.asking import ASKED_SIZE, BODY, GAPPED, KEPT_SIZE, ask, ask_windows, look, observe_windows
from axiomd.core.board import FLOAT_PARAMS_SIZE, INT_PARAMS_SIZE, SETUP_SIZE, Board, Floats, Ints, Records
from axiomd.core.compiled import njit
from axiomd.core.market.sessions import BoolArray
from axiomd.core.market.strip import Int32Array, Strip
from axiomd.core.steps import address_of, call_walk
from axiomd.core.strategies.api import Strategy

KEPT_MAX: Final = 4
"""So many observations, and placings of windows, are kept of a strip."""
_ROOM_MIN: Final = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Setups:
    """What a strategy found in a strip: `row` int64[m + 1] of the bars that complete one, the last behind all bars.

    `found` int64[m, 16] are the setups in their order, without what the scan fills in.
    """

    row: Ints
    found: Ints


NO_SETUPS: Final = Setups(np.zeros(1, np.int64), np.zeros((0, SETUP_SIZE), np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Windows in a strip: the first row of each and the one behind its last, its session (as the strip counts).

    `start_us` int64[w] is the start of its first bar where the others follow without a gap, `GAPPED` where they do not.
    `is_asked` bool[w] is room for a run to say in which of them it asks."""

    windows: Ints
    first: Ints
    end: Ints
    start_us: Ints
    session: Ints
    is_asked: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class _Observed:
    """What stands before each window's first row: int64[w, KEPT_SIZE], with what it was made of."""

    places: _Places
    observe: object
    numbers: tuple[int, list[int], list[float]]
    kept: Ints


def setups_ahead(
    strip: Strip, strategy: Strategy, board: Board, ranks: Ints, first_session: int, room: Ints
) -> Setups:  # fmt: skip
    """Find every setup of the one slot of a board, in the sessions from `first_session` on in which it is a candidate.

    `ranks` int64[k, 1] by session of the strip, or int64[1, 1] for all of them. `room` int64[r, 16] takes the setups
    where one a window is all there can be. The board's state is left behind the last bar that was asked.
    """
    if strategy.memory is None:
        return _walked(strip, board, ranks, first_session)
    places = _places_of(strip, board.windows)
    observed = _observed(strip, strategy, board, places)
    count = len(places.first)
    assert len(room) >= count, "a strategy with a memory finds one setup a window"
    row, found = np.empty(count + 1, np.int64), room[:count]
    m = ask(
        address_of(ask_windows, BODY, strategy.observe, strategy.trigger), np.empty(ASKED_SIZE, np.int64),
        strip.columns, strip.ts_us, int(board.account[0]["bar_us"]), places.first, places.end, places.start_us,
        places.session, observed.kept, ranks, first_session, board.int_state, board.float_state, board.int_params,
        board.float_params, board.windows, places.is_asked, found, row,
    )  # fmt: skip
    row[m] = len(strip.ts_us)
    return Setups(row[: m + 1], found[:m])


def forget_observed(strip: Strip) -> None:
    """Forget what was observed of a strip, for whoever measures it; where its windows lie is kept."""
    strip.memo[:] = [memo for memo in strip.memo if not isinstance(memo, _Observed)]


def _places_of(strip: Strip, windows: Ints) -> _Places:
    for memo in strip.memo:
        if isinstance(memo, _Places) and (memo.windows is windows or np.array_equal(memo.windows, windows)):
            return memo
    begins_us, ends_us = windows.reshape(-1, 4)[:, :2].T
    first, end = np.searchsorted(strip.ts_us, begins_us), np.searchsorted(strip.ts_us, ends_us)
    session = np.minimum(np.searchsorted(strip.first, first, "right") - 1, len(strip.session) - 1)
    has_bars = np.flatnonzero(first < end)
    begin, start_us = first[has_bars], np.full(len(first), GAPPED)
    start_us[has_bars] = np.where(strip.run_end[begin] >= end[has_bars], strip.ts_us[begin], GAPPED)
    places = _Places(windows, first, end, start_us, session, np.empty(len(first), np.bool_))
    _keep(strip, places)
    return places


def _observed(strip: Strip, strategy: Strategy, board: Board, places: _Places) -> _Observed:
    assert strategy.memory is not None
    own_ints, own_floats = board.int_params[0].tolist(), board.float_params[0].tolist()
    numbers = (
        int(board.int_state[0, 0]), [own_ints[k] for k in strategy.memory.ints],
        [own_floats[k] for k in strategy.memory.floats],
    )  # fmt: skip
    for memo in strip.memo:
        if (
            isinstance(memo, _Observed) and memo.places is places and memo.observe is strategy.observe
            and memo.numbers == numbers
        ):  # fmt: skip
            return memo
    # what was not promised to be read cannot be read: it is not there
    ints, floats = np.zeros(INT_PARAMS_SIZE, np.int64), np.zeros(FLOAT_PARAMS_SIZE, np.float64)
    ints[list(strategy.memory.ints)], floats[list(strategy.memory.floats)] = numbers[1:]
    kept = np.empty((len(places.first), KEPT_SIZE), np.int64)
    look(
        address_of(observe_windows, BODY, strategy.observe, strategy.trigger), np.empty(ASKED_SIZE, np.int64),
        np.empty(KEPT_SIZE, np.int64), strip.columns, strip.ts_us, places.first, kept, board.int_state,
        board.float_state, ints, floats,
    )  # fmt: skip
    observed = _Observed(places, strategy.observe, numbers, kept)
    _keep(strip, observed)
    return observed


def _keep(strip: Strip, memo: _Places | _Observed) -> None:
    alike = [other for other in strip.memo if type(other) is type(memo)]
    if len(alike) >= KEPT_MAX:
        strip.memo.remove(alike[0])
    strip.memo.append(memo)


def _walked(strip: Strip, board: Board, ranks: Ints, first_session: int) -> Setups:
    sessions = np.arange(len(strip.session))
    is_asked = (ranks[sessions % len(ranks), 0] >= 0) & (sessions >= first_session)
    room = _ROOM_MIN
    row, found, done = np.empty(room, np.int64), np.empty((room, SETUP_SIZE), np.int64), np.zeros(2, np.int64)
    while not walk_sessions(
        strip.columns, strip.ts_us, strip.run_end, strip.first, is_asked, int(board.account[0]["bar_us"]),
        board.strategies, board.int_state, board.float_state, board.int_params, board.float_params, board.windows, row,
        found, done,
    ):  # fmt: skip
        row, found = np.concatenate([row, np.empty_like(row)]), np.concatenate([found, np.empty_like(found)])
    m = int(done[1])
    row[m] = len(strip.ts_us)
    return Setups(row[: m + 1], found[:m])


@njit
def walk_sessions(
    columns: Int32Array, ts_us: Ints, run_end: Int32Array, first: Ints, is_asked: BoolArray, bar_us: int,
    strategies: Records, si: Ints, sf: Floats, pi: Ints, pf: Floats, windows: Ints, found: Ints, setups: Ints,
    done: Ints,
) -> bool:  # fmt: skip
    """Walk all sessions, `done` of them so far with so many setups; False where there is no room for another one's."""
    strategy = strategies[0]
    windows_first, windows_count = strategy.window_first, strategy.window_end - strategy.window_first
    while done[0] < len(is_asked):
        session, count = done[0], done[1]
        row, last = first[session], first[session + 1]
        if count + last - row >= len(found):
            return False
        while row < last:
            taken = call_walk(
                strategy.walk, si, sf, 0, pi, pf, 0, windows, windows_first, windows_count, ts_us[row], bar_us, columns,
                row, run_end[row] - row, 1 if is_asked[session] else 0, setups, count,
            )  # fmt: skip
            if taken > 0:
                found[count] = row + taken - 1
                count += 1
            row = row + taken if taken > 0 else run_end[row]
        done[0], done[1] = session + 1, count
    return True
