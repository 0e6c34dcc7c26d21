"""How near each guard is to its limit: one row a guard, with figure, limit and unit, as a console shows it.

It repeats no rule: figures that stand all the time come from the account, figures of an order from the last verdict on
one, and every limit from the plan in force, which may have changed since. Nothing here refuses or trips anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from axiomd.contracts.patch import State
from axiomd.contracts.units import PPM
from axiomd.core.guards.api import OFF
from axiomd.core.guards.chain import GUARDS
from axiomd.core.guards.figures import UNITS, YES, shown
from axiomd.core.plan import Plan
from axiomd.core.recent import GuardRecord, Recent

TRIPPING: Final = ("MaxDailyLoss", "MaxDrawdown", "ConsecutiveLosses", "RejectStorm", "RepeatedExecution")
_LIMIT_OF: Final[dict[str, str]] = {
    "MessageRate": "rate_orders", "StaleData": "lateness_us", "MarketHaltProxy": "silent_us",
    "MaxOrderNotional": "max_order_notional", "SlippageSanity": "entry_ppm", "PriceCollar": "collar_atr",
    "MaxOpenPositions": "max_open_positions", "MaxOpenOrders": "max_open_orders",
    "MaxGrossExposure": "max_gross_exposure", "MaxNetExposure": "max_net_exposure",
    "BuyingPower": "buying_power_ppm", "MaxDailyLoss": "max_daily_loss", "MaxDrawdown": "max_drawdown",
    "ConsecutiveLosses": "consecutive_losses", "RejectStorm": "rejects", "RepeatedExecution": "execution_fills",
}  # fmt: skip


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What is at stake, in account units: positions gross and net, working groups, entry legs, occupied symbols."""

    gross: int
    net: int
    working: int
    legs: int
    open: int


def headroom(plan: Plan, recent: Recent, account: Mapping[str, int], figures: Figures) -> State:
    """Give the row of every guard by name; `used_ppm` is the figure over the limit, which may be above a million."""
    standing = _standing(plan.limits[0], recent, account, figures)
    rows: State = {}
    for name in (*GUARDS, *TRIPPING):
        unit, is_on = UNITS[name], _is_on(plan, name)
        row: State = {"kind": "trips" if name in TRIPPING else "entry", "is_on": is_on, "unit": unit}
        record = recent.guards.get(name)
        if record is not None:
            row["checked"], row["refused"] = record.checked, record.refused
            if record.subject:
                row["last_symbol"], row["last_us"] = record.subject, record.last_us
        pair = standing.get(name) or (None if record is None else _last(plan, name, record))
        if pair is not None and is_on and unit != YES:
            figure, limit = pair
            row["figure"], row["limit"] = shown(figure, unit), shown(limit, unit)
            if limit > 0:
                row["used_ppm"] = max(figure, 0) * PPM // limit
        rows[name] = row
    return rows


def limit_of(limits: Any, name: str) -> int:  # a record of LIMITS, which numpy cannot type
    """Give one limit of a run, `OFF` where it is off."""
    return int(limits[name])


def _standing(limits: Any, recent: Recent, account: Mapping[str, int], figures: Figures) -> dict[str, tuple[int, int]]:
    exposure = figures.gross + figures.working
    power = max(account["equity"], 0) * max(limit_of(limits, "buying_power_ppm"), 0) // PPM
    return {
        "MaxDailyLoss": (account["loss_base"] - account["equity"], limit_of(limits, "max_daily_loss")),
        "MaxDrawdown": (account["drawdown_peak"] - account["equity"], limit_of(limits, "max_drawdown")),
        "ConsecutiveLosses": (recent.losses_in_a_row, limit_of(limits, "consecutive_losses")),
        "MaxOpenPositions": (figures.open, limit_of(limits, "max_open_positions")),
        "MaxOpenOrders": (figures.legs, limit_of(limits, "max_open_orders")),
        "MaxGrossExposure": (exposure, limit_of(limits, "max_gross_exposure")),
        "MaxNetExposure": (abs(figures.net), limit_of(limits, "max_net_exposure")),
        "BuyingPower": (exposure, power),
    }


def _last(plan: Plan, name: str, record: GuardRecord) -> tuple[int, int] | None:
    """Give the figure of the last verdict and the limit in force; None where that limit was another moment's."""
    limits = plan.limits[0]
    match name:
        case "PerSymbolMaxQty":
            qty_max = plan.risk.max_qty_of(record.subject)
            return record.figure, OFF if qty_max is None else qty_max
        case "SlippageSanity":
            return record.figure, limit_of(limits, "fill_ppm" if record.has_tripped else "entry_ppm")
        case "StaleData":
            # of its two limits the share is told by its size: a lateness is more than a second
            is_share = 0 < record.limit <= PPM
            return record.figure, limit_of(limits, "completeness_ppm" if is_share else "lateness_us")
        case "MarketHaltProxy" if not record.limit:
            return record.figure, 0  # the time until a jump is over
        case "PriceCollar":
            return (record.figure, record.limit) if record.is_current else None  # so many ATR of then
    field = _LIMIT_OF.get(name)
    return record.figure, record.limit if field is None else limit_of(limits, field)


def _is_on(plan: Plan, name: str) -> bool:
    if name == "PerSymbolMaxQty":
        return plan.risk.per_symbol_max_qty is not None
    field = _LIMIT_OF.get(name)
    return field is None or limit_of(plan.limits[0], field) != OFF
