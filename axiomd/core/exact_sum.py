"""The sum of floats rounded once, as `math.fsum` gives it, in compiled code.

It depends neither on the order of what is added nor on the machine. First what each addition loses is summed apart
(Ogita, Rump and Oishi, Accurate Sum and Dot Product, 2005), and how far that can be off is known: where every number
within that distance rounds to the same, so does the sum. Where not, it is kept as parts that do not overlap (Shewchuk,
Adaptive Precision Floating-Point Arithmetic, 1997), which takes seven times as long. Numbers must be finite.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from axiomd.core.board import Floats
from axiomd.core.compiled import njit
from axiomd.core.registers import own_room

_STEP: Final = 2.0**-51
"""Four times what a sum of two floats is off by, in parts of it: room for the bound's own rounding."""
PARTS_MAX: Final = 64
"""Parts lie 53 bits apart at least, and floats span 2,098 bits."""

_own_parts = own_room(np.float64, PARTS_MAX)


@njit
def exact_sum(values: Floats) -> float:
    """Sum float64[n]."""
    total, lost, size = 0.0, 0.0, 0.0
    for value in values:
        before = total
        total = before + value
        added = total - before
        missed = (before - (total - added)) + (value - added)
        lost += missed
        size += abs(missed)
    # each of the additions that make up `lost` is off by half a step of less than twice `size` at most
    off = len(values) * _STEP * size
    if total + (lost - off) == total + (lost + off):
        return total + lost
    return sum_of_parts(values)


@njit
def sum_of_parts(values: Floats) -> float:
    """Sum float64[n], whatever cancels."""
    parts = _own_parts()
    count = 0
    for value in values:
        count = add_exactly(parts, count, value)
    return rounded_once(parts, count)


@njit
def add_exactly(parts: Floats, count: int, value: float) -> int:
    """Add a number to `count` parts, smallest first, and give how many there are then."""
    kept = 0
    for place in range(count):
        small, large = parts[place], value
        if abs(small) > abs(large):
            small, large = large, small
        value = large + small
        lost = small - (value - large)
        if lost != 0.0:
            parts[kept] = lost
            kept += 1
    parts[kept] = value
    return kept + 1


@njit
def rounded_once(parts: Floats, count: int) -> float:
    """Give the sum of parts, smallest first, rounded half to even."""
    total, lost = 0.0, 0.0
    while count > 0 and lost == 0.0:
        count -= 1
        before = total
        total = before + parts[count]
        lost = parts[count] - (total - before)
    # what is still smaller decides where the rest is half a step: twice the rest is then a step without a rest
    if count > 0 and ((lost < 0.0 and parts[count - 1] < 0.0) or (lost > 0.0 and parts[count - 1] > 0.0)):
        step = total + 2.0 * lost
        if step - total == 2.0 * lost:
            return step
    return total
