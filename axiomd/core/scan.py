"""The scan: closed bars taken in, moment by moment, up to the next one that concerns us. Compiled.

A moment is all bars that close together, or the end of an M5 interval in which no bar closed. Taking one in always
commits marks, indicators and finished intervals; whether a level is touched, a deadline passed, a setup completed, a
loss limit reached is only reported, never acted on: that is the engine's. The order within a moment is 04's.
"""

from __future__ import annotations

from typing import Final

from axiomd.core.board import Floats, Ints, Records
from axiomd.core.compiled import Row, njit
from axiomd.core.guards.loss import floor_broken
from axiomd.core.marks import (
    LOSS,
    SETUPS,
    STALE,
    average_range,
    expose,
    gross_exposure,
    is_touched,
    mark,
    settle,
    snapshot,
    stale_flag,
    strategy_equity,
    symbol_is_stale,
)
from axiomd.core.steps import call_step
from axiomd.core.strategies.api import MOMENT, SLOT, VOLUME

__all__ = [
    "END",
    "LOSS",
    "SETUPS",
    "STALE",
    "TOUCHED",
    "advance",
    "begin_session",
    "gross_exposure",
    "settle",
    "snapshot",
    "strategy_equity",
    "symbol_is_stale",
    "touched",
]

END: Final = 0
TOUCHED: Final = 1
"""The moment `touched_us` touches a level or passes a deadline; nothing of it is committed yet."""


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
            mark(bars, row, closes_us, a, symbols[bars[row, 1]], intervals, limits[0])
        a.cursor = stop
        settle(a, symbols, strategies)
        if a.is_trading:
            a.moments += 1
            if a.positions > 0:
                a.moments_exposed += 1
                if len(strategies) > 1:
                    expose(closes_us, symbols, strategies)
        if closes_us == filled_us:
            snapshot(a, a, gross_exposure(symbols))
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
        if is_touched(bars[row, 3], bars[row, 4], symbol):
            return True
    return False


@njit
def touched(bars: Ints, first: int, last: int, closes_us: int, a: Row, symbols: Records, out: Ints) -> int:
    """Copy the bars from `first` on that close at a moment and whose symbols concern us there; gives how many.

    `out` int64[S, 7]. Of the others nothing that rests is reached or ends by then: the broker would match nothing.
    """
    count, row = 0, first
    while row < last and bars[row, 0] + a.bar_us == closes_us:
        symbol = symbols[bars[row, 1]]
        if is_touched(bars[row, 3], bars[row, 4], symbol) or closes_us >= symbol.deadline_us:
            for column in range(7):
                out[count, column] = bars[row, column]
            count += 1
        row += 1
    return count


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
    a.snap_us = 0  # the books of yesterday's close are nobody's any more, whenever a fill of then is told
    a.session_equity = a.session_peak = a.loss_base = a.equity
    a.session_drawdown, a.session_drawdown_peak = 0, a.equity
    for s in range(len(symbols)):
        symbols[s].intervals = 0
    for k in range(len(slots)):
        slots[k].is_candidate = 0
    for k in range(len(strategies)):
        strategies[k].session_equity = strategy_equity(k, symbols, strategies)
        strategies[k].is_paused = 0


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
            average_range(symbol, high, low, close)
        for k in range(symbol.slot_first, symbol.slot_end):
            g = slots[k].strategy
            strategy = strategies[g]
            first, count, row = strategy.window_first, strategy.window_end - strategy.window_first, a.setups
            if call_step(
                strategy.step, si, sf, k, pi, pf, g, windows, first, count, intervals, s, slots[k].is_candidate, setups,
                row,
            ):  # fmt: skip
                setups[row, SLOT] = k
                setups[row, MOMENT] = a.now_us
                setups[row, VOLUME] = intervals[s, 5]
                a.setups += 1
        intervals[s, 0] = -1
    return SETUPS if a.setups else 0
