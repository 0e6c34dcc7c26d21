"""Wilder's averages (04): the first value is the plain mean of n, then (previous * (n - 1) + value) / n.

Compiled, float64 on price units; only filters and distances use it, never a level, a size or a cent.
"""

from __future__ import annotations

from axiomd.core.compiled import njit
from axiomd.core.rounding import divided


@njit
def true_range(high: int, low: int, previous_close: int) -> int:
    """Give max(H - L, |H - Cprev|, |L - Cprev|) in price units; `previous_close` 0 means there is none yet.

    A LOW is never above its HIGH, so that it is the span of all three prices.
    """
    if previous_close == 0:
        return high - low
    return max(high, previous_close) - min(low, previous_close)


@njit
def smooth(average: float, value: float, seen: int, n: int) -> float:
    """Take the next value into an average that has `seen` values so far.

    Until n values are in, the result is their plain sum and no average: integers add up exactly, so the first average
    is the exact mean.
    """
    if seen < n - 1:
        return average + value
    if seen == n - 1:
        return divided(average + value, n)
    return divided(average * (n - 1) + value, n)
