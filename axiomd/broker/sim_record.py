"""The simulated broker's record: an SQLite file with all that it needs to be the same broker after its death.

Requests since it was last idle, reports that a daemon may still ask for, and counters that no restart may repeat. What
it holds is durable when `commit` returns; it plays nothing again itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from axiomd.broker import sim_wire as wire
from axiomd.contracts.truth import Report

REPORTS_KEPT: Final = 20_000
"""The day's reports and more; older ones are nobody's business any more."""

_DDL: Final = """
CREATE TABLE IF NOT EXISTS inputs (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS reports (
    seq INTEGER PRIMARY KEY, ts_us INTEGER NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS reports_by_time ON reports(ts_us);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


class IdleState(msgspec.Struct, frozen=True, kw_only=True):
    """All that an idle broker needs to go on; `last` as in `SimBroker.last_bars`, times UTC us."""

    setup: wire.Setup
    next_id: int
    fills: int
    last: dict[int, tuple[int, int, int]]
    moment_us: int
    session_end_us: int
    session_before_us: int


class SimRecord:
    """The record on disk: requests since the broker was last idle, reports, counters."""

    def __init__(self, path: Path) -> None:
        # SQLite would let everybody read it; its WAL gets the file's mode
        path.touch(0o600)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_DDL)
        self._is_quiet = False
        self._is_open = False

    def inputs(self) -> list[bytes]:
        """Give the requests to be played again, in order."""
        return [bytes(body) for (body,) in self._db.execute("SELECT body FROM inputs ORDER BY seq")]

    def write(self, body: bytes, reports: Sequence[Report], *, is_quiet: bool) -> None:
        """Take a request and what came of it in, to be durable after `commit`.

        A quiet one survives our death, and the machine's only with the next one that is not: it is a bar that did
        nothing, which the daemon gives again.
        """
        if self._is_open and self._is_quiet and not is_quiet:
            self.commit()
        if not self._is_open:
            if self._is_quiet != is_quiet:
                self._db.execute(f"PRAGMA synchronous={'NORMAL' if is_quiet else 'FULL'}")
                self._is_quiet = is_quiet
            self._db.execute("BEGIN IMMEDIATE")
            self._is_open = True
        self._db.execute("INSERT INTO inputs(body) VALUES (?)", (body,))
        packed = ((report.ts_us, report.KIND, bytes(wire.pack(report)[1])) for report in reports)
        self._db.executemany("INSERT INTO reports(ts_us, kind, payload) VALUES (?,?,?)", packed)

    def commit(self) -> None:
        """Make durable what was taken in."""
        if self._is_open:
            self._db.execute("COMMIT")
            self._is_open = False

    def checkpoint(self, state: IdleState) -> None:
        """The broker is idle: keep its counters, drop the requests, and reports that nobody will ask for."""
        self.commit()
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("DELETE FROM inputs")
        self._db.execute("DELETE FROM reports WHERE seq <= (SELECT MAX(seq) FROM reports) - ?", (REPORTS_KEPT,))
        self._db.execute("INSERT OR REPLACE INTO state VALUES ('idle', ?)", (msgspec.json.encode(state).decode(),))
        self._db.execute("COMMIT")

    def idle_state(self) -> IdleState | None:
        """Give what was kept at the last checkpoint."""
        row = self._db.execute("SELECT value FROM state WHERE name = 'idle'").fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=IdleState)

    def reports(self, after_us: int) -> tuple[tuple[str, msgspec.Raw], ...]:
        """Give the reports that are kept of moments after `after_us`, in order."""
        rows = self._db.execute("SELECT kind, payload FROM reports WHERE ts_us > ? ORDER BY seq", (after_us,))
        return tuple((kind, msgspec.Raw(payload)) for kind, payload in rows)
