"""A broker that behaves like the real one where it hurts: answers get lost, late, doubled and mixed up; it goes away.

Its own truth is a `SimBroker`, which no fault reaches: what it did it did, and says so when it is asked. It checks what
only a broker can see: a key that comes twice, an opening order without a durable intent or past the latch.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from random import Random
from typing import Protocol

import msgspec

from axiomd.broker.sim import SimBroker
from axiomd.contracts import events as e
from axiomd.contracts.commands import CancelEntry, ClosePosition, SendEntries
from axiomd.contracts.errors import BrokerUnavailable
from axiomd.contracts.orders import Order
from axiomd.contracts.truth import Report, Truth
from axiomd.core.compiled import plain
from axiomd.core.fills import commission
from axiomd.core.plan import Plan
from axiomd.daemon.sim_link import Leave, SimLink


class Faults(Protocol):
    """What decides where it hurts."""

    dice: Random
    is_rough: bool

    def point(self, name: str) -> None:
        """A place where a crash may come."""
        ...

    def chance(self, name: str) -> bool:
        """Say whether a fault of that kind strikes now."""
        ...

    def at_placement(self, orders: Sequence[Order]) -> None:
        """Look at opening orders as they arrive."""
        ...


class PartialSim(SimBroker):
    """Fill a part of an entry now and then and take the rest off, as an exchange does."""

    part: Callable[[int], int] = staticmethod(lambda qty: qty)

    def _enter(self, out, group, entered, bar, closes_us):  # type: ignore[no-untyped-def]
        entry = group[entered[1]]
        whole = entry.order
        qty = self.part(whole.qty)
        if qty < whole.qty:
            entry.order = msgspec.structs.replace(whole, qty=qty)
            what, place, price, slipped_ticks, _, *rest = entered
            entered = (what, place, price, slipped_ticks, plain(commission)(self._costs, qty, price), *rest)
        before = len(out)
        super()._enter(out, group, entered, bar, closes_us)
        if qty < whole.qty:
            out.insert(
                before + 1,
                e.OrderCancelled(ts_us=closes_us, key=whole.idempotency_key, reason="broker:rest", filled=qty),
            )


class RoughBroker(SimLink):
    """The line to it, with faults. What it decides to say late waits in `late`."""

    def __init__(self, plan: Plan, faults: Faults) -> None:
        super().__init__()
        self.sim = PartialSim(
            plan.symbols,
            [instrument.tick_size for instrument in plan.instruments],
            plan.costs_by_name,
            bar_us=plan.bar_us,
            skips_ambiguous=plan.skips_ambiguous,
        )
        self.sim.part = self._part  # type: ignore[method-assign]
        self.reports: list[Report] = []
        self.late: list[e.Event] = []
        self.placed: dict[str, int] = {}
        self.closings: dict[str, int] = {}
        self.seen_us = -1
        self.ended_us = -1
        self.is_down = False
        self._faults = faults

    def _part(self, qty: int) -> int:
        if qty > 1 and self._faults.is_rough and self._faults.chance("partial"):
            return self._faults.dice.randrange(1, qty)
        return qty

    async def attach(self, setup: object) -> None:
        """Be found again."""
        self._reach("attach")

    def send(self, command: SendEntries | CancelEntry | ClosePosition, ts_us: int) -> Awaitable[list[e.Event]]:
        """Carry a command out; the request, or only its answer, may be lost."""
        return _Given(self._carry_out(command, ts_us))

    def prepare(self, commands: Sequence[SendEntries], ts_us: int) -> Leave:
        """Carry groups that leave together out, one after the other; where one's answer is lost, all of theirs is."""
        return lambda: _Given([report for command in commands for report in self._carry_out(command, ts_us)])

    def _carry_out(self, command: SendEntries | CancelEntry | ClosePosition, ts_us: int) -> list[e.Event]:
        self._faults.point("before send")
        self._reach("request")
        if isinstance(command, SendEntries):
            orders = [leg.value for leg in command.legs]
            self._faults.at_placement(orders)
            for order in orders:
                self.placed[order.idempotency_key] = self.placed.get(order.idempotency_key, 0) + 1
            reports = self._reject(orders, ts_us) if self._faults.chance("reject") else self.sim.execute(command, ts_us)
        else:
            if isinstance(command, ClosePosition):
                self.closings[command.reference] = self.closings.get(command.reference, 0) + 1
            reports = self.sim.execute(command, ts_us)
        return self._answer(reports)

    def _reject(self, orders: Sequence[Order], ts_us: int) -> list[e.Event]:
        return [e.OrderRejected(ts_us=ts_us, key=order.idempotency_key, reason="no such luck") for order in orders]

    def tell_moment(
        self, ts_us: int, rows: Sequence[tuple[int, int, int, int, int, int, int]]
    ) -> Awaitable[list[e.Event]]:
        """Match a moment once, however often it is told. A line that breaks now is noticed when it is waited for."""
        self._faults.point("before moment")
        if self.is_down:
            self._reach("moment")
        try:
            self._reach("moment")
            reports = [] if ts_us <= self.seen_us else self.sim.match(rows, ts_us)
            self.seen_us = max(self.seen_us, ts_us)
            return _Given(self._answer(reports))
        except BrokerUnavailable as error:
            return _Given([], error)

    async def end_session(self, ts_us: int) -> list[e.Event]:
        """End a session once."""
        self._faults.point("before end of session")
        self._reach("end")
        reports = [] if ts_us <= self.ended_us else self.sim.end_session(ts_us)
        self.ended_us = max(self.ended_us, ts_us)
        return self._answer(reports)

    async def truth(self, since_us: int = 0) -> Truth:
        """Say what it knows: no fault reaches that."""
        self._faults.point("before truth")
        self._reach("truth")
        return self.sim.truth(tuple(report for report in self.reports if report.ts_us > since_us))

    def _reach(self, what: str) -> None:
        if self.is_down or (self._faults.is_rough and self._faults.chance(f"down at {what}")):
            self.is_down = True
            raise BrokerUnavailable("it does not answer", "rough broker", "wait")

    def _answer(self, reports: Sequence[e.Event]) -> list[e.Event]:
        self.reports.extend(reports)  # type: ignore[arg-type]
        self._faults.point("after send")
        if not self._faults.is_rough:
            return list(reports)
        if reports and self._faults.chance("answer lost"):
            self.is_down = True
            raise BrokerUnavailable("its answer was lost", "rough broker", "wait")
        now: list[e.Event] = []
        for report in reports:
            if self._faults.chance("late"):
                self.late.append(report)
                continue
            now.append(report)
            if self._faults.chance("twice"):
                self.late.append(report)
        if len(now) > 1 and self._faults.chance("mixed up"):
            self._faults.dice.shuffle(now)
        return now

    def overdue(self) -> list[e.Event]:
        """Give what is said late, all of it or a part, in any order."""
        if not self.late:
            return []
        self._faults.dice.shuffle(self.late)
        count = self._faults.dice.randrange(1, len(self.late) + 1)
        said, self.late = self.late[:count], self.late[count:]
        return said


class _Given:
    """What was said at once, to be waited for like anything else."""

    def __init__(self, reports: list[e.Event], error: BrokerUnavailable | None = None) -> None:
        self._reports = reports
        self._error = error

    def __await__(self) -> Generator[None, None, list[e.Event]]:
        if self._error is not None:
            raise self._error
        return self._reports
        yield
