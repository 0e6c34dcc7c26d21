"""First touch over a bar (04, Fills): which resting order fills, at what price, and what it costs.

A bar does not tell what happened first inside it; wherever that matters these rules take the outcome that is worse for
us and say that they did. Compiled, integer price units; the simulated broker, the compiled backtest and the narrow API
all call these and nothing else. `side` is +1 for a buy, -1 for a sell.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from axiomd.contracts.fills import ExitReason
from axiomd.core.compiled import Row, njit, not_negative

STOP: Final = 0
LIMIT: Final = 1
MARKET: Final = 2
KINDS: Final = {"stop": STOP, "limit": LIMIT, "market": MARKET}

UNTOUCHED: Final = 0
FILLED: Final = 1
TRIGGERED: Final = 2
"""A stop entry opened beyond its limit: it rests as a limit entry from the next bar on."""

NO_EXIT: Final = 0
EXIT_STOP: Final = 1
EXIT_TARGET: Final = 2
EXIT_EOD: Final = 3
EXIT_KILL: Final = 4
EXIT_NAMES: Final[tuple[ExitReason, ...]] = ("MANUAL", "SL", "TP", "EOD", "KILL")
"""By exit code; the kernel knows no operator, so that no exit of its is MANUAL."""


class Costs(NamedTuple):
    """What a fill costs, as integers; a record of an array has the same columns."""

    per_share_e8: int = 0
    minimum_e12: int = 0
    notional_bps_e4: int = 0
    slippage_bps_e4: int = 0
    slippage_ticks: int = 0


_CENT_E12: Final = 10**10
_CENT_UNITS: Final = 100
_BPS_E4_IN_ONE: Final = 10**8
_SHARES_A_STEP: Final = 10**6
"""So many times 1e-8 of a currency are a cent."""
_SHORT_E12: Final = 4e18
"""A charge below this, and half a cent, fit into 64 bits."""


@njit
def resting_prices(kind: int, entry: int, limit: int) -> tuple[int, int]:
    """Give (trigger, limit) that an entry of a kind rests at, 0 for none; `limit` is what a stop is bound by."""
    if kind == STOP:
        return entry, limit
    return 0, entry if kind == LIMIT else 0


@njit
def entry_touch(
    kind: int, side: int, stop: int, limit: int, triggered: bool, open_: int, high: int, low: int
) -> tuple[int, int, bool]:
    """Say whether an entry fills in a bar: (UNTOUCHED, FILLED or TRIGGERED; price; whether that was at OPEN).

    `limit` 0 means none. The price is the print, before slippage.
    """
    if kind == MARKET:
        return FILLED, open_, True
    if kind == LIMIT or triggered:
        if side > 0:
            return (FILLED, min(open_, limit), open_ <= limit) if low <= limit else (UNTOUCHED, 0, False)
        return (FILLED, max(open_, limit), open_ >= limit) if high >= limit else (UNTOUCHED, 0, False)
    if side > 0:
        if high < stop:
            return UNTOUCHED, 0, False
        price = open_ if open_ > stop else stop
        if limit > 0 and price > limit:
            return TRIGGERED, 0, False
        return FILLED, price, open_ >= stop
    if low > stop:
        return UNTOUCHED, 0, False
    price = open_ if open_ < stop else stop
    if limit > 0 and price < limit:
        return TRIGGERED, 0, False
    return FILLED, price, open_ <= stop


@njit
def first_leg(long_level: int, short_level: int, open_: int) -> int:
    """Choose between two touched legs of a group: the one whose level is nearer to OPEN, the long one on a tie."""
    return 1 if abs(long_level - open_) <= abs(short_level - open_) else -1


@njit
def exit_touch(
    side: int, stop: int, target: int, is_entry_bar: bool, entered_at_open: bool, open_: int, high: int, low: int
) -> tuple[int, int, bool]:
    """Say whether a position's exits fill in a bar: (NO_EXIT, EXIT_STOP or EXIT_TARGET; price; ambiguous).

    `side` is the position's; `stop` or `target` 0 means none. Ambiguous: stop and target both touched, or the target
    touched in the entry bar and not counted, because the entry was not at OPEN.
    """
    if side > 0:
        stopped = stop > 0 and low <= stop
        reached = target > 0 and high >= target
    else:
        stopped = stop > 0 and high >= stop
        reached = target > 0 and low <= target
    if stopped:
        if is_entry_bar and not entered_at_open:
            return EXIT_STOP, stop, reached
        if side > 0:
            return EXIT_STOP, open_ if open_ < stop else stop, reached
        return EXIT_STOP, open_ if open_ > stop else stop, reached
    if reached:
        if is_entry_bar and not entered_at_open:
            return NO_EXIT, 0, True
        if side > 0:
            return EXIT_TARGET, open_ if open_ > target else target, False
        return EXIT_TARGET, open_ if open_ < target else target, False
    return NO_EXIT, 0, False


@njit
def slipped(costs: Row, side: int, print_: int, tick: int, limit: int) -> tuple[int, int]:
    """Give (price, by how many ticks it moved against us) of a stop, market, EOD or KILL fill at a print.

    A stop entry with a limit is never filled beyond it; 0 means none.
    """
    ticks: int = costs.slippage_ticks
    if costs.slippage_bps_e4 > 0:  # two divisions cost more than the rest of a fill
        # of a price in two parts, each of whose products stays inside 64 bits
        whole, rest = print_ // _BPS_E4_IN_ONE, print_ % _BPS_E4_IN_ONE
        moved_e8 = rest * costs.slippage_bps_e4
        moved = whole * costs.slippage_bps_e4 + (moved_e8 + _BPS_E4_IN_ONE - 1) // _BPS_E4_IN_ONE
        ticks += (moved + tick - 1) // tick
    price = print_ + side * ticks * tick
    if limit > 0 and (price - limit) * side > 0 and ticks > 0:
        price = limit
        ticks = abs(price - print_) // tick
    return price, ticks


@njit
def commission(costs: Row, qty: int, price: int) -> int:
    """Give a fill's commission in instrument money units: the larger of minimum and charge, half up to the cent."""
    if qty * (costs.per_share_e8 * 1e4 + price * 1.0 * costs.notional_bps_e4) >= _SHORT_E12:
        # by numbers: here compiled rules may be called as Python, with costs that are no record
        return _large_commission(costs.per_share_e8, costs.minimum_e12, costs.notional_bps_e4, qty, price)
    charge_e12: int = costs.per_share_e8 * qty * 10_000 + price * qty * costs.notional_bps_e4
    if charge_e12 < costs.minimum_e12:
        charge_e12 = costs.minimum_e12
    cents: int = not_negative(charge_e12 + _CENT_E12 // 2) // _CENT_E12
    return cents * _CENT_UNITS


@njit
def _large_commission(per_share_e8: int, minimum_e12: int, notional_bps_e4: int, qty: int, price: int) -> int:
    """Give the same of a fill whose charge in 1e-12 leaves 64 bits: whole cents and what is left of one, apart."""
    notional = qty * price
    cents = notional // _CENT_E12 * notional_bps_e4
    rest_e12 = notional % _CENT_E12 * notional_bps_e4
    cents += qty // _SHARES_A_STEP * per_share_e8
    shares_e8 = qty % _SHARES_A_STEP * per_share_e8
    cents += shares_e8 // _SHARES_A_STEP
    rest_e12 += shares_e8 % _SHARES_A_STEP * 10_000
    cents += (rest_e12 + _CENT_E12 // 2) // _CENT_E12
    least = (minimum_e12 + _CENT_E12 // 2) // _CENT_E12
    return (cents if cents > least else least) * _CENT_UNITS
