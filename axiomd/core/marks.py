"""What a moment does to the books, and what it makes of them: marks, drawdown, losses and data beyond the limits.

Each rule of a close stands here once; the scan goes through them moment by moment, a stretch over many bars of one
symbol. They commit and report, and never act. The order within a moment is 04's.
"""

from __future__ import annotations

from typing import Final

from axiomd.core.board import Ints, Records
from axiomd.core.compiled import Row, njit
from axiomd.core.guards.api import OFF
from axiomd.core.guards.chain import intervals_due, lateness
from axiomd.core.guards.health import is_stale
from axiomd.core.market.resample import absorb, interval_start
from axiomd.core.market.wilder import smooth, true_range
from axiomd.core.sizing import fraction

SETUPS: Final = 2
LOSS: Final = 4
STALE: Final = 8

ATR_PERIOD: Final = 14


@njit
def is_touched(high: int, low: int, symbol: Row) -> bool:
    """Say whether a bar reaches a price that concerns us. One branch: which of the two it is cannot be foretold.

    Of two numbers ored the sign is negative where one is; of two conditions the compiler makes two branches.
    """
    return bool(((symbol.touch_high - 1 - high) | (low - 1 - symbol.touch_low)) < 0)


@njit
def mark(bars: Ints, row: int, closes_us: int, a: Row, symbol: Row, intervals: Ints, limits: Row) -> None:
    """Take one bar in: its prices, its volume, the interval it belongs to."""
    start_us, high, low, close = bars[row, 0], bars[row, 3], bars[row, 4], bars[row, 5]
    value(a, symbol, closes_us, high, low, close, limits)
    symbol.volume = bars[row, 6]
    symbol.last_ts_us = start_us
    begin_us = a.interval_begin_us
    if not begin_us <= start_us < begin_us + a.interval_us:
        # a division costs as much as the rest of a quiet bar: only where the interval is another one
        begin_us = interval_start(start_us, a.open_us, a.interval_us)
        a.interval_begin_us = begin_us
    absorb(intervals[bars[row, 1]], begin_us, bars[row, 2], high, low, close, bars[row, 6])
    a.interval_end_us = min(begin_us + a.interval_us, a.close_us)


@njit
def value(a: Row, symbol: Row, closes_us: int, high: int, low: int, close: int, limits: Row) -> None:
    """Value a symbol at a bar's prices: last CLOSE and whether it jumped, equity, extremes of an open position."""
    previous = symbol.close
    if limits.jump_bp != OFF and previous > 0 and abs(close - previous) * 10_000 >= limits.jump_bp * previous:
        symbol.jump_until_us = closes_us + limits.cooldown_us
    if symbol.position != 0:
        a.equity = equity_at(a, symbol, close)
        hold(symbol, high, low, 1)
    symbol.close = close


@njit
def equity_at(a: Row, symbol: Row, close: int) -> int:
    """Give the equity with a symbol's CLOSE at a price; what lies between two prices does not move it."""
    worth = fraction(symbol.position * close, symbol.fx_num, symbol.fx_den)
    equity: int = a.equity + worth - fraction(symbol.position * symbol.close, symbol.fx_num, symbol.fx_den)
    return equity


@njit
def hold(symbol: Row, high: int, low: int, bars: int) -> None:
    """Keep the extremes of an open position over so many bars, of which these are the highest and lowest price."""
    symbol.bars_held += bars
    symbol.lowest, symbol.highest = min(symbol.lowest, low), max(symbol.highest, high)


@njit
def average_range(symbol: Row, high: int, low: int, close: int) -> None:
    """Take a finished interval into the symbol's ATR, which the price collar asks for."""
    symbol.atr = smooth(symbol.atr, float(true_range(high, low, symbol.interval_close)), symbol.atr_seen, ATR_PERIOD)
    symbol.atr_seen += 1
    symbol.interval_close = close


ACCOUNT_MARKED: Final = (
    "now_us", "equity", "peak", "drawdown_peak", "session_peak", "session_drawdown", "session_drawdown_peak",
    "max_drawdown", "steepest_drawdown", "steepest_peak",
)  # fmt: skip
SYMBOL_MARKED: Final = (
    "last_ts_us", "close", "jump_until_us", "intervals", "interval_close", "atr", "atr_seen", "lowest", "highest",
    "bars_held",
)  # fmt: skip
"""What the marks of a bar move: columns of an account and of a symbol."""


@njit
def settle(a: Row, symbols: Records, strategies: Records) -> None:
    """After the marks of a moment: peak, drawdown, the strategies' own loss limits."""
    settle_account(a)
    if a.has_strategy_limits:
        pause_strategies(symbols, strategies)


@njit
def settle_account(a: Row) -> None:
    """Keep the peaks of the equity and how far it is below them."""
    rise(a)
    fall(a, a.equity)


@njit
def roof_of(a: Row) -> int:
    """Give the equity up to which no peak rises."""
    roof: int = min(a.peak, a.drawdown_peak, a.session_peak)
    return roof


@njit
def rise(a: Row) -> None:
    """Raise every peak that the equity is above."""
    a.peak = max(a.peak, a.equity)
    a.drawdown_peak = max(a.drawdown_peak, a.equity)
    a.session_peak = max(a.session_peak, a.equity)


@njit
def fall(a: Row, lowest: int) -> None:
    """Keep how far the equity fell below its peaks; of moments between two rises their lowest equity tells all."""
    a.session_peak, a.session_drawdown, a.session_drawdown_peak = sink(
        min(lowest, a.session_peak), a.session_peak, a.session_drawdown, a.session_drawdown_peak
    )
    fall_ever(a, lowest)


@njit
def sink(equity: int, peak: int, deepest: int, of_peak: int) -> tuple[int, int, int]:
    """Follow the equity: its peak, the deepest fall below it (as a change) and the peak that fall was from."""
    peak = max(peak, equity)
    is_deeper = equity - peak < deepest
    return peak, min(equity - peak, deepest), peak if is_deeper else of_peak


@njit
def fall_ever(a: Row, lowest: int) -> None:
    """Keep how far the equity fell below the peak of the whole run."""
    drawdown = min(lowest - a.peak, 0)
    a.max_drawdown = min(a.max_drawdown, drawdown)
    # both quotients times both peaks: to divide at every fall would cost more than the rest of it
    is_steeper = drawdown * 1.0 * a.steepest_peak < a.steepest_drawdown * 1.0 * a.peak
    a.steepest_drawdown = drawdown if is_steeper else a.steepest_drawdown
    a.steepest_peak = a.peak if is_steeper else a.steepest_peak


@njit
def pause_strategies(symbols: Records, strategies: Records) -> None:
    """Pause every strategy that has reached the loss it may make in a session."""
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
def exposure(symbol: Row) -> int:
    """Give |position| * last CLOSE in account currency."""
    return abs(fraction(symbol.position * symbol.close, symbol.fx_num, symbol.fx_den))


@njit
def gross_exposure(symbols: Records) -> int:
    """Give the sum of all exposures in account currency."""
    gross = 0
    for s in range(len(symbols)):
        if symbols[s].position != 0:
            gross += exposure(symbols[s])
    return gross


@njit
def expose(now_us: int, symbols: Records, strategies: Records) -> None:
    """Count a moment for every strategy that holds a position."""
    for index in range(len(symbols)):
        if symbols[index].position != 0:
            strategy = strategies[symbols[index].owner]
            if strategy.exposed_us != now_us:
                strategy.exposed_us = now_us
                strategy.moments_exposed += 1


@njit
def snapshot(a: Row, books: Row, gross: int) -> None:
    """Keep on the account the books as they stand right after the marks of a moment with a fill."""
    a.snap_us = books.now_us
    a.snap_equity = books.equity
    a.snap_cash = books.cash
    a.snap_gross = gross
    a.snap_drawdown = books.equity - books.peak


@njit
def is_stale_judged(limits: Row) -> bool:
    """Say whether any limit is set on late or missing data."""
    return bool(limits.lateness_us != OFF or limits.completeness_ppm != OFF)


@njit
def stale_flag(a: Row, symbols: Records, limits: Row) -> int:
    """Give STALE where a symbol with working entries has data beyond the limits."""
    if not is_stale_judged(limits):
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
