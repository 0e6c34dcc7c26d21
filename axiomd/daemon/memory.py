"""What the journal remembers, folded back: the engine as it was, where the feed goes on, which days lack their folder.

The file is checked as it is read: a journal that fails its chain is never mended here, the daemon refuses to start and
says the last good row. Everything after a fold is the broker's to confirm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from axiomd.config.binding import bind
from axiomd.contracts import events as e
from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.errors import ConfigError, JournalCorrupt, WrongAccount
from axiomd.contracts.exact import canonical
from axiomd.contracts.outcome import CurvePoint
from axiomd.core.engine import Engine
from axiomd.core.recent import Recent
from axiomd.daemon.clock import wall_us
from axiomd.daemon.days import Days
from axiomd.daemon.identity import Identity
from axiomd.daemon.source import Source, source_of
from axiomd.feeds.playback import Position
from axiomd.feeds.recorded import TapeProcess
from axiomd.journal.live import LiveJournal
from axiomd.journal.log import Journal
from axiomd.journal.reading import broken_behind, chained
from axiomd.journal.verify import known_end
from axiomd.journal.watched import SymbolPlaces, journaled_symbols, with_watched

Listener = Callable[[int, e.Event, Callable[[], str]], None]
"""Takes every row's seq, event and hash in hex."""


@dataclass(slots=True)
class Memory:
    """What was found: rows, whose state dir it is, where the feed goes on, runs by session, reports known up to."""

    count: int = 0
    account: str = ""
    mode: str = ""
    config_hash: str = ""
    has_unjudged: bool = False
    """Whether no bar closed since the configuration was another: what works may not have been held against it yet."""
    money: tuple[object, ...] = ()
    """Currency and initial cash of the configuration read last."""
    has_traded: bool = False
    position: Position = field(default_factory=Position)
    candidates: dict[str, tuple[str, ...]] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    reports_known_us: int = -1
    has_orphaned_setups: bool = False


def remember(
    identity: Identity, recent: Recent, reader: TapeProcess | None = None
) -> tuple[Source, Engine, Memory, Days]:
    """Fold the journal of a state dir, in two readings: the feed's table must reach back to its first session.

    Raises `JournalCorrupt` with the last good row, `WrongAccount` where the dir is another's.
    """
    path = identity.places.journal
    config = identity.config
    if path.is_symlink() and not path.exists():
        # what it leads to is not mounted, say: a new one in its place would be a past that is forgotten
        raise JournalCorrupt("it is a link that leads nowhere", str(path), "bring back what it leads to, then start")
    if path.exists():
        config = _widened(config, path)
    source = source_of(config, _first_session(path) if path.exists() else "", wall_us(), reader)
    engine = Engine(bind(config, source.table, source.bar_us, "", identity.mode))
    days = Days(engine, identity.places.artifacts_dir, source.dropped_near)
    memory = Memory()

    def hear(seq: int, event: e.Event, head: Callable[[], str]) -> None:
        days.event(event, head, seq)
        recent.take(seq, event)

    if path.exists():
        memory = fold(path, engine, hear, days.mark)
        check_owner(memory, identity.mode, identity.account)
        check_money(memory, config, path)
        check_end(memory, identity.places.artifacts_dir, path)
    return source, engine, memory, days


def open_journal(path: Path, run_id: str, mode: int, known: int = 0) -> LiveJournal:
    """Open the journal to append to, a file of this mode. A new one is laid out beside and then put in its place, so
    that no crash leaves an empty file, which would read as a journal that was lost. `known` rows were found good."""
    if not path.exists():
        fresh = path.with_suffix(".new")
        for left in (fresh, *_beside(fresh), path.with_name(f"{fresh.name}-journal")):
            left.unlink(missing_ok=True)
        # SQLite would let everybody read it; what it lays beside a file gets the file's mode
        fresh.touch(mode)
        Journal(fresh, run_id).close()
        fresh.rename(path)
    for file in (path, *_beside(path)):
        with suppress(OSError):  # what the umask took or an older version gave; another's file is that other's
            file.chmod(file.stat().st_mode & mode | mode & 0o077)
    try:
        return LiveJournal(path, run_id)
    except JournalCorrupt as error:
        raise JournalCorrupt(f"{error.what}; the last good row is {known}", str(path), error.remedy) from error


def _beside(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def fold(path: Path, engine: Engine, on_event: Listener, on_mark: Callable[[CurvePoint], None]) -> Memory:
    """Fold a journal into a fresh engine, checking its chain. Raises `JournalCorrupt` with the last good row."""
    memory = Memory()
    decoders = e.readers()
    places, strategies = SymbolPlaces(engine.plan.symbols), {own.id for own in engine.plan.strategies}
    session_date, is_open = "", False
    for seq, _, kind, _, _, _, payload, _, digest in chained(path):
        memory.count = seq
        try:
            event = decoders[kind](payload)
        except (KeyError, msgspec.MsgspecError) as error:
            raise broken_behind(seq, f"row {seq} is no event of this version ({error})", path) from error
        if isinstance(event, e.ConfigLoaded):
            places.loaded(event)
            memory.has_unjudged |= memory.config_hash not in ("", event.config_hash)
            memory.config_hash, memory.money = event.config_hash, _money_of(event.config)
        elif isinstance(event, e.BarsClosed):
            event = places.today(event)
            memory.has_unjudged = False
        elif isinstance(event, e.CandidatesSelected):
            if event.strategy not in strategies:
                raise ConfigError(
                    f"the journal has traded strategy {event.strategy}, which the configuration does not name",
                    str(path),
                    "name it on, or use another --instance",
                )
            memory.candidates[event.strategy] = event.symbols
        elif isinstance(event, e.FillReceived):
            memory.has_traded = True
        on_event(seq, event, digest.hex)
        engine.fold(event)
        for point in engine.curve.take():
            on_mark(point)
        if isinstance(event, e.SessionOpened):
            session_date, is_open = event.session, True
            memory.runs.append(event.run_id)
            memory.reports_known_us = event.open_us - 1
        elif isinstance(event, e.SessionClosed):
            is_open = False
            memory.reports_known_us = event.ts_us
        elif isinstance(event, e.RunStarted):
            memory.account, memory.mode = event.account, event.mode
    memory.position = Position(int(engine.account["now_us"]) if memory.count else -1, session_date, is_open)
    memory.has_orphaned_setups = engine.has_setups_left
    return memory


def check_end(memory: Memory, artifacts_dir: Path, path: Path) -> None:
    """Rows missing at the end leave a whole chain: the newest run folder knows how many there were at its close."""
    for run_id in reversed(memory.runs):
        known = known_end(artifacts_dir / "runs" / run_id / path.name)[1]
        if known is not None:
            if known > memory.count:
                raise broken_behind(memory.count, f"it had {known} rows when {run_id} was written", path)
            return


def check_owner(memory: Memory, mode: str, account: str) -> None:
    """A state dir belongs to one (mode, account); `WrongAccount` for any other."""
    if memory.account and (memory.mode, memory.account) != (mode, account):
        raise WrongAccount(
            f"the state dir belongs to {memory.mode} {memory.account}, not to {mode} {account}",
            "state dir",
            "use another --instance",
        )


def check_money(memory: Memory, config: DaemonConfig, path: Path) -> None:
    """What the books of executions began with stays: counted anew, equity and losses would jump. `ConfigError`."""
    if not memory.has_traded:
        return
    ours = config.model_dump(mode="json", include=set(_MONEY))
    for name, before in zip(_MONEY, memory.money, strict=True):
        now = canonical(ours[name])
        if before != now:
            raise ConfigError(
                f"{name} is {now}, and the journal has traded from {before}",
                str(path),
                f"write {name}: {before}, or use another --instance",
            )


_MONEY: Final = ("currency", "initial_cash")


def _money_of(document: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(document[name] for name in _MONEY)


def _widened(config: DaemonConfig, path: Path) -> DaemonConfig:
    try:
        return with_watched(config, journaled_symbols(path))
    except (JournalCorrupt, msgspec.MsgspecError):
        return config  # the fold says what is wrong with it


def _first_session(path: Path) -> str:
    """Give the date of the first session; what cannot be read is the fold's to report, with its last good row."""
    try:
        for row in chained(path):
            if row[2] == e.SessionOpened.KIND:
                return msgspec.json.decode(row[6], type=e.SessionOpened).session
    except (JournalCorrupt, msgspec.MsgspecError):
        return ""
    return ""
