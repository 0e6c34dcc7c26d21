"""How many shares (04, Sizing): fixed, a part of the equity, or by risk; capped, whole lots, never more than asked.

Compiled integer arithmetic; a refusal is a quantity of 0 with a reason, never an error. Equity is the strategy's own
share of the account's, in account currency units; prices are the instrument's and converted by `fx_num / fx_den`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from axiomd.contracts.units import PPM
from axiomd.core.compiled import Row, njit

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


@njit
def fraction(amount: int, numerator: int, denominator: int) -> int:
    """Give floor(amount * numerator / denominator) without leaving 64 bits, wherever the result does not."""
    if denominator == 1:  # one currency, the usual case: a division costs more than the rest of a quiet bar
        return amount * numerator
    whole = amount // denominator
    rest = amount - whole * denominator
    return whole * numerator + rest * numerator // denominator


@njit
def share_of(equity: int, percent_ppm: int) -> int:
    """Give so many percent of an equity, rounded down; nothing of an equity that is not positive."""
    if equity <= 0:
        return 0
    return fraction(equity, percent_ppm, _PERCENT_PPM)


@njit
def size(
    sizing: Row, equity: int, entry: int, stop: int, tick: int, lot: int, volume: int, fx_num: int, fx_den: int
) -> int:
    """Give the quantity in shares, 0 where `min_qty` is not reached.

    `equity` is account money units (before the strategy's budget), `entry` and `stop` price units on the grid, `volume`
    the VOLUME of the bar that completed the setup.
    """
    own_equity = share_of(equity, sizing.budget_pct_ppm)
    lot_price = entry * lot
    cap_units = fraction(share_of(own_equity, sizing.max_pos_pct_ppm), fx_den, fx_num)
    if sizing.mode == FIXED:
        qty = sizing.fixed_qty
    elif sizing.mode == PCT_EQUITY:
        qty = fraction(share_of(own_equity, sizing.pos_pct_ppm), fx_den, fx_num) // lot_price * lot
    else:
        distance_ticks = max(1, (abs(entry - stop) + tick // 2) // tick)
        risk_amount = fraction(share_of(own_equity, sizing.risk_pct_ppm), fx_den, fx_num)
        qty = risk_amount // (distance_ticks * tick * lot) * lot
    if qty > cap_units // entry:
        qty = cap_units // lot_price * lot
    if sizing.max_volume_pct_ppm >= 0:
        shares = fraction(volume, sizing.max_volume_pct_ppm, _PERCENT_PPM)
        if qty > shares:
            qty = shares // lot * lot
    return qty if qty >= max(sizing.min_qty, 1) else 0
