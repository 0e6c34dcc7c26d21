"""Setups found ahead of the books are those of both steps over every bar, whatever is left out and taken in pieces."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.core.ahead import KEPT_MAX, forget_observed, setups_ahead
from axiomd.core.board import FLOAT_PARAMS_SIZE, INT_PARAMS_SIZE, SETUP_SIZE, Board
from axiomd.core.market.strip import Strip, strip_of
from axiomd.core.plan import board_of
from axiomd.core.strategies.api import LONG_ENTRY, OBSERVED_FLOATS, OBSERVED_INTS, SHORT_LIMIT
from axiomd.core.strategies.inside_bar import STRATEGY, Params
from benchmarks.job import plan_of
from benchmarks.market import dense_tape

EVERY_SESSION = np.zeros((1, 1), np.int64)
PLAIN = replace(STRATEGY, memory=None)

pytestmark = pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaPerformanceWarning")


def strip_and_board(bars: int, seed: int, without: list[int] | None = None, **params: Any) -> tuple[Strip, Board]:
    tape = dense_tape(bars, seed=seed)
    tape = replace(tape, bars=np.delete(tape.bars, [row % bars for row in without or ()], axis=0))
    board = board_of(plan_of(tape))
    ints, floats = STRATEGY.numbers(Params(**params))
    board.int_params[0] = np.pad(np.array(ints, np.int64), (0, INT_PARAMS_SIZE - len(ints)))
    board.float_params[0] = np.pad(np.array(floats), (0, FLOAT_PARAMS_SIZE - len(floats)))
    return strip_of(tape), board


def found_by(strategy: Any, strip: Strip, board: Board, ranks: Any = EVERY_SESSION, first_session: int = 0) -> Any:
    board.int_state[:, 1:], board.float_state[:] = 0, 0
    room = np.empty((len(board.windows) // 4, SETUP_SIZE), np.int64)
    setups = setups_ahead(strip, strategy, board, ranks, first_session, room)
    counts = [int(board.int_state[0, column]) for column in STRATEGY.counters.values()]
    return setups.row.tolist(), setups.found[:, : SHORT_LIMIT + 1].tolist(), counts


@given(
    st.integers(1, 2500), st.integers(0, 10_000), st.lists(st.integers(0, 2499), max_size=40), st.integers(1, 400),
    st.sampled_from(("0", "0.5", "1.5")),
)  # fmt: skip
def test_what_is_left_out_changes_no_setup(bars: int, seed: int, without: list[int], period: int, width: str) -> None:
    strip, board = strip_and_board(bars + 1, seed, without[: bars // 2], atr_period=period, min_mother_range_atr=width)

    assert found_by(PLAIN, strip, board) == found_by(STRATEGY, strip, board)


def test_only_sessions_with_a_candidate_are_asked_but_all_are_observed() -> None:
    strip, board = strip_and_board(2000, 3)
    ranks = np.array([[0 if session % 3 else -1] for session in range(len(strip.session))], np.int64)

    every, some = found_by(STRATEGY, strip, board), found_by(STRATEGY, strip, board, ranks, 4)

    asked = [row for row in every[0][:-1] if (k := int(np.searchsorted(strip.first, row, "right")) - 1) >= 4 and k % 3]
    assert some == found_by(PLAIN, strip, board, ranks, 4)
    assert [*asked, len(strip.ts_us)] == some[0]


def test_what_was_observed_serves_other_targets_and_not_other_periods() -> None:
    strip, board = strip_and_board(1000, 5)
    found_by(STRATEGY, strip, board)
    kept = list(strip.memo)

    _, wide = strip_and_board(1000, 5, risk_reward=Decimal("3.5"))
    targets = found_by(STRATEGY, strip, wide)
    after_targets = list(strip.memo)
    for period in range(20, 20 + 2 * KEPT_MAX):
        found_by(STRATEGY, strip, strip_and_board(1000, 5, atr_period=period)[1])

    assert kept == after_targets
    assert targets == found_by(PLAIN, strip, wide)
    assert KEPT_MAX + 1 == len(strip.memo)


def test_what_was_observed_can_be_forgotten_and_comes_again() -> None:
    strip, board = strip_and_board(1000, 5)
    before = found_by(STRATEGY, strip, board)

    forget_observed(strip)

    assert 1 == len(strip.memo)
    assert before == found_by(STRATEGY, strip, board)


@given(st.integers(0, 10_000), st.integers(0, 40))
def test_inside_bar_keeps_the_promise_of_its_memory(seed: int, place: int) -> None:
    """`observe` moves its own columns alone, and goes by nothing that is not promised."""
    dice = np.random.Generator(np.random.PCG64(seed))
    memory = STRATEGY.memory
    assert memory is not None
    si, sf = dice.integers(1, 1000, 16), dice.random(8) * 100
    pi, pf = dice.integers(1, 30, INT_PARAMS_SIZE), dice.random(FLOAT_PARAMS_SIZE)
    bar = dice.integers(1000, 2000, 6)
    other_si, other_sf, other_pi, other_pf = si.copy(), sf.copy(), np.zeros_like(pi), np.zeros_like(pf)
    other_si[OBSERVED_INTS:], other_sf[OBSERVED_FLOATS:] = place, place
    other_pi[list(memory.ints)], other_pf[list(memory.floats)] = pi[list(memory.ints)], pf[list(memory.floats)]
    windows, out = np.zeros(4, np.int64), np.full(16, 7)
    theirs = si[OBSERVED_INTS:].copy(), sf[OBSERVED_FLOATS:].copy()

    STRATEGY.observe(si, sf, pi, pf, windows, 1, bar, out)
    STRATEGY.observe(other_si, other_sf, other_pi, other_pf, windows, 0, bar, out)

    assert theirs[0].tolist() == si[OBSERVED_INTS:].tolist()
    assert theirs[1].tolist() == sf[OBSERVED_FLOATS:].tolist()
    assert si[:OBSERVED_INTS].tolist() == other_si[:OBSERVED_INTS].tolist()
    assert sf[:OBSERVED_FLOATS].tobytes() == other_sf[:OBSERVED_FLOATS].tobytes()
    assert [7] * 16 == out.tolist()


def test_levels_are_the_columns_that_a_step_fills_in() -> None:
    strip, board = strip_and_board(1000, 5)

    row, found, _ = found_by(STRATEGY, strip, board)

    assert len(row) == len(found) + 1 > 1
    assert all(setup[LONG_ENTRY] > 0 for setup in found)
