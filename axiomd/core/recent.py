"""What happened of late, as a fold over events: the last lines, the day's trades, what each guard last said.

It keeps what the engine has no use for and a console wants. It decides nothing, is bounded however long the daemon
runs, and is given every journaled event with its seq; a restart folds it again with the journal.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from axiomd.contracts import events as e
from axiomd.contracts.verdicts import Verdict
from axiomd.core.telling import fields_of, text_of

EVENTS_MAX: Final = 50
QUIET: Final = (e.BarsClosed, e.OrderSized, e.OrderSent, e.ConfigLoaded, e.ReconStarted)
"""Kinds that are no news to a person: they stand in the journal."""


class Line:
    """One event as a line of a console; it is put into words only when somebody looks."""

    __slots__ = ("event", "seq")

    def __init__(self, seq: int, event: e.Event) -> None:
        self.seq = seq
        self.event = event

    @property
    def text(self) -> str:
        """Say what happened in one line of fields."""
        return text_of(fields_of(self.event))


class GuardRecord:
    """What a guard judged since the run began; `figure` and `limit` of its last verdict, in the guard's own unit.

    `has_tripped`: that verdict was on what had happened, not on an order. `is_current`: no limit changed since.
    """

    __slots__ = ("checked", "figure", "has_tripped", "is_current", "last_us", "limit", "refused", "subject")

    def __init__(self) -> None:
        self.checked = 0
        self.refused = 0
        self.figure = 0
        self.limit = 0
        self.subject = ""
        self.last_us = 0
        self.has_tripped = False
        self.is_current = False


class Recent:
    """Fold events into what is worth showing; money of the session in account currency units."""

    def __init__(self) -> None:
        self.seq = 0
        self.lines: deque[Line] = deque(maxlen=EVENTS_MAX)
        self.guards: dict[str, GuardRecord] = {}
        self.realised = 0
        self.costs = 0
        self.trades = 0
        self.won = 0
        self.differences: tuple[str, ...] = ()
        self.recon_us = 0
        self.trip: e.KillTripped | None = None
        self.setups = 0
        self.losses_in_a_row = 0

    def take(self, seq: int, event: e.Event) -> None:
        """Take one journaled event in."""
        self.seq = seq
        match event:
            case e.SessionOpened():
                self.realised = self.costs = self.trades = self.won = self.setups = 0
            case e.PositionChanged() if event.trade is not None:
                self.realised += event.trade.net_pnl
                self.costs += event.trade.costs
                self.trades += 1
                self.won += event.trade.net_pnl > 0
                self.losses_in_a_row = self.losses_in_a_row + 1 if event.trade.net_pnl < 0 else 0
            case e.SignalEmitted():
                self.setups += 1
            case e.OrderIntent():
                self._judged(event.verdicts, event.order.symbol, event.ts_us)
            case e.OrderBlocked():
                self._judged(event.verdicts, event.order.symbol, event.ts_us)
                self._record(event.guard).refused += 1
            case e.GuardTripped():
                record = self._record(event.guard)
                record.figure, record.limit, record.last_us = event.figure, event.limit, event.ts_us
                record.has_tripped = record.is_current = True
            case e.ConfigLoaded():
                for record in self.guards.values():
                    record.is_current = False
            case e.KillTripped():
                self.trip = event
            case e.KillReset():
                self.trip = None
                self.losses_in_a_row = 0
            case e.ReconDrift():
                self.differences, self.recon_us = event.differences, event.ts_us
            case e.ReconCompleted() | e.ReconAdopted():
                self.differences, self.recon_us = (), event.ts_us
        if not isinstance(event, QUIET):
            self.lines.append(Line(seq, event))

    def _judged(self, verdicts: tuple[Verdict, ...], symbol: str, ts_us: int) -> None:
        for guard, figure, limit in verdicts:
            record = self._record(guard)
            record.checked += 1
            record.figure, record.limit, record.subject, record.last_us = figure, limit, symbol, ts_us
            record.has_tripped, record.is_current = False, True

    def _record(self, guard: str) -> GuardRecord:
        return self.guards.setdefault(guard, GuardRecord())
