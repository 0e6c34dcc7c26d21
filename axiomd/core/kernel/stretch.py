"""A stretch: bars of one symbol, one after the other, in which nothing concerns us, taken in at once.

What is over many bars what the scan is over one moment, by the same rules: first how far no level is touched, then the
strategy's walk up to its first setup, then the books. Where equity cannot move, the first close stands for all. Only a
symbol that is alone, with one slot, on bars that are its strategy's own, comes here; the scan takes the rest.
"""

from __future__ import annotations

from axiomd.core.board import ABOVE_ALL, BELOW_ALL, Floats, Ints, Records
from axiomd.core.compiled import Row, njit
from axiomd.core.guards.api import OFF
from axiomd.core.guards.loss import floor_broken
from axiomd.core.market.strip import ROW_CLOSE, ROW_HIGH, ROW_LOW, ROW_VOLUME, Int32Array
from axiomd.core.marks import (
    LOSS,
    SETUPS,
    average_range,
    is_stale_judged,
    is_touched,
    settle,
    snapshot,
    stale_flag,
    value,
)
from axiomd.core.scan import TOUCHED
from axiomd.core.steps import call_walk
from axiomd.core.strategies.api import MOMENT, SLOT, VOLUME


@njit
def take_stretch(
    rows: Int32Array, row: int, run_end: int, start_us: int, is_matched: bool, filled_us: int, account: Records,
    symbols: Records, strategies: Records, slots: Records, si: Ints, sf: Floats, pi: Ints, pf: Floats, windows: Ints,
    limits: Records, setups: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Take in quiet bars from `row` on, which starts at `start_us`: the flags as the scan's, and how many were taken.

    `run_end` is the row behind the last that follows without a gap; TOUCHED says that the next bar before it concerns
    us. `is_matched` says that the first bar was matched already, `filled_us` is the scan's.
    """
    a, symbol, limit = account[0], symbols[0], limits[0]
    end = run_end
    if start_us + (run_end - row) * a.bar_us >= a.deadline_us:
        end = row + max((a.deadline_us - start_us - 1) // a.bar_us, 1 if is_matched else 0)
    stop = first_touch(rows, row + 1 if is_matched else row, end, symbol)
    count = stop - row
    touched = TOUCHED if stop < run_end else 0
    if count == 0:
        return touched, 0
    strategy = strategies[slots[0].strategy]
    windows_first, windows_count = strategy.window_first, strategy.window_end - strategy.window_first
    is_judged = is_stale_judged(limit) and symbol.work_legs > 0
    is_still = symbol.position == 0 and limit.jump_bp == OFF and limit.collar_atr < 0 and not is_judged
    flags = 0
    if is_still:
        a.now_us = start_us + a.bar_us
        settle(a, symbols, strategies)
        if a.now_us == filled_us:
            snapshot(a, symbols)
        if floor_broken(a, limit):
            flags, count = LOSS, 1
    # where the books may stop earlier than the strategy, its state is kept so that it can go back
    can_stop = not is_still and (is_judged or limit.max_daily_loss != OFF or limit.max_drawdown != OFF)
    kept_si, kept_sf = (si[0].copy(), sf[0].copy()) if can_stop else (si[0], sf[0])
    is_candidate, found, taken = slots[0].is_candidate, 0, count
    while True:
        found = call_walk(
            strategy.walk, si, sf, 0, pi, pf, slots[0].strategy, windows, windows_first, windows_count, start_us,
            a.bar_us, rows, row, taken, is_candidate, setups, 0,
        )  # fmt: skip
        taken = found if found > 0 else taken
        if is_still or flags:
            break
        flags, marked = mark_bars(rows, row, taken, start_us, filled_us, a, symbols, strategies, limit
        )  # fmt: skip
        if marked == taken:
            break
        si[0], sf[0], taken = kept_si, kept_sf, marked
    leave_at(row + taken - 1, taken, start_us + (taken - 1) * a.bar_us, rows, a, symbol)
    if is_still:
        symbol.intervals += taken
    if found > 0:
        setups[0, SLOT], setups[0, MOMENT], setups[0, VOLUME] = 0, a.now_us, symbol.volume
        a.setups = 1
        flags |= SETUPS
    return (flags, taken) if flags else (touched, taken)


@njit
def first_touch(rows: Int32Array, row: int, end: int, symbol: Row) -> int:
    """Give the first row that reaches a price that concerns us, `end` where none before it does."""
    if symbol.touch_high == ABOVE_ALL and symbol.touch_low == BELOW_ALL:
        return end
    while row < end and not is_touched(rows[row, ROW_HIGH], rows[row, ROW_LOW], symbol):
        row += 1
    return row


@njit
def mark_bars(
    rows: Int32Array, row: int, count: int, start_us: int, filled_us: int, a: Row, symbols: Records,
    strategies: Records, limit: Row,
) -> tuple[int, int]:  # fmt: skip
    """Take bars into the books until a limit speaks: the flags of the last of them, and how many they were."""
    symbol = symbols[0]
    wants_atr = limit.collar_atr >= 0
    flags, marked = 0, 0
    while marked < count and flags == 0:
        at = row + marked
        high, low, close = int(rows[at, ROW_HIGH]), int(rows[at, ROW_LOW]), int(rows[at, ROW_CLOSE])
        a.now_us = start_us + (marked + 1) * a.bar_us
        value(a, symbol, a.now_us, high, low, close, limit)
        symbol.last_ts_us = a.now_us - a.bar_us
        settle(a, symbols, strategies)
        if a.now_us == filled_us:
            snapshot(a, symbols)
        flags = LOSS if floor_broken(a, limit) else 0
        symbol.intervals += 1
        if wants_atr:
            average_range(symbol, high, low, close)
        flags |= stale_flag(a, symbols, limit)
        marked += 1
    return flags, marked


@njit
def leave_at(row: int, taken: int, start_us: int, rows: Int32Array, a: Row, symbol: Row) -> None:
    """Leave the board as it stands after the bar of a row, the last of those taken; no interval is under way."""
    symbol.close, symbol.volume, symbol.last_ts_us = rows[row, ROW_CLOSE], rows[row, ROW_VOLUME], start_us
    a.now_us = start_us + a.bar_us
    a.setups = 0
    if a.is_trading:
        a.moments += taken
        if a.positions > 0:
            a.moments_exposed += taken
