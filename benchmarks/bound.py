"""THE BOUND: a bare one-pass loop for exactly the job of the benchmarks, and nothing else it could do.

It is what a person would write who wanted only this backtest and only speed: no engine, no guards, no orders, numbers
written in. The product never calls it; it is the reference that the product's speed is a ratio of, and it gives the
very trades of the product (tests/unit/benchmarks). Bars and money are integers of 1/10,000, in the second loop floats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.job import INITIAL_CASH, Int64s, Job

ATR_PERIOD: Final = 14
TICK: Final = 100
CASH: Final = INITIAL_CASH * 10_000
SCALE: Final = 10_000.0
TICK_FLOAT: Final = 0.01

STOPPED: Final = 1
REACHED: Final = 2
ENDED: Final = 3

# columns of a trade
SIDE: Final = 0
QTY: Final = 1
ENTRY_ROW: Final = 2
ENTRY_PRICE: Final = 3
EXIT_ROW: Final = 4
EXIT_PRICE: Final = 5
REASON: Final = 6
COSTS: Final = 7
NET: Final = 8
AMBIGUOUS: Final = 9
TRADE_WIDTH: Final = 10

_FLAT: Final = 0
_WORKING: Final = 1
_HOLDING: Final = 2


def integer_trades(job: Job) -> Int64s:
    """Run the loop on integers: int64[t, 10], prices and money in 1/10,000 units, slippage in the prices."""
    out = np.empty((len(job.window_us), TRADE_WIDTH), np.int64)
    count = integer_loop(
        job.open_, job.high, job.low, job.close, job.pair_window, job.last_entry_row, job.eod_row, job.eod_at_close, out
    )
    return out[:count]


def float_trades(job: Job) -> NDArray[np.float64]:
    """Run the loop on floats: float64[t, 10], prices and money in the currency."""
    out = np.empty((len(job.window_us), TRADE_WIDTH), np.float64)
    count = float_loop(
        *float_bars(job), job.pair_window, job.last_entry_row, job.eod_row, job.eod_at_close, out
    )  # fmt: skip
    return out[:count]


def float_bars(job: Job) -> tuple[NDArray[np.float64], ...]:
    """Give O, H, L, C as float64[n] in the currency."""
    return tuple(column / SCALE for column in (job.open_, job.high, job.low, job.close))


@numba.njit(cache=True, error_model="numpy")
def integer_loop(open_, high, low, close, pair_window, last_entry_row, eod_row, eod_at_close, out):  # type: ignore[no-untyped-def]
    """Fill `out` with the trades and give their number."""
    count = 0
    cash = CASH
    state = _FLAT
    used = window = -1
    long_qty = short_qty = long_entry = long_stop = long_target = short_entry = short_stop = short_target = 0
    side = qty = entry_row = entry_price = stop = target = fee = last = end = 0
    ambiguous = False
    n = len(open_)
    average = float(high[0] - low[0])
    for i in range(1, min(n, ATR_PERIOD)):
        average += max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1]))
        if i == ATR_PERIOD - 1:
            average /= ATR_PERIOD
    for i in range(ATR_PERIOD - 1, n):
        h, l = high[i], low[i]  # noqa: E741
        if i >= ATR_PERIOD:
            true_range = max(h - l, abs(h - close[i - 1]), abs(l - close[i - 1]))
            average = (average * (ATR_PERIOD - 1) + float(true_range)) / ATR_PERIOD
        if state != _FLAT:
            reason = 0
            price = 0
            o = open_[i]
            if state == _HOLDING:
                if i == end and not eod_at_close[window]:
                    reason, price = ENDED, o
                elif side > 0:
                    if l <= stop:
                        reason, price = STOPPED, min(o, stop)
                        ambiguous |= h >= target
                    elif h >= target:
                        reason, price = REACHED, max(o, target)
                elif h >= stop:
                    reason, price = STOPPED, max(o, stop)
                    ambiguous |= l <= target
                elif l <= target:
                    reason, price = REACHED, min(o, target)
            else:
                is_long = long_qty > 0 and h >= long_entry
                is_short = short_qty > 0 and l <= short_entry
                if is_long or is_short:
                    ambiguous = is_long and is_short
                    if ambiguous:
                        is_long = abs(long_entry - o) <= abs(short_entry - o)
                    state = _HOLDING
                    entry_row = i
                    if is_long:
                        side, qty, stop, target = 1, long_qty, long_stop, long_target
                        at_open = o >= long_entry
                        entry_price = max(o, long_entry) + TICK
                        is_stopped, is_reached = l <= stop, h >= target
                    else:
                        side, qty, stop, target = -1, short_qty, short_stop, short_target
                        at_open = o <= short_entry
                        entry_price = min(o, short_entry) - TICK
                        is_stopped, is_reached = h >= stop, l <= target
                    fee = max(35 * qty + 50, 3_550) // 100 * 100
                    cash -= side * qty * entry_price + fee
                    if is_stopped:
                        reason = STOPPED
                        ambiguous |= is_reached
                        price = stop
                        if at_open:
                            price = min(o, stop) if is_long else max(o, stop)
                    elif is_reached:
                        if at_open:
                            reason = REACHED
                            price = max(o, target) if is_long else min(o, target)
                        else:
                            ambiguous = True
                elif i >= last:
                    state = _FLAT
            if reason:
                if reason != REACHED:
                    price -= side * TICK
                exit_fee = max(35 * qty + 50, 3_550) // 100 * 100
                cash += side * qty * price - exit_fee
                state = _FLAT
                trade = out[count]
                trade[0], trade[1], trade[2], trade[3], trade[4] = side, qty, entry_row, entry_price, i
                trade[5], trade[6], trade[7] = price, reason, fee + exit_fee
                trade[8] = side * qty * (price - entry_price) - fee - exit_fee
                trade[9] = ambiguous
                count += 1
        w = pair_window[i]
        if w >= 0 and w != used:
            mother_high, mother_low = high[i - 1], low[i - 1]
            if h <= mother_high and l >= mother_low and mother_high - mother_low >= 0.5 * average:
                used = w
                if state == _FLAT:
                    grid_low, grid_high = mother_low // TICK * TICK, -(-mother_high // TICK) * TICK
                    long_entry, long_stop = grid_high + TICK, grid_low
                    short_entry, short_stop = grid_low - TICK, grid_high
                    distance = long_entry - long_stop
                    long_target, short_target = long_entry + 2 * distance, short_entry - 2 * distance
                    long_qty = short_qty = 0
                    if cash > 0:
                        long_qty = min(cash // 10_000 // distance, cash // long_entry)
                        short_qty = min(cash // 10_000 // distance, cash // short_entry)
                    last, end, window = last_entry_row[w], eod_row[w], w
                    if long_qty + short_qty > 0 and last > i:
                        state = _WORKING
        if state == _HOLDING and i == end and eod_at_close[window]:
            price = close[i] - side * TICK
            exit_fee = max(35 * qty + 50, 3_550) // 100 * 100
            cash += side * qty * price - exit_fee
            state = _FLAT
            trade = out[count]
            trade[0], trade[1], trade[2], trade[3], trade[4] = side, qty, entry_row, entry_price, i
            trade[5], trade[6], trade[7] = price, ENDED, fee + exit_fee
            trade[8] = side * qty * (price - entry_price) - fee - exit_fee
            trade[9] = ambiguous
            count += 1
    return count


@numba.njit(cache=True, error_model="numpy")
def float_loop(open_, high, low, close, pair_window, last_entry_row, eod_row, eod_at_close, out):  # type: ignore[no-untyped-def]
    """Do the same on prices as floats, as most backtests do; its trades are not all right (docs/performance.md)."""
    count = 0
    cash = float(INITIAL_CASH)
    state = _FLAT
    used = window = -1
    long_qty = short_qty = qty = 0.0
    long_entry = long_stop = long_target = short_entry = short_stop = short_target = 0.0
    entry_price = stop = target = fee = 0.0
    side = 0.0
    entry_row = last = end = 0
    ambiguous = False
    n = len(open_)
    average = high[0] - low[0]
    for i in range(1, min(n, ATR_PERIOD)):
        average += max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1]))
        if i == ATR_PERIOD - 1:
            average /= ATR_PERIOD
    for i in range(ATR_PERIOD - 1, n):
        h, l = high[i], low[i]  # noqa: E741
        if i >= ATR_PERIOD:
            true_range = max(h - l, abs(h - close[i - 1]), abs(l - close[i - 1]))
            average = (average * (ATR_PERIOD - 1) + true_range) / ATR_PERIOD
        if state != _FLAT:
            reason = 0
            price = 0.0
            o = open_[i]
            if state == _HOLDING:
                if i == end and not eod_at_close[window]:
                    reason, price = ENDED, o
                elif side > 0:
                    if l <= stop:
                        reason, price = STOPPED, min(o, stop)
                        ambiguous |= h >= target
                    elif h >= target:
                        reason, price = REACHED, max(o, target)
                elif h >= stop:
                    reason, price = STOPPED, max(o, stop)
                    ambiguous |= l <= target
                elif l <= target:
                    reason, price = REACHED, min(o, target)
            else:
                is_long = long_qty > 0 and h >= long_entry
                is_short = short_qty > 0 and l <= short_entry
                if is_long or is_short:
                    ambiguous = is_long and is_short
                    if ambiguous:
                        is_long = abs(long_entry - o) <= abs(short_entry - o)
                    state = _HOLDING
                    entry_row = i
                    if is_long:
                        side, qty, stop, target = 1.0, long_qty, long_stop, long_target
                        at_open = o >= long_entry
                        entry_price = max(o, long_entry) + TICK_FLOAT
                        is_stopped, is_reached = l <= stop, h >= target
                    else:
                        side, qty, stop, target = -1.0, short_qty, short_stop, short_target
                        at_open = o <= short_entry
                        entry_price = min(o, short_entry) - TICK_FLOAT
                        is_stopped, is_reached = h >= stop, l <= target
                    fee = np.floor(max(0.35, 0.0035 * qty) * 100.0 + 0.5) / 100.0
                    cash -= side * qty * entry_price + fee
                    if is_stopped:
                        reason = STOPPED
                        ambiguous |= is_reached
                        price = stop
                        if at_open:
                            price = min(o, stop) if is_long else max(o, stop)
                    elif is_reached:
                        if at_open:
                            reason = REACHED
                            price = max(o, target) if is_long else min(o, target)
                        else:
                            ambiguous = True
                elif i >= last:
                    state = _FLAT
            if reason:
                if reason != REACHED:
                    price -= side * TICK_FLOAT
                exit_fee = np.floor(max(0.35, 0.0035 * qty) * 100.0 + 0.5) / 100.0
                cash += side * qty * price - exit_fee
                state = _FLAT
                trade = out[count]
                trade[0], trade[1], trade[2], trade[3], trade[4] = side, qty, entry_row, entry_price, i
                trade[5], trade[6], trade[7] = price, reason, fee + exit_fee
                trade[8] = side * qty * (price - entry_price) - fee - exit_fee
                trade[9] = ambiguous
                count += 1
        w = pair_window[i]
        if w >= 0 and w != used:
            mother_high, mother_low = high[i - 1], low[i - 1]
            if h <= mother_high and l >= mother_low and mother_high - mother_low >= 0.5 * average:
                used = w
                if state == _FLAT:
                    long_entry, long_stop = mother_high + TICK_FLOAT, mother_low
                    short_entry, short_stop = mother_low - TICK_FLOAT, mother_high
                    distance = long_entry - long_stop
                    long_target, short_target = long_entry + 2.0 * distance, short_entry - 2.0 * distance
                    long_qty = short_qty = 0.0
                    if cash > 0:
                        long_qty = min(np.floor(cash * 0.0001 / distance), np.floor(cash / long_entry))
                        short_qty = min(np.floor(cash * 0.0001 / distance), np.floor(cash / short_entry))
                    last, end, window = last_entry_row[w], eod_row[w], w
                    if long_qty + short_qty > 0 and last > i:
                        state = _WORKING
        if state == _HOLDING and i == end and eod_at_close[window]:
            price = close[i] - side * TICK_FLOAT
            exit_fee = np.floor(max(0.35, 0.0035 * qty) * 100.0 + 0.5) / 100.0
            cash += side * qty * price - exit_fee
            state = _FLAT
            trade = out[count]
            trade[0], trade[1], trade[2], trade[3], trade[4] = side, qty, entry_row, entry_price, i
            trade[5], trade[6], trade[7] = price, ENDED, fee + exit_fee
            trade[8] = side * qty * (price - entry_price) - fee - exit_fee
            trade[9] = ambiguous
            count += 1
    return count


def bare_loop(job: Job, *, floats: bool = False) -> Callable[[], int]:
    """Give the bound of a job with its arrays laid out beforehand."""
    width = (len(job.window_us), TRADE_WIDTH)
    calendar = (job.pair_window, job.last_entry_row, job.eod_row, job.eod_at_close)
    if floats:
        bars, out = float_bars(job), np.empty(width, np.float64)
        return lambda: int(float_loop(*bars, *calendar, out))
    whole = np.empty(width, np.int64)
    return lambda: int(integer_loop(job.open_, job.high, job.low, job.close, *calendar, whole))
