"""A block of rows on its way to a process that chains and inserts them: columns, with all payloads as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

import msgspec

from axiomd.contracts.events import Event
from axiomd.journal.log import HELD_EVENTS, Values, chain, lines_of, split_lines


class Block(msgspec.Struct, array_like=True):
    """Rows before they are chained, by column; all `payloads` together have a line for each."""

    run_id: str
    ts_us: list[int] = []
    kinds: list[str] = []
    keys: list[str] = []
    causes: list[int] = []
    payloads: list[bytes] = []

    def __len__(self) -> int:
        return len(self.ts_us)

    def add(self, events: Sequence[Event], keys: Sequence[str], causes: Sequence[int]) -> None:
        """Add a row for each event."""
        # all or nothing: one of them may be an event that cannot be written
        self.payloads += [lines_of(events[first : first + HELD_EVENTS]) for first in range(0, len(events), HELD_EVENTS)]
        self.ts_us += [event.ts_us for event in events]
        self.kinds += [event.KIND for event in events]
        self.keys += keys
        self.causes += causes

    def chain(self, values: Values, head: bytes, first: int) -> bytes:
        """Put its rows behind `values`, from seq `first` on; gives the last one's hash."""
        size = len(self)
        return chain(
            values, head, range(first, first + size), self.ts_us, self.kinds, repeat(self.run_id, size), self.keys,
            self.causes, split_lines(b"".join(self.payloads)),
        )  # fmt: skip


class Written(msgspec.Struct, frozen=True):
    """Where a file stands: rows, the last one's hash, and what went wrong, if anything did."""

    count: int
    head: bytes
    error: str = ""


pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Block).decode
