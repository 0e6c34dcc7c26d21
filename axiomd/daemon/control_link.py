"""One console's connection: lines in, lines out, both bounded, read as fast as it is allowed to ask.

A slow one is caught up with the newest state, a flooding one is read more slowly, one that speaks nonsense or nothing
is closed with a reason. What a command does, and who is let in, is the server's.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from socket import SO_PEERCRED, SOL_SOCKET, socket
from typing import Final, Protocol

import msgspec

from axiomd.contracts.control import (
    LINE_BYTES_MAX,
    PROTOCOL_VERSION,
    Closing,
    ControlCommand,
    Hello,
    Role,
    line_of,
    parse_client,
)
from axiomd.contracts.errors import ProtocolViolation

HELLO_S_MAX: Final = 5.0
"""Who has not said hello by then is closed."""
SLOW_S_MAX: Final = 30.0
"""Who has read nothing for so long is closed."""
COMMANDS_MAX: Final = 8
"""Commands of one client under way at once; its next lines wait."""
LINES_PER_S_MAX: Final = 500
LINES_BURST_MAX: Final = 5_000
"""A person's console is never near it; who floods is read at that rate once the burst is used up."""
LINES_A_TURN_MAX: Final = 16
"""So many lines of one client are heard before the loop turns to others."""
OUT_BYTES_HIGH: Final = 64 * 1024
RESULT_BYTES_MAX: Final = 256 * 1024
ERROR_LENGTH_MAX: Final = 500
_SO_PEERGROUPS: Final = 59
_GROUPS_MAX: Final = 1024

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Client:
    """Who is attached: what it calls itself, what it may ask for, and whose process it is."""

    name: str
    role: Role
    uid: int
    pid: int


class Server(Protocol):
    """What a connection asks of whoever keeps all of them."""

    def enter(self, link: Link, credentials: tuple[int, int], groups: frozenset[int]) -> str:
        """Let a connection in, or say why not."""
        ...

    def attach(self, link: Link, client: Client) -> None:
        """Answer a hello."""
        ...

    def command(self, link: Link, client: Client, command: ControlCommand) -> None:
        """Carry a command out; its answer comes by `Link.answer`."""
        ...

    def leave(self, link: Link, reason: str) -> None:
        """Forget a connection that ended."""
        ...

    def refused(self, reason: str) -> None:
        """Take note of a connection that was closed for what it is or said."""
        ...

    def wake(self) -> None:
        """Show the newest state now."""
        ...


class Link(asyncio.Protocol):
    """One connection: lines in, lines out, both bounded."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._since_s = self._loop.time()
        self._blocked_s = 0.0
        self._allowance = float(LINES_BURST_MAX)
        self._counted_s = self._since_s
        self._is_paused = False
        self._is_closing = False
        self._credentials = (-1, -1)
        self._timer: asyncio.TimerHandle | None = None
        self.client: Client | None = None
        self.is_writable = True
        self.is_current = False
        self.in_flight = 0
        self._unread_bytes = 0

    # --- asyncio's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look at the peer before anything is read."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=OUT_BYTES_HIGH)
        peer: socket = transport.get_extra_info("socket")
        self._credentials, groups = _peer(peer)
        refusal = self._server.enter(self, self._credentials, groups)
        if refusal:
            self.close(refusal)

    def data_received(self, data: bytes) -> None:
        """Take bytes in and do what whole lines among them ask."""
        if not self._is_closing:
            self._buffer += data
            self.drain()

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self.is_writable = False
        self._blocked_s = self._loop.time()

    def resume_writing(self) -> None:
        """It has caught up, and gets the newest state instead of what it missed."""
        self.is_writable = True
        if not self.is_current:
            self._server.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._is_closing = True
        if self._timer is not None:
            self._timer.cancel()
        self._buffer.clear()
        self._server.leave(self, "closed" if exc is None else type(exc).__name__)

    # --- the server's side ---

    def is_overdue(self, now_s: float) -> bool:
        """Close whoever has been silent before hello, or deaf, for too long, and say whether it was."""
        if self.client is None and now_s - self._since_s > HELLO_S_MAX:
            self.close(f"no hello within {HELLO_S_MAX:.0f} s")
            return True
        if not self.is_writable and now_s - self._blocked_s > SLOW_S_MAX:
            self.abort()
            return True
        return self._is_closing

    def write(self, line: bytes) -> None:
        """Send a line, or nothing for an empty one."""
        if line and self._transport is not None and not self._is_closing:
            self._transport.write(line)

    def answer(self, command_id: str, error: str | None) -> None:
        """Send a command's result; who asks on and on and never reads is closed."""
        told = None if error is None else error[:ERROR_LENGTH_MAX]
        before = 0 if self._transport is None else self._transport.get_write_buffer_size()
        self.write(_encode({"type": "result", "id": command_id, "ok": error is None, "error": told}) + b"\n")
        after = 0 if self._transport is None else self._transport.get_write_buffer_size()
        self._unread_bytes = 0 if self.is_writable else self._unread_bytes + after - before
        if self._unread_bytes > RESULT_BYTES_MAX:
            self.abort()

    def close(self, reason: str) -> None:
        """Say why and close once that is read; a client that does not read is closed without."""
        if self._is_closing or self._transport is None:
            return
        if self.is_writable:
            self.write(line_of(Closing(reason=reason)))
            self._is_closing = True
            self._transport.close()
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(HELLO_S_MAX, self.abort)
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.abort()

    def drain(self) -> None:
        """Do what the whole lines in the buffer ask, as fast as this client is allowed to ask."""
        for _ in range(LINES_A_TURN_MAX):
            if self._is_closing:
                return
            if self.in_flight >= COMMANDS_MAX:
                self._pause()
                return
            end = self._buffer.find(b"\n", 0, LINE_BYTES_MAX + 1)
            if end < 0:
                if len(self._buffer) > LINE_BYTES_MAX:
                    self._refuse(f"a line of more than {LINE_BYTES_MAX} bytes")
                    return
                self._resume()
                return
            if not self._may_speak():
                self._pause()
                if self._timer is None:
                    self._timer = self._loop.call_later(LINES_A_TURN_MAX / LINES_PER_S_MAX, self._speak_again)
                return
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._hear(line)
        self._pause()
        self._loop.call_soon(self.drain)

    # --- one line ---

    def _hear(self, line: bytes) -> None:
        try:
            message = parse_client(line)
        except ProtocolViolation as violation:
            self._refuse(violation.what)
            return
        if isinstance(message, Hello):
            self._greet(message)
        elif self.client is None:
            self._refuse("a command before hello")
        else:
            self._server.command(self, self.client, message)

    def _greet(self, hello: Hello) -> None:
        if self.client is not None:
            self._refuse("a second hello")
        elif hello.version != PROTOCOL_VERSION:
            self._refuse(f"protocol version {hello.version} is not spoken here, {PROTOCOL_VERSION} is")
        else:
            uid, pid = self._credentials
            self.client = Client(hello.name, hello.role, uid, pid)
            self._server.attach(self, self.client)

    def _refuse(self, reason: str) -> None:
        self._buffer.clear()
        self._server.refused(reason)
        self.close(reason)

    # --- pace ---

    def _may_speak(self) -> bool:
        now_s = self._loop.time()
        refilled = self._allowance + (now_s - self._counted_s) * LINES_PER_S_MAX
        self._allowance, self._counted_s = min(refilled, float(LINES_BURST_MAX)), now_s
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True

    def _speak_again(self) -> None:
        self._timer = None
        self.drain()

    def _pause(self) -> None:
        if not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()


def _peer(peer: socket) -> tuple[tuple[int, int], frozenset[int]]:
    """Give ((uid, pid), groups) of the process at the other end, as the kernel knows them."""
    pid, uid, gid = struct.unpack("3i", peer.getsockopt(SOL_SOCKET, SO_PEERCRED, struct.calcsize("3i")))
    try:
        raw = peer.getsockopt(SOL_SOCKET, _SO_PEERGROUPS, 4 * _GROUPS_MAX)
    except OSError:
        raw = b""
    return (uid, pid), frozenset({gid, *struct.unpack(f"{len(raw) // 4}I", raw)})
