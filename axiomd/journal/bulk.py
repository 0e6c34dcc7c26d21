"""The journal of a replay: rows chained and written by a process of its own, beside the replay that makes them.

Such a journal is thrown away when it is broken off, so nothing waits for it: events are written as text some dozens
at a time, and a block of them goes over a pipe to a process that hashes, chains and inserts it. A short one never gets
that far, and is written in place. What stands in the file is what `Journal` would have written.
"""

from __future__ import annotations

import sqlite3
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from axiomd.contracts.errors import JournalWriteFailed
from axiomd.contracts.events import Event, keys_of
from axiomd.journal.block import Block, Written
from axiomd.journal.log import HELD_EVENTS, Appended, create
from axiomd.journal.reading import last_row
from axiomd.journal.rows import GENESIS, Values, insert

BLOCK_ROWS: Final = 3_600
_LENGTH: Final = struct.Struct("<q")
_FLUSH: Final = 0


class BulkJournal(Appended):
    """Append to a new journal that need not outlive a crash. It is there whole after `close`."""

    def __init__(self, path: Path, run_id: str) -> None:
        self.path = path
        self.run_id = run_id
        self.count = 0
        self.head = GENESIS
        """The hash of the last row, as of the last `commit`."""
        self._events: list[Event] = []
        self._causes: list[int] = []
        self._block = Block(run_id)
        self._writer: subprocess.Popen[bytes] | None = None

    def append(self, event: Event, cause: int = 0) -> int:
        """Take an event in and give its seq."""
        self._events.append(event)
        self._causes.append(cause)
        self.count += 1
        if len(self._causes) >= HELD_EVENTS:
            self._put_down()
            if len(self._block) >= BLOCK_ROWS:
                self._send()
        return self.count

    def commit(self) -> None:
        """Come back when everything that was appended is in the file. Raises `JournalWriteFailed`."""
        self._put_down()
        if self._writer is None:
            file = _File(self.path)
            file.insert(self._block)
            self._block = Block(self.run_id)
            written = file.close()
        else:
            self._send()
            written = self._flush(self._writer)
        if written.error:
            raise self._failed(written.error)
        self.head = written.head

    def close(self) -> None:
        """Commit, and let go of the file."""
        self.commit()
        self._end()

    def abandon(self) -> None:
        """Let go of the file as it is."""
        self._events.clear()
        self._causes.clear()
        self._block = Block(self.run_id)
        self._end()

    def _put_down(self) -> None:
        """Write as text what is held as events."""
        self._block.add(self._events, keys_of(self._events), self._causes)
        self._events.clear()
        self._causes.clear()

    def _send(self) -> None:
        if self._writer is None:
            command = [sys.executable, "-m", "axiomd.journal.bulk", str(self.path)]
            # in a session of its own: a terminal's ^C ends the replay, and with it the pipe
            self._writer = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        assert self._writer.stdin is not None
        if self._block:
            parts = self._block.parts()
            self._block = Block(self.run_id)
            try:
                self._writer.stdin.write(b"".join((_LENGTH.pack(sum(map(len, parts))), *parts)))
            except OSError as error:
                raise self._failed(f"its writer is gone ({error})") from error

    def _flush(self, writer: subprocess.Popen[bytes]) -> Written:
        assert writer.stdin is not None
        assert writer.stdout is not None
        try:
            writer.stdin.write(_LENGTH.pack(_FLUSH))
            writer.stdin.flush()
            return msgspec.json.decode(writer.stdout.readline(), type=Written)
        except (OSError, msgspec.MsgspecError) as error:
            raise self._failed(f"its writer is gone ({error})") from error

    def _end(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(OSError):
                writer.communicate()

    def _failed(self, what: str) -> JournalWriteFailed:
        return JournalWriteFailed(
            f"the journal cannot be written: {what}", str(self.path), "free the disk or mend its permissions"
        )


class _File:
    """The file itself: rows chained and inserted, thousands a statement. The first error is kept and ends the work."""

    def __init__(self, path: Path) -> None:
        self._count, self._head = 0, GENESIS
        self._error = ""
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
                self._db.execute(f"PRAGMA {pragma}")
            create(self._db)
            self._count, self._head = last_row(self._db)
        except sqlite3.Error as error:
            self._error = str(error)

    def insert(self, block: Block) -> None:
        """Chain rows to what is there, and write them."""
        values: Values = []
        head = block.chain(values, self._head, self._count + 1)
        if self._error or not values:
            return
        try:
            self._db.execute("BEGIN")
            insert(self._db, values)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._error = str(error)
            return
        self._head, self._count = head, self._count + len(block)

    def standing(self) -> Written:
        """Say where it stands."""
        return Written(self._count, self._head, self._error)

    def close(self) -> Written:
        """Let go of it and say where it stands."""
        with suppress(AttributeError):
            self._db.close()
        return self.standing()


def work(path: Path, blocks: BinaryIO, answers: BinaryIO) -> None:
    """Write blocks as they come, and answer each flush, until nobody sends any more."""
    file = _File(path)
    while len(head := blocks.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        if length != _FLUSH:
            file.insert(Block.of(blocks.read(length)))
            continue
        answers.write(msgspec.json.encode(file.standing()) + b"\n")
        answers.flush()
    file.close()


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
