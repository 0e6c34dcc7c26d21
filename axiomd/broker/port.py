"""The broker's port: what any broker behind it must do, and nothing of how.

Commands go in, reports come out as events; a report may come at once or later, late, twice or out of order, and the
engine is made for that. A broker keeps its own truth, which outlives us and wins over ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from axiomd.contracts.commands import CancelEntry, ClosePosition, SendEntries
from axiomd.contracts.events import Event
from axiomd.contracts.truth import Truth

BrokerCommand = SendEntries | CancelEntry | ClosePosition


class Broker(Protocol):
    """What every broker does. Nothing blocks; `PeerError` where the broker cannot be reached."""

    def execute(self, command: BrokerCommand, ts_us: int) -> Sequence[Event]:
        """Carry a command out and give the reports that are there at once."""
        ...

    def truth(self) -> Truth:
        """Give positions, open orders and the reports of the day as the broker sees them."""
        ...
