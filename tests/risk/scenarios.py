"""All that is tried, and on which guards; what no scenario can try, and where that is tried instead."""

from __future__ import annotations

from typing import Final

from axiomd.core.guards.chain import GUARDS
from axiomd.core.headroom import TRIPPING
from tests.risk import conditions, orders, stakes, trips
from tests.risk.scenario import Scenario

EXISTING: Final = (*GUARDS, *TRIPPING)
"""Every guard that there is: none may go without a scenario."""

SCENARIOS: Final[tuple[Scenario, ...]] = (
    *conditions.SCENARIOS, *orders.SCENARIOS, *stakes.SCENARIOS, *trips.SCENARIOS,
)  # fmt: skip

UNTRIED: Final[dict[str, str]] = {
    "UnknownPosition": "a daemon's, at its start: tests/process/test_restart.py",
    "ReconDrift": "a difference that stays for three looks, a daemon's: tests/process/test_restart.py",
    "ClockSkew": "a daemon's: tests/process/test_restart.py",
    "JournalFailure": "the trip on a disk that is full, a daemon's: tests/process/test_failures.py",
}
"""What needs a running daemon."""

RULES: Final[dict[str, str]] = {
    "KillSwitch": "no order while the latch is tripped",
    "BrokerReady": "no order while the broker is not connected, or not reconciled",
    "JournalFailure": "no order while the journal cannot be written",
    "SessionOpen": "no order outside the session, or from flatten_at on",
    "TickAndLot": "no order off the tick grid or the lot, or not positive",
    "DuplicateOrder": "no order whose key the journal or the broker knows",
    "MessageRate": "no more opening orders than so many in so much market time",
    "RestrictedList": "no order in a listed symbol",
    "ShortAllowed": "no short entry where it is not allowed",
    "StaleData": "no order on bars that are late or missing, and none goes on working",
    "MarketHaltProxy": "no order in a symbol that fell silent alone, or has just jumped",
    "PerSymbolMaxQty": "no position beyond so many shares",
    "MaxOrderNotional": "no order worth more than the limit",
    "SlippageSanity": "no entry too far from the last CLOSE; a fill too far from its level trips",
    "PriceCollar": "no entry more than so many ATR(14) from the last CLOSE",
    "MaxOpenPositions": "no order while so many positions and entry groups stand",
    "MaxOpenOrders": "no order while so many entry legs work",
    "MaxGrossExposure": "no exposure beyond the limit, working entries counted as filled",
    "MaxNetExposure": "no signed exposure beyond the limit, long or short; what could offset never helps",
    "BuyingPower": "no exposure beyond so many times the equity",
    "MaxDailyLoss": "trips on a loss since the session's open",
    "MaxDrawdown": "trips on a fall from the highest equity so far",
    "ConsecutiveLosses": "trips on so many losing trades in a row",
    "RejectStorm": "trips on so many rejects by the broker in so much time",
    "RepeatedExecution": "trips on so many filled orders of one symbol and side in so much time",
    "ReconDrift": "trips on what the books cannot explain; blocks while journal and broker differ",
}
"""What each of them does, for who reads the table."""
