"""A stretch: bars of one symbol, one after the other, in which nothing concerns us, taken in at once.

What is over many bars what the scan is over one moment, by the same rules: how far no level is touched and no setup
completed, then the books. Where equity cannot move, the first close stands for all. Only a symbol that is alone, with
one slot, on bars that are its strategy's own, comes here; its setups are found beforehand, and the scan takes the rest.
"""

from __future__ import annotations

from axiomd.core.board import ABOVE_ALL, ACCOUNT, BELOW_ALL, SYMBOL, Records
from axiomd.core.compiled import Row, njit
from axiomd.core.guards.api import OFF
from axiomd.core.guards.loss import floor_broken, floor_broken_by
from axiomd.core.lanes import deepest_fall, quiet_bars, span
from axiomd.core.market.strip import (
    LANES,
    NUMBER_MAX,
    OF_CLOSE,
    OF_HIGH,
    OF_LOW,
    OF_VOLUME,
    Int32Array,
    address_in,
)
from axiomd.core.marks import (
    ACCOUNT_MARKED,
    LOSS,
    SETUPS,
    SYMBOL_MARKED,
    average_range,
    equity_at,
    exposure,
    fall,
    fall_ever,
    gross_exposure,
    hold,
    is_stale_judged,
    is_touched,
    pause_strategies,
    rise,
    roof_of,
    settle,
    sink,
    snapshot,
    stale_flag,
    value,
)
from axiomd.core.registers import own_record, put_columns
from axiomd.core.rounding import whole_steps
from axiomd.core.scan import TOUCHED

_put_account, _put_symbol = put_columns(ACCOUNT, ACCOUNT_MARKED), put_columns(SYMBOL, SYMBOL_MARKED)


@njit
def take_stretch(
    columns: Int32Array, row: int, run_end: int, setup_row: int, start_us: int, is_matched: bool, filled_us: int,
    account: Records, symbols: Records, strategies: Records, limit: Row,
) -> tuple[int, int]:  # fmt: skip
    """Take in quiet bars from `row` on, which starts at `start_us`: the flags as the scan's, and how many were taken.

    `run_end` is the row behind the last that follows without a gap, `setup_row` the next that completes a setup;
    TOUCHED says that the next bar before either concerns us. `is_matched` says that the first bar was matched already,
    `filled_us` is the scan's.
    """
    a, symbol = account[0], symbols[0]
    end = run_end
    if start_us + (run_end - row) * a.bar_us >= a.deadline_us:
        end = row + max(whole_steps(a.deadline_us - start_us - 1, a.bar_us), 1 if is_matched else 0)
    end = min(end, setup_row + 1)
    is_judged = is_stale_judged(limit) and symbol.work_legs > 0
    # no limit asks what a single bar did
    is_plain = limit.jump_bp == OFF and limit.collar_atr < 0 and not is_judged
    flags = 0
    if is_plain and symbol.position == 0:
        taken = first_touch(columns, row + 1 if is_matched else row, end, symbol) - row
        if taken > 0:
            a.now_us = start_us + a.bar_us
            if is_matched:  # nothing but a fill moves the equity
                settle(a, symbols, strategies)
                if a.now_us == filled_us:
                    snapshot(a, a, gross_exposure(symbols))
            if floor_broken(a, limit):
                flags, taken = LOSS, 1
            symbol.intervals += taken
    elif is_plain and not a.has_strategy_limits:
        flags, taken = hold_on(columns, row, end, is_matched, start_us, filled_us, a, symbols, strategies, limit)
    else:
        flags, taken = mark_bars(
            columns, row, end - row, is_matched, start_us, filled_us, a, symbols, strategies, limit
        )
    if taken > 0:
        leave_at(row + taken - 1, taken, start_us + (taken - 1) * a.bar_us, columns, a, symbol)
        if row + taken > setup_row:
            flags |= SETUPS
    return flags if flags or row + taken == run_end else TOUCHED, taken


@njit
def first_touch(columns: Int32Array, row: int, end: int, symbol: Row) -> int:
    """Give the first row that reaches a price that concerns us, `end` where none before it does."""
    if symbol.touch_high == ABOVE_ALL and symbol.touch_low == BELOW_ALL:
        return end
    high, low = min(symbol.touch_high, NUMBER_MAX), min(symbol.touch_low, NUMBER_MAX)
    while row < end:
        most = min(end - row, LANES)
        quiet = quiet_bars(address_in(columns, OF_HIGH, row), address_in(columns, OF_LOW, row), high, low, 0, most)
        row += quiet
        if quiet < most:
            if is_touched(columns[OF_HIGH, row], columns[OF_LOW, row], symbol):
                return row
            row += 1
    return end


@njit
def hold_on(
    columns: Int32Array, row: int, end: int, is_matched: bool, start_us: int, filled_us: int, a: Row, symbols: Records,
    strategies: Records, limit: Row,
) -> tuple[int, int]:  # fmt: skip
    """Take bars in with a position open, where no limit asks for one of them: the flags of the last, and how many.

    The account follows CLOSE over them all at once, but not where a limit speaks among them, nor where a peak rises
    other than the session's: without either, the books end the same whatever came first. Whether a bar brings a peak or
    a fall cannot be foretold, so that there is no branch for it.
    """
    symbol = symbols[0]
    if is_matched:
        a.now_us = start_us + a.bar_us
        close = int(columns[OF_CLOSE, row])
        a.equity, symbol.close = equity_at(a, symbol, close), close
        rise(a)
        if a.now_us == filled_us:
            snapshot(a, a, exposure(symbol))
    touch_high, touch_low = min(symbol.touch_high, NUMBER_MAX), min(symbol.touch_low, NUMBER_MAX)
    peak, deepest, of_peak, lowest = a.session_peak, a.session_drawdown, a.session_drawdown_peak, ABOVE_ALL
    high, low = BELOW_ALL, ABOVE_ALL
    first, skipped = row, 1 if is_matched else 0
    while first < end:
        most = min(end - first, LANES)
        highs_at, lows_at = address_in(columns, OF_HIGH, first), address_in(columns, OF_LOW, first)
        bars = quiet_bars(highs_at, lows_at, touch_high, touch_low, skipped, most)
        if bars > 0:
            top, bottom = span(highs_at, lows_at, bars)
            high, low = max(high, top), min(low, bottom)
            least, peak, deepest, of_peak = follow(columns, first, bars, a, symbol, peak, deepest, of_peak)
            lowest = min(lowest, least)
        first += bars
        skipped = 0
        if bars < most:
            if is_touched(columns[OF_HIGH, first], columns[OF_LOW, first], symbol):
                break
            skipped = 1
    count = first - row
    if count == 0:
        return 0, 0
    if peak > min(a.peak, a.drawdown_peak) or floor_broken_by(lowest, a, limit):
        return mark_bars(columns, row, count, is_matched, start_us, filled_us, a, symbols, strategies, limit)
    a.session_peak, a.session_drawdown, a.session_drawdown_peak = peak, deepest, of_peak
    fall_ever(a, lowest)
    close = int(columns[OF_CLOSE, row + count - 1])
    a.equity, symbol.close = equity_at(a, symbol, close), close
    hold(symbol, high, low, count)
    symbol.intervals += count
    return 0, count


@njit
def follow(
    columns: Int32Array, row: int, count: int, a: Row, symbol: Row, peak: int, deepest: int, of_peak: int
) -> tuple[int, int, int, int]:
    """Have the equity follow CLOSE over 1 to 16 bars: its lowest, and what `sink` finds over them all.

    Of an equity that moves as CLOSE does four bars tell the same: its lowest, the peak and the end of its deepest fall,
    its highest. Where a rate is rounded it does not quite, so that no bar is left out.
    """
    if symbol.fx_den != 1:
        lowest = ABOVE_ALL
        for bar in range(row, row + count):
            equity = equity_at(a, symbol, int(columns[OF_CLOSE, bar]))
            lowest = min(lowest, equity)
            peak, deepest, of_peak = sink(equity, peak, deepest, of_peak)
        return lowest, peak, deepest, of_peak
    turn = 1 if symbol.position > 0 else -1
    worst, best, fall, place = deepest_fall(address_in(columns, OF_CLOSE, row), count, turn)
    trough = int(columns[OF_CLOSE, row + place])
    lowest = equity_at(a, symbol, worst)
    peak, deepest, of_peak = sink(lowest, peak, deepest, of_peak)
    peak, deepest, of_peak = sink(equity_at(a, symbol, trough + turn * fall), peak, deepest, of_peak)
    peak, deepest, of_peak = sink(equity_at(a, symbol, trough), peak, deepest, of_peak)
    peak, deepest, of_peak = sink(equity_at(a, symbol, best), peak, deepest, of_peak)
    return lowest, peak, deepest, of_peak


@njit
def mark_bars(
    columns: Int32Array, row: int, count: int, is_matched: bool, start_us: int, filled_us: int, a: Row,
    symbols: Records, strategies: Records, limit: Row,
) -> tuple[int, int]:  # fmt: skip
    """Take bars into the books until one concerns us or a limit speaks: the flags of the last, and how many."""
    is_judged = is_stale_judged(limit)
    is_one_by_one = is_judged or a.has_strategy_limits
    flags, marked, taken = 0, 0, 1
    while marked < count and flags == 0 and taken > 0:
        together = 1 if is_one_by_one else count - marked
        looked_at = 1 if is_matched and marked == 0 else 0
        us = start_us + marked * a.bar_us
        flags, taken = mark_together(columns, row + marked, together, looked_at, us, filled_us, a, symbols[0], limit)
        marked += taken
        if a.has_strategy_limits:
            pause_strategies(symbols, strategies)
        if is_judged:
            flags |= stale_flag(a, symbols, limit)
    return flags, marked


@njit
def mark_together(
    columns: Int32Array, row: int, count: int, looked_at: int, start_us: int, filled_us: int, account: Row,
    of_symbol: Row, limit: Row,
) -> tuple[int, int]:  # fmt: skip
    """Take bars in a row into the books of the account and the symbol alone: the flags of the last, and how many.

    They end before one that concerns us, but for the first `looked_at` of them.
    The books are copied for that long, so that they stay in registers from bar to bar.
    """
    a, symbol = own_record(account), own_record(of_symbol)
    flags, marked, roof, lowest = 0, 0, roof_of(a), ABOVE_ALL
    while marked < count and flags == 0:
        high, low = int(columns[OF_HIGH, row + marked]), int(columns[OF_LOW, row + marked])
        close = int(columns[OF_CLOSE, row + marked])
        if marked >= looked_at and is_touched(high, low, symbol):
            break
        marked += 1
        a.now_us = start_us + marked * a.bar_us
        value(a, symbol, a.now_us, high, low, close, limit)
        symbol.last_ts_us = a.now_us - a.bar_us
        if a.equity > roof:
            fall(a, lowest)
            rise(a)
            roof, lowest = roof_of(a), a.equity
        lowest = min(lowest, a.equity)
        flags = LOSS if floor_broken(a, limit) else 0
        symbol.intervals += 1
        if limit.collar_atr >= 0:
            average_range(symbol, high, low, close)
        if a.now_us == filled_us:
            snapshot(account, a, exposure(symbol))
    fall(a, lowest)
    _put_account(account, a)
    _put_symbol(of_symbol, symbol)
    return flags, marked


@njit
def leave_at(row: int, taken: int, start_us: int, columns: Int32Array, a: Row, symbol: Row) -> None:
    """Leave the board as it stands after the bar of a row, the last of those taken; no interval is under way."""
    symbol.close, symbol.volume, symbol.last_ts_us = columns[OF_CLOSE, row], columns[OF_VOLUME, row], start_us
    a.now_us = start_us + a.bar_us
    a.setups = 0
    if a.is_trading:
        a.moments += taken
        a.moments_exposed += taken * (a.positions > 0)
