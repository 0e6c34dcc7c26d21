"""The journal's write-ahead log: how it is laid out, and when it is brought into the file.

An order waits for its commit, and a commit for the disk, so whatever a commit need not do is done before it or behind
it. SQLite decides what is durable and what a crash leaves of it; nothing here changes that.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

PAGE_BYTES: Final = 8192
"""Of a new journal. A page is two writes in a commit: with SQLite's own 4096, 500 orders' took 1.3 ms longer."""
CHECKPOINT_BYTES: Final = 4 * 1024 * 1024
"""From so many on what lies in the WAL is brought into the file, between the commits that orders wait for."""
BYTES_MAX: Final = 32 * 1024 * 1024
"""Within a commit it is done only from here on: where something reads the file all the time, say."""
ROOM_BYTES: Final = 6 * 1024 * 1024
"""What is made of it ahead: as much as lies in it before it is brought in, and a moment of 500 orders' behind that."""
COMMIT_BYTES: Final = 2 * PAGE_BYTES
ROW_BYTES: Final = 1024
"""About what a commit, and each row in it, add."""
_ZEROS: Final = bytes(256 * 1024)
_WRITE: Final = 2
"""Linux's SYNC_FILE_RANGE_WRITE: begin to write, wait for nothing, and promise nothing."""


def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    found = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if found is not None:
        found.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return found


_begin_to_write: Final = _sync_file_range()


def begin(db: sqlite3.Connection) -> None:
    """Have a connection write ahead, every commit synced; call it before the first table is made."""
    db.execute(f"PRAGMA page_size={PAGE_BYTES}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    page_bytes = int(db.execute("PRAGMA page_size").fetchone()[0])
    db.execute(f"PRAGMA wal_autocheckpoint={BYTES_MAX // page_bytes}")


def bring_in(db: sqlite3.Connection) -> None:
    """Bring the WAL into the file: its pages are written and synced a second time, which no order should wait for.

    What is durable stays so. Where it cannot be done now the WAL goes on growing, and the next commit says why.
    """
    with suppress(sqlite3.Error):
        db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


class EarlyWriter:
    """Have the disk take in what a transaction has put into the WAL so far, while the rest of it is still to come.

    It is for speed alone: a commit waits for all of it as before, and what none follows is as if it were not there.
    """

    def __init__(self, path: Path) -> None:
        """Of the journal at `path`, which somebody has open as long as this is used."""
        self._path = path
        self._descriptor = -1

    def begin(self) -> None:
        """Begin, and wait for nothing; what goes wrong is for the commit to say."""
        if _begin_to_write is None:
            return
        with suppress(OSError):
            if self._descriptor < 0:
                self._descriptor = os.open(wal_of(self._path), os.O_RDONLY | os.O_CLOEXEC)
            _begin_to_write(self._descriptor, 0, 0, _WRITE)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def wal_of(path: Path) -> Path:
    """Give where the WAL of a journal at `path` lies."""
    return path.with_name(path.name + "-wal")


def make_room(db: sqlite3.Connection, path: Path) -> None:
    """Write zeros behind the end of the WAL of the journal at `path`, so that commits need not have the file grow.

    A commit into a file that grows waits for the file system's own log as well, which takes as long again. SQLite reads
    the WAL up to the first frame that is none of its own, and a frame of zeros is none; it writes over them as it does
    over what it has brought into the file. Where the disk has no room for it, everything is left as it was.
    """
    with suppress(sqlite3.Error):
        # nobody may write behind the end meanwhile, whoever it is
        db.execute("BEGIN IMMEDIATE")
        try:
            with suppress(OSError):
                _lengthen(wal_of(path))
        finally:
            db.execute("ROLLBACK")


def _lengthen(wal: Path) -> None:
    descriptor = os.open(wal, os.O_RDWR | os.O_CLOEXEC)
    try:
        end = size = os.fstat(descriptor).st_size
        try:
            while end < ROOM_BYTES:
                end += os.pwrite(descriptor, _ZEROS[: ROOM_BYTES - end], end)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
