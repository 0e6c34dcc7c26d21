"""A block of rows on its way to a process that chains and inserts them: columns, with all payloads as lines of text."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import msgspec

from axiomd.contracts.events import Event
from axiomd.journal.log import HELD_EVENTS
from axiomd.journal.rows import Values, chain, lines_of, split_lines


class Block:
    """Rows before they are chained, by column; all `payloads` together have a line for each."""

    __slots__ = ("_columns", "payloads")

    def __init__(self, run_id: str) -> None:
        self._columns = _Columns(run_id)
        self.payloads: list[bytes] = []

    def __len__(self) -> int:
        return len(self._columns.causes)

    def add(self, events: Sequence[Event], keys: Sequence[str], causes: Sequence[int]) -> None:
        """Add a row for each event."""
        # all or nothing: one of them may be an event that cannot be written
        self.payloads += [lines_of(events[first : first + HELD_EVENTS]) for first in range(0, len(events), HELD_EVENTS)]
        columns = self._columns
        columns.ts_us += [event.ts_us for event in events]
        columns.kinds += [event.KIND for event in events]
        columns.keys += keys
        columns.causes += causes

    def chain(self, values: Values, head: bytes, first: int) -> bytes:
        """Put its rows behind `values`, from seq `first` on; gives the last one's hash."""
        columns, size = self._columns, len(self)
        return chain(
            values, head, range(first, first + size), columns.ts_us, columns.kinds, [columns.run_id] * size,
            columns.keys, columns.causes, split_lines(b"".join(self.payloads)),
        )  # fmt: skip

    def parts(self) -> list[bytes]:
        """Give what goes over a pipe, in pieces: who copies text of a megabyte twice waits for it."""
        packed = _pack(self._columns)
        return [_LENGTH.pack(len(packed)), packed, *self.payloads]

    @classmethod
    def of(cls, body: bytes) -> Block:
        """Read the pieces back, put together."""
        begin = _LENGTH.size
        end = begin + _LENGTH.unpack_from(body)[0]
        block = cls("")
        block._columns, block.payloads = _unpack(body[begin:end]), [body[end:]]
        return block


class _Columns(msgspec.Struct, array_like=True):
    run_id: str
    ts_us: list[int] = []
    kinds: list[str] = []
    keys: list[str] = []
    causes: list[int] = []


_LENGTH: Final = struct.Struct("<q")
_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(_Columns).decode


class Written(msgspec.Struct, frozen=True):
    """Where a file stands: rows, the last one's hash, and what went wrong, if anything did."""

    count: int
    head: bytes
    error: str = ""
