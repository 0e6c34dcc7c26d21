"""First touch: the compiled rules and the second reading's say the same of any bar, and costs are exact."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from axiomd.contracts.units import PRICE_UNITS_MAX, SHARES_MAX
from axiomd.core import fills
from axiomd.core.plan import COSTS_RECORD
from tests.reference import matching
from tests.reference.setups import Bar

TICK = 100
LEVELS = st.integers(95, 115).map(lambda ticks: ticks * TICK)
SIDES = st.sampled_from([1, -1])


@st.composite
def bars(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Draw O, H, L, C around the levels, now and then between ticks."""
    prices = [draw(st.integers(90 * TICK, 120 * TICK)) for _ in range(2)]
    if draw(st.booleans()):
        prices = [price // TICK * TICK for price in prices]
    high = max(prices) + draw(st.integers(0, 10)) * TICK
    low = min(prices) - draw(st.integers(0, 10)) * TICK
    return prices[0], high, low, prices[1]


def read(bar: tuple[int, int, int, int]) -> Bar:
    return Bar("AAA", 0, *(Fraction(price) for price in bar), 1000)


def leg(side: int, stop: int, limit: int | None, stop_loss: int, target: int | None, *, rests: bool = False) -> Any:
    return matching.Leg(
        key="k", oco="o", strategy="s", version="1", symbol="AAA", side=side, qty=1, stop=Fraction(stop),
        limit=None if limit is None else Fraction(limit), stop_loss=Fraction(stop_loss),
        target=None if target is None else Fraction(target), valid_from_us=0, valid_to_us=1, created_us=0, session="",
        signal_id="", setup_volume=0, rests_as_limit=rests,
    )  # fmt: skip


@given(side=SIDES, stop=LEVELS, beyond=st.none() | st.integers(0, 8), rests=st.booleans(), bar=bars())
def test_entries_fill_as_the_second_reading_says(
    side: int, stop: int, beyond: int | None, rests: bool, bar: tuple[int, int, int, int]
) -> None:
    limit = None if beyond is None else stop + side * beyond * TICK
    rests = rests and limit is not None
    expected = matching.entry_touch(leg(side, stop, limit, 0, None, rests=rests), read(bar))

    code, price, at_open = fills.entry_touch(fills.STOP, side, stop, limit or 0, rests, *bar[:3])

    if expected is None:
        assert fills.UNTOUCHED == code
    elif expected.price is None:
        assert fills.TRIGGERED == code
    else:
        assert (fills.FILLED, expected.price, expected.at_open) == (code, price, at_open)


@given(side=SIDES, stop=LEVELS, bar=bars())
def test_stop_entry_never_fills_better_than_its_level_and_never_outside_the_bar(
    side: int, stop: int, bar: tuple[int, int, int, int]
) -> None:
    code, price, _ = fills.entry_touch(fills.STOP, side, stop, 0, False, *bar[:3])

    if code == fills.FILLED:
        assert (price - stop) * side >= 0
        assert bar[2] <= price <= bar[1]


@given(side=SIDES, limit=LEVELS, bar=bars())
def test_limit_entry_never_fills_worse_than_its_level(side: int, limit: int, bar: tuple[int, int, int, int]) -> None:
    code, price, _ = fills.entry_touch(fills.LIMIT, side, 0, limit, False, *bar[:3])

    assert (code == fills.FILLED) == (bar[2] <= limit if side > 0 else bar[1] >= limit)
    if code == fills.FILLED:
        assert (price - limit) * side <= 0
        assert bar[2] <= price <= bar[1]


@given(long=LEVELS, short=LEVELS, bar=bars())
def test_of_two_touched_legs_the_nearer_to_open_counts(long: int, short: int, bar: tuple[int, int, int, int]) -> None:
    legs = [leg(1, long, None, 0, None), leg(-1, short, None, 0, None)]

    assert matching.nearer_to_open(legs, read(bar)).side == fills.first_leg(long, short, bar[0])


def code_of(exit_: matching.Exit | None) -> tuple[int, Fraction | int]:
    if exit_ is None:
        return fills.NO_EXIT, 0
    return (fills.EXIT_STOP if exit_.reason == "SL" else fills.EXIT_TARGET), exit_.price


@given(side=SIDES, near=st.integers(1, 10), far=st.none() | st.integers(1, 12), bar=bars())
def test_exits_of_later_bars_are_the_second_readings(
    side: int, near: int, far: int | None, bar: tuple[int, int, int, int]
) -> None:
    stop, target = (105 - side * near) * TICK, None if far is None else (105 + side * far) * TICK
    expected = matching.exit_in_later_bar(side, Fraction(stop), None if target is None else Fraction(target), read(bar))

    code, price, ambiguous = fills.exit_touch(side, stop, target or 0, False, False, *bar[:3])

    assert code_of(expected) == (code, price)
    assert (expected is not None and expected.ambiguous) == ambiguous


@given(
    side=SIDES, near=st.integers(1, 10), far=st.none() | st.integers(1, 12), at_open=st.booleans(), bar=bars(),
)  # fmt: skip
def test_exits_of_the_entry_bar_are_the_second_readings(
    side: int, near: int, far: int | None, at_open: bool, bar: tuple[int, int, int, int]
) -> None:
    stop, target = (105 - side * near) * TICK, None if far is None else (105 + side * far) * TICK
    touch = matching.Touch(Fraction(bar[0] if at_open else 105 * TICK), at_open, False)
    expected, ambiguous = matching.exit_in_entry_bar(leg(side, 105 * TICK, None, stop, target), touch, read(bar))

    found = fills.exit_touch(side, stop, target or 0, True, at_open, *bar[:3])

    assert (*code_of(expected), ambiguous) == tuple(found)


@given(side=SIDES, near=st.integers(1, 10), far=st.integers(1, 10), bar=bars())
def test_both_exits_in_one_bar_are_the_stop(side: int, near: int, far: int, bar: tuple[int, int, int, int]) -> None:
    stop, target = (105 - side * near) * TICK, (105 + side * far) * TICK
    touches_both = bar[2] <= min(stop, target) and bar[1] >= max(stop, target)

    code, _, ambiguous = fills.exit_touch(side, stop, target, False, False, *bar[:3])

    if touches_both:
        assert (fills.EXIT_STOP, True) == (code, ambiguous)


def costs(**numbers: Fraction) -> Any:
    record = np.zeros(1, COSTS_RECORD)
    record["per_share_e8"] = int(numbers["commission_per_share"] * 10**8)
    record["minimum_e12"] = int(numbers["commission_min"] * 10**12)
    record["notional_bps_e4"] = int(numbers["commission_bps"] * 10**4)
    record["slippage_bps_e4"] = int(numbers["slippage_bps"] * 10**4)
    record["slippage_ticks"] = int(numbers["slippage_ticks"])
    return record[0]


AMOUNTS = st.decimals("0", "5", places=4).map(Fraction)


@given(
    notional=st.integers(1, 2**57), price=st.integers(1, PRICE_UNITS_MAX), per_share=st.integers(0, 10**11),
    least=st.integers(0, 10**6), bps=st.integers(0, 10**8), slip=st.integers(0, 10**8),
)  # fmt: skip
@example(4 * 10**13, 6_000_000, 0, 0, 250_000, 0)
def test_costs_are_exact_whatever_a_configuration_takes(
    notional: int, price: int, per_share: int, least: int, bps: int, slip: int
) -> None:
    """The example, 25 bp of 4e9, cost nothing: the charge had left 64 bits."""
    qty = max(1, min(notional // price, SHARES_MAX))
    numbers = {
        "commission_per_share": Fraction(per_share, 10**8), "commission_min": Fraction(least),
        "commission_bps": Fraction(bps, 10**4), "slippage_bps": Fraction(slip, 10**4), "slippage_ticks": Fraction(0),
    }  # fmt: skip
    exact_price = Fraction(price, 10_000)

    assert matching.commission(qty, exact_price, numbers) * 10_000 == fills.commission(costs(**numbers), qty, price)
    against_us = matching.slippage_ticks(exact_price, numbers, Fraction(1, 100))
    for side in (1, -1):
        assert (price + side * against_us * TICK, against_us) == fills.slipped(costs(**numbers), side, price, TICK, 0)


@given(
    qty=st.integers(1, 100_000), price=st.integers(1, 10_000_000), per_share=AMOUNTS, least=AMOUNTS, bps=AMOUNTS,
    slip=AMOUNTS, ticks=st.integers(0, 5),
)  # fmt: skip
def test_costs_are_exact(
    qty: int, price: int, per_share: Fraction, least: Fraction, bps: Fraction, slip: Fraction, ticks: int
) -> None:
    numbers = {
        "commission_per_share": per_share, "commission_min": least, "commission_bps": bps, "slippage_bps": slip,
        "slippage_ticks": Fraction(ticks),
    }  # fmt: skip
    exact_price = Fraction(price, 10_000)

    assert matching.commission(qty, exact_price, numbers) * 10_000 == fills.commission(costs(**numbers), qty, price)
    against_us = matching.slippage_ticks(exact_price, numbers, Fraction(1, 100))
    for side in (1, -1):
        assert (price + side * against_us * TICK, against_us) == fills.slipped(costs(**numbers), side, price, TICK, 0)


@given(price=st.integers(1_000, 10_000_000), ticks=st.integers(0, 5), room=st.integers(0, 8), side=SIDES)
def test_no_slippage_carries_an_entry_beyond_its_limit(price: int, ticks: int, room: int, side: int) -> None:
    free = dict.fromkeys(("commission_per_share", "commission_min", "commission_bps", "slippage_bps"), Fraction(0))
    limit = price + side * room * TICK

    paid, moved = fills.slipped(costs(**free, slippage_ticks=Fraction(ticks)), side, price, TICK, limit)

    assert (paid, moved) == (price + side * min(ticks, room) * TICK, min(ticks, room))
