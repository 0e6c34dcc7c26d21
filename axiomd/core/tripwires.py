"""What trips the kill switch after the fact: fills far from their level, executions, losses and rejects that repeat.

Counts of the day and of the run, folded over events. It names what broke, with figure and limit; latching is
`kill_switch`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from axiomd.contracts import events as e
from axiomd.contracts.fills import Fill
from axiomd.contracts.orders import role_kind
from axiomd.contracts.units import SIDES
from axiomd.core.compiled import Row, plain
from axiomd.core.frame import Frame
from axiomd.core.guards import loss
from axiomd.core.guards.api import OFF
from axiomd.core.guards.price import is_beyond
from axiomd.core.orders.book import Leg
from axiomd.core.plan import Plan

_is_beyond = plain(is_beyond)


class Trip(NamedTuple):
    """What broke: the guard, its figure, its limit."""

    guard: str
    figure: int
    limit: int


class Tripwires:
    """Count, and say what has come to its limit."""

    def __init__(self, plan: Plan, frame: Frame, account: Row) -> None:
        self.losses_in_a_row = 0
        self.has_streak_tripped = False
        self._frame = frame
        self._account = account
        self._repeats = {(index, side): loss.Burst() for index in range(len(plan.instruments)) for side in SIDES}
        self._rejects = loss.Burst()
        self.limit(plan)

    def limit(self, plan: Plan) -> None:
        """Judge by a plan's limits from here on; what was counted stays."""
        limits = self._limits = plan.limits[0]
        self._fill_ppm = int(limits["fill_ppm"])
        self._streak_max = int(limits["consecutive_losses"])
        self._rejects.limit(int(limits["rejects"]), int(limits["rejects_us"]))
        self._fills_max = int(limits["execution_fills"])
        self.judges_fills = self._fill_ppm != OFF or self._fills_max != OFF
        for burst in self._repeats.values():
            burst.limit(self._fills_max, int(limits["execution_us"]))

    def fill(self, ts_us: int, fill: Fill, leg: Leg, role: str) -> Sequence[Trip]:
        """SlippageSanity after the fill, RepeatedExecution."""
        trips: Sequence[Trip] = ()
        level = _level_of(leg, fill, role)
        if level:
            beyond, figure, limit = _is_beyond(fill.price, level, self._fill_ppm)
            if beyond:
                trips = (Trip("SlippageSanity", figure, limit),)
        if self._fills_max != OFF:
            burst = self._repeats[leg.index, fill.side]
            count = burst.add(ts_us, fill.reference)
            if burst.is_over(count):
                trips = (*trips, Trip("RepeatedExecution", count, burst.count_max))
        return trips

    def trade(self, net_pnl: int) -> Sequence[Trip]:
        """ConsecutiveLosses, after a trade that closed."""
        self.losses_in_a_row = self.losses_in_a_row + 1 if net_pnl < 0 else 0
        if self._streak_max == OFF or self.losses_in_a_row < self._streak_max or self.has_streak_tripped:
            return ()
        self.has_streak_tripped = True
        return (Trip("ConsecutiveLosses", self.losses_in_a_row, self._streak_max),)

    def reject(self, event: e.OrderRejected) -> Iterator[Trip]:
        """RejectStorm."""
        count = self._rejects.add(event.ts_us, event.key)
        if self._rejects.is_over(count):
            yield Trip("RejectStorm", count, self._rejects.count_max)

    def losses(self) -> Iterator[Trip]:
        """MaxDailyLoss and MaxDrawdown, after the marks of a moment; each once until it is released."""
        account = self._account
        while broken := self._frame.floor_broken():
            account["losses_judged"] &= ~broken
            base, name = (
                ("loss_base", "max_daily_loss") if broken == loss.DAILY_LOSS else ("drawdown_peak", "max_drawdown")
            )
            yield Trip(loss.NAMES[broken], int(account[base] - account["equity"]), int(self._limits[name]))

    def note(self, event: e.GuardTripped) -> None:
        """A trip of the journal: it was judged then, and is not judged again."""
        self.has_streak_tripped |= event.guard == "ConsecutiveLosses"
        for bit, name in enumerate(loss.NAMES[1:]):
            if event.guard == name:
                self._account["losses_judged"] &= ~(1 << bit)

    def reset(self, *, new_peak: bool) -> None:
        """Released: counts begin anew, losses are measured from here."""
        account = self._account
        self.losses_in_a_row = 0
        self.has_streak_tripped = False
        account["loss_base"] = account["equity"]
        account["losses_judged"] = loss.ALL_LOSSES
        if new_peak:
            account["drawdown_peak"] = account["equity"]


def _level_of(leg: Leg, fill: Fill, role: str) -> int | None:
    """Give the price that an execution should be near, None where it has none."""
    if not role:
        return leg.order.limit_price if fill.is_rested else leg.order.entry_level
    kind = role_kind(role)
    if kind == "SL":
        return leg.order.stop_loss_price
    return leg.order.take_profit_price if kind == "TP" else None
