"""Rows written thousands at a time by a thread of their own: for journals that are thrown away when broken off.

One statement takes a whole block of rows, so that SQLite works through it without holding the interpreter up; a
statement a row would have to get hold of the interpreter after each.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from itertools import chain
from queue import Queue
from typing import Any, Final

COLUMNS: Final = 9
BLOCK_ROWS: Final = 3_600
"""SQLite takes 32,766 parameters a statement."""
_BLOCKS_WAITING_MAX: Final = 4
_ROW: Final = "(" + ",".join("?" * COLUMNS) + ")"


class BulkWriter:
    """Insert blocks of rows into `events`, in order. An error of the thread is raised by the next call."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._error: sqlite3.Error | None = None
        self._blocks: Queue[Sequence[Sequence[Any]] | None] = Queue(_BLOCKS_WAITING_MAX)
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take a block of at most `BLOCK_ROWS`; waits where too many wait already."""
        self._blocks.put(rows)
        self._look()

    def flush(self) -> None:
        """Come back when everything that was taken is written."""
        self._blocks.join()
        self._look()

    def close(self) -> None:
        """End the thread; what waits is written first."""
        self._blocks.put(None)
        self._thread.join()

    def _look(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (rows := self._blocks.get()) is not None:
            try:
                if self._error is None:
                    self._db.execute(statement(len(rows)), list(chain.from_iterable(rows)))
            except sqlite3.Error as error:
                self._error = error
            finally:
                self._blocks.task_done()


def statement(rows: int) -> str:
    """Give the statement that inserts so many rows."""
    return "INSERT INTO events VALUES " + ",".join([_ROW] * rows)
