"""Sixteen bars looked at in one go: what is found is what a look at each of them finds."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest

from axiomd.core.compiled import njit
from axiomd.core.lanes import deepest_fall, quiet_bars, span
from axiomd.core.market.strip import COLUMNS, LANES, NUMBER_MAX, OF_CLOSE, OF_HIGH, OF_LOW, Int32Array, address_in


@njit
def quiet_at(columns: Int32Array, row: int, high: int, low: int, skipped: int, most: int) -> int:
    highs_at, lows_at = address_in(columns, OF_HIGH, row), address_in(columns, OF_LOW, row)
    count: int = quiet_bars(highs_at, lows_at, high, low, skipped, most)
    return count


@njit
def span_at(columns: Int32Array, row: int, count: int) -> tuple[int, int]:
    found: tuple[int, int] = span(address_in(columns, OF_HIGH, row), address_in(columns, OF_LOW, row), count)
    return found


@njit
def fall_at(columns: Int32Array, row: int, count: int, turn: int) -> tuple[int, int, int, int]:
    found: tuple[int, int, int, int] = deepest_fall(address_in(columns, OF_CLOSE, row), count, turn)
    return found


def drawn_columns(seed: int, largest: int) -> Int32Array:
    return np.random.default_rng(seed).integers(0, largest, (COLUMNS, 200), endpoint=True).astype(np.int32)


@pytest.mark.parametrize("largest", [20, NUMBER_MAX])
def test_quiet_bars_end_before_the_first_that_reaches_a_price(largest: int) -> None:
    columns = drawn_columns(1, largest)
    highs, lows = columns[OF_HIGH], columns[OF_LOW]
    draw = np.random.default_rng(2)

    for row in range(columns.shape[1] - LANES):
        high, low = largest - int(draw.integers(0, largest // 10 + 2)), int(draw.integers(-1, largest // 10 + 1))
        skipped, most = row % 2, row % LANES + 1
        first = next((k for k in range(skipped, most) if highs[row + k] >= high or lows[row + k] <= low), most)
        assert first == quiet_at(columns, row, high, low, skipped, most)


@pytest.mark.parametrize("largest", [20, NUMBER_MAX])
def test_a_span_is_of_the_bars_asked_for_and_no_other(largest: int) -> None:
    columns = drawn_columns(3, largest)

    for row in range(columns.shape[1] - LANES):
        bars = columns[:, row : row + row % LANES + 1]
        assert (bars[OF_HIGH].max(), bars[OF_LOW].min()) == span_at(columns, row, row % LANES + 1)


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("largest", [4, 1000, NUMBER_MAX])
def test_the_deepest_fall_is_the_first_of_the_deepest_from_the_highest_so_far(largest: int, turn: int) -> None:
    columns = drawn_columns(4, largest)

    for row in range(columns.shape[1] - LANES):
        count = row % LANES + 1
        turned = [turn * int(close) for close in columns[OF_CLOSE, row : row + count]]
        falls = [peak - number for peak, number in zip(accumulate(turned, max), turned, strict=True)]
        expected = (turn * min(turned), turn * max(turned), max(falls), falls.index(max(falls)))
        assert expected == fall_at(columns, row, count, turn)
