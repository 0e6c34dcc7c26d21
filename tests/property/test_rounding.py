"""Prices to the grid: on it, less than a tick away, and on the side that is worse for us."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.core.rounding import (
    divided,
    quotient,
    round_limit_entry,
    round_stop_entry,
    round_stop_loss,
    round_take_profit,
    whole_steps,
)

Rounding = Callable[[int, int, int], int]
Division = Callable[[int, int], int]

PRICES = st.integers(1, 10**10)
TICKS = st.sampled_from([1, 5, 25, 50, 100, 500, 1000, 10_000])
SIDES = st.sampled_from([1, -1])

# +1: never below the price for a long entry's order; the short one is its mirror
AGAINST_US: dict[str, tuple[Rounding, int]] = {
    "stop entry": (round_stop_entry, 1),
    "limit entry": (round_limit_entry, -1),
    "stop-loss": (round_stop_loss, -1),
    "take-profit": (round_take_profit, 1),
}


@pytest.mark.parametrize("name", AGAINST_US)
@given(price=PRICES, tick=TICKS, side=SIDES)
def test_rounds_against_us_by_less_than_a_tick(name: str, price: int, tick: int, side: int) -> None:
    rounding, direction = AGAINST_US[name]

    rounded = rounding(price, side, tick)

    assert 0 == rounded % tick
    assert 0 <= (rounded - price) * direction * side < tick


@pytest.mark.parametrize("name", AGAINST_US)
@given(whole=st.integers(1, 10**6), tick=TICKS, side=SIDES)
def test_price_on_the_grid_stays(name: str, whole: int, tick: int, side: int) -> None:
    rounding, _ = AGAINST_US[name]

    assert whole * tick == rounding(whole * tick, side, tick)


@pytest.mark.parametrize(
    ("expected", "name", "side"),
    [
        (1_000_100, "stop entry", 1),
        (1_000_000, "stop entry", -1),
        (1_000_000, "limit entry", 1),
        (1_000_100, "limit entry", -1),
        (1_000_000, "stop-loss", 1),
        (1_000_100, "stop-loss", -1),
        (1_000_100, "take-profit", 1),
        (1_000_000, "take-profit", -1),
    ],
)
def test_midpoint_print_of_100_005(expected: int, name: str, side: int) -> None:
    assert expected == AGAINST_US[name][0](1_000_050, side, 100)


@pytest.mark.parametrize("divide", [quotient, whole_steps])
@given(whole=st.integers(-(2**20), 2**53), part=st.integers(1, 2**53), off=st.sampled_from([-1, 0, 1]))
def test_a_quotient_is_exact_beside_every_multiple(divide: Division, whole: int, part: int, off: int) -> None:
    number = whole * part + off
    if -(2**63) <= number < 2**63:
        assert number // part == divide(number, part)


@pytest.mark.parametrize("divide", [quotient, whole_steps])
@given(number=st.integers(-(2**63), 2**63 - 1), part=st.integers(1, 2**63 - 1))
def test_a_quotient_is_exact_everywhere(divide: Division, number: int, part: int) -> None:
    assert number // part == divide(number, part)


@pytest.mark.parametrize("divide", [quotient, whole_steps])
@given(
    number=st.integers(-(2**12), 2**12), part=st.integers(1, 2**12) | st.integers(2**50 - 2**12, 2**50 + 2**12),
    end=st.sampled_from([2**50, 2**51, 2**52, 2**53]),
)  # fmt: skip
def test_a_quotient_is_exact_where_floats_end(divide: Division, number: int, part: int, end: int) -> None:
    assert (end + number) // part == divide(end + number, part)


@given(number=st.floats(1e-280, 1e280), whole=st.integers(1, 2**50))
def test_what_is_divided_without_a_division_is_the_quotient_to_the_bit(number: float, whole: int) -> None:
    assert number / whole == divided(number, whole)
    assert -number / whole == divided(-number, whole)
    assert 0.0 == divided(0.0, whole)


@given(whole=st.integers(1, 2**26), middle=st.integers(2**52, 2**53 - 1), off=st.integers(-3, 3))
def test_it_is_so_beside_the_middle_of_two_floats(whole: int, middle: int, off: int) -> None:
    """What is nearest to half a place: (2 * middle + 1) * whole, as a float holds it."""
    number = float((2 * middle + 1) * whole)
    for _ in range(abs(off)):
        number = math.nextafter(number, math.inf if off > 0 else -math.inf)

    assert number / whole == divided(number, whole)
