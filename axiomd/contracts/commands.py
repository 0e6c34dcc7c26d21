"""All that the engine may ask of the world.

Imperative, immutable, carried out by a driver in the order given: what is recorded before a send is durable before the
send leaves. Only the guard chain can make an `Approved`, so an unapproved order cannot be sent by mistake.
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


class Command(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Something asked for."""


class Record(Command, frozen=True, kw_only=True):
    """Append a decision to the journal."""

    event: Event


class SendEntries(Command, frozen=True, gc=True, kw_only=True):
    """Send the legs of one OCO group, each with its exits as one bracket."""

    oco_id: str
    legs: tuple[Approved[Order], ...]


class CancelEntry(Command, frozen=True, kw_only=True):
    """Take a working entry off; `reason` is what its cancellation will be filed under."""

    key: str
    reason: str


class ClosePosition(Command, frozen=True, kw_only=True):
    """Cancel a position's exits, have that confirmed, and close `qty` of it with one marketable order.

    `is_urgent`: a person asked for it, and is answered at once where the broker can; a guard's waits for the next bar.
    """

    key: str
    reference: str
    symbol: str
    qty: int
    is_urgent: bool = False


class TripLatch(Command, frozen=True, kw_only=True):
    """Latch the kill switch before anything else."""

    level: KillLevel
    reason: str


class MarkEquity(Command, frozen=True, kw_only=True):
    """A point of the equity curve: at the start, after a moment with a fill, at a session's close."""

    ts_us: int
    equity_units: int
    cash_units: int
    gross_units: int
    drawdown_units: int
