"""What works in a symbol and what is held there: what it is worth, and which prices and times concern us.

A bar that comes to none of them changes nothing, so that the scan need not stop at it. Compiled, plain numbers: the
engine asks of the rows on its board, the compiled backtest of its own.
"""

from __future__ import annotations

from axiomd.contracts.units import NEVER_US
from axiomd.core.board import ABOVE_ALL, BELOW_ALL
from axiomd.core.compiled import Row, njit
from axiomd.core.sizing import fraction

Work = tuple[int, int, int, int, int, int]
"""Notional of the entries to buy and to sell in account currency, their number; the price from which on and the price
down to which a bar concerns us; and the time from which on one does.
"""
NO_WORK: Work = (0, 0, 0, ABOVE_ALL, BELOW_ALL, NEVER_US)


@njit
def with_entry(work: Work, side: int, qty: int, stop: int, limit: int, ends_us: int, symbol: Row) -> Work:
    """Add an entry that works: what is open of it, the prices it waits for (0 for none), the end of its validity."""
    long, short, count, high, low, until_us = work
    level = stop if stop > 0 else (limit if limit > 0 else symbol.close)
    value = fraction(qty * level, symbol.fx_num, symbol.fx_den)
    # a buy stop is touched from below and a buy limit from above, of a sell it is the other way round
    above, below = (stop, limit) if side > 0 else (limit, stop)
    if stop == 0 and limit == 0:
        high = BELOW_ALL
    if above > 0:
        high = min(high, above)
    if below > 0:
        low = max(low, below)
    if side > 0:
        long += value
    else:
        short += value
    return long, short, count + 1, high, low, min(until_us, ends_us)


@njit
def with_position(work: Work, side: int, stop: int, target: int, is_closing: bool, ends_us: int) -> Work:
    """Add a position with its exits (0 for none) and the close of the bar that ends it; being closed, any bar may."""
    long, short, count, high, low, until_us = work
    above, below = (target, stop) if side > 0 else (stop, target)
    if is_closing:
        high = BELOW_ALL
    elif above > 0:
        high = min(high, above)
    if below > 0 and not is_closing:
        low = max(low, below)
    return long, short, count, high, low, min(until_us, ends_us)


@njit
def put(work: Work, symbol: Row) -> None:
    """Write down in a symbol what works there."""
    symbol.work_long, symbol.work_short, symbol.work_legs = work[0], work[1], work[2]
    symbol.touch_high, symbol.touch_low = work[3], work[4]
