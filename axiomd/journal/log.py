"""The log: events appended with their hash, committed in groups, read back in order.

A row's hash covers every column and the hash before it, so no row can change, vanish or move unseen. What is appended
is durable after `commit` and not before; the caller commits before anything leaves for the broker. The log knows no
rule of trading.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from axiomd.contracts.errors import JournalCorrupt, JournalWriteFailed
from axiomd.contracts.events import Event, key_of, readers
from axiomd.journal import schema, wal

GENESIS: Final = b"\0" * 32
HOW_TO_RESTORE: Final = "put a copy that axiomd journal verify calls sound in its place, without the old -wal and -shm"
_COLUMNS: Final = "seq, ts_us, kind, run_id, key, cause, payload, prev_hash, hash"
_WIDTH: Final = len(_COLUMNS.split(", "))
STATEMENT_ROWS: Final = (25, 1)
"""More of them take longer a row, as their parameters leave the processor's cache."""
HELD_EVENTS: Final = 60
"""One call for each costs more than the writing; of thousands the first have left the cache when it is their turn."""

Row = tuple[int, int, str, str, str, int, str, bytes, bytes]
_TYPES: Final = (int, int, str, str, str, int, str, bytes, bytes)
_OF_THE_DISK: Final = {
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip
"""What SQLite says where the disk or somebody else does not let us; all else is the file's own."""
Values = list[int | str | bytearray]
"""Rows on their way in, one behind the other. A hash is a bytearray: sqlite3 looks for an adapter of every `bytes`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row, read back; `cause` is the seq of the event that led to it, 0 where it came from outside."""

    seq: int
    cause: int
    event: Event


class Pending:
    """What was appended and is not chained yet, by column."""

    __slots__ = ("causes", "events", "keys", "run_ids")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Hold nothing."""
        self.events: list[Event] = []
        self.causes: list[int] = []
        self.keys: list[str] = []
        self.run_ids: list[str] = []


class Appended:
    """What is appended to within a block: closed where the block ends well, abandoned where it does not."""

    def close(self) -> None:
        """Commit and close."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Close without writing what was not committed."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


class Journal(Appended):
    """Append to and read from one file. A replay's is `bulk.BulkJournal`."""

    _wal_bytes = 0
    """About how much was committed since the WAL was brought into the file."""

    def __init__(self, path: Path, run_id: str) -> None:
        self.path = path
        self.run_id = run_id
        self._pending = Pending()
        self._values: Values = []
        self._db = self._open()
        self.count, self._head = last_row(self._db)

    def _open(self) -> sqlite3.Connection:
        with _reading(self.path):
            db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            wal.begin(db)
            create(db)
            last_row(db)
        return db

    def append(self, event: Event, cause: int = 0, key: str | None = None) -> int:
        """Take an event in and give its seq; it is on the disk after `commit`. `key` is its `key_of`, where known."""
        self.count += 1
        pending = self._pending
        pending.events.append(event)
        pending.causes.append(cause)
        pending.keys.append(key_of(event) if key is None else key)
        pending.run_ids.append(self.run_id)
        return self.count

    def append_all(self, events: Sequence[Event], causes: Sequence[int], keys: Sequence[str]) -> int:
        """Take events in as `append` does each, and give the last one's seq."""
        pending = self._pending
        self.count += len(events)
        pending.events += events
        pending.causes += causes
        pending.keys += keys
        pending.run_ids += repeat(self.run_id, len(events))
        return self.count

    @property
    def head(self) -> bytes:
        """Give the hash of the last row."""
        self._chain()
        return self._head

    def commit(self) -> None:
        """Write all that was appended in one transaction; raises `JournalWriteFailed`, and then nothing was written."""
        self._chain()
        if not self._values:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            insert(self._db, self._values)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise self._failed(error) from error
        self._wal_bytes += wal.COMMIT_BYTES + len(self._values) // _WIDTH * wal.ROW_BYTES
        self._values.clear()

    def run_ahead(self) -> None:
        """Do what can be done beside the caller of what a commit will do; where there is nothing, nothing."""

    def push(self) -> None:
        """Begin what `commit` will end, in the thread that appends; it never waits."""

    @property
    def answers_at(self) -> int | None:
        """Give what becomes readable when `commit` need not wait any more; None where only a thread can wait."""
        return None

    @property
    def is_answered(self) -> bool:
        """Say whether `commit` will neither wait nor work, once something is readable there."""
        return False

    @property
    def is_checkpoint_due(self) -> bool:
        """Say whether `checkpoint` has something to do."""
        return self._wal_bytes >= wal.CHECKPOINT_BYTES

    def checkpoint(self) -> None:
        """Bring into the file what was committed: no order should wait for that."""
        self._wal_bytes = 0
        wal.bring_in(self._db)

    def make_room(self) -> None:
        """Have commits from here on find room in a WAL that is there already; between two commits."""
        wal.make_room(self._db, self.path)

    def _chain(self) -> None:
        """Write as text what was appended, and chain it: a moment at once takes less than one by one."""
        pending, seq = self._pending, self.count - len(self._pending.events) + 1
        values, head = Values(), self._head
        for first in range(0, len(pending.events), HELD_EVENTS):
            held = slice(first, first + HELD_EVENTS)
            events = pending.events[held]
            head = chain(
                values, head, range(seq + first, seq + first + len(events)), [event.ts_us for event in events],
                [event.KIND for event in events], pending.run_ids[held], pending.keys[held], pending.causes[held],
                split_lines(lines_of(events)),
            )  # fmt: skip
        # all or nothing: an event that cannot be written must not leave a part of them chained twice
        self._values += values
        self._head = head
        pending.clear()

    def note_end(self) -> None:
        """Write head and count into the side file, so that rows missing at the end later are seen.

        It is a witness, not a truth: where it cannot be written the journal itself is none the worse.
        """
        beside = side_file(self.path)
        fresh = beside.with_suffix(".tmp")
        try:
            fresh.write_text(f'{{"count": {self.count}, "head": "{self.head.hex()}"}}\n', "ascii")
            fresh.replace(beside)
        except OSError:
            fresh.unlink(missing_ok=True)

    @property
    def is_dirty(self) -> bool:
        """Say whether something was appended and is not durable yet."""
        return bool(self._pending.events or self._values)

    def discard(self) -> None:
        """Drop what could not be written; the chain goes on from there for whoever still listens, not for the disk."""
        self._pending.clear()
        self._values.clear()

    def _failed(self, why: object) -> JournalWriteFailed:
        return JournalWriteFailed(
            f"the journal cannot be written: {why}", str(self.path), "free the disk or mend its permissions"
        )

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self._db.close()

    def abandon(self) -> None:
        """Close without writing what was not committed."""
        self.discard()
        self._db.close()


class LostJournal(Journal):
    """Stand in for a journal that cannot be opened: it numbers what happens, and nothing of it is ever kept."""

    def __init__(self, path: Path, run_id: str, count: int) -> None:
        self.path = path
        self.run_id = run_id
        self.count, self._head = count, GENESIS
        self._pending = Pending()
        self._values = []

    def commit(self) -> None:
        """Say that it cannot."""
        if self.is_dirty:
            raise JournalWriteFailed("the journal cannot be opened", str(self.path), "mend its place and restart")

    def make_room(self) -> None:
        """Leave everything as it is."""

    def close(self) -> None:
        """Leave everything as it is."""

    def abandon(self) -> None:
        """Leave everything as it is."""


def side_file(path: Path) -> Path:
    """Give where head and count of a journal stand as of its last closed session."""
    return path.with_name(path.name + ".end.json")


def create(db: sqlite3.Connection) -> None:
    """Lay the tables out in an empty file, or bring one of an earlier version to this one.

    `JournalCorrupt` where it is another program's or of a later version.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version == 0 and not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        db.executescript(schema.DDL[schema.VERSION])
        db.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={schema.VERSION}")
        return
    if version not in schema.MIGRATIONS and version != schema.VERSION:
        raise JournalCorrupt(
            f"its schema is version {version}, this program knows {schema.VERSION}",
            "journal",
            "use the program it is of",
        )
    while version in schema.MIGRATIONS:
        db.executescript(f"BEGIN;{schema.MIGRATIONS[version]}PRAGMA user_version={version + 1};COMMIT;")
        version += 1


def last_row(db: sqlite3.Connection) -> tuple[int, bytes]:
    """Give seq and hash of the last row."""
    last = _whole(db.execute(f"SELECT {_COLUMNS} FROM events ORDER BY seq DESC LIMIT 1"))
    seq, *_, digest = next(last, (0, GENESIS))
    return seq, digest


lines_of: Final = msgspec.json.Encoder().encode_lines
"""Writes events as text: payloads, a line each."""


def split_lines(payloads: bytes) -> list[str]:
    """Take lines of payloads apart: each ends with a break and has none within, since JSON writes one as `\\n`."""
    return payloads.decode().split("\n")[:-1]


def chain(
    values: Values, head: bytes, seqs: Sequence[int], times: Sequence[int], kinds: Sequence[str],
    run_ids: Sequence[str], keys: Sequence[str], causes: Sequence[int], payloads: Sequence[str],
) -> bytes:  # fmt: skip
    """Put rows, given by column, behind `values` with the hash before each and its own; gives the last one's."""
    hashes = [bytearray(head)]
    for text in _texts_of(zip(seqs, times, kinds, run_ids, keys, causes, payloads, strict=True)):
        head = sha256(head + text).digest()
        hashes.append(bytearray(head))
    # a column at once takes less than a row at once
    columns: tuple[Sequence[int | str | bytearray], ...] = (
        seqs, times, kinds, run_ids, keys, causes, payloads, hashes[:-1], hashes[1:]
    )  # fmt: skip
    rows: Values = [0] * (_WIDTH * len(seqs))
    for place, column in enumerate(columns):
        rows[place::_WIDTH] = column
    values += rows
    return head


def insert(db: sqlite3.Connection, values: Values) -> None:
    """Insert rows, many a statement as far as they go: each statement is a way to SQLite and back."""
    first = 0
    for rows in STATEMENT_ROWS:
        statement, size = _statement(rows), rows * _WIDTH
        while len(values) - first >= size:
            db.execute(statement, values[first : first + size])
            first += size


@cache
def _statement(rows: int) -> str:
    row = "(" + ",".join("?" * _WIDTH) + ")"
    return "INSERT INTO events VALUES " + ",".join([row] * rows)


def row_hash(
    previous: bytes, seq: int, ts_us: int, kind: str, run_id: str, key: str, cause: int, payload: str
) -> bytes:
    """Give a row's hash: sha256 over the hash before it and every column."""
    (text,) = _texts_of(((seq, ts_us, kind, run_id, key, cause, payload),))
    return sha256(previous + text).digest()


def _texts_of(rows: Iterable[tuple[int, int, str, str, str, int, str]]) -> list[bytes]:
    """Write rows as what their hashes are of."""
    return [
        f"{seq}|{ts_us}|{kind}|{run_id}|{key}|{cause}|{payload}".encode()
        for seq, ts_us, kind, run_id, key, cause, payload in rows
    ]


def read_only(path: Path) -> sqlite3.Connection:
    """Open a journal for reading; `JournalCorrupt` where it is none."""
    if not path.is_file():
        raise JournalCorrupt("there is no journal", str(path), "name the journal.sqlite of a run")
    with _reading(path):
        with path.open("rb") as file:
            # SQLite reads a file of a later format, and lets nothing be written into it
            if file.read(19)[18:] > b"\2":
                raise sqlite3.DatabaseError("its header is damaged")
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        if int(db.execute("PRAGMA application_id").fetchone()[0]) != schema.APPLICATION_ID:
            raise JournalCorrupt("the file is no journal of axiomd", str(path), "name the journal.sqlite of a run")
    return db


def rows(path: Path, kind: str | None = None) -> Iterator[Row]:
    """Read every row in order, or those of a kind, as they stand: nothing is held against its hash."""
    db = read_only(path)
    try:
        with _reading(path):
            yield from rows_of(db, kind)
    finally:
        db.close()


def rows_of(db: sqlite3.Connection, kind: str | None = None) -> Iterator[Row]:
    """Read rows as `rows` does; raises what SQLite does, `sqlite3.Error` or `UnicodeDecodeError`."""
    where, what = ("", ()) if kind is None else ("WHERE kind = ?", (kind,))
    return _whole(db.execute(f"SELECT {_COLUMNS} FROM events {where} ORDER BY seq", what))


def chained(path: Path) -> Iterator[Row]:
    """Read every row in order, held against its hash and the row before; `JournalCorrupt` says the last good one."""
    count, head = 0, GENESIS
    try:
        for row in rows(path):
            if row[0] != count + 1 or row[7] != head or not is_as_written(row):
                raise JournalCorrupt("the chain of hashes breaks")
            count, head = row[0], row[8]
            yield row
    except JournalCorrupt as error:
        raise broken_behind(count, error.what, path) from error


def broken_behind(count: int, what: str, path: Path) -> JournalCorrupt:
    """Say what is wrong with a journal, and up to which row it is good."""
    return JournalCorrupt(f"{what}; the last good row is {count}", str(path), HOW_TO_RESTORE)


def is_as_written(row: Row) -> bool:
    """Say whether a row's content is what its hash says; that of a damaged page is anything."""
    seq, ts_us, kind, run_id, key, cause, payload, previous, digest = row
    return row_hash(previous, seq, ts_us, kind, run_id, key, cause, payload) == digest


def entries(path: Path, found: Iterable[Row] | None = None) -> Iterator[Entry]:
    """Read every event in order, or those of the rows that were found; `JournalCorrupt` names what cannot be read.

    Whoever decides a journal again goes on over a row that is not as it was written: what differs is the finding.
    """
    decoders = readers()
    for row in rows(path) if found is None else found:
        decode = decoders.get(row[2])
        if decode is None:
            raise JournalCorrupt(f"row {row[0]} has the unknown kind {row[2]}", str(path), "run axiomd journal verify")
        try:
            yield Entry(row[0], row[5], decode(row[6]))
        except msgspec.MsgspecError as error:
            raise JournalCorrupt(f"row {row[0]}: {error}", str(path), "run axiomd journal verify") from error


def _whole(found: Iterable[Row]) -> Iterator[Row]:
    """Let rows through; a zeroed or cut page gives NULL or text for bytes, and no error. `sqlite3.DatabaseError`."""
    for row in found:
        if tuple(map(type, row)) != _TYPES:
            raise sqlite3.DatabaseError("a row does not hold what its columns are to hold")
        yield row


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Tell a file that is broken from a disk that does not let us."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # SQLite quotes the file where it complains of it
        if isinstance(error, OSError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DISK:
            raise JournalWriteFailed(
                f"the journal cannot be opened: {error}", str(path), "look at the disk and its owner"
            ) from error
        raise JournalCorrupt(f"the journal cannot be read: {error}", str(path), HOW_TO_RESTORE) from error
