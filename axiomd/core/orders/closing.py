"""Orders that close a position: who asked for it, what they are called, and the canonical order itself.

A close is marketable and belongs to the position's entry (`parent_key`). The kill switch closes under ``KEY-KILL``, a
person under ``KEY-MANUAL``; a further one is numbered, so that none is ever sent twice under one name.
"""

from __future__ import annotations

from axiomd.contracts.commands import ClosePosition
from axiomd.contracts.orders import SUFFIX_KILL, SUFFIX_MANUAL, Order, role_kind, split_reference
from axiomd.contracts.units import Side
from axiomd.core.portfolio import Holding


def kill_reference(holding: Holding) -> str:
    """Name the kill switch's close of a position: there is one, whoever asks for it, until it was carried out."""
    first = f"{holding.order.idempotency_key}{SUFFIX_KILL}"
    over = sum(reference.startswith(first) for reference in holding.closed_under)
    return f"{first}{over + 1}" if over else first


def manual_reference(holding: Holding) -> str:
    """Name a person's next close of a position."""
    number = "" if holding.cuts == 0 else str(holding.cuts + 1)
    return f"{holding.order.idempotency_key}{SUFFIX_MANUAL}{number}"


def is_manual(reference: str) -> bool:
    """Say whether a person asked for this close."""
    return role_kind(split_reference(reference).role) == "MANUAL"


def request_of(holding: Holding, *, is_urgent: bool) -> ClosePosition:
    """Ask the broker for the close that a position is in."""
    return ClosePosition(
        key=holding.order.idempotency_key,
        reference=holding.closing,
        symbol=holding.order.symbol,
        qty=holding.closing_qty,
        is_urgent=is_urgent,
    )


def closing_order(entry: Order, reference: str, qty: int, ts_us: int, close_us: int) -> Order:
    """Write the order that closes `qty` of an entry's position at `ts_us`; `close_us` is the session's."""
    side: Side = "SELL" if entry.side == "BUY" else "BUY"
    return Order(
        order_id=reference,
        idempotency_key=reference,
        oco_id=entry.oco_id,
        run_id=entry.run_id,
        symbol=entry.symbol,
        side=side,
        qty=qty,
        valid_from_us=ts_us,
        valid_to_us=max(close_us, ts_us + 1),
        session=entry.session,
        source=entry.source,
        strategy=entry.strategy,
        strategy_version=entry.strategy_version,
        entry_type="market",
        signal_id=entry.signal_id,
        currency=entry.currency,
        tick_size=entry.tick_size,
        created_at_us=ts_us,
        time_in_force="GTC",
        parent_key=entry.idempotency_key,
    )
