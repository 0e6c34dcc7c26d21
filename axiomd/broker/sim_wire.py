"""What the simulated broker's process and its clients say to each other: one JSON object a line over a Unix socket.

Requests carry an id that comes back in the answer; reports that nobody asked for are pushed to whoever attached. The
messages are plain records, and nothing here opens a socket.
"""

from __future__ import annotations

from typing import Final

import msgspec

from axiomd.contracts.events import BY_KIND, Event
from axiomd.contracts.orders import Order
from axiomd.contracts.truth import OpenOrder, Report

SOCKET_FILE: Final = "sim.sock"
"""In the run dir."""
RECORD_FILE: Final = "sim.sqlite"
"""In the state dir, beside the journal."""
LINE_BYTES_MAX: Final = 16 * 1024 * 1024
"""Every bar of 2,000 symbols in one moment is 200 KB; a day's reports a few MB."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """How the market is simulated: symbols in the client's order with their ticks, costs, the length of a bar."""

    account: str
    symbols: tuple[str, ...]
    ticks: tuple[int, ...]
    costs: dict[str, int]
    bar_us: int
    skips_ambiguous: bool


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request. `op` says which of the fields count.

    attach setup · place orders · cancel key reason · close key reference symbol qty is_urgent · moment ts_us bars ·
    end_session ts_us · truth ts_us (reports after it) · kill flattens · stop.
    """

    id: int
    op: str
    ts_us: int = 0
    setup: Setup | None = None
    orders: tuple[Order, ...] = ()
    key: str = ""
    reason: str = ""
    reference: str = ""
    symbol: str = ""
    qty: int = 0
    is_urgent: bool = False
    bars: tuple[tuple[int, int, int, int, int, int, int], ...] = ()
    flattens: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer, or a push (id 0): reports as (kind, payload); positions and orders where the truth was asked for."""

    id: int
    error: str = ""
    reports: tuple[tuple[str, msgspec.Raw], ...] = ()
    positions: dict[str, int] = {}
    orders: tuple[OpenOrder, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode_request = msgspec.json.Decoder(Request).decode
_decode_answer = msgspec.json.Decoder(Answer).decode
_decoders = {kind: msgspec.json.Decoder(event).decode for kind, event in BY_KIND.items()}


def line_of(message: Request | Answer) -> bytes:
    """Write a message as one line."""
    return _encode(message) + b"\n"


def read_request(line: bytes) -> Request:
    """Read a request; `msgspec.MsgspecError` where it is none."""
    return _decode_request(line)


def read_answer(line: bytes) -> Answer:
    """Read an answer; `msgspec.MsgspecError` where it is none."""
    return _decode_answer(line)


def pack(event: Event) -> tuple[str, msgspec.Raw]:
    """Turn a report into its pair."""
    return event.KIND, msgspec.Raw(_encode(event))


def report_of(report: tuple[str, msgspec.Raw]) -> Report:
    """Turn a pair of the broker's own record back into what it is; `TypeError` where that is no report."""
    event = unpack(report)
    if not isinstance(event, Report):
        raise TypeError(f"{report[0]} is no report")
    return event


def unpack(report: tuple[str, msgspec.Raw]) -> Event:
    """Turn a pair back into a report."""
    kind, payload = report
    return _decoders[kind](payload)
