"""What the broker says of orders: entries moved on, executions booked, and what either leads to.

A report may come late, twice or out of order; what the books cannot explain is a contradiction, which stops everything
that opens until both truths agree. One short method a report; the books themselves are `books`'.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from axiomd.contracts import events as e
from axiomd.contracts.commands import Command
from axiomd.contracts.events import PositionChanged
from axiomd.contracts.fills import Trade
from axiomd.contracts.orders import split_reference
from axiomd.core import board as b
from axiomd.core.board import column
from axiomd.core.books import Books
from axiomd.core.entries import Footing
from axiomd.core.frame import Frame
from axiomd.core.kill_switch import KillSwitch
from axiomd.core.orders.book import Leg
from axiomd.core.orders.lifecycle import AFTER, Happening
from axiomd.core.tripwires import Tripwires

NO_COMMANDS: Final[list[Command]] = []
"""Nothing is asked for: nobody may add to it."""
_CASH = column(b.ACCOUNT, "cash")
_REJECTED = Happening.REJECTED


class Reports:
    """Take the broker's word in. It moves `books`, and asks `tripwires` and `kill` what that trips."""

    def __init__(
        self, frame: Frame, books: Books, kill: KillSwitch, tripwires: Tripwires, footing: Footing,
        *, tells_all_moves: bool,
    ) -> None:  # fmt: skip
        self._now = frame.account
        self._books = books
        self._leg_of = books.book.legs.get
        self._kill = kill
        self._tripwires = tripwires
        self._footing = footing
        self._tells_all_moves = tells_all_moves

    def noting(self, happening: Happening) -> Callable[[e.OrderSent | e.OrderAcked], list[Command]]:
        """Give what takes in that the broker has an entry, or is about to: that neither ends it nor opens it again."""
        leg_of, after_of = self._leg_of, AFTER[happening].get

        def note(event: e.OrderSent | e.OrderAcked) -> list[Command]:
            leg = leg_of(event.key)
            if leg is not None:
                after = after_of(leg.state)
                if after is None:
                    return self._contradict_leg(leg, happening)
                leg.state = after
            return NO_COMMANDS

        return note

    def ending(self, happening: Happening) -> Callable[[e.OrderCancelled | e.OrderExpired], list[Command]]:
        """Give what ends an entry; one whose fills are not all told yet counts as open until they are."""

        def end(event: e.OrderCancelled | e.OrderExpired) -> list[Command]:
            leg = self._leg_of(event.key)
            if leg is None:
                self._books.end_closing(event.key)
                return NO_COMMANDS
            if event.filled > leg.filled:
                leg.end_at(event.filled, happening)
                return NO_COMMANDS
            return NO_COMMANDS if self._books.move(leg, happening) else self._contradict_leg(leg, happening)

        return end

    def reject(self, event: e.OrderRejected) -> list[Command]:
        """The broker refused an entry; many in a row trip."""
        leg = self._leg_of(event.key)
        out: list[Command] = []
        if leg is not None and not self._books.move(leg, _REJECTED):
            out += self._contradict_leg(leg, _REJECTED)
        for trip in self._tripwires.reject(event):
            self._kill.trip(out, trip)
        return out

    def fill(self, event: e.FillReceived) -> list[Command]:
        """An execution: money, position, the trade it closes, and the guards that look at fills."""
        fill, books = event.fill, self._books
        exec_id, reference = fill.exec_id, fill.reference
        if books.knows(exec_id):
            return NO_COMMANDS
        leg = self._leg_of(reference)
        role = ""
        if leg is None:
            key, role = split_reference(reference)
            leg = self._leg_of(key)
            if key in books.foreign_keys:
                books.note_foreign(fill)
                return NO_COMMANDS
            if leg is None:
                return self._contradict(f"execution {exec_id} of {reference} is of no order that we know")
        books.executions.add(exec_id)
        out: list[Command] = []
        is_flattened = self._kill.level == "flatten"
        if not role:
            books.enter(fill, leg, event.ts_us)
            self._look_at(out, event, leg, None, role)
            while books.early and (early := books.next_early(leg)) is not None:
                self._leave(out, early, leg, split_reference(early.fill.reference).role)
        elif books.can_leave(leg, fill):
            self._leave(out, event, leg, role)
        else:
            # told before its entry was: it waits, for what leaves must have come in
            books.wait(leg, event)
            return out
        if is_flattened:
            self._kill.close_late(out, leg.index, event.ts_us)
        return out

    def take_over(self, event: e.ReconAdopted) -> list[Command]:
        """The broker's truth is ours: what only we held is written off at its last CLOSE, what only it has is left."""
        books = self._books
        books.adopt(event)
        out: list[Command] = []
        for symbol, signed_qty in event.dropped.items():
            holding = books.holdings[books.index_of[symbol]]
            leg = books.book.legs[holding.order.idempotency_key]
            fill = books.write_off(holding, abs(signed_qty))
            self._leave(out, e.FillReceived(ts_us=event.ts_us, fill=fill), leg, "MANUAL")
        return out

    def _leave(self, out: list[Command], event: e.FillReceived, leg: Leg, role: str) -> None:
        """What leaves a position."""
        trade = self._books.leave(event.fill, leg, role, event.ts_us)
        self._look_at(out, event, leg, trade, role)
        if trade is not None:
            for trip in self._tripwires.trade(trade.net_pnl):
                self._kill.trip(out, trip)

    def _look_at(self, out: list[Command], event: e.FillReceived, leg: Leg, trade: Trade | None, role: str) -> None:
        """Tell of an execution that was booked, and have the guards look at it."""
        if trade is not None or self._tells_all_moves:
            qty, cash = self._books.position(leg.index), self._now[_CASH]
            out.append(
                PositionChanged(ts_us=event.ts_us, symbol=event.fill.symbol, qty=qty, cash_units=cash, trade=trade)
            )
        if self._tripwires.judges_fills:
            for trip in self._tripwires.fill(event.ts_us, event.fill, leg, role):
                self._kill.trip(out, trip)

    def _contradict_leg(self, leg: Leg, happening: Happening) -> list[Command]:
        key = leg.order.idempotency_key
        return self._contradict(f"order {key} is {leg.state.value} and was reported {happening.value}")

    def _contradict(self, reason: str) -> list[Command]:
        """The broker says what our books cannot explain: nothing opens until both truths agree, and the latch trips."""
        self._footing.is_reconciled = False
        return self._kill.contradict(reason)
