"""Prices to the tick grid, always against us (04, Rounding).

Everything here is integer arithmetic on 1/10,000 units, compiled. `side` is +1 for a long entry, -1 for a short one.
"""

from __future__ import annotations

from typing import Final

from axiomd.core.compiled import njit

_EXACT: Final = 2**53


@njit
def quotient(number: int, part: int) -> int:
    """Give `number // part`, by floats where both are positive and a float holds them: half the work, as exact.

    A float's quotient is the nearest there is. To reach a whole number q that the true one stays below, which it does
    by 1 / part at least, it would have to move by that, but moves by q / 2**54 at most; and q * part < 2**54.
    """
    if 0 <= number < _EXACT and 0 < part < _EXACT:
        return int(number / part)
    return number // part


@njit
def round_up(price: int, tick: int) -> int:
    """Give the lowest grid price that is not below `price`."""
    return quotient(price + tick - 1, tick) * tick


@njit
def round_down(price: int, tick: int) -> int:
    """Give the highest grid price that is not above `price`."""
    return quotient(price, tick) * tick


@njit
def round_stop_entry(price: int, side: int, tick: int) -> int:
    """Round a stop entry: a buy stop up, a sell stop down."""
    return round_up(price, tick) if side > 0 else round_down(price, tick)


@njit
def round_limit_entry(price: int, side: int, tick: int) -> int:
    """Round a limit entry towards a worse chance of a fill: a buy down, a sell up."""
    return round_down(price, tick) if side > 0 else round_up(price, tick)


@njit
def round_stop_loss(price: int, side: int, tick: int) -> int:
    """Round a stop-loss away from the entry: below a long down, above a short up."""
    return round_down(price, tick) if side > 0 else round_up(price, tick)


@njit
def round_take_profit(price: int, side: int, tick: int) -> int:
    """Round a take-profit away from the entry: above a long up, below a short down."""
    return round_up(price, tick) if side > 0 else round_down(price, tick)
