"""The log: events appended with their hash, committed in groups.

What is appended is durable after `commit` and not before; the caller commits before anything leaves for the broker. The
log knows no rule of trading.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from axiomd.contracts.errors import JournalCorrupt, JournalWriteFailed
from axiomd.contracts.events import Event, key_of
from axiomd.journal import schema, wal
from axiomd.journal.reading import last_row, reading
from axiomd.journal.rows import GENESIS, WIDTH, Values, chain, insert, lines_of, split_lines

HELD_EVENTS: Final = 60
"""One call for each costs more than the writing; of thousands the first have left the cache when it is their turn."""


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
        with reading(self.path):
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
        self._wal_bytes += wal.COMMIT_BYTES + len(self._values) // WIDTH * wal.ROW_BYTES
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

    def give_up(self) -> None:
        """Wait for another process no longer; here there is none."""

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
