"""What a broker knows: its positions, its open orders, and what it reported today.

It is the truth that wins over the journal. Recovery and reconciliation compare it with what was folded; nothing here
says what follows from a difference.
"""

from __future__ import annotations

import msgspec

from axiomd.contracts.events import (
    FillReceived,
    OrderAcked,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
    OrderSent,
)

Report = OrderSent | OrderAcked | OrderRejected | OrderCancelled | OrderExpired | FillReceived


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order the broker works: its id, our reference, what is left of it; `price` in units, 0 for a market order."""

    broker_id: int
    reference: str
    symbol: str
    side: str
    qty: int
    kind: str
    price: int
    oca: str
    valid_to_us: int = 0


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """Signed positions in shares, open orders, and the reports of the day in the order in which they were made."""

    positions: dict[str, int] = {}
    orders: tuple[OpenOrder, ...] = ()
    reports: tuple[Report, ...] = ()
