"""What came of a scenario, read off what the engine decided: the guard's verdict, and the word that goes with it.

It judges nothing and repeats no rule. Where a tripwire stayed silent there is no verdict; then the figure is what the
scenario put before it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from axiomd.contracts import events as e
from axiomd.contracts.units import PPM
from axiomd.contracts.verdicts import Verdict
from axiomd.core.guards.figures import BP, COUNT, MONEY, PRICE, SECONDS, UNITS, YES, shown, unit_of
from axiomd.core.headroom import limit_of
from tests.risk.stage import Stage

PASSED: Final = "passed"
REFUSED: Final = "refused"
CANCELLED: Final = "cancelled"
HALT: Final = "tripped halt"
FLATTEN: Final = "tripped flatten"
NOTHING: Final = "nothing"
"""No order was judged: the scenario itself is wrong."""

_EXCHANGE: Final = ZoneInfo("America/New_York")
_YES: Final[dict[str, tuple[str, str]]] = {
    "KillSwitch": ("armed", "latched"),
    "BrokerReady": ("not ready", "ready"),
    "JournalFailure": ("lost", "written"),
    "DuplicateOrder": ("new", "known"),
    "RestrictedList": ("free", "listed"),
}
"""What 0 and 1 mean to a guard whose figure is neither an amount nor a time."""
_COUNTED: Final[dict[str, str]] = {
    "TickAndLot": "shares", "MessageRate": "orders", "PerSymbolMaxQty": "shares", "MaxOpenPositions": "groups",
    "MaxOpenOrders": "legs", "ConsecutiveLosses": "trades", "RejectStorm": "rejects", "RepeatedExecution": "orders",
}  # fmt: skip


class Outcome(NamedTuple):
    """What came of it, by which guard, in which words; figure and limit as a reader takes them."""

    result: str
    by: str = ""
    why: str = ""
    figure: str = ""
    limit: str = ""
    unit: str = ""
    verdict: Verdict | None = None


def of_order(stage: Stage, guard: str) -> Outcome:
    """Say what came of the order judged last: the verdict of `guard` on it, or of the one that refused it before."""
    if not stage.judged:
        return Outcome(NOTHING)
    event = stage.judged[-1]
    refuser = event.guard if isinstance(event, e.OrderBlocked) else ""
    verdicts = {verdict[0]: verdict for verdict in event.verdicts}
    verdict = verdicts.get(guard) or verdicts.get(refuser)
    if verdict is None:  # it is about a tripwire, and the order that should have been refused was not
        return Outcome(PASSED)
    told = _told(verdict, _unit(verdict, unit_of(verdict[0], verdict[1], event.order)))
    if not refuser:
        return Outcome(PASSED, "", "", *told, verdict)
    return Outcome(REFUSED, refuser, f"rejected:{refuser}", *told, verdict)


def of_trip(stage: Stage, guard: str, put: int, column: str) -> Outcome:
    """Say whether a tripwire tripped; `put` is what it was given, in its own unit, and `column` its limit's name."""
    unit = UNITS[guard]
    for event in stage.tripped:
        if event.guard == guard:
            verdict = (guard, event.figure, event.limit)
            # at flatten a position that nobody closes is no flatten
            result = FLATTEN if event.level == "flatten" and stage.closed else HALT
            return Outcome(result, guard, stage.latched[0].reason, *_told(verdict, unit), verdict)
    by, why = (stage.latched[0].reason,) * 2 if stage.latched else ("", "")
    silent = (guard, put, limit_of(stage.plan.limits[0], column))
    return Outcome(HALT if by else PASSED, by, why, *_told(silent, unit))


def of_contradiction(stage: Stage) -> Outcome:
    """Say whether a report of the broker's tripped the latch as one that our books cannot explain."""
    if not stage.latched:
        return Outcome(PASSED)
    by, _, why = stage.latched[0].reason.partition(": ")
    return Outcome(HALT, by, why)


def of_working(stage: Stage, guard: str, put: int, column: str) -> Outcome:
    """Say whether a working entry was taken off; `put` and `column` as of a trip."""
    verdict = (guard, put, limit_of(stage.plan.limits[0], column))
    told = _told(verdict, UNITS[guard])
    if not stage.cancelled:
        return Outcome(PASSED, "", "", *told)
    return Outcome(CANCELLED, guard, stage.cancelled[0].reason, *told)


def _unit(verdict: Verdict, unit: str) -> str:
    guard, _, limit = verdict
    # of StaleData's two limits the share is told by its size: a lateness is more than a second
    return "share" if guard == "StaleData" and 0 < limit <= PPM else unit


def _told(verdict: Verdict, unit: str) -> tuple[str, str, str]:
    """Give figure, limit and unit for a reader; a limit that is not there is none."""
    guard, figure, limit = verdict
    if unit == YES:
        return (*_plain(guard, figure, limit), "")
    if unit == "share":
        return f"{100 * figure / PPM:.1f}", f"{100 * limit / PPM:.1f}", "%"
    name = {MONEY: "USD", PRICE: "USD", BP: "bp", SECONDS: "s", COUNT: _COUNTED.get(guard, "")}[unit]
    return str(shown(figure, unit)), str(shown(limit, unit)), name


def _plain(guard: str, figure: int, limit: int) -> tuple[str, str]:
    if guard == "SessionOpen":
        return _clock(figure), _clock(limit)
    if guard == "ShortAllowed":
        return "short" if figure < 0 else "long", "both" if limit else "long"
    words = _YES[guard]
    return words[figure], words[limit]


def _clock(ts_us: int) -> str:
    return datetime.fromtimestamp(ts_us // 1_000_000, UTC).astimezone(_EXCHANGE).strftime("%H:%M:%S")
