"""What the journal remembers, folded back: the engine as it was, where the feed goes on, which days lack their folder.

The file is checked as it is read: a journal that fails its chain is never mended here, the daemon refuses to start and
says the last good row. Everything after a fold is the broker's to confirm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from axiomd.contracts import events as e
from axiomd.contracts.commands import MarkEquity
from axiomd.contracts.errors import JournalCorrupt, WrongAccount
from axiomd.core.engine import Engine
from axiomd.feeds.playback import Position
from axiomd.journal.log import GENESIS, row_hash, rows

Listener = Callable[[int, e.Event], None]


@dataclass(slots=True)
class Memory:
    """What was found: rows, the account the state dir belongs to, where the feed goes on, reports known up to."""

    count: int = 0
    account: str = ""
    mode: str = ""
    position: Position = field(default_factory=Position)
    first_session: str = ""
    reports_known_us: int = -1
    has_orphaned_setups: bool = False


def fold(path: Path, engine: Engine, on_event: Listener, on_mark: Callable[[MarkEquity], None]) -> Memory:
    """Fold a journal into a fresh engine, checking its chain. Raises `JournalCorrupt` with the last good row."""
    memory = Memory()
    head = GENESIS
    decoders = {kind: msgspec.json.Decoder(event).decode for kind, event in e.BY_KIND.items()}
    session_date, is_open = "", False
    for seq, ts_us, kind, run_id, key, cause, payload, previous, digest in rows(path):
        expected = row_hash(previous, seq, ts_us, kind, run_id, key, cause, payload.encode())
        if seq != memory.count + 1 or previous != head or digest != expected:
            raise JournalCorrupt(
                f"the chain breaks after row {memory.count}", str(path), "restore it with axiomd journal restore"
            )
        memory.count, head = seq, digest
        event = decoders[kind](payload)
        on_event(seq, event)
        for mark in engine.fold(event):
            on_mark(mark)
        if isinstance(event, e.SessionOpened):
            session_date, is_open = event.session, True
            memory.first_session = memory.first_session or event.session
            memory.reports_known_us = event.open_us - 1
        elif isinstance(event, e.SessionClosed):
            is_open = False
            memory.reports_known_us = event.ts_us
        elif isinstance(event, e.RunStarted):
            memory.account, memory.mode = event.account, event.mode
    memory.position = Position(int(engine.account["now_us"]) if memory.count else -1, session_date, is_open)
    memory.has_orphaned_setups = engine.has_setups_left
    return memory


def check_owner(memory: Memory, mode: str, account: str) -> None:
    """A state dir belongs to one (mode, account); `WrongAccount` for any other."""
    if memory.account and (memory.mode, memory.account) != (mode, account):
        raise WrongAccount(
            f"the state dir belongs to {memory.mode} {memory.account}, not to {mode} {account}",
            "state dir",
            "use another --instance",
        )
