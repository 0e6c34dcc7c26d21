"""The replay: one engine, one simulated broker, one journal, under a clock that is the bars' own.

It feeds sessions, bars and the broker's reports to the engine in the order of 04 and carries out what the engine asks.
Between two moments that concern us the engine scans; at one, the broker matches first, then the engine decides. It
decides nothing itself but when an operator who is not there would resume.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, Final, Protocol, get_args

import numpy as np
from mypy_extensions import mypyc_attr

from axiomd.broker.port import BrokerCommand
from axiomd.broker.sim import SimBroker
from axiomd.contracts import events as e
from axiomd.contracts.commands import (
    CancelEntry,
    ClosePosition,
    Command,
    SendEntries,
    TripLatch,
)
from axiomd.contracts.events import BarsClosed, FillReceived, OrderIntent, SignalEmitted
from axiomd.contracts.orders import split_reference
from axiomd.contracts.truth import Report
from axiomd.core.counts import counts_of, note_activity
from axiomd.core.engine import Engine
from axiomd.core.market.strip import find_first_rows
from axiomd.core.market.tape import Tape
from axiomd.core.metrics import percent_of_peak
from axiomd.core.plan import Plan
from axiomd.core.scan import TOUCHED
from axiomd.core.strategies.api import Candidates
from axiomd.core.uncollected import uncollected
from axiomd.replay.identity import Identity
from axiomd.runs.recorder import Recorder

SIM_ACCOUNT: Final = "SIM"
RECORDED_TOGETHER: Final = 200
"""Events are put on the record by so many: what does it stays in the processor's cache, and so do they."""
NEVER_RESUMED: Final = frozenset({"MaxDrawdown"})
"""After these only a raised limit or a new peak resumes, and a replay has neither."""

SelectCandidates = Callable[[int], Mapping[str, Candidates]]
"""Gives each strategy's candidates for a session index of the tape's table."""
Progress = Callable[[int], None]
Append = Callable[[e.Event, int], int]
Decide = Callable[[Any], list[Command]]


class Log(Protocol):
    """Where events go where they are kept."""

    def append(self, event: e.Event, cause: int = 0) -> int:
        """Take an event in and give its seq."""
        ...

    def commit(self) -> None:
        """Make durable what was appended."""
        ...


class Pace:
    """Hold market time to `speed` times the machine's monotonic clock, anew from the open of each session."""

    def __init__(self, speed: float, monotonic_us: Callable[[], int], sleep: Callable[[float], None]) -> None:
        self._speed = speed
        self._monotonic_us = monotonic_us
        self._sleep = sleep
        self._market_us = self._machine_us = 0

    def begin(self, market_us: int) -> None:
        """Let market time begin now."""
        self._market_us, self._machine_us = market_us, self._monotonic_us()

    def wait_for(self, market_us: int) -> None:
        """Come back when market time has come so far."""
        due_us = self._machine_us + (market_us - self._market_us) / self._speed
        ahead_us = due_us - self._monotonic_us()
        if ahead_us > 0:
            self._sleep(ahead_us / 1e6)


@mypyc_attr(allow_interpreted_subclasses=True)
class Replay:
    """Drive a plan over a tape; without a log no event is kept, and nothing but the record is left of the run.

    `first_session` is the first to be traded; those before it warm indicators up.
    """

    def __init__(
        self,
        plan: Plan,
        tape: Tape,
        log: Log | None,
        select: SelectCandidates,
        *,
        identity: Identity,
        first_session: int = 0,
        progress: Progress | None = None,
        pace: Pace | None = None,
    ) -> None:
        # bars name their symbol by its place, and compiled code looks no place up twice
        assert tape.symbols == plan.symbols, "a tape's symbols are its plan's, in their order"
        self.plan = plan
        self.engine = Engine(plan, explains=log is not None)
        self.engine.watch(tape.bars)
        self.broker = SimBroker(
            plan.symbols,
            [instrument.tick_size for instrument in plan.instruments],
            plan.costs_by_name,
            bar_us=plan.bar_us,
            skips_ambiguous=plan.skips_ambiguous,
        )
        self.recorder = Recorder(plan.initial_cash, plan.currency)
        self._tape = tape
        self._log = log
        self._append = None if log is None else log.append
        self._select = select
        self._identity = identity
        self._first_session = first_session
        self._progress = progress
        self._pace = pace
        self._seq_of: dict[str, int] = {}
        self._seq = self._cause = 0
        """What the log gave the report heard last, and the event that the commands under way came of."""
        self._told: list[e.Event] = []
        """What happened and is not on the record yet."""
        self._heard = self._hearing(log)
        """What takes in a report of a kind, and gives what the engine asks for."""
        self._carried_out = self._doing(log)
        """What carries out a command of a kind."""
        self._tripped_by: set[str] = set()
        self._trips = 0

    def run(self) -> None:
        """Run every session of the tape that has a bar, to the end."""
        # at full speed it makes records by the hundred thousand and no cycles; at a pace it may run for days
        with uncollected() if self._pace is None else nullcontext():
            self._run()

    def _run(self) -> None:
        sessions = self._tape.sessions
        first_rows = np.empty(len(sessions) + 1, np.int64)
        find_first_rows(self._tape.bars, sessions.open_us, first_rows)
        firsts, lasts = first_rows[:-1], first_rows[1:]
        held = np.flatnonzero(firsts < lasts)
        self._begin(int(sessions.open_us[held[0]]))
        rows = zip(firsts[held].tolist(), lasts[held].tolist(), strict=True)
        for (session, day, open_us, close_us), (first, last) in zip(sessions.spans(held), rows, strict=True):
            self._open_session(session, day, open_us, close_us)
            self._trade(first, last, close_us)
            self._close_session(session, day, close_us)
            if self._progress:
                self._progress(last - first)
        self._take(e.RunStopped(ts_us=int(sessions.close_us[held[-1]]), reason="tape ended"))
        if self._log is not None:
            self._log.commit()
        self._finish()

    def _begin(self, ts_us: int) -> None:
        identity = self._identity
        self._take(
            e.RunStarted(
                ts_us=ts_us,
                run_id=identity.run_id,
                mode="replay",
                account=SIM_ACCOUNT,
                code_version=identity.code_version,
                config_hash=identity.config_hash,
                market_sha256=self._tape.sha256,
                bar_us=self.plan.bar_us,
            )
        )
        self._take(e.ConfigLoaded(ts_us=ts_us, config_hash=identity.config_hash, config=dict(identity.config)))
        self._take(e.BrokerConnected(ts_us=ts_us, broker="sim", account=SIM_ACCOUNT))
        self._take(e.ReconStarted(ts_us=ts_us))
        self._take(e.ReconCompleted(ts_us=ts_us, positions={}))

    def _open_session(self, session: int, day: str, open_us: int, close_us: int) -> None:
        """A session begins, and with it what is chosen for it; after a trip it may be the operator's turn first."""
        is_traded, sessions = session >= self._first_session, self._tape.sessions
        if is_traded and self.engine.level and self.plan.resumes and not self._tripped_by & NEVER_RESUMED:
            self._resume(open_us)
        self._take(
            e.SessionOpened(
                ts_us=open_us,
                session=day,
                run_id=self.plan.run_id,
                open_us=open_us,
                close_us=close_us,
                rates=self.plan.rates_on(int(sessions.date_days[session])) if self.plan.daily_rates else {},
            )
        )
        if is_traded:
            for strategy, symbols in self._select(session).items():
                self._take(e.CandidatesSelected(ts_us=open_us, strategy=strategy, symbols=tuple(symbols)))

    def _close_session(self, session: int, day: str, close_us: int) -> None:
        """The broker closes what should be flat, then our books close."""
        self._hear(self.broker.end_session(close_us, self._last_bar))
        self._take(e.SessionClosed(ts_us=close_us, session=day))
        if len(self._told) >= RECORDED_TOGETHER:
            self._record()
        if session >= self._first_session:
            self.recorder.close_session(close_us, self.engine.equity)

    def _record(self) -> None:
        """Put on the record what happened."""
        self.recorder.take_all(self._told)
        self._told.clear()
        self.recorder.record.curve.extend(self.engine.curve.take())

    def _trade(self, first: int, last: int, close_us: int) -> None:
        """The session between its opening and its close."""
        if self._pace is not None:
            first = self._keep_pace(self._pace, first, last)
        self._walk(first, last, close_us)

    def _keep_pace(self, pace: Pace, first: int, last: int) -> int:
        """Walk moment by moment, each not before its time."""
        starts_us = self._tape.bars[:, 0]
        pace.begin(int(starts_us[first]))
        while first < last:
            start_us = int(starts_us[first])
            stop = int(starts_us.searchsorted(start_us, "right"))
            pace.wait_for(start_us + self.plan.bar_us)
            self._walk(first, stop, start_us + self.plan.bar_us)
            first = stop
        return first

    def _walk(self, first: int, last: int, horizon_us: int) -> None:
        """From one moment that concerns us to the next, until bars and time have come so far."""
        engine, touched = self.engine, self.engine.frame.touched
        advance, match, hear, append = engine.advance, self.broker.match, self._hear, self._append
        row, matched_us = first, -1
        while True:
            first = row
            flags, row, touched_us, count, commands = advance(first, last, horizon_us, matched_us)
            if commands is not None:
                seq = append(BarsClosed(ts_us=engine.now_us, first=first, last=row)) if append else 0
                if commands:
                    self._carry_out(commands, seq)
                if engine.has_setups_left:
                    self._carry_out(engine.take_setups(), seq)
            if flags == TOUCHED:
                matched_us = touched_us
                hear(match(touched(count), touched_us))
            elif not flags and row >= last:
                return

    def _last_bar(self, index: int) -> tuple[int, int, int]:
        symbol = self.engine.board.symbols[index]
        return int(symbol["last_ts_us"]), int(symbol["close"]), int(symbol["volume"])

    # --- events in, commands out ---

    def _hearing(self, log: Log | None) -> Mapping[type, tuple[Callable[[Any], None] | None, Decide]]:
        """Put together, once for all reports of a kind, what becomes of one: written down, recorded; decided."""
        heard: dict[type, tuple[Callable[[Any], None] | None, Decide]] = {}
        for kind in get_args(Report):
            note = self._told.append if kind in self.recorder.stations else None
            if log is not None:
                write = partial(self._write_report, log.append)
                note = write if note is None else _first(write, note)
            heard[kind] = note, self.engine.stations[kind]
        return heard

    def _doing(self, log: Log | None) -> Mapping[type, Callable[[Any], None]]:
        """Put together, once for all commands of a kind, what is done about one."""
        done: dict[type, Callable[[Any], None]] = {
            SendEntries: self._execute,
            CancelEntry: self._execute,
            ClosePosition: self._execute,
            TripLatch: self._trip,
        }
        writers = {SignalEmitted: self._write_signal, OrderIntent: self._write_intent}
        for kind in e.DECISIONS:
            record = self._told.append if kind in self.recorder.stations else None
            if log is None:
                done[kind] = record or _leave_be
            else:
                write = partial(writers.get(kind, self._write_decision), log.append)
                done[kind] = write if record is None else _first(write, record)
        return done

    def _write_report(self, append: Append, event: Report) -> None:
        """The cause of a report is the newest event of its order."""
        seqs, key = self._seq_of, event.fill.reference if isinstance(event, FillReceived) else event.key
        self._seq = seqs[key] = append(event, seqs.get(key) or seqs.get(split_reference(key).key, 0))

    def _write_decision(self, append: Append, event: e.Event) -> None:
        append(event, self._cause)

    def _write_signal(self, append: Append, event: e.Event) -> None:
        """The cause of a decision is what was taken in, or the signal that came of it."""
        self._cause = append(event, self._cause)

    def _write_intent(self, append: Append, event: OrderIntent) -> None:
        self._seq_of[event.order.idempotency_key] = append(event, self._cause)

    def _hear(self, reports: Sequence[Report]) -> None:
        """Take reports of the broker in, one after the other."""
        heard = self._heard
        for event in reports:
            note, decide = heard[type(event)]
            if note is not None:
                note(event)
            commands = decide(event)
            if commands:
                self._carry_out(commands, self._seq)

    def _take(self, event: e.Event, cause: int = 0) -> None:
        """Write an event down that the broker has no part in, then let the engine have it."""
        seq = self._append(event, cause) if self._append else 0
        commands = self.engine.stations[type(event)](event)
        if commands:
            self._carry_out(commands, seq)

    def _carry_out(self, commands: list[Command], cause: int) -> None:
        """Do what the engine asks, in order; what is recorded before a send is durable before it leaves."""
        carried_out = self._carried_out
        self._cause = cause
        for command in commands:
            carried_out[type(command)](command)

    def _execute(self, command: BrokerCommand) -> None:
        cause = self._cause
        self._hear(self.broker.execute(command, self.engine.now_us))
        self._cause = cause

    def _trip(self, command: TripLatch) -> None:
        self._trips += 1
        self._tripped_by.add(command.reason)
        cause = self._cause
        self._take(
            e.KillTripped(
                ts_us=int(self.engine.account["now_us"]),
                level=command.level,
                reason=command.reason,
                trip_id=f"{self._identity.run_id}-{self._trips}",
                source="guard",
            ),
            cause,
        )
        self._cause = cause

    def _resume(self, ts_us: int) -> None:
        self._tripped_by.clear()
        self.recorder.record.operator_resumes += 1
        self._take(
            e.KillReset(ts_us=ts_us, trip_id=self.engine.trip_id, operator="replay", reason="resume: next_session")
        )

    def _finish(self) -> None:
        self._record()
        record, account = self.recorder.record, self.engine.account
        record.final_cash = int(account["cash"])
        record.max_drawdown = int(account["max_drawdown"])
        record.max_drawdown_pct = percent_of_peak(account["steepest_drawdown"], account["steepest_peak"])
        record.moments = int(account["moments"])
        record.moments_exposed = int(account["moments_exposed"])
        note_activity(record, self.plan, self.engine.board)
        record.counts = counts_of(self.plan, self._tape, self.engine.board)


def _first(note: Callable[[Any], None], then: Callable[[Any], None]) -> Callable[[Any], None]:
    """Do one thing with an event, then another."""

    def both(event: Any) -> None:
        note(event)
        then(event)

    return both


def _leave_be(event: e.Event) -> None:
    """What nobody records."""
    del event
