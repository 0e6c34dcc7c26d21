"""The walk over a whole tape: session by session, from one moment that concerns us to the next, in compiled code.

It calls the very functions the engine, the simulated broker and the guards are made of; what stands in this room is
only the order of 04's moment over plain rows instead of objects. That it agrees with the replay, whether guards bind or
not, is tested on markets drawn by chance.
"""

from __future__ import annotations

from axiomd.core.board import Floats, Ints, Records
from axiomd.core.borrowed import borrowed
from axiomd.core.compiled import njit
from axiomd.core.kernel.decisions import decide
from axiomd.core.kernel.market import end_session, match
from axiomd.core.kernel.rows import SETUPS_A_SESSION
from axiomd.core.kernel.standing import cancel_stale, draw_point, keep_point, repost, reset, trip_on_loss
from axiomd.core.kernel.stretch import take_stretch
from axiomd.core.market.sessions import BoolArray
from axiomd.core.market.strip import Int32Array
from axiomd.core.scan import LOSS, SETUPS, STALE, TOUCHED, advance, begin_session, settle


@njit
def run(
    bars: Ints, rows: Int32Array, run_ends: Int32Array, is_even: BoolArray, is_whole: BoolArray, first_rows: Ints,
    starts_us: Ints, opens_us: Ints, closes_us: Ints, ranks: Ints, account: Records, symbols: Records,
    strategies: Records, slots: Records, intervals: Ints, si: Ints, sf: Floats, pi: Ints, pf: Floats, windows: Ints,
    limits: Records, setups: Ints, sizings: Records, costs: Records, rules: Records, legs: Records, held: Records,
    state: Records, bursts: Ints, order_of_setups: Ints, signals: Ints, orders: Ints, trades: Ints, points: Ints,
    session_equity: Ints,
) -> bool:  # fmt: skip
    """Run sessions until all are done (True) or the room for another session's rows is used up (False)."""
    rows, run_ends = borrowed(rows), borrowed(run_ends)
    bars, ranks, account, symbols = borrowed(bars), borrowed(ranks), borrowed(account), borrowed(symbols)
    strategies, slots, intervals = borrowed(strategies), borrowed(slots), borrowed(intervals)
    si, sf, pi, pf, windows = borrowed(si), borrowed(sf), borrowed(pi), borrowed(pf), borrowed(windows)
    limits, setups, sizings, costs, rules = (
        borrowed(limits), borrowed(setups), borrowed(sizings), borrowed(costs), borrowed(rules),
    )  # fmt: skip
    legs, held, state = borrowed(legs), borrowed(held), borrowed(state)
    bursts, order_of_setups, signals = borrowed(bursts), borrowed(order_of_setups), borrowed(signals)
    orders, trades, points = borrowed(orders), borrowed(trades), borrowed(points)
    a, z, r, limit = account[0], state[0], rules[0], limits[0]
    room = SETUPS_A_SESSION * len(slots)
    is_single = len(symbols) == 1 and len(slots) == 1 and a.bar_us == a.interval_us
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
        is_alone = is_single and is_even[z.session]
        run_row, run_us, run_end = first, starts_us[z.session], last if is_whole[z.session] else first
        while True:
            if is_alone:
                if row >= run_end:
                    if row >= last:
                        break
                    run_row, run_us, run_end = row, bars[row, 0], run_ends[row]
                start_us = run_us + (row - run_row) * a.bar_us
                flags, taken = take_stretch(
                    rows, row, run_end, start_us, start_us + a.bar_us == matched_us,
                    z.filled_us, account, symbols, strategies, slots, si, sf, pi, pf, windows, limits, setups,
                )  # fmt: skip
                row += taken
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
                    bars, rows, is_alone, row, last, matched_us, account, symbols, strategies,
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
                    account, symbols, strategies, slots, limits, setups, sizings, legs, held, z,
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
