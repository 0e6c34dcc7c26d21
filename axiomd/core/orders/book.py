"""What works at the broker as far as the journal knows: entry legs by key, in groups of which one may fill.

A fold over order events. It sends nothing and decides nothing, and knows no price: what is at stake is the board's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from axiomd.contracts.orders import Order
from axiomd.core.board import ENTRY, column
from axiomd.core.frame import Frame
from axiomd.core.orders.lifecycle import AFTER, ENDED, Happening, State

_FILLED, _PARTLY_FILLED = Happening.FILLED, Happening.PARTLY_FILLED
_ENTRY_SIZE: Final = ENTRY.itemsize // 8
_QTY: Final = column(ENTRY, "qty")


class Leg(msgspec.Struct, eq=False, gc=False):
    """One entry order and where it stands."""

    order: Order
    index: int
    """Its symbol's."""
    strategy: int
    sign: int
    """+1 for a buy."""
    qty: int
    place: int = -1
    """Where the board holds what is open of it; -1 for nowhere."""
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


class Book:
    """All entry legs of a run by key, the open ones of each symbol, and what is open of them on the board.

    What goes from there is taken notice of by `Frame.post`.
    """

    def __init__(self, frame: Frame) -> None:
        self.legs: dict[str, Leg] = {}
        self.open: dict[int, list[Leg]] = {}
        self._known: set[str] = set()
        """Names of orders that stand in the journal: their keys, and what their groups call their sides."""
        self._frame = frame

    def is_known(self, names: tuple[str, str]) -> bool:
        """Say whether an order's key, or its group's side, stands in the journal."""
        order_id, key = names
        return key in self._known or order_id in self._known

    def know(self, order: Order) -> None:
        """Remember an order that stands in the journal, sent or refused."""
        self._known.update((order.idempotency_key, order.order_id))

    def intend(self, orders: Iterable[Order], index: int, strategy: int) -> None:
        """Take intents in one symbol in."""
        open_ = self.open.setdefault(index, [])
        for order in orders:
            key = order.idempotency_key
            leg = self.legs[key] = Leg(order, index, strategy, 1 if order.side == "BUY" else -1, order.qty)
            self._known.update((key, order.order_id))
            open_.append(leg)
            self._show(leg)

    def fill(self, leg: Leg, qty: int) -> None:
        """Take an execution in; an end that was told before may have waited for it."""
        filled = leg.filled = leg.filled + qty
        self.happen(leg, _FILLED if filled >= leg.qty else _PARTLY_FILLED)
        if leg.ending is not None and filled >= leg.ends_at:
            self.happen(leg, leg.ending)

    def happen(self, leg: Leg, happening: Happening) -> bool:
        """Move a leg on; one that ended leaves the open ones of its symbol, for good.

        False where that cannot happen to it: then nothing has changed.
        """
        after = AFTER[happening].get(leg.state)
        if after is None:
            return False
        leg.state = after
        if after not in ENDED:
            self._show(leg)
        elif leg.is_open:
            leg.is_open = False
            self._frame.entries[leg.place * _ENTRY_SIZE + _QTY] = 0
            leg.place = -1
            left = self.open[leg.index]
            left.remove(leg)
            if not left:
                del self.open[leg.index]
        return True

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

    def _show(self, leg: Leg) -> None:
        """Put what is open of an entry on the board."""
        order, work = leg.order, self._frame.work
        stop, limit, left = order.stop_price or 0, order.limit_price or 0, leg.qty - leg.filled
        place = work(leg.place, leg.index, leg.sign, left, stop, limit, order.valid_to_us)
        if place < 0:
            self._frame.widen()
            place = self._frame.work(-1, leg.index, leg.sign, left, stop, limit, order.valid_to_us)
        leg.place = place
