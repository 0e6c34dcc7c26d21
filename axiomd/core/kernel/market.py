"""The market's part of a moment: which resting orders fill in its bars, what leaves again, what is over.

It matches by `core.matching` and books by `core.portfolio`, as the simulated broker and the engine do.
"""

from __future__ import annotations

from axiomd.core import matching
from axiomd.core.board import Ints, Records
from axiomd.core.compiled import Row, njit, not_negative
from axiomd.core.fills import EXIT_EOD, EXIT_KILL, EXIT_STOP, FILLED, NO_EXIT
from axiomd.core.guards.api import OFF
from axiomd.core.guards.price import is_beyond
from axiomd.core.kernel.rows import (
    AMBIGUOUS,
    EXPIRED,
    FILLED_,
    O_COMMISSION,
    O_FILL_PRICE,
    O_FILL_TS,
    O_SLIPPAGE,
    O_STATUS,
    OCO_CANCELLED,
    T_AMBIGUOUS,
    T_BARS,
    T_COSTS,
    T_EXIT,
    T_EXIT_PRICE,
    T_EXIT_TS,
    T_GROSS,
    T_HIGHEST,
    T_LOWEST,
    T_ORDER,
)
from axiomd.core.kernel.standing import end_leg, obey_fills, repost
from axiomd.core.market.strip import OF_HIGH, OF_LOW, OF_OPEN, OF_VOLUME, Int32Array
from axiomd.core.matching import exit_of, level_of, match_legs
from axiomd.core.portfolio import book_fill

Prices = tuple[int, int, int]
"""OPEN, HIGH and LOW of a bar."""


@njit
def match(
    bars: Ints, columns: Int32Array, is_alone: bool, row: int, last: int, now_us: int, account: Records,
    symbols: Records, strategies: Records, limit: Row, costs: Row, r: Row, legs: Records, held: Records, z: Row,
    bursts: Ints, orders: Ints, trades: Ints,
) -> None:  # fmt: skip
    """Fills and exits over all symbols of a moment, then expiries. Of one that is alone the strip holds the bar."""
    a = account[0]
    start_us = now_us - a.bar_us
    while is_alone or (row < last and bars[row, 0] == start_us):
        if is_alone:
            index, shares = 0, int(columns[OF_VOLUME, row])
            prices = (int(columns[OF_OPEN, row]), int(columns[OF_HIGH, row]), int(columns[OF_LOW, row]))
        else:
            index, shares = bars[row, 1], bars[row, 6]
            prices = (bars[row, 2], bars[row, 3], bars[row, 4])
        is_ambiguous_bar = False
        was_held = held[index].order >= 0
        if was_held:
            is_ambiguous_bar = match_exits(
                index, prices, shares, now_us, account, symbols, strategies, limit, costs, held, z, r, bursts, trades,
            )  # fmt: skip
        elif legs[index, 0].order >= 0 or legs[index, 1].order >= 0:
            is_ambiguous_bar = match_entries(
                index, prices, shares, now_us, account, symbols, strategies, limit, costs, r, legs, held, z, bursts,
                orders, trades,
            )  # fmt: skip
        if is_ambiguous_bar:
            z.ambiguous_bars += 1
        row += 1
        if is_alone:
            break
    expire(now_us, symbols, legs, orders)
    obey_fills(a, z, symbols, legs, held, orders)


@njit
def match_exits(
    index: int, prices: Prices, volume: int, now_us: int, account: Records, symbols: Records, strategies: Records,
    limit: Row, costs: Row, held: Records, z: Row, r: Row, bursts: Ints, trades: Ints,
) -> bool:  # fmt: skip
    """Whether and where an open position leaves in a bar; True where the bar was ambiguous."""
    open_, high, low = prices
    start_us = now_us - account[0].bar_us
    h = held[index]
    if h.is_closing:
        code, print_, is_ambiguous = EXIT_KILL, open_, False
    else:
        code, print_, is_ambiguous = exit_of(
            h.side, h.stop_loss, h.target, account[0].flatten_us, start_us, open_, high, low
        )
    if code != NO_EXIT:
        leave(
            index, code, print_, start_us, volume, now_us, is_ambiguous, account, symbols, strategies, limit, costs,
            held, z, r, bursts, trades,
        )  # fmt: skip
    return is_ambiguous


@njit
def match_entries(
    index: int, prices: Prices, volume: int, now_us: int, account: Records, symbols: Records, strategies: Records,
    limit: Row, costs: Row, r: Row, legs: Records, held: Records, z: Row, bursts: Ints, orders: Ints, trades: Ints,
) -> bool:  # fmt: skip
    """Whether a group fills in a bar, which leg, and whether it leaves again in it; True where it was ambiguous."""
    open_, high, low = prices
    start_us = now_us - account[0].bar_us
    long, short = legs[index, 0], legs[index, 1]
    what, place, price, ticks, paid, is_ambiguous, exit_code, exit_print, exit_is_ambiguous, triggered = match_legs(
        costs, symbols[index].tick, long, short, 1, -1, start_us, now_us, open_, high, low, r.skips_ambiguous != 0
    )
    if triggered:
        long.is_triggered |= triggered & 1
        short.is_triggered |= triggered >> 1
    if what == matching.AMBIGUOUS:
        end_leg(long, orders, AMBIGUOUS)
        end_leg(short, orders, AMBIGUOUS)
        return True
    if what != FILLED:
        return False
    enter(
        index, 1 if place == 0 else -1, price, ticks, paid, start_us, volume, now_us, is_ambiguous, account, symbols,
        strategies, limit, legs, held, z, bursts, orders,
    )  # fmt: skip
    if exit_code != NO_EXIT:
        leave(
            index, exit_code, exit_print, start_us, volume, now_us, exit_is_ambiguous, account, symbols, strategies,
            limit, costs, held, z, r, bursts, trades,
        )  # fmt: skip
    return is_ambiguous or exit_is_ambiguous


@njit
def enter(
    index: int, side: int, price: int, ticks: int, paid: int, start_us: int, volume: int, now_us: int,
    is_ambiguous: bool, account: Records, symbols: Records, strategies: Records, limit: Row, legs: Records,
    held: Records, z: Row, bursts: Ints, orders: Ints,
) -> None:  # fmt: skip
    """Book an entry: the position, its exits awake, the other leg gone."""
    leg, other = legs[index, 0 if side > 0 else 1], legs[index, 1 if side > 0 else 0]
    owner = symbols[index].owner
    flow, charge = book_fill(
        account, symbols, strategies, index, owner, side * leg.qty, price, paid, leg.qty * 10 > volume
    )
    row = not_negative(leg.order)
    orders[row, O_STATUS] = FILLED_
    orders[row, O_FILL_TS], orders[row, O_FILL_PRICE] = start_us, price
    orders[row, O_COMMISSION], orders[row, O_SLIPPAGE] = paid, ticks
    h = held[index]
    h.order, h.side, h.qty = row, side, leg.qty
    h.stop_loss, h.target = leg.stop_loss, leg.target
    h.flow, h.costs, h.is_ambiguous, h.is_closing = flow, charge, is_ambiguous, 0
    level = level_of(leg)
    leg.order = -1
    if other.order >= 0:
        end_leg(other, orders, OCO_CANCELLED)
    note_fill(index, side, now_us, z, limit, bursts)
    if level > 0:
        beyond, _, _ = is_beyond(price, level, limit.fill_ppm)
        if beyond:
            z.asked_level = max(z.asked_level, 1)
    look_at_burst(index, side, now_us, z, limit, bursts)


@njit
def leave(
    index: int, code: int, print_: int, start_us: int, volume: int, now_us: int, is_ambiguous: bool, account: Records,
    symbols: Records, strategies: Records, limit: Row, costs: Row, held: Records, z: Row, r: Row, bursts: Ints,
    trades: Ints,
) -> None:  # fmt: skip
    """Book an exit and write the trade down."""
    h, symbol = held[index], symbols[index]
    price, _, paid = matching.leave(costs, symbol.tick, h.side, h.qty, code, print_)
    flow, charge = book_fill(
        account, symbols, strategies, index, symbol.owner, -h.side * h.qty, price, paid, h.qty * 10 > volume
    )
    t = not_negative(z.trades)
    trades[t, T_ORDER], trades[t, T_EXIT] = h.order, code
    trades[t, T_EXIT_TS], trades[t, T_EXIT_PRICE] = start_us, price
    trades[t, T_GROSS], trades[t, T_COSTS] = h.flow + flow, h.costs + charge
    trades[t, T_LOWEST], trades[t, T_HIGHEST] = symbol.lowest, symbol.highest
    trades[t, T_BARS] = symbol.bars_held - (1 if start_us == symbol.last_ts_us else 0)
    trades[t, T_AMBIGUOUS] = h.is_ambiguous or is_ambiguous
    z.trades += 1
    net = h.flow + flow - h.costs - charge
    level = h.stop_loss if code == EXIT_STOP else (h.target if code not in (EXIT_EOD, EXIT_KILL) else 0)
    side = -h.side
    h.order = -1
    note_fill(index, side, now_us, z, limit, bursts)
    if level > 0:
        beyond, _, _ = is_beyond(price, level, limit.fill_ppm)
        if beyond:
            z.asked_level = max(z.asked_level, 1)
    look_at_burst(index, side, now_us, z, limit, bursts)
    z.losses = (z.losses + 1) * (net < 0)
    if limit.consecutive_losses != OFF and z.losses >= limit.consecutive_losses and not z.streak_has_tripped:
        z.streak_has_tripped = 1
        z.asked_level = max(z.asked_level, r.streak_level)


@njit
def note_fill(index: int, side: int, now_us: int, z: Row, limit: Row, bursts: Ints) -> None:
    """Remember a fill's time, for the curve and for RepeatedExecution."""
    z.filled_us = now_us
    if limit.execution_fills != OFF:
        own = bursts[index, 0 if side > 0 else 1]
        for place in range(len(own) - 1, 0, -1):
            own[place] = own[place - 1]
        own[0] = now_us


@njit
def look_at_burst(index: int, side: int, now_us: int, z: Row, limit: Row, bursts: Ints) -> None:
    """RepeatedExecution: the n-th newest fill of a symbol and side lies within the span."""
    if limit.execution_fills != OFF:
        own = bursts[index, 0 if side > 0 else 1]
        if own[limit.execution_fills - 1] >= now_us - limit.execution_us:
            z.asked_level = max(z.asked_level, 1)


@njit
def expire(now_us: int, symbols: Records, legs: Records, orders: Ints) -> None:
    """End what is valid no longer."""
    for index in range(len(symbols)):
        for place in range(2):
            leg = legs[index, place]
            if leg.order >= 0 and leg.valid_to_us <= now_us:
                end_leg(leg, orders, EXPIRED)


@njit
def end_session(
    account: Records, symbols: Records, strategies: Records, limit: Row, costs: Row, r: Row, legs: Records,
    held: Records, z: Row, bursts: Ints, orders: Ints, trades: Ints, close_us: int,
) -> None:  # fmt: skip
    """Close what should have been flat at the CLOSE of the session's last bar; then expiries."""
    for index in range(len(symbols)):
        if held[index].order >= 0:
            symbol = symbols[index]
            leave(
                index, EXIT_EOD, symbol.close, symbol.last_ts_us, symbol.volume, close_us, False, account, symbols,
                strategies, limit, costs, held, z, r, bursts, trades,
            )  # fmt: skip
    expire(close_us, symbols, legs, orders)
    obey_fills(account[0], z, symbols, legs, held, orders)
    repost(account[0], symbols, legs, held)
