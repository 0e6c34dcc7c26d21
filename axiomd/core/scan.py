"""The scan: closed bars taken in, moment by moment, up to the next one that concerns us. Compiled.

A moment is all bars that close together, or the end of an M5 interval in which no bar closed. Taking one in always
commits marks, indicators and finished intervals; whether a level is touched, a deadline passed, a setup completed, a
loss limit reached is only reported, never acted on: that is the engine's. The order within a moment is 04's.
"""

from __future__ import annotations

from typing import Final

from axiomd.core.board import Floats, Ints, Records
from axiomd.core.compiled import Row, call_step, njit
from axiomd.core.guards.api import OFF
from axiomd.core.guards.chain import intervals_due, lateness
from axiomd.core.guards.health import is_stale
from axiomd.core.guards.loss import floor_broken
from axiomd.core.market.resample import absorb, interval_start
from axiomd.core.market.wilder import smooth, true_range
from axiomd.core.sizing import fraction
from axiomd.core.strategies.api import MOMENT, SLOT, VOLUME

END: Final = 0
TOUCHED: Final = 1
"""The moment `touched_us` touches a level or passes a deadline; nothing of it is committed yet."""
SETUPS: Final = 2
LOSS: Final = 4
STALE: Final = 8

ATR_PERIOD: Final = 14


@njit
def advance(
    bars: Ints, last: int, horizon_us: int, matched_us: int, filled_us: int, is_watched: bool, account: Records,
    symbols: Records, strategies: Records, slots: Records, intervals: Ints, si: Ints, sf: Floats, pi: Ints, pf: Floats,
    windows: Ints, limits: Records, setups: Ints,
) -> int:  # fmt: skip
    """Take in bars[cursor:last] of one session until something concerns us; gives the flags of the last moment.

    `account.cursor` is moved; `matched_us` names the moment that the broker has matched already, `filled_us` the one
    whose books are wanted for the equity curve. `horizon_us` is how far time itself has come, so that intervals which
    end by then are finished. Without `is_watched` nothing but the end stops it: the caller knows the range is quiet.
    """
    a = account[0]
    flags = 0
    while True:
        at = a.cursor
        start_us = bars[at, 0] if at < last else 0
        closes_us = start_us + a.bar_us if at < last else horizon_us + 1
        if 0 < a.interval_end_us < closes_us:
            if is_watched and a.interval_end_us != matched_us and a.interval_end_us >= a.deadline_us:
                a.touched_us = a.interval_end_us
                return TOUCHED
            a.now_us = a.interval_end_us
            flags = finish_intervals(
                a,
                symbols,
                strategies,
                slots,
                intervals,
                si,
                sf,
                pi,
                pf,
                windows,
                setups,
                limits[0].collar_atr >= 0,
            ) | stale_flag(a, symbols, limits[0])
            if flags and is_watched:
                return flags
            continue
        if at >= last:
            return flags
        stop = at + 1
        while stop < last and bars[stop, 0] == start_us:
            stop += 1
        if is_watched and closes_us != matched_us and concerns_us(bars, at, stop, closes_us, a, symbols):
            a.touched_us = closes_us
            return TOUCHED
        a.now_us = closes_us
        for row in range(at, stop):
            mark(bars, row, closes_us, a, symbols, intervals, limits[0])
        a.cursor = stop
        settle(a, symbols, strategies)
        if a.is_trading:
            a.moments += 1
            if a.positions > 0:
                a.moments_exposed += 1
        if closes_us == filled_us:
            snapshot(a, symbols)
        flags = LOSS if floor_broken(a, limits[0]) else 0
        if a.interval_end_us == closes_us:
            flags |= finish_intervals(
                a, symbols, strategies, slots, intervals, si, sf, pi, pf, windows, setups, limits[0].collar_atr >= 0
            )
        flags |= stale_flag(a, symbols, limits[0])
        if flags and is_watched:
            return flags


@njit
def concerns_us(bars: Ints, first: int, stop: int, closes_us: int, a: Row, symbols: Records) -> bool:
    """Say whether the moment of bars[first:stop] touches a level or passes a deadline."""
    if closes_us >= a.deadline_us:
        return True
    for row in range(first, stop):
        symbol = symbols[bars[row, 1]]
        if bars[row, 3] >= symbol.touch_high or bars[row, 4] <= symbol.touch_low:
            return True
    return False


@njit
def mark(bars: Ints, row: int, closes_us: int, a: Row, symbols: Records, intervals: Ints, limits: Row) -> None:
    """Take one bar in: last CLOSE, equity, extremes of an open position, the interval it belongs to."""
    index = bars[row, 1]
    symbol = symbols[index]
    start_us, high, low, close = bars[row, 0], bars[row, 3], bars[row, 4], bars[row, 5]
    previous = symbol.close
    if limits.jump_bp != OFF and previous > 0 and abs(close - previous) * 10_000 >= limits.jump_bp * previous:
        symbol.jump_until_us = closes_us + limits.cooldown_us
    if symbol.position != 0:
        a.equity += fraction(symbol.position * close, symbol.fx_num, symbol.fx_den) - fraction(
            symbol.position * previous, symbol.fx_num, symbol.fx_den
        )
        symbol.bars_held += 1
        if symbol.position > 0:
            symbol.worst, symbol.best = min(symbol.worst, low), max(symbol.best, high)
        else:
            symbol.worst, symbol.best = max(symbol.worst, high), min(symbol.best, low)
    symbol.close = close
    symbol.volume = bars[row, 6]
    symbol.last_ts_us = start_us
    begin_us = a.interval_begin_us
    if not begin_us <= start_us < begin_us + a.interval_us:
        # a division costs as much as the rest of a quiet bar: only where the interval is another one
        begin_us = interval_start(start_us, a.open_us, a.interval_us)
        a.interval_begin_us = begin_us
    absorb(intervals[index], begin_us, bars[row, 2], high, low, close, bars[row, 6])
    a.interval_end_us = min(begin_us + a.interval_us, a.close_us)


@njit
def begin_session(
    account: Records,
    symbols: Records,
    strategies: Records,
    slots: Records,
    open_us: int,
    close_us: int,
    flatten_us: int,
) -> None:
    """A new day: its bounds, its equity to measure from, no candidate yet."""
    a = account[0]
    a.open_us, a.close_us, a.flatten_us = open_us, close_us, flatten_us
    a.now_us = open_us
    a.interval_end_us = 0
    a.session_equity = a.session_peak = a.loss_base = a.equity
    a.session_drawdown, a.session_drawdown_pct = 0, 0.0
    for s in range(len(symbols)):
        symbols[s].intervals = 0
    for k in range(len(slots)):
        slots[k].is_candidate = 0
    for k in range(len(strategies)):
        strategies[k].session_equity = strategy_equity(k, symbols, strategies)
        strategies[k].is_paused = 0


@njit
def post(a: Row, symbol: Row, long: int, short: int, legs: int, high: int, low: int, deadline_us: int) -> None:
    """Write down what works in a symbol (notional by side, legs), which prices and, of all symbols, which deadline."""
    symbol.work_notional = max(long, short)
    symbol.work_long = long
    symbol.work_short = short
    symbol.work_legs = legs
    symbol.touch_high = high
    symbol.touch_low = low
    a.deadline_us = deadline_us


@njit
def settle(a: Row, symbols: Records, strategies: Records) -> None:
    """After the marks of a moment: peak, drawdown, the strategies' own loss limits."""
    a.peak = max(a.peak, a.equity)
    a.drawdown_peak = max(a.drawdown_peak, a.equity)
    a.session_peak = max(a.session_peak, a.equity)
    if a.equity - a.session_peak < a.session_drawdown:
        a.session_drawdown = a.equity - a.session_peak
        a.session_drawdown_pct = 100.0 * a.session_drawdown / a.session_peak
    if a.equity < a.peak:
        drawdown = a.equity - a.peak
        a.max_drawdown = min(a.max_drawdown, drawdown)
        if 100.0 * drawdown < a.max_drawdown_pct * a.peak:
            a.max_drawdown_pct = 100.0 * drawdown / a.peak
    if a.has_strategy_limits:
        for k in range(len(strategies)):
            strategy = strategies[k]
            if strategy.daily_loss_limit != OFF and not strategy.is_paused:
                equity = strategy_equity(k, symbols, strategies)
                if equity <= strategy.session_equity - strategy.daily_loss_limit:
                    strategy.is_paused = 1


@njit
def strategy_equity(k: int, symbols: Records, strategies: Records) -> int:
    """Give the result of one strategy since the run began: its cash flows and its positions at their last CLOSE."""
    equity: int = strategies[k].cash
    for s in range(len(symbols)):
        symbol = symbols[s]
        if symbol.position != 0 and symbol.owner == k:
            equity += fraction(symbol.position * symbol.close, symbol.fx_num, symbol.fx_den)
    return equity


@njit
def gross_exposure(symbols: Records) -> int:
    """Give the sum of |position| * last CLOSE in account currency."""
    gross = 0
    for s in range(len(symbols)):
        symbol = symbols[s]
        if symbol.position != 0:
            gross += abs(fraction(symbol.position * symbol.close, symbol.fx_num, symbol.fx_den))
    return gross


@njit
def snapshot(a: Row, symbols: Records) -> None:
    """Keep the books as they stand right after the marks of a moment with a fill."""
    a.snap_us = a.now_us
    a.snap_equity = a.equity
    a.snap_cash = a.cash
    a.snap_gross = gross_exposure(symbols)
    a.snap_drawdown = a.equity - a.peak


@njit
def finish_intervals(
    a: Row, symbols: Records, strategies: Records, slots: Records, intervals: Ints, si: Ints, sf: Floats, pi: Ints,
    pf: Floats, windows: Ints, setups: Ints, wants_atr: bool,
) -> int:  # fmt: skip
    """Hand every bar of the interval that ends to the strategies; SETUPS where a candidate's step reports one."""
    a.interval_end_us = 0
    a.setups = 0
    for s in range(len(symbols)):
        if intervals[s, 0] < 0:
            continue
        symbol = symbols[s]
        symbol.intervals += 1
        if wants_atr:  # only the price collar asks for it, and a division costs as much as the rest of a quiet bar
            high, low, close = intervals[s, 2], intervals[s, 3], intervals[s, 4]
            symbol.atr = smooth(
                symbol.atr, float(true_range(high, low, symbol.interval_close)), symbol.atr_seen, ATR_PERIOD
            )
            symbol.atr_seen += 1
            symbol.interval_close = close
        for k in range(symbol.slot_first, symbol.slot_end):
            g = slots[k].strategy
            strategy = strategies[g]
            first, count, row = strategy.window_first, strategy.window_end - strategy.window_first, a.setups
            call_step(strategy.observe, si, sf, k, pi, pf, g, windows, first, count, intervals, s, setups, row)
            if slots[k].is_candidate and call_step(
                strategy.trigger, si, sf, k, pi, pf, g, windows, first, count, intervals, s, setups, row
            ):
                setups[row, SLOT] = k
                setups[row, MOMENT] = a.now_us
                setups[row, VOLUME] = intervals[s, 5]
                a.setups += 1
        intervals[s, 0] = -1
    return SETUPS if a.setups else 0


@njit
def stale_flag(a: Row, symbols: Records, limits: Row) -> int:
    """Give STALE where a symbol with working entries has data beyond the limits."""
    if limits.lateness_us == OFF and limits.completeness_ppm == OFF:
        return 0
    for s in range(len(symbols)):
        if symbols[s].work_legs > 0 and symbol_is_stale(a, symbols[s], limits):
            return STALE
    return 0


@njit
def symbol_is_stale(a: Row, symbol: Row, limits: Row) -> bool:
    """Say whether one symbol's data is beyond the limits now."""
    stale, _, _ = is_stale(
        lateness(a, symbol), symbol.intervals, intervals_due(a), limits.lateness_us, limits.completeness_ppm
    )
    return stale
