"""What a guard is: a compiled function from the figures of one proposed order and the limits to a verdict.

`check(x, limits) -> (refused, figure, limit)`; every figure a guard may look at is in PROPOSAL, filled in by the chain
once an order, and every limit in LIMITS, from `risk.yml`. A guard reads nothing else and keeps no state. To add one:
write `check` in the file of its subject, add its limit below, and its name and call to `chain.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from pydantic import BaseModel

    from axiomd.contracts.orders import Order

OFF: Final = -1
"""A limit that is switched off."""

PROPOSAL = np.dtype(
    [
        ("now_us", "i8"),
        ("is_latched", "i8"),
        ("is_ready", "i8"),
        ("is_journal_ok", "i8"),
        ("is_known", "i8"),
        ("open_us", "i8"),
        ("flatten_us", "i8"),
        ("side", "i8"),
        ("qty", "i8"),
        ("entry", "i8"),
        ("stop_price", "i8"),
        ("limit_price", "i8"),
        ("stop_loss", "i8"),
        ("target", "i8"),
        ("tick", "i8"),
        ("lot", "i8"),
        ("notional", "i8"),  # account currency
        ("sends", "i8"),
        ("is_restricted", "i8"),
        ("is_short_allowed", "i8"),
        ("position", "i8"),
        ("max_qty", "i8"),
        ("close", "i8"),
        ("lateness_us", "i8"),
        ("intervals", "i8"),
        ("intervals_due", "i8"),
        ("silent_us", "i8"),
        ("others", "i8"),
        ("others_heard", "i8"),
        ("jump_until_us", "i8"),
        ("atr", "f8"),
        ("positions", "i8"),  # open positions and working groups, the order's own group apart
        ("legs", "i8"),
        ("gross", "i8"),
        ("net", "i8"),
        ("equity", "i8"),
    ],
    align=True,
)

LIMITS = np.dtype(
    [
        ("max_gross_exposure", "i8"),
        ("max_net_exposure", "i8"),
        ("max_order_notional", "i8"),
        ("max_open_positions", "i8"),
        ("max_open_orders", "i8"),
        ("max_daily_loss", "i8"),
        ("max_drawdown", "i8"),
        ("consecutive_losses", "i8"),
        ("entry_ppm", "i8"),
        ("fill_ppm", "i8"),
        ("collar_atr", "f8"),
        ("silent_us", "i8"),
        ("jump_bp", "i8"),
        ("cooldown_us", "i8"),
        ("lateness_us", "i8"),
        ("completeness_ppm", "i8"),
        ("buying_power_ppm", "i8"),
        ("rate_orders", "i8"),
        ("rate_us", "i8"),
        ("execution_fills", "i8"),
        ("execution_us", "i8"),
        ("rejects", "i8"),
        ("rejects_us", "i8"),
    ],
    align=True,
)

COMPLETENESS_FROM: Final = 20
"""Completeness is judged from so many ended intervals of a session on."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A plug-in guard: what an entry point of the group `axiomd.guards` gives.

    `name` stands in reasons (`rejected:NAME`), the entry point's name is its key in `risk.yml`, `params` the model of
    what stands there. `check` takes the order, the figures of PROPOSAL by name and the parameters, and gives (refused,
    figure, limit). It runs after the compiled chain, reads nothing else and keeps no state. One that raises refuses.
    """

    name: str
    params: type[BaseModel]
    check: Callable[[Order, Mapping[str, int | float], Any], tuple[bool, int, int]]
