"""First touch: what one bar does to a working entry and to an open position.

Pure questions about one bar; the walk decides what follows. Prices are before slippage unless said otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from tests.reference.exact import half_up_to_cent
from tests.reference.setups import Bar


@dataclass
class Leg:
    """One entry order, from its intent to its end."""

    key: str
    oco: str
    strategy: str
    version: str
    symbol: str
    side: int
    qty: int
    stop: Fraction
    limit: Fraction | None
    stop_loss: Fraction
    target: Fraction | None
    valid_from_us: int
    valid_to_us: int
    created_us: int
    session: str
    signal_id: str
    setup_volume: int
    rests_as_limit: bool = False
    status: str = "working"
    reason: str = ""
    fill: dict[str, object] = field(default_factory=dict)

    @property
    def level(self) -> Fraction:
        """The price at which it would fill next."""
        return self.limit if self.rests_as_limit and self.limit is not None else self.stop

    def is_eligible(self, bar: Bar, length_us: int) -> bool:
        """Whether a bar lies wholly inside the validity."""
        return self.valid_from_us <= bar.ts_us and bar.ts_us + length_us <= self.valid_to_us


@dataclass(frozen=True)
class Touch:
    """A level was reached. `price` is None where a stop was triggered at an OPEN beyond its limit."""

    price: Fraction | None
    at_open: bool
    as_limit: bool


@dataclass(frozen=True)
class Exit:
    """A position ends inside a bar."""

    price: Fraction
    reason: str
    level: Fraction | None
    at_open: bool
    ambiguous: bool


def entry_touch(leg: Leg, bar: Bar) -> Touch | None:
    """What a bar does to a working entry, alone."""
    if leg.rests_as_limit:
        if not _reached_back(leg.side, bar, leg.level):
            return None
        price = min(bar.open, leg.level) if leg.side > 0 else max(bar.open, leg.level)
        return Touch(price, price == bar.open, True)
    reached = bar.high >= leg.stop if leg.side > 0 else bar.low <= leg.stop
    if not reached:
        return None
    price = max(bar.open, leg.stop) if leg.side > 0 else min(bar.open, leg.stop)
    if leg.limit is not None and (price - leg.limit) * leg.side > 0:
        return Touch(None, False, False)
    return Touch(price, price == bar.open, False)


def nearer_to_open(legs: list[Leg], bar: Bar) -> Leg:
    """Of two touched legs the one that counts: nearer to OPEN, the long one on a tie."""
    return min(legs, key=lambda leg: (abs(leg.level - bar.open), -leg.side))


def exit_in_entry_bar(leg: Leg, entry: Touch, bar: Bar) -> tuple[Exit | None, bool]:
    """What the rest of the entry bar does, and whether the bar left something open that was decided against us."""
    stop_touched = _stop_touched(leg.side, bar, leg.stop_loss)
    target_touched = leg.target is not None and _target_touched(leg.side, bar, leg.target)
    if stop_touched:
        price = _stop_price(leg.side, bar, leg.stop_loss) if entry.at_open else leg.stop_loss
        return Exit(price, "SL", leg.stop_loss, price == bar.open, target_touched), target_touched
    if target_touched and leg.target is not None:
        if entry.at_open:
            price = _target_price(leg.side, bar, leg.target)
            return Exit(price, "TP", leg.target, price == bar.open, False), False
        return None, True
    return None, False


def exit_in_later_bar(side: int, stop_loss: Fraction, target: Fraction | None, bar: Bar) -> Exit | None:
    """What a bar after the entry bar does to the protection of a position."""
    target_touched = target is not None and _target_touched(side, bar, target)
    if _stop_touched(side, bar, stop_loss):
        price = _stop_price(side, bar, stop_loss)
        return Exit(price, "SL", stop_loss, price == bar.open, target_touched)
    if target_touched and target is not None:
        price = _target_price(side, bar, target)
        return Exit(price, "TP", target, price == bar.open, False)
    return None


def slippage_ticks(price: Fraction, costs: Mapping[str, Fraction], tick: Fraction) -> Fraction:
    """By how many ticks a print moves against us."""
    return costs["slippage_ticks"] + math.ceil(price * costs["slippage_bps"] / 10_000 / tick)


def commission(qty: int, price: Fraction, costs: Mapping[str, Fraction]) -> Fraction:
    """The commission of one fill, to the cent."""
    asked = costs["commission_per_share"] * qty + costs["commission_bps"] * qty * price / 10_000
    return half_up_to_cent(max(costs["commission_min"], asked))


def _reached_back(side: int, bar: Bar, limit: Fraction) -> bool:
    return bar.low <= limit if side > 0 else bar.high >= limit


def _stop_touched(side: int, bar: Bar, stop: Fraction) -> bool:
    return bar.low <= stop if side > 0 else bar.high >= stop


def _target_touched(side: int, bar: Bar, target: Fraction) -> bool:
    return bar.high >= target if side > 0 else bar.low <= target


def _stop_price(side: int, bar: Bar, stop: Fraction) -> Fraction:
    return min(bar.open, stop) if side > 0 else max(bar.open, stop)


def _target_price(side: int, bar: Bar, target: Fraction) -> Fraction:
    return max(bar.open, target) if side > 0 else min(bar.open, target)
