"""The control socket: consoles attach, see the state change, and ask for things.

It decides who is let in and who may ask, and carries answers back; what a command does is the handler's. It must never
slow the daemon or grow with a client: a slow one is coalesced to the newest snapshot, a flooding one is read more
slowly, one that speaks nonsense or nothing is closed with a reason. A plain asyncio protocol, since a stream's task hop
costs as much as the whole round trip (07 L5).

The bytes kept for one client are bounded by one snapshot, `OUT_BYTES_HIGH` and `RESULT_BYTES_MAX` on the way out, and
by one read of the loop and one line on the way in.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from socket import SO_PEERCRED, SOL_SOCKET, socket
from typing import Final

import anyio
import msgspec
from anyio.abc import TaskStatus

from axiomd.contracts.control import (
    HEARTBEAT_S_MAX,
    LINE_BYTES_MAX,
    PROTOCOL_VERSION,
    Closing,
    ControlCommand,
    Heartbeat,
    Hello,
    Role,
    Welcome,
    is_allowed,
    line_of,
    parse_client,
)
from axiomd.contracts.errors import AxiomdError, ProtocolViolation
from axiomd.contracts.patch import State, changes_between
from axiomd.daemon.control_socket import gid_of, listen, unlink

BEAT_S: Final = 0.25
"""State is looked at so often while somebody is attached."""
BEAT_S_MIN: Final = 0.05
"""And no more often, however many attach."""
HEARTBEAT_S: Final = HEARTBEAT_S_MAX / 2
HELLO_S_MAX: Final = 5.0
"""Who has not said hello by then is closed."""
SLOW_S_MAX: Final = 30.0
"""Who has read nothing for so long is closed."""
COMMAND_S_MAX: Final = 30.0
"""A command that has no answer by then is told so, and its handler's wait is cancelled."""
CLIENTS_MAX: Final = 32
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
REFUSAL_NOTE_S_MIN: Final = 1.0
LEAVE_S_MAX: Final = 0.5
"""At a stop, so long is waited for clients to take their farewell."""

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


Handler = Callable[[ControlCommand, Client], Awaitable[str | None]]
"""Carries a command out: None when done, else why not. An `AxiomdError` is an answer too."""
StateSource = Callable[[], tuple[int, State]]
"""Gives the newest seq and the whole state."""
Note = Callable[[str, Mapping[str, str | int]], None]
"""Takes what is worth a log line: a name as in `observe.logging`, and fields."""


def _no_note(name: str, fields: Mapping[str, str | int]) -> None:
    del name, fields


class ControlServer:
    """Serve consoles on one Unix socket until cancelled. `now_us` is wall time, for heartbeats alone."""

    def __init__(
        self,
        path: Path,
        *,
        welcome: Callable[[], Welcome],
        state: StateSource,
        handle: Handler,
        now_us: Callable[[], int],
        group: str | None = None,
        note: Note = _no_note,
    ) -> None:
        self._path = path
        self._welcome = welcome
        self._state = state
        self._handle = handle
        self._now_us = now_us
        self._group = group
        self._note = note
        self._gid = -1
        self._links: dict[_Link, None] = {}
        self._shown: tuple[int, State] = (0, {})
        self._is_shown = False
        self._heartbeat_s = 0.0
        self._refusals = 0
        self._refusal_s = float("-inf")
        self._wake = anyio.Event()
        self._left = anyio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def clients(self) -> tuple[Client, ...]:
        """Who is attached right now, by name."""
        attached = [link.client for link in self._links if link.client is not None]
        return tuple(sorted(attached, key=lambda client: (client.name, client.pid)))

    def wake(self) -> None:
        """Show the newest state now instead of at the next beat: something happened that cannot wait."""
        self._wake.set()

    async def serve(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Listen, and beat until cancelled. `RefusedError` (exit 5) where another process listens there already."""
        self._gid = -1 if self._group is None else gid_of(self._group)
        listener = listen(self._path, self._gid)
        identity = self._path.stat()
        try:
            loop = asyncio.get_running_loop()
            server = await loop.create_unix_server(lambda: _Link(self), sock=listener, backlog=CLIENTS_MAX)
            try:
                task_status.started()
                await self._pace()
            finally:
                server.close()
                await self._farewell()
        finally:
            listener.close()
            unlink(self._path, identity)

    async def _pace(self) -> None:
        while True:
            with anyio.move_on_after(BEAT_S):
                await self._wake.wait()
            self._wake = anyio.Event()
            self._beat(asyncio.get_running_loop().time())
            await anyio.sleep(BEAT_S_MIN)

    async def _farewell(self) -> None:
        for link in list(self._links):
            link.close("the daemon goes")
        # The clients' last bytes may leave although we are cancelled; never longer than the bound.
        with anyio.move_on_after(LEAVE_S_MAX, shield=True):
            while self._under_way:
                for task in self._under_way:
                    task.cancel()
                await asyncio.wait(self._under_way)
            while self._links:
                self._left = anyio.Event()
                await self._left.wait()
        for link in list(self._links):
            link.abort()

    def _beat(self, now_s: float) -> None:
        """Close who is overdue, bring who can take it to the newest state, say that we live."""
        attached: list[_Link] = []
        for link in list(self._links):
            if link.is_overdue(now_s):
                continue
            if link.client is not None:
                attached.append(link)
        if not attached:
            self._is_shown = False
            return
        seq, state = self._state()
        changes = changes_between(self._shown[1], state) if self._is_shown else {}
        self._shown, self._is_shown = (seq, state), True
        delta = _encode({"type": "delta", "seq": seq, "changes": changes}) + b"\n" if changes else b""
        snapshot = b""
        for link in attached:
            if not link.is_writable:
                link.is_current = link.is_current and not delta
            elif link.is_current:
                link.write(delta)
            else:
                snapshot = snapshot or _encode({"type": "snapshot", "seq": seq, "state": state}) + b"\n"
                link.is_current = True
                link.write(snapshot)
        if now_s - self._heartbeat_s >= HEARTBEAT_S:
            self._heartbeat_s = now_s
            line = line_of(Heartbeat(ts=self._now_us(), seq=seq))
            for link in attached:
                if link.is_writable:
                    link.write(line)

    # --- what links ask ---

    def enter(self, link: _Link, credentials: tuple[int, int], groups: frozenset[int]) -> str:
        """Let a connection in, or say why not."""
        uid, _ = credentials
        if uid not in (0, os.geteuid()) and (self._gid < 0 or self._gid not in groups):
            self.refused("uid")
            return f"uid {uid} is not let in here"
        if len(self._links) >= CLIENTS_MAX:
            # Who waits in silence makes room for who may speak.
            silent = [each for each in self._links if each.client is None]
            if not silent:
                self.refused("full")
                return f"{CLIENTS_MAX} clients are attached already"
            silent[0].close("made room for another client")
            self._links.pop(silent[0], None)
        self._links[link] = None
        return ""

    def attach(self, link: _Link, client: Client) -> None:
        """Answer a hello; the snapshot comes with the beat that is woken for it."""
        self._note("control.attached", {"name": client.name, "role": client.role, "uid": client.uid, "pid": client.pid})
        link.write(line_of(self._welcome()))
        self.wake()

    def command(self, link: _Link, client: Client, command: ControlCommand) -> None:
        """Carry a command out in a task of its own; what was begun ends even where its client goes."""
        if not is_allowed(client.role, command):
            link.answer(command.id, f"an observer may not {command.name}: it may only kill at level halt")
            return
        link.in_flight += 1
        # A plain task: a task group's costs twice as much as all the rest of a round trip.
        task = asyncio.get_running_loop().create_task(self._carry_out(link, client, command))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def leave(self, link: _Link, reason: str) -> None:
        """Forget a connection that ended."""
        self._links.pop(link, None)
        self._left.set()
        if link.client is not None:
            self._note("control.detached", {"name": link.client.name, "reason": reason})

    def refused(self, reason: str) -> None:
        """Take note of a connection that was closed for what it is or said: once a second, however many there are."""
        self._refusals += 1
        now_s = asyncio.get_running_loop().time()
        if now_s - self._refusal_s >= REFUSAL_NOTE_S_MIN:
            self._note("control.refused", {"reason": reason, "count": self._refusals})
            self._refusals, self._refusal_s = 0, now_s

    async def _carry_out(self, link: _Link, client: Client, command: ControlCommand) -> None:
        error: str | None = f"no answer within {COMMAND_S_MAX:.0f} s: look at the state"
        try:
            async with asyncio.timeout(COMMAND_S_MAX):
                error = await self._handle(command, client)
        except TimeoutError:
            pass
        except AxiomdError as problem:
            error = str(problem)
        except Exception as problem:
            # A client must not be able to end the server, whatever its command ran into (05 I12).
            self._note("control.failed", {"command": command.name, "problem": f"{type(problem).__name__}: {problem}"})
            error = f"internal failure: {type(problem).__name__}"
        link.in_flight -= 1
        link.answer(command.id, error)
        link.drain()


class _Link(asyncio.Protocol):
    """One connection: lines in, lines out, both bounded."""

    def __init__(self, server: ControlServer) -> None:
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


__all__ = ["Client", "ControlServer", "Handler", "StateSource"]
