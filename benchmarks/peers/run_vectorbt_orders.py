"""vectorbt's from_order_func with a compiled function that does the whole job bar by bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import vectorbt as vbt
from numba import njit
from vectorbt.portfolio import nb

VERSION = f"vectorbt {vbt.__version__} (from_order_func)"
DIFFERS = (
    "the whole job in a compiled order function; one order a bar, so that an exit in the entry bar comes one bar late; "
    "float prices, minimum commission as a fixed fee"
)

_AVERAGE, _USED, _STATE, _LAST, _END, _STOP, _TARGET, _LONG, _SHORT, _LONG_QTY, _SHORT_QTY = range(11)


@njit(cache=True)
def order_of(c, open_, high, low, close, pair_window, last_entry_row, eod_row, state):  # type: ignore[no-untyped-def]
    """Decide one bar: exit, entry, then whether a setup completed."""
    i = c.i
    h, l, o = high[i], low[i], open_[i]  # noqa: E741
    if i == 0:
        state[:] = 0.0
        state[_USED] = -1.0
        state[_AVERAGE] = h - l
        return nb.order_nothing_nb()
    true_range = max(h - l, abs(h - close[i - 1]), abs(l - close[i - 1]))
    if i < 14:
        state[_AVERAGE] += true_range
        if i == 13:
            state[_AVERAGE] /= 14
    else:
        state[_AVERAGE] = (state[_AVERAGE] * 13 + true_range) / 14
    size, price, fee = 0.0, 0.0, 0.0
    if c.position_now != 0:
        side = 1.0 if c.position_now > 0 else -1.0
        stop, target = state[_STOP], state[_TARGET]
        if i >= state[_END]:
            price = o - side * 0.01
        elif side > 0 and l <= stop:
            price = min(o, stop) - 0.01
        elif side > 0 and h >= target:
            price = max(o, target)
        elif side < 0 and h >= stop:
            price = max(o, stop) + 0.01
        elif side < 0 and l <= target:
            price = min(o, target)
        if price > 0:
            size = -c.position_now
            fee = max(0.35, 0.0035 * abs(size))
    elif state[_STATE] > 0:
        up = state[_LONG_QTY] > 0 and h >= state[_LONG]
        down = state[_SHORT_QTY] > 0 and l <= state[_SHORT]
        if up and down:
            up = abs(state[_LONG] - o) <= abs(state[_SHORT] - o)
            down = not up
        distance = state[_LONG] - state[_SHORT] - 0.01
        if up:
            price, size = max(o, state[_LONG]) + 0.01, state[_LONG_QTY]
            state[_STOP], state[_TARGET] = state[_LONG] - distance, state[_LONG] + 2 * distance
        elif down:
            price, size = min(o, state[_SHORT]) - 0.01, -state[_SHORT_QTY]
            state[_STOP], state[_TARGET] = state[_SHORT] + distance, state[_SHORT] - 2 * distance
        if up or down:
            fee = max(0.35, 0.0035 * abs(size))
            state[_STATE] = 0.0
        elif i >= state[_LAST]:
            state[_STATE] = 0.0
    w = pair_window[i]
    if w >= 0 and w != state[_USED] and i >= 13:
        mother_high, mother_low = high[i - 1], low[i - 1]
        if h <= mother_high and l >= mother_low and mother_high - mother_low >= 0.5 * state[_AVERAGE]:
            state[_USED] = w
            if c.position_now + size == 0 and state[_STATE] == 0:
                state[_LONG], state[_SHORT] = mother_high + 0.01, mother_low - 0.01
                distance = mother_high - mother_low + 0.01
                cash = c.cash_now
                state[_LONG_QTY] = min(np.floor(cash * 0.0001 / distance), np.floor(cash / state[_LONG]))
                state[_SHORT_QTY] = min(np.floor(cash * 0.0001 / distance), np.floor(cash / state[_SHORT]))
                state[_LAST], state[_END] = last_entry_row[w], eod_row[w]
                state[_STATE] = 1.0
    if size == 0.0:
        return nb.order_nothing_nb()
    return nb.order_nb(size=size, price=price, fixed_fees=fee)


def prepare(bars: Mapping[str, Any], options: Mapping[str, Any]) -> Callable[[], int]:
    """Bind the arrays."""
    del options
    state = np.zeros(11)

    def work() -> int:
        portfolio = vbt.Portfolio.from_order_func(
            bars["close"], order_of, bars["open"], bars["high"], bars["low"], bars["close"], bars["pair_window"],
            bars["last_entry_row"], bars["eod_row"], state, init_cash=10_000_000.0, freq="5min",
            max_orders=len(bars["close"]) // 4,
        )  # fmt: skip
        return len(portfolio.trades.records)

    return work
