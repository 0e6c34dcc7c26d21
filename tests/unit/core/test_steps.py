"""A walk over many bars is its strategy's steps bar by bar: the same state, the same setups, the same stops."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from axiomd.core.market.strip import Int32Array
from axiomd.core.steps import call_step, call_walk, step_address, walk_address
from axiomd.core.strategies.inside_bar import STRATEGY, Params

STEP_US = STRATEGY.timeframe_us
COUNT = 200

pytestmark = pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaPerformanceWarning")


@numba.njit
def by_step(address: int, si: Ints, sf: Floats, pi: Ints, pf: Floats, windows: Ints, bars: Ints, out: Ints) -> int:
    found = 0
    for row in range(len(bars)):
        if call_step(address, si, sf, 0, pi, pf, 0, windows, 0, 1, bars, row, 1, out, found):
            found += 1
    return found


@numba.njit
def by_walk(
    address: int, si: Ints, sf: Floats, pi: Ints, pf: Floats, windows: Ints, first_us: int, columns: Int32Array,
    pieces: Ints, out: Ints,
) -> int:  # fmt: skip
    found, row = 0, 0
    for piece in pieces:
        end = row + piece
        while row < end:
            taken = call_walk(
                address, si, sf, 0, pi, pf, 0, windows, 0, 1, first_us + row * STEP_US, STEP_US, columns, row,
                end - row, 1, out, found,
            )  # fmt: skip
            row = row + taken if taken > 0 else end
            found += 1 if taken > 0 else 0
    return found


def board() -> tuple[np.ndarray[Any, Any], ...]:
    si, sf = np.zeros((1, INT_STATE_SIZE), np.int64), np.zeros((1, FLOAT_STATE_SIZE), np.float64)
    pi, pf = np.zeros((1, INT_PARAMS_SIZE), np.int64), np.zeros((1, FLOAT_PARAMS_SIZE), np.float64)
    ints, floats = STRATEGY.numbers(Params())
    si[0, 0], pi[0, : len(ints)], pf[0, : len(floats)] = 100, ints, floats
    return si, sf, pi, pf, np.array([0, COUNT * STEP_US, COUNT * STEP_US, COUNT * STEP_US], np.int64)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_a_walk_is_its_steps_bar_by_bar(seed: int, pieces: list[int]) -> None:
    dice = np.random.Generator(np.random.PCG64(seed))
    count = sum(pieces)
    close = 1_000_000 + 100 * np.cumsum(dice.integers(-6, 7, count))
    bars = np.zeros((count, 6), np.int64)
    bars[:, 0] = np.arange(count) * STEP_US
    bars[:, 1] = bars[:, 4] = close
    bars[:, 2], bars[:, 3] = close + 100 * dice.integers(0, 9, count), close - 100 * dice.integers(0, 9, count)
    columns = np.ascontiguousarray(bars[:, 1:].T, np.int32)
    one, many = board(), board()
    setups = np.zeros((2, count, SETUP_SIZE), np.int64)

    found = by_step(step_address(STRATEGY.observe, STRATEGY.trigger), *one, bars, setups[0])
    walked = by_walk(
        walk_address(STRATEGY.observe, STRATEGY.trigger), *many, 0, columns, np.array(pieces, np.int64), setups[1]
    )  # fmt: skip

    assert found == walked
    assert all(np.array_equal(a, b) for a, b in zip(one, many, strict=True))
    assert setups[0].tolist() == setups[1].tolist()


def test_two_strategies_that_share_a_step_have_walks_of_their_own() -> None:
    @njit
    def never(si, sf, pi, pf, win, n, bar, out):  # type: ignore[no-untyped-def]
        return 0

    assert walk_address(STRATEGY.observe, STRATEGY.trigger) != walk_address(STRATEGY.observe, never)
    assert walk_address(STRATEGY.observe, never) == walk_address(STRATEGY.observe, never)
