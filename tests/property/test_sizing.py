"""Sizes: whole lots, never negative, never above a cap, and what an exact reading gives."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from axiomd.contracts.units import NOTIONAL_UNITS_MAX, PPM, RATE_PART_MAX, SHARES_MAX
from axiomd.core import sizing
from axiomd.core.sizing import FIXED, MODES, PCT_EQUITY, RISK, SIZING, fraction, stakes

EQUITIES = st.integers(-(10**12), 10**13)
TICKS = st.sampled_from([1, 50, 100, 500])
LEVELS = st.integers(1, 1_000_000)
LOTS = st.sampled_from([1, 10, 100])
PERCENTS = st.decimals("0", "400", places=3).map(Fraction)
VOLUMES = st.integers(0, 10**9)


def record_of(**numbers: Any) -> Any:
    """Build a sizing record; percentages are plain numbers."""
    record = np.zeros(1, SIZING)
    given = {"mode": FIXED, "fixed_qty": 100, "pos_pct": 10, "risk_pct": 1, "max_pos_pct": 100, "min_qty": 1} | numbers
    record["mode"], record["fixed_qty"], record["min_qty"] = given["mode"], given["fixed_qty"], given["min_qty"]
    for name in ("pos_pct", "risk_pct", "max_pos_pct"):
        record[f"{name}_ppm"] = int(given[name] * PPM)
    volume_pct = given.get("max_volume_pct")
    record["max_volume_pct_ppm"] = -1 if volume_pct is None else int(volume_pct * PPM)
    record["budget_pct_ppm"] = int(given.get("budget_pct", 100) * PPM)
    return record[0]


def quantity(record: Any, equity: int, entry: int, stop: int, **more: int) -> int:
    own = {"tick": 100, "lot": 1, "volume": 10**9, "fx_num": 1, "fx_den": 1} | more
    stake, cap = stakes(record, equity, own["fx_num"], own["fx_den"])
    return int(sizing.quantity(record, stake, cap, entry, stop, own["tick"], own["lot"], own["volume"]))


@given(
    mode=st.sampled_from(sorted(MODES.values())), equity=EQUITIES, tick=TICKS, entry=LEVELS, stop=LEVELS, lot=LOTS,
    volume=VOLUMES, pos=PERCENTS, risk=PERCENTS, cap=PERCENTS, volume_pct=st.none() | PERCENTS,
    budget=st.sampled_from([25, 50, 100]), rate=st.sampled_from([(1, 1), (4, 5), (5, 4), (10_834, 10_000)]),
    fixed=st.integers(1, 100_000), least=st.integers(1, 500),
)  # fmt: skip
def test_size_is_never_negative_and_never_above_a_cap(
    mode: int, equity: int, tick: int, entry: int, stop: int, lot: int, volume: int, pos: Fraction, risk: Fraction,
    cap: Fraction, volume_pct: Fraction | None, budget: int, rate: tuple[int, int], fixed: int, least: int,
) -> None:  # fmt: skip
    record = record_of(
        mode=mode, pos_pct=pos, risk_pct=risk, max_pos_pct=cap, max_volume_pct=volume_pct, budget_pct=budget,
        fixed_qty=fixed, min_qty=least,
    )  # fmt: skip
    num, den = rate

    qty = quantity(record, equity, entry * tick, stop * tick, tick=tick, lot=lot, volume=volume, fx_num=num, fx_den=den)

    assert qty == 0 or qty >= least
    own_equity = max(Fraction(equity), Fraction(0)) * budget / 100
    assert Fraction(qty * entry * tick * num, den) <= own_equity * cap / 100
    if volume_pct is not None:
        assert qty <= volume * volume_pct / 100
    if mode != FIXED:
        assert 0 == qty % lot
    if mode == PCT_EQUITY:
        assert Fraction(qty * entry * tick * num, den) <= own_equity * pos / 100
    if mode == RISK:
        assert Fraction(qty * max(1, abs(entry - stop)) * tick * num, den) <= own_equity * risk / 100


@given(
    mode=st.sampled_from([PCT_EQUITY, RISK]), equity=st.integers(0, 10**13), tick=TICKS, entry=LEVELS, stop=LEVELS,
    lot=LOTS, pos=PERCENTS, risk=PERCENTS, cap=PERCENTS,
)  # fmt: skip
def test_size_is_the_largest_that_the_exact_rule_allows(
    mode: int, equity: int, tick: int, entry: int, stop: int, lot: int, pos: Fraction, risk: Fraction, cap: Fraction
) -> None:
    """In the account's own currency and with the whole budget nothing is rounded but the lots."""
    share = equity * (pos if mode == PCT_EQUITY else risk) / 100
    each = entry if mode == PCT_EQUITY else max(1, abs(entry - stop))
    asked = math.floor(share / (each * tick) / lot) * lot
    capped = math.floor(equity * cap / 100 / (entry * tick) / lot) * lot

    qty = quantity(record_of(mode=mode, pos_pct=pos, risk_pct=risk, max_pos_pct=cap), equity, entry * tick, stop * tick,
                   tick=tick, lot=lot)  # fmt: skip

    assert min(asked, capped) == qty


@given(
    mode=st.sampled_from(sorted(MODES.values())), equity=st.integers(0, 10**17), tick=TICKS,
    entry=st.integers(1, 2 * 10**9), stop=st.integers(1, 2 * 10**9), fixed=st.integers(1, 10**15 - 1),
    percent=st.integers(1, 10**6).map(Fraction), cap=st.integers(1, 10**6).map(Fraction),
    rate=st.tuples(st.integers(1, RATE_PART_MAX), st.integers(1, RATE_PART_MAX)),
)  # fmt: skip
@example(FIXED, 10**9, 100, 60_746, 60_700, 2_147_483_647, Fraction(10), Fraction(20), (1, 1))
@example(FIXED, 10**9, 100, 18_466, 18_400, 10**13, Fraction(10), Fraction(100), (1, 1))
@example(RISK, 10**15, 100, 67_295_900, 67_295_850, 100, Fraction(10), Fraction(1), (1, 1))
def test_no_number_that_a_configuration_takes_makes_a_size_leave_its_cap(
    mode: int, equity: int, tick: int, entry: int, stop: int, fixed: int, percent: Fraction, cap: Fraction,
    rate: tuple[int, int],
) -> None:  # fmt: skip
    """The examples bought billions of shares: quantity times price had left 64 bits, and came back below the cap."""
    num, den = rate
    record = record_of(mode=mode, fixed_qty=fixed, pos_pct=percent, risk_pct=min(percent, 100), max_pos_pct=cap)

    qty = quantity(record, equity, entry * tick, stop * tick, tick=tick, fx_num=num, fx_den=den)

    assert 0 <= qty <= SHARES_MAX
    assert qty * entry * tick <= NOTIONAL_UNITS_MAX
    assert Fraction(qty * entry * tick * num, den) <= equity * cap / 100


@given(equity=st.integers(0, 10**17), percent_ppm=st.integers(0, 10**12))
@example(99_990_000, 93_000 * PPM)
def test_a_share_is_the_floor_of_the_exact_one_up_to_ten_thousand_times_the_equity(
    equity: int, percent_ppm: int
) -> None:
    """The example came out negative, and with it a cap that let nothing through."""
    assert min(equity * percent_ppm // (100 * PPM), NOTIONAL_UNITS_MAX) == sizing.share_of(equity, percent_ppm)


@given(amount=st.integers(0, 2**45), numerator=st.integers(0, 10**9), denominator=st.integers(1, 10**9))
def test_fraction_is_the_floor_of_the_exact_product(amount: int, numerator: int, denominator: int) -> None:
    exact = amount * numerator // denominator
    if exact < 2**62:
        assert exact == fraction(amount, numerator, denominator)


@pytest.mark.parametrize(
    ("expected", "record", "entry", "stop"),
    [
        (100, {"mode": FIXED}, 1_000_000, 990_000),
        (100, {"mode": PCT_EQUITY, "pos_pct": 10}, 1_000_000, 990_000),
        (1000, {"mode": RISK, "risk_pct": 1, "max_pos_pct": 400}, 1_000_000, 990_000),
        (1000, {"mode": RISK, "risk_pct": 1, "max_pos_pct": 100}, 1_000_000, 990_000),
        (500, {"mode": RISK, "risk_pct": 1, "max_pos_pct": 50}, 1_000_000, 990_000),
        (0, {"mode": FIXED, "fixed_qty": 99, "min_qty": 100}, 1_000_000, 990_000),
        (1000, {"mode": RISK, "risk_pct": "0.01", "max_pos_pct": 400}, 1_000_000, 1_000_000),
    ],
)
def test_account_of_100_000(expected: int, record: dict[str, Any], entry: int, stop: int) -> None:
    exact = {name: Fraction(value) if name.endswith("pct") else value for name, value in record.items()}

    assert expected == quantity(record_of(**exact), 1_000_000_000, entry, stop)
