"""The broker's port: what any broker behind it must do, and nothing of how.

Commands go in, reports come out as events; a report may come at once or later, late, twice or out of order, and the
engine is made for that. A broker keeps its own truth, which outlives us and wins over ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from axiomd.contracts.commands import CancelEntry, ClosePosition, SendEntries
from axiomd.contracts.events import Event
from axiomd.contracts.fills import Fill

BrokerCommand = SendEntries | CancelEntry | ClosePosition


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """One order the broker works: its id, our reference, what is left of it."""

    broker_id: int
    reference: str
    symbol: str
    side: str
    qty: int
    kind: str
    price: int
    oca: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What the broker knows: signed positions in shares, open orders, all executions of the day."""

    positions: dict[str, int]
    orders: tuple[OpenOrder, ...]
    executions: tuple[Fill, ...]


class Broker(Protocol):
    """What every broker does. Nothing blocks; `PeerError` where the broker cannot be reached."""

    def execute(self, command: BrokerCommand, ts_us: int) -> Sequence[Event]:
        """Carry a command out and give the reports that are there at once."""
        ...

    def truth(self) -> Truth:
        """Give positions, open orders and executions as the broker sees them."""
        ...
