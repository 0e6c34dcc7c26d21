"""How many shares (04, Sizing): fixed, a part of the equity, or by risk; capped, whole lots, never more than asked.

Compiled integer arithmetic; a refusal is a quantity of 0 with a reason, never an error. Equity is the strategy's own
share of the account's, in account currency units; prices are the instrument's and converted by `fx_num / fx_den`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from axiomd.contracts.units import NOTIONAL_UNITS_MAX, PPM, SHARES_MAX
from axiomd.core.compiled import Row, njit
from axiomd.core.rounding import quotient, whole_steps

FIXED: Final = 0
PCT_EQUITY: Final = 1
RISK: Final = 2
MODES: Final = {"fixed": FIXED, "pct_equity": PCT_EQUITY, "risk": RISK}

SIZING = np.dtype(
    [
        ("mode", "i8"),
        ("fixed_qty", "i8"),
        ("pos_pct_ppm", "i8"),
        ("risk_pct_ppm", "i8"),
        ("max_pos_pct_ppm", "i8"),
        ("max_volume_pct_ppm", "i8"),  # -1: off
        ("min_qty", "i8"),
        ("budget_pct_ppm", "i8"),
    ],
    align=True,
)

_PERCENT_PPM: Final = 100 * PPM
_SHORT: Final = 9e18
"""A product below this fits into 64 bits."""


@njit
def fraction(amount: int, numerator: int, denominator: int) -> int:
    """Give floor(amount * numerator / denominator) without leaving 64 bits, wherever the result does not."""
    if denominator == 1:  # one currency, the usual case: a division costs more than the rest of a quiet bar
        return amount * numerator
    whole = amount // denominator
    rest = amount - whole * denominator
    return whole * numerator + rest * numerator // denominator


@njit
def nearest(amount: int, numerator: int, denominator: int) -> int:
    """Give amount * numerator / denominator rounded half up, in 64 bits like `fraction`."""
    if denominator == 1:
        return amount * numerator
    whole = amount // denominator
    rest = amount - whole * denominator
    return whole * numerator + (2 * rest * numerator + denominator) // (2 * denominator)


@njit
def bounded(amount: int, numerator: int, denominator: int, most: int) -> int:
    """Give `fraction`, but no more than `most`, whatever 64 bits hold."""
    if amount * 1.0 * numerator >= most * 1.0 * denominator:
        return most
    return fraction(amount, numerator, denominator)


@njit
def share_of(equity: int, percent_ppm: int) -> int:
    """Give so many percent of an equity, rounded down; nothing of an equity that is not positive."""
    if equity <= 0:
        return 0
    if percent_ppm == _PERCENT_PPM:  # all of it, the usual budget and cap
        return equity
    product = equity * 1.0 * percent_ppm
    if product < _SHORT:
        return equity * percent_ppm // _PERCENT_PPM
    if product >= NOTIONAL_UNITS_MAX * 1.0 * _PERCENT_PPM:
        return NOTIONAL_UNITS_MAX
    # times and rest apart: ten thousand times an equity, a cap for whoever wants none, has a rest beyond 64 bits
    times = percent_ppm // _PERCENT_PPM
    return equity * times + fraction(equity, percent_ppm - times * _PERCENT_PPM, _PERCENT_PPM)


@njit
def stakes(sizing: Row, equity: int, fx_num: int, fx_den: int) -> tuple[int, int]:
    """Give what may be put in or lost, by the mode, and what a position may be worth, in the instrument's units.

    `equity` is account money units, before the strategy's budget. Both legs of a group are sized from one equity.
    """
    own_equity = share_of(equity, sizing.budget_pct_ppm)
    percent_ppm = sizing.risk_pct_ppm if sizing.mode == RISK else sizing.pos_pct_ppm
    stake = bounded(share_of(own_equity, percent_ppm), fx_den, fx_num, NOTIONAL_UNITS_MAX)
    return stake, bounded(share_of(own_equity, sizing.max_pos_pct_ppm), fx_den, fx_num, NOTIONAL_UNITS_MAX)


@njit
def quantity(sizing: Row, stake: int, cap: int, entry: int, stop: int, tick: int, lot: int, volume: int) -> int:
    """Give the quantity of a leg in shares, 0 where `min_qty` is not reached.

    `stake` and `cap` are those of `stakes`, `entry` and `stop` price units on the grid, `volume` the VOLUME of the bar
    that completed the setup.
    """
    if sizing.mode == FIXED:
        qty = sizing.fixed_qty
    elif sizing.mode == PCT_EQUITY:
        qty = whole_lots(quotient(stake, entry), lot)
    else:
        distance_ticks = max(1, whole_steps(abs(entry - stop) + tick // 2, tick))
        qty = whole_lots(quotient(stake, distance_ticks * tick), lot)
    # first by floats: the product of integers may leave 64 bits, and the cap never does
    if entry < 0 or qty * 1.0 * entry > 2.0 * NOTIONAL_UNITS_MAX or qty * entry > cap:
        qty = whole_lots(quotient(cap, entry), lot)
    if qty > SHARES_MAX:
        qty = whole_lots(SHARES_MAX, lot)
    if sizing.max_volume_pct_ppm >= 0:
        shares = fraction(volume, sizing.max_volume_pct_ppm, _PERCENT_PPM)
        if qty > shares:
            qty = whole_lots(shares, lot)
    return qty if qty >= max(sizing.min_qty, 1) else 0


@njit
def whole_lots(shares: int, lot: int) -> int:
    """Give the shares that make whole lots."""
    # a division costs more than the rest: none for lots of one
    return shares if lot == 1 else quotient(shares, lot) * lot
