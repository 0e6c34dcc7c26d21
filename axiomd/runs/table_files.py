"""Tables of a run written to their files: by this process, or by one beside it while this one does something else.

To make text of half a million cells is work for Python alone, which does one thing at a time in a process. Rows go over
as messages, in a tenth of the time that their text takes, and it is the same table that writes them there.

`python -m axiomd.runs.table_files` is the other side. On stdin come lines with a table's name and a path. Behind one
without a path come rows, some at a time with their length before them, of which text is made; one with a path says
where that is written. It ends with 0 when all is done, or prints the number of the system's error.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Literal, TypeVar

import msgspec

from axiomd.contracts.errors import EXIT_INPUT, EXIT_OK
from axiomd.contracts.fills import Trade
from axiomd.contracts.outcome import CurvePoint, RunRecord
from axiomd.contracts.signals import Signal
from axiomd.core.uncollected import uncollected
from axiomd.runs import tables

R = TypeVar("R")
Name = Literal["signals", "trades", "curve"]

BARS_MIN: Final = 100_000
"""Of fewer bars the tables take no longer than a process takes to start."""
_LENGTH_BYTES: Final = 8
_TABLES: Final[Mapping[Name, tables.Table[Any]]] = {
    "signals": tables.SIGNALS, "trades": tables.TRADES, "curve": tables.CURVE,
}  # fmt: skip
_DECODERS: Final[Mapping[Name, msgspec.msgpack.Decoder[list[Any]]]] = {
    "signals": msgspec.msgpack.Decoder(list[Signal]),
    "trades": msgspec.msgpack.Decoder(list[Trade]),
    "curve": msgspec.msgpack.Decoder(list[CurvePoint]),
}


def write_table(path: Path, table: tables.Table[R], records: Iterable[R]) -> None:
    """Write one table."""
    with path.open("wb") as file:
        file.writelines(table.text(records))


def tables_beside(bars: int) -> AbstractContextManager[TablesBeside | None]:
    """Give a process for the tables of a run over so many bars, where it is worth one."""
    return TablesBeside() if bars >= BARS_MIN and (os.cpu_count() or 1) > 1 else nullcontext()


class TablesBeside:
    """The process, started when this is made, so that it is there when there are rows."""

    def __init__(self) -> None:
        self.sent: set[Name] = set()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tables")

    def send_first(self, record: RunRecord) -> None:
        """Have the text made of what a record holds before its orders: its signals and its curve."""
        self.send("signals", record.signals)
        self.send("curve", record.curve)

    def send(self, name: Name, records: Sequence[object]) -> None:
        """Have the text of a table made; nothing may be added to the records any more."""
        self.sent.add(name)
        self._sender.submit(self._send, name, records)

    def write(self, paths: Mapping[Name, Path]) -> Future[None]:
        """Have the tables written that were sent. What comes back is done when they are, or raises `OSError`."""
        assert self.sent == set(paths)
        return self._sender.submit(self._write, paths)

    def _send(self, name: Name, records: Sequence[object]) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        # where it has ended it says why when it is asked to write
        with suppress(BrokenPipeError):
            stdin.write(_line(name, ""))
            for some in tables.together(records):
                rows = msgspec.msgpack.encode(some)
                stdin.write(len(rows).to_bytes(_LENGTH_BYTES, "big") + rows)
            stdin.write(bytes(_LENGTH_BYTES))

    def _write(self, paths: Mapping[Name, Path]) -> None:
        said, _ = self._process.communicate(b"".join(_line(name, str(path)) for name, path in paths.items()))
        if self._process.returncode != EXIT_OK:
            code = int(said) if said else errno.EIO
            raise OSError(code, os.strerror(code))

    def __enter__(self) -> TablesBeside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # of no effect on one that has written everything
        self._sender.shutdown()
        self._process.communicate()


def _line(name: Name, path: str) -> bytes:
    return msgspec.json.encode((name, path)) + b"\n"


def main() -> int:
    """Make the text of what comes, and write it where it is said."""
    stdin, texts = sys.stdin.buffer, dict[Name, list[bytes]]()
    try:
        with uncollected():
            for line in iter(stdin.readline, b""):
                name, path = msgspec.json.decode(line, type=tuple[Name, str])
                if path:
                    with Path(path).open("wb") as file:
                        file.writelines(texts.pop(name))
                else:
                    texts[name] = list(_TABLES[name].text(_received(stdin, _DECODERS[name])))
    except OSError as error:
        print(error.errno)
        return EXIT_INPUT
    return EXIT_OK


def _received(stdin: BinaryIO, decoder: msgspec.msgpack.Decoder[list[Any]]) -> Iterator[Any]:
    while length := int.from_bytes(stdin.read(_LENGTH_BYTES), "big"):
        yield from decoder.decode(stdin.read(length))


if __name__ == "__main__":
    sys.exit(main())
