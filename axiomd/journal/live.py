"""A daemon's journal: appended to here, and, once that is handed over, written by a process beside.

Rows go over as soon as they are known, so that on a second core they are chained and inserted while the rest of their
moment is decided; a commit then has little left to do but to sync. A process that dies takes nothing with it: the
journal opens the file again, looks whether the last commit is in it, and goes on by itself.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Final

from axiomd.journal import wal
from axiomd.journal.beside import CHECKPOINT, COMMIT, DROP, ROOM, ROWS, Writer, WriterGone
from axiomd.journal.block import Block
from axiomd.journal.log import Journal
from axiomd.journal.reading import last_row
from axiomd.journal.rows import Values

AHEAD_ROWS: Final = 60
"""Fewer are not worth a way to the process of their own: they go with the commit."""


class LiveJournal(Journal):
    """Append to one file. All methods are called by one task at a time, `commit` and what else waits in any thread."""

    def __init__(self, path: Path, run_id: str) -> None:
        super().__init__(path, run_id)
        self._writer: Writer | None = None
        self._blocks: list[Block] = []
        """Rows that were put down and are not known to be durable."""
        self._sent = 0
        """So many of the blocks are in the transaction of the process."""
        self._asked = 0
        """So many of them it was told to commit, and has not answered."""

    def hand_over(self, writer: Writer) -> bool:
        """Have a process write from here on, between two commits; False where rows are chained here already."""
        if self._values:
            return False
        self._db.close()
        self._writer = writer
        return True

    @property
    def writer_pid(self) -> int:
        """Give the process that writes, 0 where none does."""
        return self._writer.pid if self._writer else 0

    # --- rows on their way ---

    def run_ahead(self) -> None:
        """Let the process have what was appended so far; only a commit makes it last."""
        if self._writer is not None and len(self._pending.events) >= AHEAD_ROWS:
            self._writer.apart.begin()
            self._put_down()
            self._send(self._writer)

    def push(self) -> None:
        """Let the process have everything, and tell it to commit."""
        if self._writer is None or self._asked:
            return
        self._put_down()
        if self._blocks:
            self._send(self._writer)
            self._writer.send(COMMIT)
            self._writer.apart.end()
            self._asked = len(self._blocks)

    def commit(self) -> None:
        """Write all that was appended in one transaction; raises `JournalWriteFailed`, and then nothing was written."""
        self.push()
        if self._writer is None:
            super().commit()
            return
        if not self._asked:
            return
        asked, self._asked = self._asked, 0
        try:
            written = self._writer.answer()
        except WriterGone:
            self._take_back()
            super().commit()
            return
        if written.error:
            self._sent = 0
            raise self._failed(written.error)
        first, rows = self._first, sum(map(len, self._blocks[:asked]))
        assert written.count == first + rows - 1, f"row {written.count} is the last one, not {first + rows - 1}"
        self._wal_bytes += wal.COMMIT_BYTES + rows * wal.ROW_BYTES
        self._head = written.head
        del self._blocks[:asked]
        self._sent -= asked

    @property
    def answers_at(self) -> int | None:
        """Give what becomes readable when `commit` need not wait any more; None where only a thread can wait."""
        return self._writer.answers_at if self._writer is not None and self._asked else None

    @property
    def is_answered(self) -> bool:
        """Say whether `commit` will neither wait nor work, once something is readable there."""
        return self._writer is not None and self._writer.has_answer

    def give_up(self) -> None:
        """Wait for the process no longer: `commit` goes on without it."""
        if self._writer is not None:
            self._writer.give_up()

    @property
    def is_dirty(self) -> bool:
        """Say whether something was appended and is not durable yet."""
        return bool(self._blocks) or super().is_dirty

    @property
    def head(self) -> bytes:
        """Give the hash of the last row, durable or not."""
        if self._writer is None:
            return super().head
        self._put_down()
        head, _ = self._chained()
        return head

    def discard(self) -> None:
        """Drop what could not be written; the chain goes on from there for whoever still listens, not for the disk."""
        if self._blocks:
            self._head, _ = self._chained()
        if self._writer is not None and self._sent:
            self._writer.send(DROP)
            self._writer.apart.end()
        self._forget()
        super().discard()

    def _put_down(self) -> None:
        pending, first = self._pending, 0
        blocks = []
        for run_id, same in groupby(pending.run_ids):
            block, end = Block(run_id), first + len(list(same))
            block.add(pending.events[first:end], pending.keys[first:end], pending.causes[first:end])
            blocks.append(block)
            first = end
        # all or nothing: an event that cannot be written must not leave a part of them put down twice
        self._blocks += blocks
        pending.clear()

    def _send(self, writer: Writer) -> None:
        first = self._first + sum(map(len, self._blocks[: self._sent]))
        for block in self._blocks[self._sent :]:
            writer.send(ROWS, block, first)
            first += len(block)
        self._sent = len(self._blocks)

    @property
    def _first(self) -> int:
        """The seq of the first row that is not durable."""
        return self.count - len(self._pending.events) - sum(map(len, self._blocks)) + 1

    def _chained(self) -> tuple[bytes, Values]:
        head, values, first = self._head, Values(), self._first
        for block in self._blocks:
            head = block.chain(values, head, first)
            first += len(block)
        return head, values

    def _forget(self) -> None:
        self._blocks.clear()
        self._sent = 0

    # --- without the process ---

    def _take_back(self) -> None:
        """Go on alone, behind what is in the file: with the last commit in it, or without."""
        assert self._writer is not None
        self._writer.kill()
        self._writer = None
        self._db = self._open()
        before, (after, values) = (self._first - 1, self._head), self._chained()
        found = last_row(self._db)
        if found == before:
            self._values = values
        elif found != (before[0] + sum(map(len, self._blocks)), after):
            raise self._failed(f"row {found[0]} is none that was written here")
        self._head = after
        self._forget()

    def checkpoint(self) -> None:
        """Bring into the file what was committed: no order should wait for that."""
        if self._writer is None:
            super().checkpoint()
            return
        self._wal_bytes = 0
        with suppress(WriterGone):
            self._writer.ask(CHECKPOINT)

    def make_room(self) -> None:
        """Have commits from here on find room in a WAL that is there already; between two commits."""
        if self._writer is None:
            super().make_room()
            return
        with suppress(WriterGone):
            self._writer.ask(ROOM)

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self._let_go()

    def abandon(self) -> None:
        """Close without writing what was not committed."""
        self.discard()
        self._let_go()

    def _let_go(self) -> None:
        if self._writer is None:
            with suppress(sqlite3.Error):
                self._db.close()
        else:
            self._writer.end()
            self._writer = None
