"""Bars taken in together: the books stand as they do where each is taken in by itself."""

from __future__ import annotations

import numpy as np
import pytest

from axiomd.core.board import ABOVE_ALL, ACCOUNT, SYMBOL, Records
from axiomd.core.compiled import njit
from axiomd.core.kernel.stretch import follow
from axiomd.core.market.strip import COLUMNS, LANES, OF_CLOSE, Int32Array
from axiomd.core.marks import equity_at, sink


@njit
def followed(
    columns: Int32Array, count: int, account: Records, symbols: Records, peak: int, deepest: int
) -> tuple[int, int, int, int]:
    return follow(columns, 0, count, account[0], symbols[0], peak, deepest, peak)


@njit
def followed_by_each(
    columns: Int32Array, count: int, account: Records, symbols: Records, peak: int, deepest: int
) -> tuple[int, int, int, int]:
    of_peak, lowest = peak, ABOVE_ALL
    for bar in range(count):
        equity = equity_at(account[0], symbols[0], int(columns[OF_CLOSE, bar]))
        lowest = min(lowest, equity)
        peak, deepest, of_peak = sink(equity, peak, deepest, of_peak)
    return lowest, peak, deepest, of_peak


def drawn_closes(draw: np.random.Generator, count: int) -> Int32Array:
    columns = np.zeros((COLUMNS, 2 * LANES), np.int32)
    # few prices, so that falls are often as deep as others
    columns[OF_CLOSE, :count] = 1000 + draw.integers(0, 6, count)
    return columns


@pytest.mark.parametrize("rate", [(1, 1), (3, 1), (7, 3)])
@pytest.mark.parametrize("position", [1, -1, 40, -40])
def test_an_equity_followed_over_some_bars_ends_as_it_does_bar_by_bar(position: int, rate: tuple[int, int]) -> None:
    account, symbols = np.zeros(1, ACCOUNT), np.zeros(1, SYMBOL)
    symbols["position"], symbols["close"] = position, 1003
    symbols["fx_num"], symbols["fx_den"] = rate
    account["equity"] = 100_000
    draw = np.random.default_rng(position % 100)

    for _ in range(300):
        count = int(draw.integers(1, LANES, endpoint=True))
        columns = drawn_closes(draw, count)
        # the session's peak and deepest fall so far lie where the equity comes by
        peak = 100_000 + int(draw.integers(-9, 6)) * abs(position)
        deepest = -int(draw.integers(0, 6)) * abs(position)
        expected = followed_by_each(columns, count, account, symbols, peak, deepest)
        assert expected == followed(columns, count, account, symbols, peak, deepest)
