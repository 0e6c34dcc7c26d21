"""A stretch: bars of one symbol, one after the other, in which nothing concerns us, taken in at once. Compiled.

What is over many bars what the scan is over one moment, by the same rules: first how far no level is touched, then the
strategy's walk up to its first setup, then the books. Where equity cannot move, the first close stands for all. Only a
symbol that is alone, with one slot, on bars that are its strategy's own, comes here; the scan takes the rest.
"""

from __future__ import annotations

from axiomd.core.board import Floats, Ints, Records
from axiomd.core.compiled import Row, njit
from axiomd.core.guards.api import OFF
from axiomd.core.guards.loss import floor_broken
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
from axiomd.core.steps import call_step
from axiomd.core.strategies.api import MOMENT, SLOT, VOLUME


@njit
def is_alone(a: Row, symbols: Records, slots: Records) -> bool:
    """Say whether a board is of the kind that stretches are made for."""
    return bool(len(symbols) == 1 and len(slots) == 1 and a.bar_us == a.interval_us)


@njit
def take_stretch(
    bars: Ints, last: int, matched_us: int, filled_us: int, account: Records, symbols: Records, strategies: Records,
    slots: Records, intervals: Ints, si: Ints, sf: Floats, pi: Ints, pf: Floats, windows: Ints, limits: Records,
    setups: Ints,
) -> int:  # fmt: skip
    """Take in quiet bars from `account.cursor` on, as many as there are; the flags of the last moment, as the scan's.

    No interval may be under way. `matched_us` and `filled_us` are the scan's; bars that concern us are left.
    """
    a, symbol, limit = account[0], symbols[0], limits[0]
    first = a.cursor
    count = quiet_bars(bars, first, last, matched_us, a, symbol)
    if count == 0:
        return 0
    strategy = strategies[slots[0].strategy]
    windows_first, windows_count = strategy.window_first, strategy.window_end - strategy.window_first
    is_judged = is_stale_judged(limit) and symbol.work_legs > 0
    is_still = symbol.position == 0 and limit.jump_bp == OFF and limit.collar_atr < 0 and not is_judged
    flags = 0
    if is_still:
        a.now_us = bars[first, 0] + a.bar_us
        settle(a, symbols, strategies)
        if a.now_us == filled_us:
            snapshot(a, symbols)
        if floor_broken(a, limit):
            flags, count = LOSS, 1
    can_stop = not is_still and (is_judged or limit.max_daily_loss != OFF or limit.max_drawdown != OFF)
    kept_si, kept_sf = (si[0].copy(), sf[0].copy()) if can_stop else (si[0], sf[0])
    found = call_step(
        strategy.step, si, sf, 0, pi, pf, slots[0].strategy, windows, windows_first, windows_count, bars, first, count,
        slots[0].is_candidate, setups, 0,
    )  # fmt: skip
    taken = found if found > 0 else count
    if not is_still:
        flags, marked = mark_bars(bars, first, taken, filled_us, a, symbols, strategies, limit)
        if marked < taken:
            # the books stop earlier than the strategy: its state goes back, and up to there
            si[0], sf[0] = kept_si, kept_sf
            found, taken = 0, marked
            call_step(
                strategy.step, si, sf, 0, pi, pf, slots[0].strategy, windows, windows_first, windows_count, bars, first,
                taken, slots[0].is_candidate, setups, 0,
            )  # fmt: skip
    else:
        symbol.intervals += taken
    leave_at(bars, first + taken - 1, taken, a, symbol, intervals)
    if found > 0:
        setups[0, SLOT], setups[0, MOMENT], setups[0, VOLUME] = 0, a.now_us, symbol.volume
        a.setups = 1
        flags |= SETUPS
    return flags


@njit
def quiet_bars(bars: Ints, first: int, last: int, matched_us: int, a: Row, symbol: Row) -> int:
    """Count the bars from `first` on that fill an interval each, without a gap, and do not concern us."""
    step_us, start_us = a.bar_us, bars[first, 0]
    if (start_us - a.open_us) % step_us != 0:
        return 0
    row = first
    if start_us + step_us == matched_us and matched_us <= a.close_us:
        row += 1
        start_us += step_us
    # the last start whose close is no deadline, and not behind the session's
    until_us = min(a.deadline_us - 1, a.close_us) - step_us
    while row < last and start_us <= until_us and bars[row, 0] == start_us:
        if is_touched(bars[row, 3], bars[row, 4], symbol):
            break
        row += 1
        start_us += step_us
    return row - first


@njit
def mark_bars(
    bars: Ints, first: int, count: int, filled_us: int, a: Row, symbols: Records, strategies: Records, limit: Row
) -> tuple[int, int]:
    """Take bars into the books until a limit speaks: the flags of the last of them, and how many they were."""
    symbol = symbols[0]
    wants_atr = limit.collar_atr >= 0
    flags, marked = 0, 0
    while marked < count and flags == 0:
        row = first + marked
        start_us, high, low, close = bars[row, 0], bars[row, 3], bars[row, 4], bars[row, 5]
        a.now_us = start_us + a.bar_us
        value(a, symbol, a.now_us, high, low, close, limit)
        symbol.last_ts_us = start_us
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
def leave_at(bars: Ints, row: int, taken: int, a: Row, symbol: Row, intervals: Ints) -> None:
    """Leave the board as it stands after the bar of a row, the last of those taken."""
    symbol.close, symbol.volume, symbol.last_ts_us = bars[row, 5], bars[row, 6], bars[row, 0]
    intervals[0, 0] = -1
    for column in range(1, 6):
        intervals[0, column] = bars[row, column + 1]
    a.interval_begin_us, a.interval_end_us = bars[row, 0], 0
    a.now_us = bars[row, 0] + a.bar_us
    a.cursor = row + 1
    a.setups = 0
    if a.is_trading:
        a.moments += taken
        if a.positions > 0:
            a.moments_exposed += taken
