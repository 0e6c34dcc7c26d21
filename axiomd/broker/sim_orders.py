"""What lies at the simulated broker: entries with their children asleep, positions with their exits awake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from axiomd.contracts.orders import SUFFIX_EOD, SUFFIX_STOP, SUFFIX_TARGET, Order
from axiomd.contracts.truth import OpenOrder
from axiomd.contracts.units import side_of
from axiomd.core.fills import KINDS
from axiomd.core.matching import RestingLeg

_leg = partial(tuple.__new__, RestingLeg)
"""Makes one of its fields; by itself a named tuple takes three times as long."""


class RestingEntry(msgspec.Struct, eq=False, gc=False):
    """A resting entry with its children asleep; made by `resting`."""

    order: Order
    index: int
    broker_id: int
    key: str
    leg: RestingLeg


def resting(order: Order, index: int, broker_id: int) -> RestingEntry:
    """Give an order as it lies at the broker from here on."""
    leg = _leg((
        broker_id, 1 if order.side == "BUY" else -1, order.qty, KINDS[order.entry_type], order.stop_price or 0,
        order.limit_price or 0, order.stop_loss_price or 0, order.take_profit_price or 0, order.valid_from_us,
        order.valid_to_us, 0,
    ))  # fmt: skip
    return RestingEntry(order, index, broker_id, order.idempotency_key, leg)


@dataclass(slots=True, eq=False)
class SymbolState:
    """What the broker keeps of one symbol."""

    last: Sequence[int] | None = None
    """The last bar matched."""
    position: OpenPosition | None = None
    groups: list[list[RestingEntry]] = field(default_factory=list)
    """Resting entries by OCO group, in the order in which they came; of two sides the long one stands first."""


class OpenPosition(msgspec.Struct, eq=False, gc=False):
    """What is held in a symbol, with its exits awake; while `closing_qty` of it is closed, they cover the rest."""

    entry: RestingEntry
    sign: int
    """+1 where it is long."""
    qty: int
    stop: int
    target: int
    flatten_at_us: int
    closing: str = ""
    closing_qty: int = 0
    closed_under: tuple[str, ...] = ()
    """References of closes that were executed: none is carried out twice."""

    @property
    def kept(self) -> int:
        """Give the shares that no close is under way for."""
        return self.qty - self.closing_qty

    def close(self, reference: str, qty: int) -> None:
        """Cut the exits by `qty`, or cancel them with the last of it, and work its close instead."""
        self.closing, self.closing_qty = reference, qty
        if not self.kept:
            self.stop = self.target = 0

    def working_exits(self) -> list[OpenOrder]:
        """Give the orders that lie at the broker for it: its exits, and a close that is under way."""
        order, side = self.entry.order, side_of(-self.sign)
        key, oca = order.idempotency_key, order.idempotency_key
        closes = [
            OpenOrder(
                broker_id=0, reference=self.closing, symbol=order.symbol, side=side, qty=self.closing_qty,
                kind="market", price=0, oca="",
            )
        ] if self.closing else []  # fmt: skip
        if not self.kept:
            return closes
        children = (
            (SUFFIX_STOP, "stop", self.stop, 1),
            (SUFFIX_TARGET, "limit", self.target, 2),
            (SUFFIX_EOD, "market", self.flatten_at_us, 3),
        )
        return closes + [
            OpenOrder(
                broker_id=self.entry.broker_id + offset,
                reference=key + suffix,
                symbol=order.symbol,
                side=side,
                qty=self.kept,
                kind=kind,
                price=price if kind != "market" else 0,
                oca=oca,
            )
            for suffix, kind, price, offset in children
            if price
        ]
