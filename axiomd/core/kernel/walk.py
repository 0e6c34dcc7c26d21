"""The walk over a whole tape: session by session, from one moment that concerns us to the next, in compiled code.

It calls the very functions the engine, the simulated broker and the guards are made of; what stands in this room is
only the order of 04's moment over plain rows instead of objects. That it agrees with the replay, whether guards bind or
not, is tested on markets drawn by chance.
"""

from __future__ import annotations

from typing import Any, Final

from axiomd.core.board import FLOAT_STATE_SIZE, INT_STATE_SIZE, SETUP_SIZE, Floats, Ints, Records
from axiomd.core.borrowed import borrowed
from axiomd.core.compiled import njit, not_negative
from axiomd.core.kernel.decisions import decide
from axiomd.core.kernel.market import end_session, match
from axiomd.core.kernel.places import (
    one_held,
    one_interval,
    one_pair,
    one_setup,
    one_slot,
    one_state,
    one_strategy,
    one_symbol,
)
from axiomd.core.kernel.rows import ORDER_WIDTH, POINT_WIDTH, SETUPS_A_SESSION, SIGNAL_WIDTH, TRADE_WIDTH
from axiomd.core.kernel.standing import cancel_stale, draw_point, keep_point, price, repost, reset, trip_on_loss
from axiomd.core.kernel.stretch import take_stretch
from axiomd.core.kernel.unlimited import switch_off
from axiomd.core.market.resample import ACC_SIZE
from axiomd.core.market.sessions import BoolArray
from axiomd.core.market.strip import COLUMNS, OF_CLOSE, OF_VOLUME, Int32Array, address_in
from axiomd.core.market.tape import TAPE_WIDTH
from axiomd.core.registers import fetch_ahead, own_record
from axiomd.core.scan import LOSS, SETUPS, STALE, TOUCHED, advance, begin_session, settle
from axiomd.core.strategies.api import MOMENT, SLOT, VOLUME

FETCHED_BYTES: Final = (0, 64)
"""How far behind a bar's number lines of memory are fetched: of each column 17 to 32 bars, in which nearly all trades
begin and end."""

_list, _one = borrowed(), borrowed(1)
_bars, _columns, _ranks = borrowed(None, TAPE_WIDTH), borrowed(COLUMNS, None), borrowed(None, None)
_setups, _intervals = borrowed(None, SETUP_SIZE), borrowed(None, ACC_SIZE)
_pairs, _bursts = borrowed(None, 2), borrowed(None, 2, None)
_of_16, _of_8 = borrowed(None, INT_STATE_SIZE), borrowed(None, FLOAT_STATE_SIZE)
_signals, _orders = borrowed(None, SIGNAL_WIDTH), borrowed(None, ORDER_WIDTH)
_trades, _points = borrowed(None, TRADE_WIDTH), borrowed(None, POINT_WIDTH)


@njit
def fetch_bars(columns: Int32Array, row: int) -> None:
    """Have some bars from a row on at hand by the time their setup comes: the walk jumps past all before them."""
    for column in range(COLUMNS):
        for behind in FETCHED_BYTES:
            fetch_ahead(address_in(columns, column, row) + behind)


@njit
def run(*run_of: Any) -> bool:
    """Run sessions until all are done (True) or the room for another session's rows is used up (False)."""
    return walk(False, False, *run_of)


@njit
def run_alone(*run_of: Any) -> bool:
    """Run likewise where there is one symbol with one slot on bars of its own, whose setups were found ahead."""
    return walk(True, False, *run_of)


@njit
def run_alone_unlimited(*run_of: Any) -> bool:
    """Run likewise where no limit is set: `is_unlimited`."""
    return walk(True, True, *run_of)


@njit
def walk(
    is_alone: bool, has_no_limits: bool, bars: Ints, columns: Int32Array, run_ends: Int32Array, is_whole: BoolArray,
    first_rows: Ints, setup_rows: Ints, found: Ints, starts_us: Ints, opens_us: Ints, closes_us: Ints, ranks: Ints,
    account: Records, symbols: Records, strategies: Records, slots: Records, intervals: Ints, si: Ints, sf: Floats,
    pi: Ints, pf: Floats, windows: Ints, limits: Records, setups: Ints, sizings: Records, costs: Records,
    rules: Records, legs: Records, held: Records, state: Records, bursts: Ints, order_of_setups: Ints, signals: Ints,
    orders: Ints, trades: Ints, points: Ints, session_equity: Ints, rates: Ints,
) -> bool:  # fmt: skip
    """Run sessions; the first two are known when this is compiled, so that each way has code of its own."""
    bars, columns, found = _bars(bars), _columns(columns), _setups(found)
    run_ends, setup_rows, ranks, windows = _list(run_ends), _list(setup_rows), _ranks(ranks), _list(windows)
    si, sf, pi, pf = _of_16(si), _of_8(sf), _of_16(pi), _of_8(pf)
    signals, orders, trades, points = _signals(signals), _orders(orders), _trades(trades), _points(points)
    order_of_setups, bursts = _list(order_of_setups), _bursts(bursts)
    account, limits, rules, costs = _one(account), _one(limits), _one(rules), _one(costs)
    if is_alone:
        symbols, strategies = one_symbol(symbols, account), one_strategy(strategies, account)
        slots, sizings, held = one_slot(slots, account), _one(sizings), one_held(held, account)
        setups, intervals = one_setup(setups, account), one_interval(intervals, account)
        legs, state = one_pair(legs, account), one_state(state, account)
    else:
        state = _one(state)
        symbols, strategies, slots, sizings = _list(symbols), _list(strategies), _list(slots), _list(sizings)
        legs, held, setups, intervals = _pairs(legs), _list(held), _setups(setups), _intervals(intervals)
    a, z, r = account[0], state[0], rules[0]
    limit = own_record(limits[0])
    if has_no_limits:
        switch_off(limit)
    room = SETUPS_A_SESSION * len(slots)
    while not_negative(z.session) < len(opens_us):
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
        if z.session < len(rates):
            price(symbols, held, rates[z.session])
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
        if is_alone:
            fetch_ahead(address_in(columns, OF_CLOSE, last - 1))
            fetch_ahead(address_in(columns, OF_VOLUME, last - 1))
        run_row, run_us, run_end = first, starts_us[z.session], last if is_whole[z.session] else first
        while True:
            if is_alone:
                if row >= run_end:
                    if row >= last:
                        break
                    run_row, run_us, run_end = row, bars[row, 0], run_ends[row]
                row, found_so_far = not_negative(row), not_negative(z.found)
                start_us = run_us + (row - run_row) * a.bar_us
                flags, taken = take_stretch(
                    columns, row, run_end, setup_rows[found_so_far], start_us, start_us + a.bar_us == matched_us,
                    z.filled_us, account, symbols, strategies, limit,
                )  # fmt: skip
                row += taken
                if flags & SETUPS:
                    setups[0] = found[found_so_far]
                    setups[0, SLOT], setups[0, MOMENT], setups[0, VOLUME] = 0, a.now_us, symbols[0].volume
                    a.setups = 1
                    z.found += 1
                    fetch_bars(columns, setup_rows[min(found_so_far + 2, len(setup_rows) - 1)])
                a.touched_us = start_us + (taken + 1) * a.bar_us
            else:
                a.cursor = row
                flags = advance(
                    bars, last, closes_us[z.session], matched_us, z.filled_us, True, account, symbols, strategies,
                    slots, intervals, si, sf, pi, pf, windows, limits, setups,
                )  # fmt: skip
                row = a.cursor
            if z.filled_us >= 0 and a.snap_us == z.filled_us:
                keep_point(z, points, a.snap_us, a.snap_equity, a.snap_cash, a.snap_gross, a.snap_drawdown)
                z.filled_us = -1
            if flags == TOUCHED:
                matched_us = a.touched_us
                match(
                    bars, columns, is_alone, row, last, matched_us, account, symbols, strategies,
                    limit, costs[0], r, legs, held, z, bursts, orders, trades,
                )  # fmt: skip
                repost(a, symbols, legs, held)
                continue
            if flags & LOSS:
                trip_on_loss(a, limit, r, z, symbols, legs, held, orders)
            if flags & STALE:
                cancel_stale(a, symbols, limit, legs, held, orders)
            if flags & SETUPS:
                decide(
                    account, symbols, strategies, slots, limit, setups, sizings, legs, held, z,
                    order_of_setups, signals, orders,
                )  # fmt: skip
            if not flags and not is_alone and row >= last:
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
