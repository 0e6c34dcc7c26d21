"""The compiled backtest: the walk of the engine over a whole tape without leaving compiled code.

It calls the very functions the engine, the simulated broker and the guards are made of: the scan, first touch, sizing,
the chain, the books. What stands here is only the order of 04's moment over plain rows instead of objects. Its output
are rows; `core.kernel_record` gives them their names. That it agrees with the replay, whether guards bind or not, is
tested on markets drawn by chance.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from axiomd.core.board import ABOVE_ALL, BELOW_ALL, NEVER_US, Floats, Ints, Records
from axiomd.core.compiled import Row, borrowed, njit
from axiomd.core.fills import (
    EXIT_EOD,
    EXIT_KILL,
    EXIT_STOP,
    LIMIT,
    MARKET,
    NO_EXIT,
    STOP,
    TRIGGERED,
    UNTOUCHED,
    commission,
    entry_touch,
    exit_touch,
    first_leg,
    slippage,
)
from axiomd.core.guards.api import OFF
from axiomd.core.guards.chain import PASSED, judge_order
from axiomd.core.guards.loss import ALL_LOSSES, DRAWDOWN, floor_broken
from axiomd.core.guards.price import is_beyond
from axiomd.core.portfolio import book_fill
from axiomd.core.scan import (
    LOSS,
    SETUPS,
    STALE,
    TOUCHED,
    advance,
    begin_session,
    gross_exposure,
    post,
    settle,
    symbol_is_stale,
)
from axiomd.core.sizing import fraction, size
from axiomd.core.strategies import api

LEG = np.dtype(
    [
        ("order", "i8"),  # row of the order, -1: none works
        ("qty", "i8"),
        ("kind", "i8"),
        ("stop", "i8"),
        ("limit", "i8"),
        ("stop_loss", "i8"),
        ("target", "i8"),
        ("valid_from_us", "i8"),
        ("valid_to_us", "i8"),
        ("is_triggered", "i8"),
    ],
    align=True,
)
HELD = np.dtype(
    [
        ("order", "i8"),  # row of the entry, -1: flat
        ("side", "i8"),
        ("qty", "i8"),
        ("stop_loss", "i8"),
        ("target", "i8"),
        ("flow", "i8"),
        ("costs", "i8"),
        ("is_ambiguous", "i8"),
        ("is_closing", "i8"),
    ],
    align=True,
)
STATE = np.dtype(
    [
        ("row", "i8"),
        ("session", "i8"),
        ("level", "i8"),  # 0 armed, 1 halt, 2 flatten
        ("asked_level", "i8"),  # a fill of this moment asks for it; acted on when the moment is matched
        ("tripped_by_drawdown", "i8"),
        ("resumes", "i8"),
        ("losses", "i8"),
        ("streak_has_tripped", "i8"),
        ("filled_us", "i8"),
        ("has_curve", "i8"),
        ("signals", "i8"),
        ("orders", "i8"),
        ("trades", "i8"),
        ("points", "i8"),
        ("sends_head", "i8"),
        ("sends", "i8"),
        ("ambiguous_bars", "i8"),
        ("beyond_volume", "i8"),
        ("turnover", "i8"),
    ],
    align=True,
)
RULES = np.dtype(
    [
        ("flatten_us", "i8"),
        ("skips_ambiguous", "i8"),
        ("resumes", "i8"),
        ("first_session", "i8"),
        ("lists_candidates", "i8"),
        ("daily_loss_level", "i8"),
        ("drawdown_level", "i8"),
        ("streak_level", "i8"),
    ],
    align=True,
)

# columns of a signal's row: those of a setup, then
OUTCOME: Final = api.VOLUME + 1
SIGNAL_WIDTH: Final = 16
PLACED: Final = 0
NETTING: Final = 1
PAUSED: Final = 2
TOO_SMALL: Final = 3
OUTCOMES: Final = ("", "blocked:netting", "blocked:paused", "below_min_qty")

# columns of an order's row
O_SIGNAL: Final = 0
O_SIDE: Final = 1
O_QTY: Final = 2
O_STATUS: Final = 3
O_GUARD: Final = 4
O_FILL_TS: Final = 5
O_FILL_PRICE: Final = 6
O_COMMISSION: Final = 7
O_SLIPPAGE: Final = 8
O_SENT_US: Final = 9
O_SESSION: Final = 10
ORDER_WIDTH: Final = 11
WORKING: Final = 0
FILLED_: Final = 1
EXPIRED: Final = 2
OCO_CANCELLED: Final = 3
AMBIGUOUS: Final = 4
KILLED: Final = 5
STALE_: Final = 6
REFUSED: Final = 7

# columns of a trade's row
T_ORDER: Final = 0
T_EXIT: Final = 1
T_EXIT_TS: Final = 2
T_EXIT_PRICE: Final = 3
T_GROSS: Final = 4
T_COSTS: Final = 5
T_WORST: Final = 6
T_BEST: Final = 7
T_BARS: Final = 8
T_AMBIGUOUS: Final = 9
T_ENTRY_FLOW: Final = 10
TRADE_WIDTH: Final = 11

SETUPS_A_SESSION: Final = 128
"""More than any session has intervals: so much room is kept for each slot before a session begins."""


@njit
def run(
    bars: Ints, first_rows: Ints, opens_us: Ints, closes_us: Ints, ranks: Ints, account: Records, symbols: Records,
    strategies: Records, slots: Records, intervals: Ints, si: Ints, sf: Floats, pi: Ints, pf: Floats, windows: Ints,
    limits: Records, setups: Ints, sizings: Records, costs: Records, rules: Records, legs: Records, held: Records,
    state: Records, x: Records, verdicts: Ints, bursts: Ints, order_of_setups: Ints, signals: Ints, orders: Ints,
    trades: Ints, points: Ints, session_equity: Ints,
) -> bool:  # fmt: skip
    """Run sessions until all are done (True) or the room for another session's rows is used up (False)."""
    bars, ranks, account, symbols = borrowed(bars), borrowed(ranks), borrowed(account), borrowed(symbols)
    strategies, slots, intervals = borrowed(strategies), borrowed(slots), borrowed(intervals)
    si, sf, pi, pf, windows = borrowed(si), borrowed(sf), borrowed(pi), borrowed(pf), borrowed(windows)
    limits, setups, sizings, costs, rules = (
        borrowed(limits), borrowed(setups), borrowed(sizings), borrowed(costs), borrowed(rules),
    )  # fmt: skip
    legs, held, state, x, verdicts = borrowed(legs), borrowed(held), borrowed(state), borrowed(x), borrowed(verdicts)
    bursts, order_of_setups, signals = borrowed(bursts), borrowed(order_of_setups), borrowed(signals)
    orders, trades, points = borrowed(orders), borrowed(trades), borrowed(points)
    a, z, r, limit = account[0], state[0], rules[0], limits[0]
    room = SETUPS_A_SESSION * len(slots)
    while z.session < len(opens_us):
        if z.signals + room > len(signals) or z.points + 4 * room > len(points):
            return False
        first, last = first_rows[z.session], first_rows[z.session + 1]
        is_traded = z.session >= r.first_session
        if is_traded and z.level > 0 and r.resumes and not z.tripped_by_drawdown:
            reset(a, z)
        begin_session(
            account, symbols, strategies, slots, opens_us[z.session], closes_us[z.session],
            closes_us[z.session] - r.flatten_us,
        )  # fmt: skip
        if is_traded:
            ranking = ranks[0] if r.lists_candidates else ranks[z.session]
            for k in range(len(slots)):
                slots[k].is_candidate = ranking[k] >= 0
                slots[k].rank = max(ranking[k], 0)
            a.is_trading = 1
            if not z.has_curve:
                z.has_curve = 1
                draw_point(a, z, symbols, points, a.now_us)
        row, matched_us = first, -1
        while True:
            a.cursor = row
            flags = advance(
                bars, last, closes_us[z.session], matched_us, z.filled_us, True, account, symbols, strategies, slots,
                intervals, si, sf, pi, pf, windows, limits, setups,
            )  # fmt: skip
            row = a.cursor
            if z.filled_us >= 0 and a.snap_us == z.filled_us:
                keep_point(z, points, a.snap_us, a.snap_equity, a.snap_cash, a.snap_gross, a.snap_drawdown)
                z.filled_us = -1
            if flags == TOUCHED:
                matched_us = a.touched_us
                match(
                    bars, row, last, matched_us, account, symbols, strategies, limit, costs[0], r, legs, held, z,
                    bursts, orders, trades,
                )  # fmt: skip
                repost(a, symbols, legs, held)
                continue
            if flags & LOSS:
                trip_on_loss(a, limit, r, z, symbols, legs, held, orders)
            if flags & STALE:
                cancel_stale(a, symbols, limit, legs, held, orders)
            if flags & SETUPS:
                decide(
                    account, symbols, strategies, slots, limits, setups, sizings, legs, held, z, x, verdicts,
                    order_of_setups, signals, orders,
                )  # fmt: skip
            if not flags and row >= last:
                break
        end_session(
            account, symbols, strategies, limit, costs[0], r, legs, held, z, bursts, orders, trades,
            closes_us[z.session],
        )  # fmt: skip
        a.now_us = closes_us[z.session]
        settle(a, symbols, strategies)
        trip_on_loss(a, limit, r, z, symbols, legs, held, orders)
        if a.is_trading:
            draw_point(a, z, symbols, points, closes_us[z.session])
            session_equity[z.session] = a.equity
        a.is_trading = 0
        z.filled_us = -1
        z.session += 1
    return True


@njit
def first_rows(bars: Ints, opens_us: Ints) -> Ints:
    """Give the first row at or after each opening, and the number of rows behind the last."""
    found = np.empty(len(opens_us) + 1, np.int64)
    row = 0
    for session in range(len(opens_us)):
        # a session has about as many bars as the one before: gallop from there, then halve
        step = 64
        low = row
        while low + step < len(bars) and bars[low + step, 0] < opens_us[session]:
            low += step
            step *= 2
        high = min(low + step, len(bars))
        while low < high:
            middle = (low + high) // 2
            if bars[middle, 0] < opens_us[session]:
                low = middle + 1
            else:
                high = middle
        row = low
        found[session] = row
    found[len(opens_us)] = len(bars)
    return found


# --- the market ---


@njit
def match(
    bars: Ints, row: int, last: int, now_us: int, account: Records, symbols: Records, strategies: Records, limit: Row,
    costs: Row, r: Row, legs: Records, held: Records, z: Row, bursts: Ints, orders: Ints, trades: Ints,
) -> None:  # fmt: skip
    """Fills and exits over all symbols of a moment, then expiries."""
    a = account[0]
    start_us = now_us - a.bar_us
    while row < last and bars[row, 0] == start_us:
        index = bars[row, 1]
        is_ambiguous_bar = False
        was_held = held[index].order >= 0
        if was_held:
            is_ambiguous_bar = match_exits(
                bars, row, now_us, account, symbols, strategies, limit, costs, held, z, r, bursts, trades,
            )  # fmt: skip
        elif legs[index, 0].order >= 0 or legs[index, 1].order >= 0:
            is_ambiguous_bar = match_entries(
                bars, row, now_us, account, symbols, strategies, limit, costs, r, legs, held, z, bursts, orders,
                trades,
            )  # fmt: skip
        if is_ambiguous_bar:
            z.ambiguous_bars += 1
        row += 1
    expire(now_us, symbols, legs, orders)
    obey_fills(a, z, symbols, legs, held, orders)


@njit
def match_exits(
    bars: Ints, row: int, now_us: int, account: Records, symbols: Records, strategies: Records, limit: Row, costs: Row,
    held: Records, z: Row, r: Row, bursts: Ints, trades: Ints,
) -> bool:  # fmt: skip
    """Whether and where an open position leaves in a bar; True where the bar was ambiguous."""
    index = bars[row, 1]
    h = held[index]
    code, price, is_ambiguous = NO_EXIT, 0, False
    if h.is_closing:
        code, price = EXIT_KILL, bars[row, 2]
    elif bars[row, 0] >= account[0].flatten_us:
        code, price = EXIT_EOD, bars[row, 2]
    else:
        code, price, is_ambiguous = exit_touch(
            h.side, h.stop_loss, h.target, False, False, bars[row, 2], bars[row, 3], bars[row, 4]
        )
    if code != NO_EXIT:
        leave(
            index, code, price, bars[row, 0], bars[row, 6], now_us, is_ambiguous, account, symbols, strategies, limit,
            costs, held, z, r, bursts, trades,
        )  # fmt: skip
    return is_ambiguous


@njit
def match_entries(
    bars: Ints, row: int, now_us: int, account: Records, symbols: Records, strategies: Records, limit: Row, costs: Row,
    r: Row, legs: Records, held: Records, z: Row, bursts: Ints, orders: Ints, trades: Ints,
) -> bool:  # fmt: skip
    """Whether a group fills in a bar, which leg, and whether it leaves again in it; True where it was ambiguous."""
    start_us, index, open_, high, low = bars[row, 0], bars[row, 1], bars[row, 2], bars[row, 3], bars[row, 4]
    long_code, long_price, long_at_open = touch(legs[index, 0], 1, start_us, now_us, open_, high, low)
    short_code, short_price, short_at_open = touch(legs[index, 1], -1, start_us, now_us, open_, high, low)
    if long_code == UNTOUCHED and short_code == UNTOUCHED:
        return False
    is_both = long_code != UNTOUCHED and short_code != UNTOUCHED
    if is_both and r.skips_ambiguous:
        end_leg(legs[index, 0], orders, AMBIGUOUS)
        end_leg(legs[index, 1], orders, AMBIGUOUS)
        return True
    side = 1 if long_code != UNTOUCHED else -1
    if is_both:
        side = first_leg(level_of(legs[index, 0]), level_of(legs[index, 1]), open_)
    code = long_code if side > 0 else short_code
    if code == TRIGGERED:
        legs[index, 0 if side > 0 else 1].is_triggered = 1
        if not is_both:
            return False
        side = -side
        code = long_code if side > 0 else short_code
        if code == TRIGGERED:
            legs[index, 0 if side > 0 else 1].is_triggered = 1
            return False
    leg = legs[index, 0 if side > 0 else 1]
    price, at_open = (long_price, long_at_open) if side > 0 else (short_price, short_at_open)
    exit_code, exit_price, exit_ambiguous = exit_touch(side, leg.stop_loss, leg.target, True, at_open, open_, high, low)
    is_ambiguous = is_both or (exit_ambiguous and exit_code == NO_EXIT)
    enter(
        index, side, price, start_us, bars[row, 6], now_us, is_ambiguous, account, symbols, strategies, limit, costs,
        legs, held, z, bursts, orders,
    )  # fmt: skip
    if exit_code != NO_EXIT:
        leave(
            index, exit_code, exit_price, start_us, bars[row, 6], now_us, exit_ambiguous, account, symbols, strategies,
            limit, costs, held, z, r, bursts, trades,
        )  # fmt: skip
    return is_ambiguous or exit_ambiguous


@njit
def touch(leg: Row, side: int, start_us: int, now_us: int, open_: int, high: int, low: int) -> tuple[int, int, bool]:
    """First touch of one leg, where it works and is valid in the bar."""
    if leg.order < 0 or leg.valid_from_us > start_us or now_us > leg.valid_to_us:
        return UNTOUCHED, 0, False
    return entry_touch(leg.kind, side, leg.stop, leg.limit, leg.is_triggered != 0, open_, high, low)


@njit
def level_of(leg: Row) -> int:
    """The level a leg is compared by: of one that rests as a limit, its limit."""
    level: int = leg.limit if leg.is_triggered or leg.stop == 0 else leg.stop
    return level


@njit
def enter(
    index: int, side: int, print_: int, start_us: int, volume: int, now_us: int, is_ambiguous: bool, account: Records,
    symbols: Records, strategies: Records, limit: Row, costs: Row, legs: Records, held: Records, z: Row, bursts: Ints,
    orders: Ints,
) -> None:  # fmt: skip
    """Book an entry: the position, its exits awake, the other leg gone."""
    leg, other = legs[index, 0 if side > 0 else 1], legs[index, 1 if side > 0 else 0]
    symbol = symbols[index]
    slips = leg.kind != LIMIT and not leg.is_triggered
    ticks = slippage(costs, print_, symbol.tick) if slips else 0
    price = print_ + side * ticks * symbol.tick
    if leg.limit > 0 and ticks > 0:
        price = min(price, leg.limit) if side > 0 else max(price, leg.limit)
        ticks = abs(price - print_) // symbol.tick
    paid = commission(costs, leg.qty, price)
    owner = symbols[index].owner
    flow, charge = book_fill(account, symbols, strategies, index, owner, side * leg.qty, price, paid)
    row = leg.order
    orders[row, O_STATUS] = FILLED_
    orders[row, O_FILL_TS], orders[row, O_FILL_PRICE] = start_us, price
    orders[row, O_COMMISSION], orders[row, O_SLIPPAGE] = paid, ticks
    h = held[index]
    h.order, h.side, h.qty = row, side, leg.qty
    h.stop_loss, h.target = leg.stop_loss, leg.target
    h.flow, h.costs, h.is_ambiguous, h.is_closing = flow, charge, is_ambiguous, 0
    level = leg.limit if leg.is_triggered else (leg.stop if leg.stop > 0 else leg.limit)
    leg.order = -1
    if other.order >= 0:
        end_leg(other, orders, OCO_CANCELLED)
    note_fill(index, side, leg.qty, price, volume, now_us, z, symbol, limit, bursts)
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
    ticks = slippage(costs, print_, symbol.tick) if code in (EXIT_STOP, EXIT_EOD, EXIT_KILL) else 0
    price = print_ - h.side * ticks * symbol.tick
    flow, charge = book_fill(
        account, symbols, strategies, index, symbol.owner, -h.side * h.qty, price, commission(costs, h.qty, price)
    )
    t = z.trades
    trades[t, T_ORDER], trades[t, T_EXIT] = h.order, code
    trades[t, T_EXIT_TS], trades[t, T_EXIT_PRICE] = start_us, price
    trades[t, T_GROSS], trades[t, T_COSTS] = h.flow + flow, h.costs + charge
    trades[t, T_WORST], trades[t, T_BEST] = symbol.worst, symbol.best
    trades[t, T_BARS] = symbol.bars_held - (1 if start_us == symbol.last_ts_us else 0)
    trades[t, T_AMBIGUOUS] = h.is_ambiguous or is_ambiguous
    z.trades += 1
    net = h.flow + flow - h.costs - charge
    level = h.stop_loss if code == EXIT_STOP else (h.target if code not in (EXIT_EOD, EXIT_KILL) else 0)
    side, qty = -h.side, h.qty
    h.order = -1
    note_fill(index, side, qty, price, volume, now_us, z, symbol, limit, bursts)
    if level > 0:
        beyond, _, _ = is_beyond(price, level, limit.fill_ppm)
        if beyond:
            z.asked_level = max(z.asked_level, 1)
    look_at_burst(index, side, now_us, z, limit, bursts)
    z.losses = z.losses + 1 if net < 0 else 0
    if limit.consecutive_losses != OFF and z.losses >= limit.consecutive_losses and not z.streak_has_tripped:
        z.streak_has_tripped = 1
        z.asked_level = max(z.asked_level, r.streak_level)


@njit
def note_fill(
    index: int, side: int, qty: int, price: int, volume: int, now_us: int, z: Row, symbol: Row, limit: Row, bursts: Ints
) -> None:
    """Count what every fill counts for; remember its time for RepeatedExecution."""
    z.filled_us = now_us
    z.turnover += fraction(qty * price, symbol.fx_num, symbol.fx_den)
    if qty * 10 > volume:
        z.beyond_volume += 1
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


@njit
def end_leg(leg: Row, orders: Ints, status: int) -> None:
    """Take a working leg off and say why."""
    orders[leg.order, O_STATUS] = status
    leg.order = -1


# --- decisions ---


@njit
def decide(
    account: Records, symbols: Records, strategies: Records, slots: Records, limits: Records, setups: Ints,
    sizings: Records, legs: Records, held: Records, z: Row, x: Records, verdicts: Ints, sequence: Ints, signals: Ints,
    orders: Ints,
) -> None:  # fmt: skip
    """Every setup of the moment: strategy as listed, rank, symbol; each sees the orders placed just before."""
    a = account[0]
    count = a.setups
    for n in range(count):
        place = n
        while place > 0 and comes_before(slots[setups[n, api.SLOT]], slots[setups[sequence[place - 1], api.SLOT]]):
            sequence[place] = sequence[place - 1]
            place -= 1
        sequence[place] = n
    for n in range(count):
        row = setups[sequence[n]]
        slot = slots[row[api.SLOT]]
        index, k = slot.symbol, slot.strategy
        s = z.signals
        z.signals += 1
        for column in range(OUTCOME):
            signals[s, column] = row[column]
        if held[index].order >= 0 or legs[index, 0].order >= 0 or legs[index, 1].order >= 0:
            signals[s, OUTCOME] = NETTING
            continue
        if strategies[k].is_paused:
            signals[s, OUTCOME] = PAUSED
            continue
        signals[s, OUTCOME] = TOO_SMALL
        placed = False
        passed = 0
        for place in range(2):
            entry = row[api.LONG_ENTRY] if place == 0 else row[api.SHORT_ENTRY]
            if entry == 0:
                continue
            stop_loss = row[api.LONG_STOP] if place == 0 else row[api.SHORT_STOP]
            symbol = symbols[index]
            qty = size(
                sizings[k], a.equity, entry, stop_loss, symbol.tick, symbol.lot, row[api.VOLUME], symbol.fx_num,
                symbol.fx_den,
            )  # fmt: skip
            if qty == 0:
                continue
            placed = True
            if propose_leg(
                place, entry, stop_loss, qty, row, s, passed, index, account, symbols, limits, legs, z, x, verdicts,
                orders,
            ):  # fmt: skip
                passed += 1
        if placed:
            signals[s, OUTCOME] = PLACED
        if passed:
            symbols[index].owner = k
            z.sends += passed
            post_symbol(a, symbols, legs, held, index)


@njit
def comes_before(one: Row, other: Row) -> bool:
    """Order of decisions within a moment."""
    if one.strategy != other.strategy:
        return bool(one.strategy < other.strategy)
    if one.rank != other.rank:
        return bool(one.rank < other.rank)
    return bool(one.symbol < other.symbol)


@njit
def propose_leg(
    place: int, entry: int, stop_loss: int, qty: int, row: Ints, s: int, passed: int, index: int, account: Records,
    symbols: Records, limits: Records, legs: Records, z: Row, x: Records, verdicts: Ints, orders: Ints,
) -> bool:  # fmt: skip
    """One leg through the chain: refused, or working from here on."""
    a = account[0]
    target = row[api.LONG_TARGET] if place == 0 else row[api.SHORT_TARGET]
    own_limit = row[api.LONG_LIMIT] if place == 0 else row[api.SHORT_LIMIT]
    kind = row[api.ENTRY_KIND]
    stop = entry if kind == STOP else 0
    limit_price = own_limit if kind == STOP else (entry if kind == LIMIT else 0)
    side = 1 if place == 0 else -1
    now_us = row[api.MOMENT]
    while z.sends_head < z.orders and (
        orders[z.sends_head, O_SENT_US] < now_us - limits[0].rate_us or orders[z.sends_head, O_STATUS] == REFUSED
    ):
        if orders[z.sends_head, O_STATUS] != REFUSED:
            z.sends -= 1
        z.sends_head += 1
    o = z.orders
    z.orders += 1
    orders[o, O_SIGNAL], orders[o, O_SIDE], orders[o, O_QTY] = s, side, qty
    orders[o, O_SENT_US], orders[o, O_SESSION] = now_us, z.session
    orders[o, O_FILL_TS], orders[o, O_GUARD] = 0, 0
    guard = judge_order(
        x[0], a, symbols, limits[0], verdicts, index, side, qty, 0 if kind == MARKET else entry, stop, limit_price,
        stop_loss, target, z.level > 0, True, True, False, z.sends + passed,
    )  # fmt: skip
    if guard != PASSED:
        orders[o, O_STATUS], orders[o, O_GUARD] = REFUSED, guard
        return False
    orders[o, O_STATUS] = WORKING
    leg = legs[index, place]
    leg.order, leg.qty, leg.kind, leg.stop, leg.limit = o, qty, kind, stop, limit_price
    leg.stop_loss, leg.target = stop_loss, target
    leg.valid_from_us, leg.valid_to_us, leg.is_triggered = row[api.VALID_FROM], row[api.VALID_TO], 0
    return True


# --- the kill switch ---


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


# --- what the board must know ---


@njit
def repost(a: Row, symbols: Records, legs: Records, held: Records) -> None:
    """Find every level and the nearest deadline again."""
    a.deadline_us = NEVER_US
    for index in range(len(symbols)):
        post_symbol(a, symbols, legs, held, index)


@njit
def post_symbol(a: Row, symbols: Records, legs: Records, held: Records, index: int) -> None:
    """Tell the board what works in a symbol, and which prices and deadline concern us there."""
    symbol, h = symbols[index], held[index]
    high, low, deadline_us, count = ABOVE_ALL, BELOW_ALL, NEVER_US, 0
    notional_long, notional_short = 0, 0
    for place in range(2):
        leg = legs[index, place]
        if leg.order < 0:
            continue
        count += 1
        entry = leg.stop if leg.stop > 0 else (leg.limit if leg.limit > 0 else symbol.close)
        value = fraction(leg.qty * entry, symbol.fx_num, symbol.fx_den)
        deadline_us = min(deadline_us, leg.valid_to_us)
        if leg.kind == MARKET:
            high = BELOW_ALL
        if place == 0:
            notional_long = value
            if leg.stop > 0:
                high = min(high, leg.stop)
            if leg.limit > 0:
                low = max(low, leg.limit)
        else:
            notional_short = value
            if leg.stop > 0:
                low = max(low, leg.stop)
            if leg.limit > 0:
                high = min(high, leg.limit)
    if h.order >= 0:
        deadline_us = min(deadline_us, a.flatten_us + a.bar_us)
        if h.is_closing:
            high = BELOW_ALL
        elif h.side > 0:
            high = min(high, h.target) if h.target > 0 else high
            low = max(low, h.stop_loss)
        else:
            high = min(high, h.stop_loss) if h.stop_loss > 0 else high
            low = max(low, h.target)
    post(a, symbol, notional_long, notional_short, count, high, low, min(a.deadline_us, deadline_us))


@njit
def draw_point(a: Row, z: Row, symbols: Records, points: Ints, ts_us: int) -> None:
    """Keep a point of the equity curve as the books stand."""
    keep_point(z, points, ts_us, a.equity, a.cash, gross_exposure(symbols), a.equity - a.peak)


@njit
def keep_point(z: Row, points: Ints, ts_us: int, equity: int, cash: int, gross: int, drawdown: int) -> None:
    """Keep a point; of two in one moment the later."""
    if z.points > 0 and points[z.points - 1, 0] == ts_us:
        z.points -= 1
    row = points[z.points]
    row[0], row[1], row[2], row[3], row[4] = ts_us, equity, cash, gross, drawdown
    z.points += 1
