"""Working entries held against limits that were changed over a restart; those beyond are cancelled (04, Guards).

The newest go first, so that what stays is what would have been let through in the order in which it came. Exits and
protective orders are no entries and are never looked at.
"""

from __future__ import annotations

from typing import Final

from axiomd.core.engine import Engine
from axiomd.core.judging import Chain
from axiomd.daemon.desk import Desk

LIMITS: Final = frozenset(
    {
        "RestrictedList", "ShortAllowed", "PerSymbolMaxQty", "MaxOrderNotional", "SlippageSanity", "PriceCollar",
        "MaxOpenPositions", "MaxOpenOrders", "MaxGrossExposure", "MaxNetExposure", "BuyingPower",
    }
)  # fmt: skip
"""What was a limit then and may be a lower one now; the other guards look at a moment that has passed."""


async def rejudge(desk: Desk) -> tuple[str, ...]:
    """Cancel what is beyond today's limits and give the keys."""
    engine, chain = desk.engine, Chain(desk.engine.frame)
    # as they were placed, those of one moment too
    legs = [leg for leg in engine.book.legs.values() if leg.is_open]
    beyond = []
    for leg in reversed(legs):
        if _is_beyond(engine, chain, leg.order.idempotency_key):
            beyond.append(leg.order.idempotency_key)
            await desk.cancel([leg.order.idempotency_key], "cancelled:limits")
    return tuple(beyond)


def _is_beyond(engine: Engine, chain: Chain, key: str) -> bool:
    leg = engine.book.legs[key]
    if not leg.is_open:
        return False
    approved, guard, _ = chain.judge(
        leg.order, leg.index, is_latched=False, is_ready=True, is_journal_ok=True, is_known=False, sends=0
    )
    return approved is None and guard in LIMITS
