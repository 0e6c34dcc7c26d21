"""The journal held against itself: the chain of hashes, the order of rows, and what may never stand in it.

It reads and reports; it never mends. Rows missing at the end leave a whole chain, so the head and the count that were
written elsewhere (manifest, side file) are compared where they are at hand.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from axiomd.contracts import events as e
from axiomd.contracts.errors import InputError
from axiomd.contracts.orders import split_reference
from axiomd.journal import schema
from axiomd.journal.accounts import Accounts
from axiomd.journal.conduct import Conduct
from axiomd.journal.log import side_file
from axiomd.journal.reading import read_only, rows_of
from axiomd.journal.rows import GENESIS, Row, is_as_written


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found: rows read, the head, and every problem with its seq (0 for the file as a whole)."""

    count: int
    head: str
    problems: tuple[tuple[int, str], ...]

    @property
    def is_sound(self) -> bool:
        """Say whether nothing was found."""
        return not self.problems


PROBLEMS_MAX = 100
"""A journal broken from one row on repeats itself; so many are told."""


def verify(path: Path, *, head: str | None = None, count: int | None = None) -> Verification:
    """Check a journal whole. `head` and `count`: what they were when the run ended, where that is known.

    Raises `JournalCorrupt` only where the file cannot be read as a journal at all.
    """
    check = _Check()
    db = read_only(path)
    try:
        check.look_at_schema(db)
        for row in rows_of(db):
            check.take(row)
        check.compare(check.seq)
        (sound,) = db.execute("PRAGMA integrity_check(1)").fetchone()
        if sound != "ok":
            check.problem(0, f"the file is damaged: {sound}")
        projected = {symbol: qty for symbol, qty in db.execute("SELECT symbol, qty FROM positions") if qty}
        if projected != check.open_positions():
            check.problem(0, "the projection of positions differs from the fold")
    except (sqlite3.DatabaseError, ValueError) as error:
        check.problem(check.seq + 1, f"it cannot be read on: {error}")
    finally:
        db.close()
    if count is not None and count != check.seq:
        check.problem(0, f"it has {check.seq} rows, and had {count} when the run ended")
    elif head is not None and head != check.head.hex():
        check.problem(0, "its head is not the one it had when the run ended")
    check.compare_witness(path)
    return Verification(check.seq, check.head.hex(), tuple(check.problems[:PROBLEMS_MAX]))


class _Manifest(msgspec.Struct):
    journal_head: str | None = None
    journal_count: int | None = None


def known_end(path: Path) -> tuple[str | None, int | None]:
    """Find the head and the count that were written beside a journal: in the run's manifest.json.

    `InputError` where that cannot be read: it says nothing against the journal.
    """
    beside = path.parent / "manifest.json"
    if path.name != "journal.sqlite" or not beside.is_file():
        return None, None
    try:
        manifest = msgspec.json.decode(beside.read_bytes(), type=_Manifest)
        return manifest.journal_head, manifest.journal_count
    except (msgspec.MsgspecError, RecursionError, OSError) as error:
        raise InputError(
            f"the manifest cannot be read: {error}", str(beside), "restore it, or move it away and do without"
        ) from error


def _schema_of(db: sqlite3.Connection) -> dict[str, str]:
    return {f"{kind} {name}": sql for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_master")}


class _Check:
    """The fold that is made once over all rows."""

    def __init__(self) -> None:
        self.seq = 0
        self.head = GENESIS
        self.problems: list[tuple[int, str]] = []
        self._intents: set[str] = set()
        self._foreign: set[str] = set()
        self._executions: set[str] = set()
        self._positions: dict[str, int] = {}
        self._said: dict[str, int] = {}
        self._hash_at: dict[int, str] = {}
        self._conduct = Conduct()
        self._accounts = Accounts()
        self._decode = e.readers()

    def problem(self, seq: int, text: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append((seq, text))

    def open_positions(self) -> dict[str, int]:
        return {symbol: qty for symbol, qty in self._positions.items() if qty}

    def look_at_schema(self, db: sqlite3.Connection) -> None:
        """Hold the tables, triggers and views against those that a journal of its version is made with."""
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version not in schema.DDL:
            self.problem(0, f"its schema is version {version}, this program knows {schema.VERSION}")
            return
        with closing(sqlite3.connect(":memory:")) as made:
            made.executescript(schema.DDL[version])
            expected, found = _schema_of(made), _schema_of(db)
        for name in sorted(expected.keys() | found.keys()):
            if name not in found:
                self.problem(0, f"its {name} is gone")
            elif name not in expected:
                self.problem(0, f"it has a {name} that no journal has")
            elif found[name] != expected[name]:
                self.problem(0, f"its {name} is not the one a journal is made with")

    def take(self, row: Row) -> None:
        seq, ts_us, kind, _, key, cause, payload, previous, digest = row
        if seq != self.seq + 1:
            self.problem(seq, f"a row is missing: {self.seq} is followed by {seq}")
        if previous != self.head:
            self.problem(seq, "its link to the row before is broken")
        if not is_as_written(row):
            self.problem(seq, "its content is not what its hash says")
        if cause >= seq:
            self.problem(seq, f"its cause {cause} lies in its future")
        self.seq, self.head = seq, digest
        if kind == e.SessionClosed.KIND:
            self._hash_at[seq] = digest.hex()
        decode = self._decode.get(kind)
        if decode is None:
            self.problem(seq, f"unknown kind {kind}")
            return
        try:
            event = decode(payload)
        except msgspec.MsgspecError as error:
            self.problem(seq, f"its payload is no {kind}: {error}")
            return
        if (ts_us, key) != (event.ts_us, e.key_of(event)):
            self.problem(seq, "its time or its key is not that of its payload")
        for text in self._conduct.look(seq, cause, event):
            self.problem(seq, text)
        if not (isinstance(event, e.FillReceived) and event.fill.exec_id in self._executions):
            self._count(seq, event)
        self._look(seq, event)

    def _count(self, seq: int, event: e.Event) -> None:
        try:
            for text in self._accounts.look(event):
                self.problem(seq, text)
        except ArithmeticError:
            self.problem(seq, "I11: its quantities and rates come to no figure")

    def _look(self, seq: int, event: e.Event) -> None:
        """The invariants that keys and quantities alone can be held against: I1, I2, I3, and of I11 the positions."""
        match event:
            case e.OrderIntent(order=order):
                if order.idempotency_key in self._intents:
                    self.problem(seq, f"I1: a second intent of {order.idempotency_key}")
                self._intents.add(order.idempotency_key)
            case e.OrderSent(key=key) | e.OrderAcked(key=key):
                if key not in self._intents and split_reference(key).key not in self._intents:
                    self.problem(seq, f"I2: {key} reached the broker without an intent")
            case e.FillReceived(fill=fill):
                if fill.exec_id in self._executions:
                    self.problem(seq, f"I3: execution {fill.exec_id} stands there twice")
                self._executions.add(fill.exec_id)
                if split_reference(fill.reference).key in self._foreign:
                    return
                if split_reference(fill.reference).key not in self._intents:
                    self.problem(seq, f"I3: execution {fill.exec_id} of {fill.reference} has no intent")
                signed = fill.qty if fill.side == "BUY" else -fill.qty
                self._positions[fill.symbol] = self._positions.get(fill.symbol, 0) + signed
            case e.ReconAdopted(dropped=dropped, references=references):
                self._foreign.update(references)
                for symbol, signed in dropped.items():
                    self._positions[symbol] = self._positions.get(symbol, 0) - signed
            case e.PositionChanged(symbol=symbol, qty=qty):
                self._said[symbol] = qty
            case e.SessionClosed():
                self.compare(seq)

    def compare_witness(self, path: Path) -> None:
        """Hold the chain against the side file of the last closed session: what was there then must be there still."""
        beside = side_file(path)
        if not beside.is_file():
            return
        try:
            witness = json.loads(beside.read_text("ascii"))
            count, head = int(witness["count"]), str(witness["head"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            self.problem(0, f"its side file cannot be read: {error}")
            return
        if self.seq < count:
            self.problem(0, f"it has {self.seq} rows, and had {count} when a session closed")
        elif self._hash_at.get(count, head) != head:
            self.problem(count, "its hash is not the one it had when a session closed")

    def compare(self, seq: int) -> None:
        """Hold what was said of positions against their fills; not between fills, since an exit may be told first."""
        for symbol, qty in self._said.items():
            filled = self._positions.get(symbol, 0)
            if qty != filled:
                self.problem(seq, f"I11: {symbol} is said to be {qty}, its fills say {filled}")
