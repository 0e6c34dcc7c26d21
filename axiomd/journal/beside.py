"""The process that writes a live journal: it chains and inserts rows while the daemon decides what comes behind them.

It does what it is told over a pipe, in order: rows go into a transaction that a commit ends, and nothing else does.
Without its daemon it ends at once, and what was not to be committed yet is gone, as it would be with the daemon. While
it lives it holds a lock, which the next daemon waits for: nobody folds a journal that may still grow.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from axiomd.journal import wal
from axiomd.journal.block import Block, Written
from axiomd.journal.cores import Apart, never_push
from axiomd.journal.reading import last_row
from axiomd.journal.rows import GENESIS, Values, insert

ROWS: Final = b"r"
COMMIT: Final = b"c"
DROP: Final = b"d"
CHECKPOINT: Final = b"k"
ROOM: Final = b"m"
END: Final = b"e"
LOCK_SUFFIX: Final = ".writer"
END_S_MAX: Final = 10.0
START_S_MAX: Final = 30.0
ANSWER_S_MAX: Final = 5.0
"""One that has not answered by then hangs, or its disk does: it is killed, and the journal goes on alone."""
PIPE_BYTES: Final = 1024 * 1024
"""What the system is asked to hold between the two: most rows of 500 orders, where the process is slow to take them."""
PARTS_MAX: Final = 1000
"""The system takes 1024 in one call; more of them wait for the next."""
CACHE_KIB: Final = 100
"""What a transaction may change before its pages begin to go into the WAL: those left are written by the commit."""
EARLY_ROWS: Final = 480
"""So many rows of a transaction are worth to have the disk begin with: a commit waits for what it has not yet."""
_FRAME: Final = struct.Struct("<cqq")
"""What it is, the seq of the first row in it, and how long it is."""


class WriterGone(Exception):
    """Report that the process ended: what it was asked to commit may be in the file or not."""


class Writer:
    """The process as the daemon holds it. What is sent leaves when there is room for it; only `answer` waits."""

    def __init__(self, path: Path) -> None:
        """Start it, and wait until it has the journal at `path` open. Raises `WriterGone`, `OSError`."""
        lock = os.open(lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # in a session of its own: a terminal's ^C ends the daemon, which has a last word to write
            self._process = subprocess.Popen(
                [sys.executable, "-m", "axiomd.journal.beside", str(path)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(lock,), start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(lock)
        assert self._process.stdin is not None
        assert isinstance(self._process.stdout, BufferedReader)
        self._into, self._answers = self._process.stdin.fileno(), self._process.stdout
        os.set_blocking(self._into, False)
        with suppress(OSError, AttributeError):
            fcntl.fcntl(self._into, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._unsent = bytearray()
        self._is_answered = False
        """Whether an answer was taken from the pipe, where nothing shows any more that there is one."""
        self.apart = Apart(self._process.pid)
        """Where it may work while what it will commit is still being made."""
        try:
            self.answer(START_S_MAX)
        except WriterGone:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """Give its process id."""
        return self._process.pid

    def send(self, op: bytes, block: Block | None = None, first: int = 0) -> None:
        """Tell it something; what the pipe does not take now goes with what is sent next, or with `answer`."""
        parts = [] if block is None else block.parts()
        frame = _FRAME.pack(op, first, sum(map(len, parts)))
        # that it is gone is said by whoever waits for its answer
        with suppress(BrokenPipeError):
            self._put((frame, *parts))

    def answer(self, timeout_s: float = ANSWER_S_MAX) -> Written:
        """Wait for its answer to the oldest question that has none. Raises `WriterGone`."""
        try:
            while not self._flush():
                self._await(self._into, select.POLLOUT, timeout_s)
            if not self._is_answered:
                self._await(self._answers.fileno(), select.POLLIN, timeout_s)
            self._is_answered = False
            return msgspec.json.decode(self._answers.readline(), type=Written)
        except (OSError, msgspec.MsgspecError) as error:
            raise WriterGone(str(error)) from error

    @property
    def answers_at(self) -> int | None:
        """Give where its answer comes in, once all that was sent has left; None where something still has to."""
        return None if self._unsent else self._answers.fileno()

    @property
    def has_answer(self) -> bool:
        """Say whether `answer` would find one, and not the process gone; only where something came in there."""
        self._is_answered = self._answers.peek(1) != b""
        return self._is_answered

    def ask(self, op: bytes) -> Written:
        """Tell it something and wait for the answer."""
        self.send(op)
        return self.answer()

    def give_up(self) -> None:
        """End it while somebody waits for its answer, who finds it gone."""
        self._process.kill()

    def end(self) -> None:
        """Have it close the file and end; one that does not is killed. Behind this nobody writes any more."""
        with suppress(WriterGone):
            self.send(END)
            if _wait(self._answers.fileno(), select.POLLIN, END_S_MAX):
                self.answer()
        self.kill()

    def kill(self) -> None:
        """End it as it is."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _await(self, descriptor: int, what: int, timeout_s: float) -> None:
        if not _wait(descriptor, what, timeout_s):
            # a late answer must never meet a later question
            self.give_up()
            raise WriterGone("it does not answer")

    def _put(self, parts: Sequence[bytes]) -> None:
        taken = 0
        if self._flush() and len(parts) <= PARTS_MAX:
            with suppress(BlockingIOError):
                taken = os.writev(self._into, parts)
        if taken < sum(map(len, parts)):
            self._unsent += b"".join(parts)[taken:]

    def _flush(self) -> bool:
        while self._unsent:
            try:
                taken = os.write(self._into, self._unsent)
            except BlockingIOError:
                return False
            del self._unsent[:taken]
        return True


def _wait(descriptor: int, what: int, timeout_s: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, what)
    return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))


def lock_of(path: Path) -> Path:
    """Give the file whose lock says that a journal at `path` is being written by a process of this kind."""
    return path.with_name(path.name + LOCK_SUFFIX)


def wait_for_writer(path: Path) -> None:
    """Wait until no such process writes the journal at `path` any more: that of a daemon which was killed, say."""
    if not path.parent.is_dir():
        return
    descriptor = os.open(lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


class _File:
    """The file: one transaction at a time. The first error of one is kept until it ends, and nothing of it stays."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        wal.begin(self._db)
        self._db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        self._count, self._head = last_row(self._db)
        self._error = ""
        self._early = wal.EarlyWriter(path)
        self._late_rows = 0
        """Rows of the transaction that the disk was not told to take in yet."""

    def add(self, block: Block, first: int) -> None:
        """Put rows into the transaction."""
        if self._error:
            return
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
                self._late_rows = 0
                self._count, self._head = last_row(self._db)
            if first != self._count + 1:
                self._error = f"row {first} cannot follow row {self._count}"
                return
            values: Values = []
            head = block.chain(values, self._head, first)
            insert(self._db, values)
            self._count, self._head = self._count + len(block), head
            self._late_rows += len(block)
            if self._late_rows >= EARLY_ROWS:
                self._late_rows = 0
                self._early.begin()
        except sqlite3.Error as error:
            self._error = str(error)

    def commit(self) -> Written:
        """End the transaction: all of it or nothing."""
        if not self._error:
            try:
                if self._db.in_transaction:
                    self._db.execute("COMMIT")
                return Written(self._count, self._head)
            except sqlite3.Error as error:
                self._error = str(error)
        why = self._error
        self.drop()
        return Written(0, GENESIS, why)

    def drop(self) -> None:
        """End the transaction with nothing of it."""
        self._error = ""
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def standing(self) -> Written:
        """Say where the file stands, as far as this process knows."""
        return Written(self._count, self._head)

    def check_point(self) -> Written:
        """Bring the WAL into the file."""
        wal.bring_in(self._db)
        return self.standing()

    def make_room(self, path: Path) -> Written:
        """Have commits find room in the WAL."""
        wal.make_room(self._db, path)
        return self.standing()

    def close(self) -> Written:
        """Let go of it."""
        self.drop()
        self._early.close()
        self._db.close()
        return self.standing()


def work(path: Path, frames: BinaryIO, answers: BinaryIO) -> None:
    """Do as the frames say until one says that it is over, or until nobody sends any more."""
    file = _File(path)

    def say(answer: Written) -> None:
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()

    say(file.standing())
    while len(frame := frames.read(_FRAME.size)) == _FRAME.size:
        op, first, length = _FRAME.unpack(frame)
        if op == ROWS:
            body = frames.read(length)
            if len(body) < length:
                return
            file.add(Block.of(body), first)
        elif op == COMMIT:
            say(file.commit())
        elif op == DROP:
            file.drop()
        elif op == CHECKPOINT:
            say(file.check_point())
        elif op == ROOM:
            say(file.make_room(path))
        else:
            say(file.close())
            return


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # who ends the daemon ends us by the end of the pipe, once it has had its last word
        signal.signal(number, signal.SIG_IGN)
    # its daemon may have no other core to spare
    never_push(0)
    with suppress(BrokenPipeError):
        work(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
    # at once: closing the file would bring its WAL in, for which the next daemon should not have to wait
    os._exit(0)
