"""A recorded feed, read and checked by a process of its own, and mapped into ours one session at a time.

To read a file takes polars, many copies of its bars and a while; all of it is over once they are laid out. The other
process takes that upon itself, beside the start of the daemon, which never loads polars for it and holds no more than
the session that is played. What is wrong with a file is told as if it had been read here. Nothing heavy is loaded
before a session is asked for.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from axiomd.contracts import errors

if TYPE_CHECKING:
    from axiomd.core.market.sessions import Int64Array, SessionTable

ROW_BYTES: Final = 7 * 8
"""A row of a tape: little-endian int64."""
END_S_MAX: Final = 2.0


class Asked(msgspec.Struct, frozen=True):
    """What the process is asked for behind the path: the other arguments of `feeds.files.load_tape`."""

    symbols: tuple[str, ...]
    calendar: str
    tick_units: dict[str, int]


class Laid(msgspec.Struct, frozen=True):
    """Its answer: where each session's rows begin in the file, and the table; or an error's class and its parts."""

    bar_us: int = 0
    calendar: str = ""
    columns: tuple[bytes, ...] = ()
    bounds: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    error: tuple[str, str, str, str] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RecordedBars:
    """Sessions of a recorded feed and their bars, which lie in a file without a name.

    `dropped[i]` bars lay outside sessions, and nearest to that one.
    """

    table: SessionTable
    bar_us: int
    bounds: tuple[int, ...]
    file: int
    dropped: tuple[int, ...] = ()

    def session(self, index: int) -> Int64Array:
        """Map the rows of one session: `int64[n, 7]` as a tape has them, read only, there as long as somebody looks."""
        import numpy as np

        first, end = self.bounds[index], self.bounds[index + 1]
        if first == end:
            return np.empty((0, ROW_BYTES // 8), np.int64)
        begin = first * ROW_BYTES // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        rows = mmap.mmap(self.file, end * ROW_BYTES - begin, offset=begin, access=mmap.ACCESS_READ)
        words = np.frombuffer(rows, "<i8", offset=first * ROW_BYTES - begin)
        return words.reshape(-1, ROW_BYTES // 8)


class TapeProcess:
    """The process that reads a file of bars. It loads its packages at once, and ends by itself when it has answered."""

    def __init__(self) -> None:
        # in memory: a full disk must not keep a daemon from its positions
        self._file = os.memfd_create("axiomd-bars")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "axiomd.feeds.tape_process", str(self._file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(self._file,),
        )
        self.pid = self._process.pid

    def read(self, path: Path) -> TapeProcess:
        """Have a file or a folder read; once."""
        assert self._process.stdin is not None
        # where it is gone already, `bars` says so
        with suppress(BrokenPipeError):
            self._process.stdin.write(msgspec.json.encode(str(path)) + b"\n")
            self._process.stdin.flush()
        return self

    def bars(self, symbols: Sequence[str], calendar: str, tick_units: Mapping[str, int]) -> RecordedBars:
        """Wait for the bars of symbols in what is read; once. Raises what `feeds.files.load_tape` does."""
        from axiomd.feeds.known_sessions import table_of

        asked = Asked(tuple(symbols), calendar, dict(tick_units))
        answer, _ = self._process.communicate(msgspec.json.encode(asked))
        if self._process.returncode:
            raise RuntimeError(f"the reader of recorded bars ended with {self._process.returncode}")
        laid = msgspec.msgpack.decode(answer, type=Laid)
        if laid.error is not None:
            name, what, where, remedy = laid.error
            kind: type[errors.AxiomdError] = getattr(errors, name)
            raise kind(what, where, remedy)
        return RecordedBars(table_of(laid.calendar, laid.columns), laid.bar_us, laid.bounds, self._file, laid.dropped)

    def end(self) -> None:
        """End the process where it still reads: a start that failed leaves none behind."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(END_S_MAX)
