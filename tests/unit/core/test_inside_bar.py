"""The first question of `inside_bar`: whether a bar lies inside the one before it, in either mode."""

from __future__ import annotations

from itertools import product

import pytest

from axiomd.contracts.units import MINUTE_US
from axiomd.core.board import FLOAT_STATE_SIZE, INT_STATE_SIZE, SETUP_SIZE
from axiomd.core.compiled import plain
from axiomd.core.strategies import api, inside_bar

BAR_US = 5 * MINUTE_US
WINDOW = [0, 10 * BAR_US, 20 * BAR_US, 19 * BAR_US]
PRICES = range(100, 104)


def answer(mode: str, mother: tuple[int, int], bar: tuple[int, int]) -> tuple[int, int]:
    """Give what the trigger says of a bar in an open window, and the window it leaves the search at."""
    params = inside_bar.Params.model_validate({"inside_bar_mode": mode, "min_mother_range_atr": 0})
    ints, floats = inside_bar.STRATEGY.numbers(params)
    state, out = [0] * INT_STATE_SIZE, [0] * SETUP_SIZE
    state[inside_bar.TICK], state[inside_bar.SEEN] = 1, params.atr_period
    state[inside_bar.MOTHER_START], state[inside_bar.START] = BAR_US, 2 * BAR_US
    state[inside_bar.MOTHER_HIGH], state[inside_bar.MOTHER_LOW] = mother
    state[inside_bar.HIGH], state[inside_bar.LOW] = bar
    told = plain(inside_bar.trigger)(state, [0.0] * FLOAT_STATE_SIZE, ints, floats, WINDOW, 1, [0] * 6, out)
    return told, state[inside_bar.USED_WINDOW]


@pytest.mark.parametrize("mode", ["inclusive", "strict"])
def test_a_bar_is_inside_where_both_of_its_extremes_are(mode: str) -> None:
    ranges = [(high, low) for high, low in product(PRICES, PRICES) if high >= low]

    for mother, bar in product(ranges, ranges):
        (mother_high, mother_low), (high, low) = mother, bar
        is_inside = (
            high < mother_high and low > mother_low
            if mode == "strict"
            else high <= mother_high and low >= mother_low
        )  # fmt: skip
        expected = (api.SETUP, 1) if is_inside else (api.NO_SETUP, 0)
        assert answer(mode, mother, bar) == expected
