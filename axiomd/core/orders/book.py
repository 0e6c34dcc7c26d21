"""What works at the broker as far as the journal knows: entry legs by key, in groups of which one may fill.

A fold over order events. It answers what the guards and the scan ask of a symbol: what is at stake, which prices and
which deadline concern us. It sends nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from axiomd.contracts.orders import Order
from axiomd.core.board import ABOVE_ALL, BELOW_ALL
from axiomd.core.orders.lifecycle import AFTER, ENDED, Happening, State


class Leg(msgspec.Struct, eq=False, gc=False):
    """One entry order and where it stands; made by `leg_of`."""

    order: Order
    index: int
    """Its symbol's."""
    strategy: int
    sign: int
    """+1 for a buy."""
    qty: int
    level: int
    """What the entry is judged by: `Order.entry_level`."""
    high: int
    """A bar that comes up so far may fill it: every bar, where it waits for no price."""
    low: int
    """A bar that comes down so far may fill it."""
    ends_us: int
    """When its validity ends."""
    stake: int = 0
    """What is still open of it is worth at its level, in account currency; whoever knows the rate says so."""
    state: State = State.INTENT
    is_open: bool = True
    """It may still fill."""
    filled: int = 0
    cancelling: str = ""
    ending: Happening | None = None
    ends_at: int = 0

    def end_at(self, filled: int, happening: Happening) -> None:
        """Remember an end that was told before the fills it counts: it comes when they are in."""
        self.ends_at, self.ending = filled, happening


def leg_of(order: Order, index: int, strategy: int) -> Leg:
    """Give an entry that was just intended."""
    stop, limit = order.stop_price, order.limit_price
    # a buy stop is touched from below and a buy limit from above, of a sell it is the other way round
    sign, below, above = (1, stop, limit) if order.side == "BUY" else (-1, limit, stop)
    level = stop or limit or 0
    high = below or ABOVE_ALL if level else BELOW_ALL
    return Leg(order, index, strategy, sign, order.qty, level, high, above or BELOW_ALL, order.valid_to_us)


class Book:
    """All entry legs of a run by key, and the open ones of each symbol."""

    def __init__(self) -> None:
        self.legs: dict[str, Leg] = {}
        self.open: dict[int, list[Leg]] = {}
        self._known: set[str] = set()
        """Names of orders that stand in the journal: their keys, and what their groups call their sides."""

    def is_known(self, names: tuple[str, str]) -> bool:
        """Say whether an order's key, or its group's side, stands in the journal."""
        order_id, key = names
        return key in self._known or order_id in self._known

    def know(self, order: Order) -> None:
        """Remember an order that stands in the journal, sent or refused."""
        self._known.update((order.idempotency_key, order.order_id))

    def intend(self, orders: Iterable[Order], index: int, strategy: int) -> list[Leg]:
        """Take intents in one symbol in."""
        legs = []
        for order in orders:
            key = order.idempotency_key
            leg = self.legs[key] = leg_of(order, index, strategy)
            self._known.update((key, order.order_id))
            legs.append(leg)
        self.open.setdefault(index, []).extend(legs)
        return legs

    def forget_ended(self, held: set[str]) -> None:
        """A new session: orders that ended are history, but for those whose position is still held.

        Keys carry their session's date, so none of them can come back.
        """
        kept = []
        if self.open or held:
            kept = [(key, leg) for key, leg in self.legs.items() if leg.is_open or key in held]
        self.legs.clear()
        self._known.clear()
        for key, leg in kept:
            self.legs[key] = leg
            self.know(leg.order)

    def happen(self, leg: Leg, happening: Happening) -> bool:
        """Move a leg on; one that ended leaves the open ones of its symbol, one that fills late comes back.

        False where that cannot happen to it: then nothing has changed.
        """
        after = AFTER[happening].get(leg.state)
        if after is None:
            return False
        leg.state = after
        is_open = after not in ENDED
        if is_open is not leg.is_open:
            leg.is_open = is_open
            if is_open:
                self.open.setdefault(leg.index, []).append(leg)
            else:
                left = self.open[leg.index]
                left.remove(leg)
                if not left:
                    del self.open[leg.index]
        return True
