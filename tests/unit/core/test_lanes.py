"""Sixteen bars looked at in one go: what is found is what a look at each of them finds."""

from __future__ import annotations

import numpy as np
import pytest

from axiomd.core.compiled import njit
from axiomd.core.lanes import quiet_rows, span
from axiomd.core.market.strip import LANES, NUMBER_MAX, ROW_BYTES, ROW_WIDTH, Int32Array

HIGH, LOW = 1, 2


@njit
def quiet_at(rows: Int32Array, row: int, high: int, low: int) -> int:
    count: int = quiet_rows(rows.ctypes.data + ROW_BYTES * row, high, low)
    return count


@njit
def span_at(rows: Int32Array, row: int, count: int) -> tuple[int, int]:
    found: tuple[int, int] = span(rows.ctypes.data + ROW_BYTES * row, count)
    return found


def drawn_rows(seed: int, largest: int) -> Int32Array:
    return np.random.default_rng(seed).integers(0, largest, (200, ROW_WIDTH), endpoint=True).astype(np.int32)


@pytest.mark.parametrize("largest", [20, NUMBER_MAX])
def test_quiet_rows_end_before_the_first_that_reaches_a_price(largest: int) -> None:
    rows = drawn_rows(1, largest)
    draw = np.random.default_rng(2)

    for row in range(len(rows) - LANES):
        high, low = largest - int(draw.integers(0, largest // 10 + 2)), int(draw.integers(-1, largest // 10 + 1))
        first = next(
            (k for k in range(LANES) if rows[row + k, HIGH] >= high or rows[row + k, LOW] <= low), LANES
        )  # fmt: skip
        assert first == quiet_at(rows, row, high, low)


@pytest.mark.parametrize("largest", [20, NUMBER_MAX])
def test_a_span_is_of_the_bars_asked_for_and_no_other(largest: int) -> None:
    rows = drawn_rows(3, largest)

    for row in range(len(rows) - LANES):
        count = row % LANES + 1
        bars = rows[row : row + count]
        assert (bars[:, HIGH].max(), bars[:, LOW].min()) == span_at(rows, row, count)
