"""What a bar does to what rests: which leg of an OCO group fills, what leaves a position, at what price and cost (04).

The rules of `core.fills` put together for whoever keeps resting orders: the simulated broker and the compiled backtest
ask here and nowhere else. Compiled, and told numbers alone: a leg, costs are a record of an array or a named tuple.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from axiomd.core.compiled import Row, njit
from axiomd.core.fills import (
    EXIT_EOD,
    EXIT_TARGET,
    FILLED,
    LIMIT,
    MARKET,
    NO_EXIT,
    TRIGGERED,
    UNTOUCHED,
    commission,
    entry_touch,
    exit_touch,
    first_leg,
    slipped,
)

AMBIGUOUS: Final = 3
"""Both legs of a group were touched in one bar, and neither is to fill then; beside UNTOUCHED, FILLED, TRIGGERED."""


class RestingLeg(NamedTuple):
    """An entry as it rests, its exits asleep. Prices of 0 are none; `order` is below zero where there is no leg."""

    order: int
    side: int
    """+1 for a buy."""
    qty: int
    kind: int
    stop: int
    limit: int
    stop_loss: int
    target: int
    valid_from_us: int
    """It works in bars that start from here on."""
    valid_to_us: int
    """It ends here: of a bar that closes later it sees nothing."""
    is_triggered: int
    """It opened beyond its limit, and rests as a limit entry."""


NO_LEG: Final = RestingLeg(-1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

Entered = tuple[int, int, int, int, int, bool, int, int, bool, int]
"""What came of a group: UNTOUCHED, FILLED, TRIGGERED or AMBIGUOUS; of a fill the leg's place, the price, the ticks it
slipped, its commission, whether it is ambiguous; the exit code of the same bar, its print, whether the bar is ambiguous
for that; and the places that rest as a limit from the next bar on, a bit for each.
"""


@njit
def match_legs(
    costs: Row, tick: int, first: Row, second: Row, first_side: int, second_side: int, start_us: int, now_us: int,
    open_: int, high: int, low: int, skips_ambiguous: bool,
) -> Entered:  # fmt: skip
    """Match an OCO group against a bar that closes now; of two sides the first leg is the long one."""
    code, print_, is_at_open = touch(first, first_side, start_us, now_us, open_, high, low)
    other_code, other_print, other_is_at_open = touch(second, second_side, start_us, now_us, open_, high, low)
    if code == UNTOUCHED and other_code == UNTOUCHED:
        return UNTOUCHED, 0, 0, 0, 0, False, NO_EXIT, 0, False, 0
    is_both = code != UNTOUCHED and other_code != UNTOUCHED
    if is_both and skips_ambiguous:
        return AMBIGUOUS, 0, 0, 0, 0, False, NO_EXIT, 0, False, 0
    place = 0 if code != UNTOUCHED else 1
    if is_both and first_leg(level_in(first, open_), level_in(second, open_), open_) < 0:
        place = 1
    triggered = 0
    if (other_code if place else code) == TRIGGERED:
        # it opened beyond its limit and rests there from the next bar on; the other leg, if touched, fills
        triggered |= 1 << place
        place = 1 - place
        other = other_code if place else code
        if other == TRIGGERED:
            triggered |= 1 << place
        if other != FILLED:
            return TRIGGERED, 0, 0, 0, 0, False, NO_EXIT, 0, False, triggered
    leg = first if place == 0 else second
    side = first_side if place == 0 else second_side
    if place:
        print_, is_at_open = other_print, other_is_at_open
    exit_code, exit_print, exit_is_ambiguous = exit_touch(
        side, leg.stop_loss, leg.target, True, is_at_open, open_, high, low
    )
    slips = leg.kind != LIMIT and leg.is_triggered == 0
    price, ticks = slipped(costs, side, print_, tick, leg.limit) if slips else (print_, 0)
    is_ambiguous = is_both or (exit_is_ambiguous and exit_code == NO_EXIT)
    return (
        FILLED, place, price, ticks, commission(costs, leg.qty, price), is_ambiguous, exit_code, exit_print,
        exit_is_ambiguous, triggered,
    )  # fmt: skip


@njit
def touch(leg: Row, side: int, start_us: int, now_us: int, open_: int, high: int, low: int) -> tuple[int, int, bool]:
    """First touch of one leg, where there is one and it is valid in the bar."""
    if leg.order < 0 or leg.valid_from_us > start_us or now_us > leg.valid_to_us:
        return UNTOUCHED, 0, False
    return entry_touch(leg.kind, side, leg.stop, leg.limit, leg.is_triggered != 0, open_, high, low)


@njit
def level_of(leg: Row) -> int:
    """Give the level a leg is compared by: of one that rests as a limit, its limit."""
    level: int = leg.limit if leg.is_triggered != 0 or leg.stop == 0 else leg.stop
    return level


@njit
def level_in(leg: Row, open_: int) -> int:
    """Give the level that says which of two touched legs fills: a market entry has none, and fills at OPEN itself."""
    level: int = open_ if leg.kind == MARKET else level_of(leg)
    return level


@njit
def exit_of(
    side: int, stop: int, target: int, flatten_us: int, start_us: int, open_: int, high: int, low: int
) -> tuple[int, int, bool]:
    """Give exit code, print and ambiguity of a position of an earlier bar; one without a `flatten_us` may stay on."""
    if 0 < flatten_us <= start_us:
        return EXIT_EOD, open_, False
    return exit_touch(side, stop, target, False, False, open_, high, low)


@njit
def leave(costs: Row, tick: int, side: int, qty: int, code: int, print_: int) -> tuple[int, int, int]:
    """Give (price, ticks it slipped, commission) of an exit of a position's side; a target is a limit order."""
    price, ticks = (print_, 0) if code == EXIT_TARGET else slipped(costs, -side, print_, tick, 0)
    return price, ticks, commission(costs, qty, price)


@njit
def match_exit(
    costs: Row, tick: int, side: int, qty: int, stop: int, target: int, flatten_us: int, start_us: int, open_: int,
    high: int, low: int,
) -> tuple[int, int, int, int, bool]:  # fmt: skip
    """Give exit code, price, ticks slipped, commission and ambiguity of a position in a bar: `exit_of` and `leave`."""
    code, print_, is_ambiguous = exit_of(side, stop, target, flatten_us, start_us, open_, high, low)
    if code == NO_EXIT:
        return NO_EXIT, 0, 0, 0, is_ambiguous
    price, ticks, paid = leave(costs, tick, side, qty, code, print_)
    return code, price, ticks, paid, is_ambiguous


@njit
def match_group(
    costs: Row, tick: int, first: Row, second: Row, start_us: int, now_us: int, open_: int, high: int, low: int,
    skips_ambiguous: bool,
) -> Entered:  # fmt: skip
    """Do as `match_legs` of legs that say their sides themselves."""
    return match_legs(
        costs, tick, first, second, first.side, second.side, start_us, now_us, open_, high, low, skips_ambiguous
    )
