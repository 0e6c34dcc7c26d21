"""A recorded day fed through the engine again: every decision is made once more and held against the recorded one.

Inputs of the journal go in, decisions of the journal are what must come out, bit for bit and in order. It needs nothing
but the journal and, where that refers to a tape, the bars of that hash.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from axiomd.config.binding import bind
from axiomd.config.rates import rates_of
from axiomd.contracts import events as e
from axiomd.contracts.commands import Command
from axiomd.contracts.errors import JournalCorrupt
from axiomd.contracts.orders import Source
from axiomd.contracts.runs import RunConfig
from axiomd.contracts.units import MINUTE_US
from axiomd.core.engine import Engine
from axiomd.core.market.tape import Tape
from axiomd.core.plan import Plan
from axiomd.feeds.calendars import session_table
from axiomd.journal.reading import Entry, entries
from axiomd.journal.watched import SymbolPlaces, symbols_of, with_watched

FindTape = Callable[[e.RunStarted, RunConfig, date], Tape | None]
"""Finds the bars a replay's journal refers to, up to the date of its last session."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision that did not come out again; either side is None where there was none."""

    seq: int
    recorded: e.Event | None
    decided: e.Event | None

    def line(self) -> str:
        """Say it in one line."""
        return f"seq {self.seq}: recorded {_text(self.recorded)}, decided {_text(self.decided)}"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How many decisions came out again, and those that did not."""

    events: int
    decisions: int
    differences: tuple[Difference, ...]


def replay_journal(path: Path, tape_of: FindTape) -> Confirmation:
    """Decide a journal again. `tape_of` finds the bars a replay's journal refers to. Raises `JournalCorrupt`."""
    recorded = list(entries(path))
    if not recorded:
        raise JournalCorrupt("the journal is empty", str(path), "name the journal of a run")
    binder = _Binder(path, recorded, tape_of)
    return decide_again(binder.engine(), recorded, binder.rebound)


Rebind = Callable[[Engine, list[Entry], e.ConfigLoaded], Engine]
"""Gives the engine that goes on under another configuration, after the entries so far."""


def decide_again(engine: Engine, recorded: Iterable[Entry], rebind: Rebind | None = None) -> Confirmation:
    """Give a fresh engine the inputs of a journal and hold its decisions against the recorded ones.

    A close that a restart asked for anew follows from no event of the journal: it is taken as it stands. Without
    `rebind` the configuration must be one and the same all through.
    """
    before: list[Entry] = []
    digest, has_changed = "", False
    pending: deque[e.Event] = deque()
    differences: list[Difference] = []
    events = decisions = seq = 0
    for entry in recorded:
        events, seq = events + 1, entry.seq
        event = entry.event
        if isinstance(event, e.ConfigLoaded):
            is_start = bool(before) and isinstance(before[-1].event, e.RunStarted)
            # a start folds all anew: after limits that changed under way, its state is not that of who went on
            if rebind is not None and (digest not in ("", event.config_hash) or (is_start and has_changed)):
                engine = rebind(engine, before, event)
            has_changed = (has_changed or digest not in ("", event.config_hash)) and not is_start
            digest = event.config_hash
        before.append(entry)
        if not isinstance(event, e.DECISIONS):
            pending.extendleft(reversed(_records(engine.handle(event))))
            continue
        decisions += 1
        if not pending and engine.has_setups_left:
            pending.extend(_records(engine.take_setups()))
        if not pending and isinstance(event, e.OrderIntent) and event.order.parent_key:
            engine.handle(event)
            continue
        decided = pending.popleft() if pending else None
        if decided != event:
            differences.append(Difference(seq, event, decided))
    differences.extend(Difference(seq, None, decided) for decided in pending)
    return Confirmation(events, decisions, tuple(differences))


class _Binder:
    """Make the engines of a journal: the first one, and one for each configuration that came later."""

    def __init__(self, path: Path, recorded: list[Entry], tape_of: FindTape) -> None:
        started = next((entry.event for entry in recorded if isinstance(entry.event, e.RunStarted)), None)
        loaded = next((entry.event for entry in recorded if isinstance(entry.event, e.ConfigLoaded)), None)
        days = [entry.event.session for entry in recorded if isinstance(entry.event, e.SessionOpened)]
        if started is None or loaded is None or not days:
            raise JournalCorrupt("it holds no run, no configuration or no session", str(path), "name a whole journal")
        self._path = path
        self._started = started
        self._first = RunConfig.model_validate(loaded.config)
        self._days = days
        self._tape = tape_of(started, self._first, date.fromisoformat(days[-1])) if started.market_sha256 else None

    def engine(self) -> Engine:
        """Give the engine of the first configuration, nothing taken in yet."""
        return self._engine(self._first)

    def _plan(self, config: RunConfig) -> Plan:
        started, tape = self._started, self._tape
        if tape is not None:
            sessions, bar_us = tape.sessions, tape.timeframe_us
        else:
            first, last = date.fromisoformat(self._days[0]), date.fromisoformat(self._days[-1])
            sessions, bar_us = session_table(config.calendar, first, last), MINUTE_US
        source = msgspec.convert(started.mode, Source)
        rates = rates_of(config, str(self._path), reads_files=False)
        return bind(config, sessions, started.bar_us or bar_us, started.run_id, source, str(self._path), rates)

    def _engine(self, config: RunConfig) -> Engine:
        engine = Engine(self._plan(config))
        if self._tape is not None:
            engine.watch(self._tape.bars)
        return engine

    def rebound(self, engine: Engine, before: list[Entry], event: e.ConfigLoaded) -> Engine:
        """Do what the daemon did: limits changed under way go onto the engine at work; a restart folds a new one."""
        loads = [entry.event for entry in before if isinstance(entry.event, e.ConfigLoaded)]
        known = sorted({symbol for load in loads for symbol in symbols_of(load.config)})
        config = with_watched(RunConfig.model_validate(event.config), known)
        if not isinstance(before[-1].event, e.RunStarted):
            engine.take_limits(self._plan(config))
            return engine
        again = self._engine(config)
        places = SymbolPlaces(again.plan.symbols)
        for entry in before:
            match entry.event:
                case e.ConfigLoaded() as load:
                    places.loaded(load)
                    again.fold(load)
                case e.BarsClosed() as bars:
                    again.fold(places.today(bars))
                case other:
                    again.fold(other)
        return again


def _records(commands: list[Command]) -> list[e.Event]:
    return [command for command in commands if isinstance(command, e.Event)]


def _text(event: e.Event | None) -> str:
    return "nothing" if event is None else f"{event.KIND} {msgspec.json.encode(event).decode()}"
