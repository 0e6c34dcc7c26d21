"""The kill switch as the engine sees it: the level in force, and what it asks for.

A level only rises until an operator releases it. Latching is the driver's, asked for by `TripLatch`; what opens is
refused from the instant a guard trips, without waiting for the latch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from axiomd.contracts import events as e
from axiomd.contracts.commands import CancelEntry, Command, TripLatch
from axiomd.contracts.events import KillLevel
from axiomd.contracts.verdicts import NO_VERDICTS
from axiomd.core.books import Books
from axiomd.core.compiled import Row
from axiomd.core.orders.book import Leg
from axiomd.core.orders.closing import closing_order, is_manual, kill_reference, manual_reference, request_of
from axiomd.core.portfolio import Holding
from axiomd.core.tripwires import Trip

_LEVELS: Final = {"": 0, "halt": 1, "flatten": 2}


def is_left_over(holding: Holding, open_us: int) -> bool:
    """Say whether a position should have been flat before a session that opens at `open_us`."""
    return 0 < holding.order.flatten_at_us <= open_us


class KillSwitch:
    """Hold the level; cancel and close as it says."""

    def __init__(self, books: Books, account: Row, levels: Mapping[str, KillLevel]) -> None:
        self.level = ""
        self.trip_id = ""
        self.levels = levels
        """The level of each guard that has one of its own."""
        self.unreleased: dict[str, int] = {}
        """The limit of each guard that tripped and was not released since; the latch names the newest trip alone."""
        self.is_folding = False
        """What a journal led to stands in it: nothing is asked for."""
        self._books = books
        self._account = account

    def raise_level(self, level: str) -> None:
        """Rise to a level, never fall."""
        if _LEVELS[level] > _LEVELS[self.level]:
            self.level = level

    def trip(self, out: list[Command], trip: Trip) -> None:
        """A guard asks for the latch, and refuses from this instant on."""
        level = self.levels.get(trip.guard, "halt")
        now_us = int(self._account["now_us"])
        tripped = e.GuardTripped(ts_us=now_us, guard=trip.guard, figure=trip.figure, limit=trip.limit, level=level)
        out.append(tripped)
        if not self.is_folding:
            self.note_guard(tripped)
        out.append(TripLatch(level=level, reason=trip.guard))

    def contradict(self, reason: str) -> list[Command]:
        """The broker says what our books cannot explain."""
        self.raise_level("halt")
        return [TripLatch(level="halt", reason=f"ReconDrift: {reason}")]

    def note_guard(self, event: e.GuardTripped) -> None:
        """A guard has tripped, just now or in a journal that is folded."""
        self.raise_level(event.level)
        self.unreleased[event.guard] = event.limit

    def note(self, event: e.KillTripped) -> None:
        """The latch is tripped."""
        self.raise_level(event.level)
        self.trip_id = event.trip_id

    def release(self) -> None:
        """An operator released the latch, and with it every trip so far."""
        self.level = self.trip_id = ""
        self.unreleased.clear()

    def obey(self, ts_us: int, *, is_urgent: bool) -> list[Command]:
        """Working entries go; at flatten positions are closed; protection stays until then."""
        out: list[Command] = []
        for legs in list(self._books.book.open.values()):
            self.cancel(out, legs, "killed")
        if self.level == "flatten":
            for holding in list(self._books.holdings.values()):
                if not holding.closing or is_manual(holding.closing):
                    self._close(out, holding, kill_reference(holding), holding.qty, ts_us, is_urgent=is_urgent)
        return out

    def close_late(self, out: list[Command], index: int, ts_us: int) -> None:
        """Close what came in after everything was closed: an entry that filled before its cancellation arrived."""
        holding = self._books.holdings.get(index)
        if holding is not None and not holding.closing and not self.is_folding:
            self._close(out, holding, kill_reference(holding), holding.qty, ts_us, is_urgent=False)

    def close_left_over(self, open_us: int) -> list[Command]:
        """Close what an intraday strategy should have flattened before this session opened (04)."""
        out: list[Command] = []
        for holding in list(self._books.holdings.values()):
            if is_left_over(holding, open_us) and not holding.closing:
                self._close(out, holding, kill_reference(holding), holding.qty, open_us, is_urgent=False)
        return out

    def close_by_hand(self, holding: Holding, qty: int, ts_us: int) -> list[Command]:
        """A person closes so much of a position."""
        out: list[Command] = []
        self._close(out, holding, manual_reference(holding), qty, ts_us, is_urgent=True)
        return out

    def _close(
        self, out: list[Command], holding: Holding, reference: str, qty: int, ts_us: int, *, is_urgent: bool
    ) -> None:
        """Close with one marketable order; the exits of what is closed go first."""
        holding.close(reference, qty, is_manual=is_manual(reference))
        order = closing_order(holding.order, reference, qty, ts_us, int(self._account["close_us"]))
        out.append(e.OrderIntent(ts_us=ts_us, order=order, told=NO_VERDICTS))
        out.append(request_of(holding, is_urgent=is_urgent))
        self._books.post(holding.index)

    def cancel(self, out: list[Command], legs: Sequence[Leg], reason: str) -> None:
        """Ask for entries to be taken off, once each."""
        for leg in legs:
            if not leg.cancelling:
                leg.cancelling = reason
                out.append(CancelEntry(key=leg.order.idempotency_key, reason=reason))

    def ask_again(self) -> list[Command]:
        """After a fold: whatever was asked of the broker and never answered is asked anew, but for a person's close."""
        for legs in self._books.book.open.values():
            for leg in legs:
                leg.cancelling = ""
        out: list[Command] = []
        for holding in self._books.holdings.values():
            if holding.closing and not is_manual(holding.closing):
                holding.closing_qty = holding.qty
                out.append(request_of(holding, is_urgent=False))
        if self.level:
            out.extend(self.obey(int(self._account["now_us"]), is_urgent=False))
        return out
