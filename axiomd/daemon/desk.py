"""The desk: the one owner of the engine, where what happens is written down, decided and carried out, in that order.

Journal first, then the broker: intents of one moment are one transaction, durable before the first byte leaves, and
the latch is read right before every opening send, which may hold the orders of many groups. Everything else in the
daemon sends the desk messages; nothing else touches the engine. A dead journal latches, and cancels and closes go on
without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from axiomd import latch
from axiomd.contracts import events as e
from axiomd.contracts.commands import (
    CancelEntry,
    ClosePosition,
    Command,
    SendEntries,
    TripLatch,
)
from axiomd.contracts.errors import BrokerUnavailable, JournalWriteFailed
from axiomd.contracts.orders import split_reference
from axiomd.contracts.truth import Truth
from axiomd.core.engine import Engine
from axiomd.core.orders.adoption import adoption_of
from axiomd.core.orders.reconcile import Reconciliation, reconcile, unheard_reports
from axiomd.core.uncollected import uncollected
from axiomd.daemon.clock import monotonic_us, wall_us
from axiomd.daemon.ears import Ears, Lap
from axiomd.daemon.ledger import Beside, Committing, Ledger
from axiomd.daemon.sim_link import SimLink
from axiomd.feeds.playback import Rows
from axiomd.journal.beside import Writer
from axiomd.journal.log import Journal

LATCHED_REASON_MAX: Final = 160
DECIDED_TOGETHER: Final = 25
"""Setups of a moment that are decided before what came of them is written down."""
SENT_TOGETHER_MAX: Final = 50
"""Groups that leave in one write, behind one look at the latch: what a write holds no trip can stop any more."""


class Desk:
    """Drive one engine live. All methods are called by one task at a time; `beside` runs a commit off the loop."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        link: SimLink,
        state_dir: Path,
        *,
        ears: Ears,
        age_us_max: int,
        beside: Beside | None = None,
    ) -> None:
        self.engine = engine
        self.ledger = Ledger(journal, ears, beside)
        self.link = link
        self.ears = ears
        self.is_latch_lost = False
        self.truth = Truth()
        """The broker's word as of the last look, without its reports."""
        self.looks = 0
        self.protection: dict[str, str] = {}
        """Exits that the broker has, by symbol; an entry's children lie with it before it fills."""
        self.between_sessions: Callable[[int], int] | None = None
        """Gives market time where no session is under way, by the time of the newest thing that happened."""
        self._state_dir = state_dir
        self._age_us_max = age_us_max

    @property
    def journal(self) -> Journal:
        """Give the journal, for whoever ends with it."""
        return self.ledger.journal

    @property
    def is_journal_dead(self) -> bool:
        """Say whether nothing can be written down any more."""
        return self.ledger.is_dead

    def begin_without_journal(self) -> None:
        """The journal could not even be opened: from the first moment on only what makes us safer goes out."""
        self.ledger.lose()
        self.engine.lose_journal()

    async def hand_over(self, writer: Writer) -> None:
        """Have a process beside write the journal from here on."""
        await self.ledger.hand_over(writer)

    @property
    def market_us(self) -> int:
        """Market time: of the newest thing that happened, and the clock's where no session is under way."""
        newest_us = self.engine.now_us
        if self.between_sessions is None or self.engine.is_in_session:
            return newest_us
        return self.between_sessions(newest_us)

    def open_keys(self) -> tuple[str, ...]:
        """Give the keys of the entries that may still fill."""
        return tuple(leg.order.idempotency_key for legs in self.engine.book.open.values() for leg in legs)

    def protected(self) -> dict[str, str]:
        """Name the exits of each open position that the broker has confirmed."""
        return {
            holding.order.symbol: split_reference(holding.closing).role or self.protection.get(holding.order.symbol, "")
            for holding in self.engine.holdings.values()
        }

    # --- what happens ---

    async def take(self, event: e.Event, cause: int = 0) -> None:
        """Write an event down, let the engine have it, and do what it asks."""
        seq = self.ledger.append(event, cause)
        await self._carry_out(self.engine.handle(event), seq)

    async def moment(self, ts_us: int, rows: Rows, heard_us: int = 0) -> None:
        """All bars that closed together: the broker first, then its reports, then our own decisions."""
        # a moment of many orders makes enough records to call the collector in the middle of it; it can wait till after
        with uncollected():
            await self._moment(ts_us, rows, heard_us)

    async def _moment(self, ts_us: int, rows: Rows, heard_us: int) -> None:
        began_us = monotonic_us()
        told = self.link.tell_moment(ts_us, rows)
        # where nothing rests nothing can come of the bars, and orders of this moment reach the broker behind them
        is_quiet = not self._may_rest
        if not is_quiet:
            for report in await told:
                await self._report(report)
        event = e.BarsClosed(ts_us=ts_us, rows=rows, heard_us=heard_us)
        seq = self.ledger.append(event, 0)
        lap = Lap(self.ears, began_us, began_us)
        await self._carry_out(self.engine.mark(event), seq)
        if self.engine.has_setups_left:
            await self._send(self._decided(seq), lap)
            self.ledger.tell()
        if is_quiet:
            await self._hear(told)
        await self.commit()
        if not lap.has_sent:
            lap.tell_pipeline()
        await self.ledger.tidy()

    @property
    def _may_rest(self) -> bool:
        """Say whether the broker may hold something of this account that bars could touch."""
        engine = self.engine
        return bool(
            engine.book.open or engine.holdings or engine.foreign or engine.foreign_keys or not engine.is_reconciled
        )

    async def open_session(self, opened: e.SessionOpened, chosen: Sequence[e.CandidatesSelected]) -> None:
        """A session begins, with its candidates: one transaction."""
        for event in (opened, *chosen):
            seq = self.ledger.append(event, 0)
            await self._carry_out(self.engine.handle(event), seq)
        await self.commit()

    async def end_session(self, ts_us: int, session: str) -> None:
        """A session is over: the broker closes what should be flat, then our books close."""
        for report in await self.link.end_session(ts_us):
            await self._report(report)
        # a day's books close with all that the broker did in it, also what it has not told yet
        await self._hear_missed(self.engine.session_open_us - 1)
        await self.take(e.SessionClosed(ts_us=ts_us, session=session))
        self.ledger.end_session()
        await self.commit()
        self.ledger.note_end()

    async def reports(self, reports: Sequence[e.Event]) -> None:
        """What the broker said unasked."""
        for report in reports:
            await self._report(report)
        await self.commit()

    async def operate(self, command: e.OperatorCommand) -> str:
        """A person asks for something that the engine decides; gives why it cannot be, nothing where it was done.

        What cannot be done is not written down as a command: whoever folds the journal takes one for done.
        """
        if command.name == "close" and (refusal := self.engine.why_not_close(command)):
            return refusal
        await self.take(command)
        await self.commit()
        return ""

    # --- the kill switch ---

    async def trip(self, level: e.KillLevel, reason: str, source: str, by: str) -> None:
        """Latch before anything else, then write it down and act."""
        await self._latch(level, reason, source, by, 0)
        await self.commit()

    async def found_tripped(self, state: latch.LatchState, source: str = "latch") -> None:
        """The latch was tripped by somebody else: obey it."""
        if state.trip_id != self.engine.trip_id:
            await self.take(_tripped(self.market_us, state, source))
            await self.commit()
            self._tell_trip(state)

    async def resume(self, trip_id: str, operator: str, reason: str, *, new_peak: bool) -> None:
        """Release the latch: journaled first, the file second; where the two disagree, tripped wins."""
        event = e.KillReset(ts_us=self.market_us, trip_id=trip_id, operator=operator, reason=reason, new_peak=new_peak)
        seq = self.ledger.append(event, 0)
        await self.commit()
        await self._carry_out(self.engine.handle(event), seq)
        await self.commit()
        try:
            latch.release(self._state_dir, trip_id, at_us=wall_us(), by=operator, reason=reason)
        except latch.LatchError:
            # another trip came meanwhile, or the file cannot be had: the journal must say tripped again, as it does
            await self.found_tripped(latch.read(self._state_dir))
            raise

    async def _latch(self, level: e.KillLevel, reason: str, source: str, by: str, cause: int) -> None:
        try:
            state = latch.trip(self._state_dir, level, at_us=wall_us(), by=by, reason=reason[:LATCHED_REASON_MAX])
        except latch.LatchError:
            # not even the file could be removed: nothing keeps a restart from being armed, so we stay and act
            self.is_latch_lost = True
            state = latch.LatchState(level=level, trip_id=f"lost-{wall_us()}", at_us=wall_us(), by=by, reason=reason)
        self._tell_trip(state)
        await self.take(_tripped(self.market_us, state, source), cause)

    def _tell_trip(self, state: latch.LatchState) -> None:
        for ear in self.ears.trip:
            ear(state.level, state.reason)

    # --- the broker's truth ---

    async def recover(self, since_us: int) -> Reconciliation:
        """Hear what was missed, decide what is unsure, and say what differs still."""
        await self.take(e.ReconStarted(ts_us=self.market_us))
        truth, has_missed = await self._hear_missed(since_us)
        await self.commit()
        if has_missed:
            truth = await self.link.truth(since_us)
        found = reconcile(self.engine, truth, since_us)
        if found.unsure or found.unanswered:
            commands, given_up = self.engine.settle_unsure(found.unsure, self.market_us, self._age_us_max)
            await self._carry_out(commands, 0)
            for key in (*given_up, *found.unanswered):
                await self._report(e.OrderExpired(ts_us=self.market_us, key=key, reason="missed"))
            await self.commit()
            truth = await self.link.truth(since_us)
            found = reconcile(self.engine, truth, since_us)
        # the reports were heard, and a busy day's are megabytes
        self.truth = msgspec.structs.replace(truth, reports=())
        self.looks += 1
        self._note_protection(truth)
        return found

    async def adopt(self, reason: str, operator: str, since_us: int) -> e.ReconAdopted:
        """Take the broker's truth for ours, after all that is still explained was heard; foreign entries go."""
        await self.recover(since_us)
        truth = await self.link.truth(since_us)
        adopted = adoption_of(
            self.engine, truth, ts_us=self.market_us, reason=reason, operator=operator, since_us=since_us
        )
        await self.take(adopted)
        await self.commit()
        entries = [order.reference for order in truth.orders if order.reference in adopted.references]
        await self.cancel(entries, "cancelled:operator")
        return adopted

    async def _hear_missed(self, since_us: int) -> tuple[Truth, bool]:
        """Take in what the broker made known and we have not heard; gives its word, and whether there was any."""
        truth = await self.link.truth(since_us)
        unheard = unheard_reports(self.engine, truth, since_us)
        for report in unheard:
            await self._report(report)
        return truth, bool(unheard)

    def _note_protection(self, truth: Truth) -> None:
        roles: dict[str, list[str]] = {}
        for order in truth.orders:
            role = split_reference(order.reference).role
            if role:
                roles.setdefault(order.symbol, []).append(role)
        self.protection = {symbol: " ".join(sorted(names)) for symbol, names in roles.items()}

    async def agree(self) -> None:
        """Both truths agree: from here on orders may open."""
        positions = {
            self.engine.plan.instruments[index].symbol: holding.sign * holding.qty
            for index, holding in self.engine.holdings.items()
        }
        await self.take(e.ReconCompleted(ts_us=self.market_us, positions=positions))
        await self.commit()

    async def lose(self, reason: str) -> None:
        """The broker is out of reach: nothing opens until both truths were compared again."""
        if self.engine.is_connected:
            await self.take(e.BrokerLost(ts_us=self.market_us, reason=reason))
            await self.commit()

    async def ask_again(self) -> None:
        """Ask anew for what was asked and never answered: no command outlives a disconnect or a restart."""
        await self.carry_out(self.engine.forget_requests())

    async def carry_out(self, commands: list[Command]) -> None:
        """Do what the engine asked for outside of an event, as after a fold."""
        await self._carry_out(commands, 0)
        await self.commit()

    async def cancel_entries(self, reason: str) -> None:
        """Take every working entry off, as at a stop."""
        await self.cancel(self.open_keys(), reason)

    async def cancel(self, keys: Sequence[str], reason: str) -> None:
        """Take single entries off."""
        for key in keys:
            await self._execute(CancelEntry(key=key, reason=reason))
        await self.commit()

    # --- carrying out ---

    def _decided(self, cause: int) -> list[SendEntries]:
        """Decide the setups of a moment and write down what came of each; gives what is to be sent.

        Who listens hears of it behind the send, which should wait for nobody.
        """
        sends: list[SendEntries] = []
        signal_seq = cause
        for commands in self.engine.take_some_setups(DECIDED_TOGETHER):
            events: list[Any] = []
            causes: list[int] = []
            before = self.journal.count
            # what a setup asks for is either of these two; of thousands, `isinstance` would take twice as long
            for command in commands:
                if type(command) is SendEntries:
                    sends.append(command)
                    continue
                events.append(command)
                causes.append(signal_seq)
                if type(command) is e.SignalEmitted:
                    signal_seq = before + len(events)
            self.ledger.append_ahead(events, causes)
        return sends

    async def _carry_out(self, commands: list[Command], cause: int) -> None:
        self.ears.see(self.engine.curve.take())
        signal_seq = cause
        sends: list[SendEntries] = []
        for command in commands:
            if isinstance(command, e.Event):
                seq = self.ledger.append(command, signal_seq)
                if isinstance(command, e.SignalEmitted):
                    signal_seq = seq
            elif isinstance(command, SendEntries):
                sends.append(command)
            elif isinstance(command, TripLatch):
                await self._latch(command.level, command.reason, "guard", command.reason, cause)
            elif isinstance(command, CancelEntry | ClosePosition):
                await self._execute(command)
        await self._send(sends, None)

    async def _send(self, sends: Sequence[SendEntries], lap: Lap | None) -> None:
        """Opening orders: durable first, the latch right before each write, then out."""
        if not sends:
            return
        if lap is not None:
            lap.tell("signal")
        committing = self.ledger.begin_commit()
        # the disk works meanwhile
        batches = [sends[first : first + SENT_TOGETHER_MAX] for first in range(0, len(sends), SENT_TOGETHER_MAX)]
        leaves = [self.link.prepare(batch, self.market_us) for batch in batches]
        await self._end_commit(committing)
        if lap is not None:
            lap.tell("intent")
        answers: list[Awaitable[Sequence[e.Event]]] = []
        for batch, leave in zip(batches, leaves, strict=True):
            try:
                # nothing that passed the latch may still be with us when it is read for the next
                await self.link.drain()
                if self.is_journal_dead or latch.read(self._state_dir).is_tripped:
                    for command in batch:
                        await self._give_up(command)
                    continue
                answers.append(leave())
            except BrokerUnavailable as error:
                # unsure, like everything that is not answered: the reconciliation after the disconnect settles it
                await self.lose(str(error))
                break
            if lap is not None:
                lap.tell("sent")
                if not lap.has_sent:
                    lap.tell_pipeline()
        self.ledger.tell()
        for answer in answers:
            await self._hear(answer)
            if lap is not None:
                lap.tell("acked")

    async def _give_up(self, command: SendEntries) -> None:
        """The latch fell between decision and send: nothing left, and that is written down."""
        for leg in command.legs:
            await self._report(e.OrderCancelled(ts_us=self.market_us, key=leg.value.idempotency_key, reason="killed"))

    async def _execute(self, command: SendEntries | CancelEntry | ClosePosition) -> None:
        if isinstance(command, ClosePosition):
            await self.commit()
        await self._hear(self.link.execute(command, self.market_us))

    async def _hear(self, answer: Awaitable[Sequence[e.Event]]) -> None:
        try:
            reports = await answer
        except BrokerUnavailable as error:
            # what was asked is unsure now: the reconciliation after the disconnect settles it
            await self.lose(str(error))
            return
        for report in reports:
            await self._report(report)

    async def _report(self, event: e.Event) -> None:
        key = e.key_of(event)
        if isinstance(event, e.FillReceived):
            if self.engine.knows_execution(event.fill.exec_id):
                return  # said again: an execution is journaled once
            if not split_reference(key).role:
                self.protection[event.fill.symbol] = "bracket"
        await self.take(event, self.ledger.cause_of(key) or self.ledger.cause_of(split_reference(key).key))

    # --- the journal ---

    async def commit(self) -> None:
        """Make everything appended durable. A journal that cannot be written latches and is dead from then on."""
        await self._end_commit(self.ledger.begin_commit())

    async def _end_commit(self, committing: Committing | None) -> None:
        try:
            await self.ledger.end_commit(committing)
        except JournalWriteFailed as error:
            await self._lose_journal(error)

    async def _lose_journal(self, error: JournalWriteFailed) -> None:
        self.ledger.lose()
        self.engine.lose_journal()
        await self._latch("halt", f"JournalFailure: {error.what}", "journal", "JournalFailure", 0)


def _tripped(ts_us: int, state: latch.LatchState, source: str) -> e.KillTripped:
    level: e.KillLevel = "flatten" if state.level == latch.FLATTEN else "halt"
    return e.KillTripped(ts_us=ts_us, level=level, reason=state.reason, trip_id=state.trip_id, source=source)
