"""What works at the broker as far as the journal knows: entry legs by key, in groups of which one may fill.

A fold over order events. It answers what the guards and the scan ask of a symbol: what is at stake, which prices and
which deadline concern us. It sends nothing and decides nothing.
"""

from __future__ import annotations

from axiomd.contracts.orders import Order
from axiomd.core.board import ABOVE_ALL, BELOW_ALL
from axiomd.core.orders.lifecycle import AFTER, ENDED, Happening, State

_INTENT = State.INTENT


class Leg:
    """One entry order and where it stands; `index` is its symbol's, `sign` +1 for a buy."""

    __slots__ = (
        "cancelling", "ending", "ends_at", "filled", "high", "index", "is_open", "level", "low", "order", "sign",
        "state", "strategy",
    )  # fmt: skip

    def __init__(self, order: Order, index: int, strategy: int) -> None:
        self.order = order
        self.index = index
        self.strategy = strategy
        self.sign = 1 if order.side == "BUY" else -1
        self.level = order.entry_level
        """What the entry is judged by: `Order.entry_level`."""
        # a buy stop is touched from below and a buy limit from above, of a sell it is the other way round
        if self.sign > 0:
            below, above = order.stop_price, order.limit_price
        else:
            below, above = order.limit_price, order.stop_price
        self.high = below or ABOVE_ALL if self.level else BELOW_ALL
        """A bar that comes up so far may fill it: every bar, where it waits for no price."""
        self.low = above or BELOW_ALL
        """A bar that comes down so far may fill it."""
        self.state = _INTENT
        self.is_open = True
        """It may still fill."""
        self.filled = 0
        self.cancelling = ""
        self.ending: Happening | None = None
        self.ends_at = 0

    def end_at(self, filled: int, happening: Happening) -> None:
        """Remember an end that was told before the fills it counts: it comes when they are in."""
        self.ends_at, self.ending = filled, happening


class Book:
    """All entry legs of a run by key, and the open ones of each symbol."""

    def __init__(self) -> None:
        self.legs: dict[str, Leg] = {}
        self.open: dict[int, list[Leg]] = {}
        self._known: set[str | tuple[str, str]] = set()

    def is_known(self, order: Order) -> bool:
        """Say whether an order's key, or its group's side, stands in the journal."""
        known = self._known
        return order.idempotency_key in known or (order.oco_id, order.side) in known

    def know(self, order: Order) -> None:
        """Remember an order that stands in the journal, sent or refused."""
        known = self._known
        known.add(order.idempotency_key)
        known.add((order.oco_id, order.side))

    def intend(self, order: Order, index: int, strategy: int) -> Leg:
        """Take an intent in."""
        leg = self.legs[order.idempotency_key] = Leg(order, index, strategy)
        self.know(order)
        self.open.setdefault(index, []).append(leg)
        return leg

    def forget_ended(self, held: set[str]) -> None:
        """A new session: orders that ended are history, but for those whose position is still held.

        Keys carry their session's date, so none of them can come back.
        """
        kept = {}
        if self.open or held:
            kept = {key: leg for key, leg in self.legs.items() if leg.is_open or key in held}
        self.legs = kept
        self._known = {known for leg in kept.values() for known in _names(leg.order)}

    def happen(self, leg: Leg, happening: Happening) -> bool:
        """Move a leg on; one that ended leaves the open ones of its symbol, one that fills late comes back.

        False where that cannot happen to it: then nothing has changed.
        """
        after = AFTER[leg.state].get(happening)
        if after is None:
            return False
        leg.state = after
        is_open = after not in ENDED
        if is_open is not leg.is_open:
            leg.is_open = is_open
            if is_open:
                self.open.setdefault(leg.index, []).append(leg)
            else:
                self._close(leg)
        return True

    def _close(self, leg: Leg) -> None:
        left = self.open[leg.index]
        left.remove(leg)
        if not left:
            del self.open[leg.index]


def _names(order: Order) -> tuple[str, tuple[str, str]]:
    return order.idempotency_key, (order.oco_id, order.side)
