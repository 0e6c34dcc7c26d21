"""Indicators over daily bars for the daily choice of candidates; Wilder's averages come from the one rule for them.

Every function takes whole series, oldest first, and gives a series of the same length in which NaN means that there is
no value yet. A value uses bars up to its own and none after it. They filter and rank; no level, size or cent comes of
them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from axiomd.core.compiled import njit
from axiomd.core.market.sessions import Int64Array
from axiomd.core.market.wilder import smooth, true_range

Float64Array = npt.NDArray[np.float64]
NumberArray = npt.NDArray[Any]


@njit
def wilder(values: NumberArray, n: int) -> Float64Array:
    """Average by Wilder: `number[k]` in, `float64[k]` out, NaN before the first n values (and leading NaNs) are in."""
    result = np.full(len(values), np.nan)
    average, seen = 0.0, 0
    for i in range(len(values)):
        if np.isnan(values[i]):
            continue
        average = smooth(average, values[i], seen, n)
        seen += 1
        if seen >= n:
            result[i] = average
    return result


@njit
def true_ranges(high: Int64Array, low: Int64Array, close: Int64Array) -> Int64Array:
    """Give each bar's true range in price units; the very first is HIGH - LOW."""
    result = np.empty(len(high), dtype=np.int64)
    previous = 0
    for i in range(len(high)):
        result[i] = true_range(high[i], low[i], previous)
        previous = close[i]
    return result


def atr(high: Int64Array, low: Int64Array, close: Int64Array, n: int) -> Float64Array:
    """Average the true range by Wilder, in price units."""
    return wilder(true_ranges(high, low, close), n)


def sma(values: NumberArray, n: int) -> Float64Array:
    """Average the last n values, plainly; whole numbers are added exactly."""
    result = np.full(len(values), np.nan)
    if len(values) >= n:
        total = np.concatenate((np.zeros(1, dtype=values.dtype), np.cumsum(values)))
        result[n - 1 :] = (total[n:] - total[:-n]) / n
    return result


def roc(close: Int64Array, n: int) -> Float64Array:
    """Give 100 * (CLOSE / CLOSE n sessions ago - 1)."""
    result = np.full(len(close), np.nan)
    result[n:] = 100.0 * (close[n:] / close[:-n] - 1.0)
    return result


def rsi(values: NumberArray, n: int) -> Float64Array:
    """Give Wilder's RSI of a series: 100 * average gain / (average gain + average loss), 50 where nothing moved."""
    change = np.diff(values.astype(np.float64), prepend=np.nan)
    gain = wilder(np.where(np.isnan(change), np.nan, np.maximum(change, 0.0)), n)
    loss = wilder(np.where(np.isnan(change), np.nan, np.maximum(-change, 0.0)), n)
    moved = gain + loss
    result: Float64Array = np.where(moved == 0.0, 50.0, 100.0 * gain / np.where(moved == 0.0, 1.0, moved))
    return result


def adx(high: Int64Array, low: Int64Array, close: Int64Array, n: int) -> Float64Array:
    """Give Wilder's ADX: the averaged DX of directional movements and true ranges, all smoothed over n.

    Movements need a bar before them, so the first DX stands at bar n and the first ADX at bar 2 n - 1 (from 0).
    """
    up = np.diff(high.astype(np.float64), prepend=np.nan)
    down = -np.diff(low.astype(np.float64), prepend=np.nan)
    missing = np.isnan(up)
    plus = wilder(np.where(missing, np.nan, np.where((up > down) & (up > 0.0), up, 0.0)), n)
    minus = wilder(np.where(missing, np.nan, np.where((down > up) & (down > 0.0), down, 0.0)), n)
    # both directional indices have the true range below them, so it falls out of DX but for days without any range
    ranged = wilder(np.where(missing, np.nan, true_ranges(high, low, close).astype(np.float64)), n)
    total = plus + minus
    still = (total == 0.0) | (ranged == 0.0)
    return wilder(np.where(still, 0.0, 100.0 * np.abs(plus - minus) / np.where(still, 1.0, total)), n)


@njit
def streaks(close: Int64Array) -> Int64Array:
    """Count the closes in a row that rose (positive) or fell (negative); an unchanged close starts again at 0."""
    result = np.zeros(len(close), dtype=np.int64)
    for i in range(1, len(close)):
        if close[i] > close[i - 1]:
            result[i] = max(result[i - 1], 0) + 1
        elif close[i] < close[i - 1]:
            result[i] = min(result[i - 1], 0) - 1
    return result


@njit
def percent_rank(values: Float64Array, n: int) -> Float64Array:
    """Give the percentage of the n values before each that lie below it."""
    result = np.full(len(values), np.nan)
    for i in range(n, len(values)):
        if np.isnan(values[i - n]):
            continue
        below = 0
        for k in range(i - n, i):
            if values[k] < values[i]:
                below += 1
        result[i] = 100.0 * below / n
    return result


def connors_rsi(close: Int64Array, a: int, b: int, c: int) -> Float64Array:
    """Average RSI(a) of CLOSE, RSI(b) of the streak and the percent rank of today's ROC(1) among the last c."""
    result: Float64Array = (rsi(close, a) + rsi(streaks(close), b) + percent_rank(roc(close, 1), c)) / 3.0
    return result
