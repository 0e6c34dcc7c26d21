"""What stands: legs that work, positions held, the kill level; and what the board must know of them.

Everything that takes a leg off or changes what concerns a symbol is here, so that market and decisions agree on it.
"""

from __future__ import annotations

from axiomd.contracts.units import NEVER_US
from axiomd.core.board import Ints, Records
from axiomd.core.compiled import Row, njit, not_negative
from axiomd.core.guards.loss import ALL_LOSSES, DRAWDOWN, floor_broken
from axiomd.core.kernel.rows import KILLED, O_STATUS, STALE_
from axiomd.core.scan import gross_exposure, symbol_is_stale
from axiomd.core.working import NO_WORK, put, with_entry, with_position


@njit
def end_leg(leg: Row, orders: Ints, status: int) -> None:
    """Take a working leg off and say why."""
    orders[not_negative(leg.order), O_STATUS] = status
    leg.order = -1


@njit
def post_symbol(a: Row, symbols: Records, legs: Records, held: Records, index: int) -> None:
    """Tell the board what works in a symbol, and which prices and deadline concern us there."""
    symbol, h, work = symbols[index], held[index], NO_WORK
    for place in range(2):
        leg = legs[index, place]
        if leg.order >= 0:
            side = 1 if place == 0 else -1
            work = with_entry(work, side, leg.qty, leg.stop, leg.limit, leg.valid_to_us, symbol)
    if h.order >= 0:
        ends_us = a.flatten_us + a.bar_us
        work = with_position(work, h.side, h.stop_loss, h.target, h.is_closing != 0, ends_us)
    put(work, symbol)
    a.deadline_us = min(a.deadline_us, work[5])


@njit
def repost(a: Row, symbols: Records, legs: Records, held: Records) -> None:
    """Find every level and the nearest deadline again."""
    a.deadline_us = NEVER_US
    for index in range(len(symbols)):
        post_symbol(a, symbols, legs, held, index)


@njit
def trip(a: Row, z: Row, level: int, symbols: Records, legs: Records, held: Records, orders: Ints) -> None:
    """Latched: working entries go, and at flatten positions are closed at the next bar."""
    z.level = max(z.level, level)
    for index in range(len(symbols)):
        for place in range(2):
            if legs[index, place].order >= 0:
                end_leg(legs[index, place], orders, KILLED)
        if z.level == 2 and held[index].order >= 0:
            held[index].is_closing = 1
        post_symbol(a, symbols, legs, held, index)


@njit
def obey_fills(a: Row, z: Row, symbols: Records, legs: Records, held: Records, orders: Ints) -> None:
    """Trip where a fill of the moment asked for it: the moment's other fills have happened already."""
    if z.asked_level > 0:
        trip(a, z, z.asked_level, symbols, legs, held, orders)
        z.asked_level = 0


@njit
def trip_on_loss(
    a: Row, limit: Row, r: Row, z: Row, symbols: Records, legs: Records, held: Records, orders: Ints
) -> None:
    """Every loss limit that the equity has reached and that has not tripped yet."""
    broken = floor_broken(a, limit)
    while broken:
        a.losses_judged &= ~broken
        if broken == DRAWDOWN:
            z.tripped_by_drawdown = 1
        trip(a, z, r.drawdown_level if broken == DRAWDOWN else r.daily_loss_level, symbols, legs, held, orders)
        broken = floor_broken(a, limit)


@njit
def cancel_stale(a: Row, symbols: Records, limit: Row, legs: Records, held: Records, orders: Ints) -> None:
    """Take entries off in symbols whose data is beyond the limits."""
    for index in range(len(symbols)):
        if symbols[index].work_legs > 0 and symbol_is_stale(a, symbols[index], limit):
            for place in range(2):
                if legs[index, place].order >= 0:
                    end_leg(legs[index, place], orders, STALE_)
            post_symbol(a, symbols, legs, held, index)


@njit
def reset(a: Row, z: Row) -> None:
    """An operator is taken to resume: counts begin anew, losses are measured from here."""
    z.level = 0
    z.resumes += 1
    z.losses = 0
    z.streak_has_tripped = 0
    a.loss_base = a.equity
    a.losses_judged = ALL_LOSSES


@njit
def price(symbols: Records, held: Records, columns: Ints) -> None:
    """Take the session's rates; what is held keeps the one it was bought at."""
    for index in range(len(symbols)):
        if held[index].order < 0:
            symbol = symbols[index]
            symbol.fx_num, symbol.fx_den = columns[index, 0], columns[index, 1]
            symbol.is_unpriced = columns[index, 2]


@njit
def draw_point(a: Row, z: Row, symbols: Records, points: Ints, ts_us: int) -> None:
    """Keep a point of the equity curve as the books stand."""
    keep_point(z, points, ts_us, a.equity, a.cash, gross_exposure(symbols), a.equity - a.peak)


@njit
def keep_point(z: Row, points: Ints, ts_us: int, equity: int, cash: int, gross: int, drawdown: int) -> None:
    """Keep a point; of two in one moment the later."""
    # without a branch: whether a position is left in the bar it was entered in cannot be foretold
    z.points -= int(z.points > 0) & int(points[max(z.points, 1) - 1, 0] == ts_us)
    row = points[not_negative(z.points)]
    row[0], row[1], row[2], row[3], row[4] = ts_us, equity, cash, gross, drawdown
    z.points += 1
