"""Prices to the tick grid, always against us (04, Rounding).

Everything here is integer arithmetic on 1/10,000 units, compiled. `side` is +1 for a long entry, -1 for a short one.
"""

from __future__ import annotations

from typing import Any, Final

from axiomd.core.compiled import cgutils, intrinsic, ir, njit, types

_EXACT: Final = 2**53
_HALF_EXACT: Final = 2**50


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
def whole_steps(number: int, step: int) -> int:
    """Give `number // step` likewise, where the step is known before the number: what is waited for is no division.

    No whole number is nearer to (number + 1/2) / step than half of 1 / step. Two roundings move it by less than that,
    by 2**-52 of itself at most, up to 2**51.
    """
    if 0 <= number < _HALF_EXACT and 0 < step < _HALF_EXACT:
        return int((number + 0.5) * (1.0 / step))
    return number // step


@intrinsic
def _fused(_typing_context: Any, _factor: Any, _other: Any, _added: Any) -> Any:
    """Give a product and what is added to it, rounded once (compiled code only)."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType()] * 3)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.fma.f64"), args)

    return types.float64(types.float64, types.float64, types.float64), generate


@njit
def divided(number: float, whole: int) -> float:
    """Give `number / whole`, bit for bit, without a division where `whole` stays from one call to the next.

    1 / whole is taken as two floats, whose sum is off by a part in 2**106, and so is what comes of it before its one
    rounding. The quotient is never nearer to the middle between two floats than 1 / (2 * whole) of what lies between
    them, so that up to 2**50 it is rounded the same way. Below 1e-280, where floats lose digits, it may not be. After
    Brisebarre, Muller and Raina, Accelerating Correctly Rounded Floating-Point Division When the Divisor Is Known in
    Advance, 2004.
    """
    near = 1.0 / whole
    rest = _fused(-near, float(whole), 1.0) / whole
    result: float = _fused(number, near, number * rest)
    return result


@njit
def round_up(price: int, tick: int) -> int:
    """Give the lowest grid price that is not below `price`."""
    return whole_steps(price + tick - 1, tick) * tick


@njit
def round_down(price: int, tick: int) -> int:
    """Give the highest grid price that is not above `price`."""
    return whole_steps(price, tick) * tick


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
