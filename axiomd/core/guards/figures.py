"""What the figures of the guards are in, and how a reader is shown them.

A verdict is two integers of the guard's own kind. Nothing here judges, and nothing compiled is loaded: a log line and a
console ask for no more than a unit.
"""

from __future__ import annotations

from typing import Final

from axiomd.contracts.orders import Order
from axiomd.contracts.units import SECOND_US, decimal_text

MONEY, BP, SECONDS, COUNT, PRICE, YES = "money", "bp", "s", "count", "price", "yes"
UNITS: Final[dict[str, str]] = {
    "KillSwitch": YES, "BrokerReady": YES, "JournalFailure": YES, "SessionOpen": YES, "TickAndLot": YES,
    "DuplicateOrder": YES, "MessageRate": COUNT, "RestrictedList": YES, "ShortAllowed": YES, "StaleData": SECONDS,
    "MarketHaltProxy": SECONDS, "PerSymbolMaxQty": COUNT, "MaxOrderNotional": MONEY, "SlippageSanity": BP,
    "PriceCollar": PRICE, "MaxOpenPositions": COUNT, "MaxOpenOrders": COUNT, "MaxGrossExposure": MONEY,
    "MaxNetExposure": MONEY, "BuyingPower": MONEY, "MaxDailyLoss": MONEY, "MaxDrawdown": MONEY,
    "ConsecutiveLosses": COUNT, "RejectStorm": COUNT, "RepeatedExecution": COUNT,
}  # fmt: skip
"""What a guard's figure is in; YES ones have none that a bar could show."""


def unit_of(guard: str, figure: int, order: Order) -> str:
    """Say what the figure of an order's refusal is in; that of another package's guard is a plain number."""
    if guard == "TickAndLot":  # the quantity where that is wrong, else the price that is off the grid
        return COUNT if figure == order.qty else PRICE
    return UNITS.get(guard, COUNT)


def shown(figure: int, unit: str) -> str | int:
    """Write a figure as a reader takes it: money, prices and basis points as decimals, whole seconds."""
    if unit in (MONEY, PRICE):
        return decimal_text(figure)
    if unit == BP:
        return decimal_text(figure * 100)  # ppm over 100, in the two places that decimal_text keeps
    if unit == SECONDS:
        return figure // SECOND_US
    return figure
