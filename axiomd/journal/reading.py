"""A journal read back: rows as they stand, rows held against their hashes, events.

A damaged file gives anything in place of a row, or an error of SQLite's own; here both become `JournalCorrupt`, and a
disk that does not let us `JournalWriteFailed`. Nothing is mended.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from axiomd.contracts.errors import JournalCorrupt, JournalWriteFailed
from axiomd.contracts.events import Event, readers
from axiomd.journal import schema
from axiomd.journal.rows import COLUMNS, GENESIS, Row, is_as_written

HOW_TO_RESTORE: Final = "put a copy that axiomd journal verify calls sound in its place, without the old -wal and -shm"
_TYPES: Final = (int, int, str, str, str, int, str, bytes, bytes)
_OF_THE_DISK: Final = {
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip
"""What SQLite says where the disk or somebody else does not let us; all else is the file's own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row, read back; `cause` is the seq of the event that led to it, 0 where it came from outside."""

    seq: int
    cause: int
    event: Event


def read_only(path: Path) -> sqlite3.Connection:
    """Open a journal for reading; `JournalCorrupt` where it is none."""
    if not path.is_file():
        raise JournalCorrupt("there is no journal", str(path), "name the journal.sqlite of a run")
    with reading(path):
        with path.open("rb") as file:
            # SQLite reads a file of a later format, and lets nothing be written into it
            if file.read(19)[18:] > b"\2":
                raise sqlite3.DatabaseError("its header is damaged")
        # a name may hold what means something else in a URI: `#` and `?` end it, `%41` is an `A`
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        if int(db.execute("PRAGMA application_id").fetchone()[0]) != schema.APPLICATION_ID:
            raise JournalCorrupt("the file is no journal of axiomd", str(path), "name the journal.sqlite of a run")
    return db


def rows(path: Path, kind: str | None = None) -> Iterator[Row]:
    """Read every row in order, or those of a kind, as they stand: nothing is held against its hash."""
    db = read_only(path)
    try:
        with reading(path):
            yield from rows_of(db, kind)
    finally:
        db.close()


def rows_of(db: sqlite3.Connection, kind: str | None = None) -> Iterator[Row]:
    """Read rows as `rows` does; raises what SQLite does, `sqlite3.Error` or `UnicodeDecodeError`."""
    where, what = ("", ()) if kind is None else ("WHERE kind = ?", (kind,))
    return _whole(db.execute(f"SELECT {COLUMNS} FROM events {where} ORDER BY seq", what))


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
def reading(path: Path) -> Iterator[None]:
    """Tell a file that is broken from a disk that does not let us."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # SQLite quotes the file where it complains of it
        if isinstance(error, OSError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DISK:
            raise JournalWriteFailed(
                f"the journal cannot be opened: {error}", str(path), "look at the disk and its owner"
            ) from error
        raise JournalCorrupt(f"the journal cannot be read: {error}", str(path), HOW_TO_RESTORE) from error


def last_row(db: sqlite3.Connection) -> tuple[int, bytes]:
    """Give seq and hash of the last row."""
    last = _whole(db.execute(f"SELECT {COLUMNS} FROM events ORDER BY seq DESC LIMIT 1"))
    seq, *_, digest = next(last, (0, GENESIS))
    return seq, digest
