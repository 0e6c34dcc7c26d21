"""All that the engine may ask of the world.

Immutable, carried out by a driver in the order given. An event among the commands is a decision to be recorded, durable
before a send behind it leaves; a point of the equity curve is to be drawn. Only the guard chain can make an `Approved`,
so an unapproved order cannot be sent by mistake.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from axiomd.contracts.events import Event, KillLevel
from axiomd.contracts.orders import Order

T = TypeVar("T")


class Approved(msgspec.Struct, Generic[T], frozen=True, gc=False, eq=False):
    """What passed every guard. Made by `core.judging` alone."""

    value: T


class SendEntries(msgspec.Struct, frozen=True, kw_only=True):
    """Send the legs of one OCO group, each with its exits as one bracket."""

    oco_id: str
    legs: tuple[Approved[Order], ...]


class CancelEntry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Take a working entry off; `reason` is what its cancellation will be filed under."""

    key: str
    reason: str


class ClosePosition(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Cancel a position's exits, have that confirmed, and close `qty` of it with one marketable order.

    `is_urgent`: a person asked for it, and is answered at once where the broker can; a guard's waits for the next bar.
    """

    key: str
    reference: str
    symbol: str
    qty: int
    is_urgent: bool = False


class TripLatch(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Latch the kill switch before anything else."""

    level: KillLevel
    reason: str


Command = Event | SendEntries | CancelEntry | ClosePosition | TripLatch
