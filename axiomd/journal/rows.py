"""Rows of a journal: what stands in one, its hash, and many of them inserted at once.

A row's hash covers every column and the hash before it, so no row can change, vanish or move unseen.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from typing import Final

import msgspec

GENESIS: Final = b"\0" * 32
COLUMNS: Final = "seq, ts_us, kind, run_id, key, cause, payload, prev_hash, hash"
WIDTH: Final = len(COLUMNS.split(", "))
STATEMENT_ROWS: Final = (25, 1)
"""More of them take longer a row, as their parameters leave the processor's cache."""

Row = tuple[int, int, str, str, str, int, str, bytes, bytes]
Values = list[int | str | bytearray]
"""Rows on their way in, one behind the other. A hash is a bytearray: sqlite3 looks for an adapter of every `bytes`."""

lines_of: Final = msgspec.json.Encoder().encode_lines
"""Writes events as text: payloads, a line each."""


def split_lines(payloads: bytes) -> list[str]:
    """Take lines of payloads apart: each ends with a break and has none within, since JSON writes one as `\\n`."""
    return payloads.decode().split("\n")[:-1]


def chain(
    values: Values, head: bytes, seqs: Sequence[int], times: Sequence[int], kinds: Sequence[str],
    run_ids: Sequence[str], keys: Sequence[str], causes: Sequence[int], payloads: Sequence[str],
) -> bytes:  # fmt: skip
    """Put rows, given by column, behind `values` with the hash before each and its own; gives the last one's."""
    hashes = [bytearray(head)]
    for text in _texts_of(zip(seqs, times, kinds, run_ids, keys, causes, payloads, strict=True)):
        head = sha256(head + text).digest()
        hashes.append(bytearray(head))
    # a column at once takes less than a row at once
    columns: tuple[Sequence[int | str | bytearray], ...] = (
        seqs, times, kinds, run_ids, keys, causes, payloads, hashes[:-1], hashes[1:]
    )  # fmt: skip
    rows: Values = [0] * (WIDTH * len(seqs))
    for place, column in enumerate(columns):
        rows[place::WIDTH] = column
    values += rows
    return head


def insert(db: sqlite3.Connection, values: Values) -> None:
    """Insert rows, many a statement as far as they go: each statement is a way to SQLite and back."""
    first = 0
    for rows in STATEMENT_ROWS:
        statement, size = _statement(rows), rows * WIDTH
        while len(values) - first >= size:
            db.execute(statement, values[first : first + size])
            first += size


@cache
def _statement(rows: int) -> str:
    row = "(" + ",".join("?" * WIDTH) + ")"
    return "INSERT INTO events VALUES " + ",".join([row] * rows)


def row_hash(
    previous: bytes, seq: int, ts_us: int, kind: str, run_id: str, key: str, cause: int, payload: str
) -> bytes:
    """Give a row's hash: sha256 over the hash before it and every column."""
    (text,) = _texts_of(((seq, ts_us, kind, run_id, key, cause, payload),))
    return sha256(previous + text).digest()


def _texts_of(rows: Iterable[tuple[int, int, str, str, str, int, str]]) -> list[bytes]:
    """Write rows as what their hashes are of."""
    return [
        f"{seq}|{ts_us}|{kind}|{run_id}|{key}|{cause}|{payload}".encode()
        for seq, ts_us, kind, run_id, key, cause, payload in rows
    ]


def is_as_written(row: Row) -> bool:
    """Say whether a row's content is what its hash says; that of a damaged page is anything."""
    seq, ts_us, kind, run_id, key, cause, payload, previous, digest = row
    return row_hash(previous, seq, ts_us, kind, run_id, key, cause, payload) == digest
