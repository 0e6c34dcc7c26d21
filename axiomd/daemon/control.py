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
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from socket import socket
from typing import Final

import anyio
import msgspec
from anyio.abc import TaskStatus

from axiomd.contracts.control import (
    HEARTBEAT_S_MAX,
    ControlCommand,
    Heartbeat,
    Welcome,
    is_allowed,
    line_of,
)
from axiomd.contracts.errors import AxiomdError
from axiomd.contracts.patch import State, changes_between
from axiomd.daemon.control_link import Client, Link
from axiomd.daemon.control_socket import gid_of, listen, unlink

BEAT_S: Final = 0.25
"""State is looked at so often while somebody is attached."""
BEAT_S_MIN: Final = 0.05
"""And no more often, however many attach."""
HEARTBEAT_S: Final = HEARTBEAT_S_MAX / 2
COMMAND_S_MAX: Final = 30.0
"""A command that has no answer by then is told so, and its handler's wait is cancelled."""
CLIENTS_MAX: Final = 32
REFUSAL_NOTE_S_MIN: Final = 1.0
LEAVE_S_MAX: Final = 0.5
"""At a stop, so long is waited for clients to take their farewell."""


_encode: Final = msgspec.json.Encoder().encode


Handler = Callable[[ControlCommand, Client], Awaitable[str | None]]
"""Carries a command out: None when done, else why not. An `AxiomdError` is an answer too."""
StateSource = Callable[[], tuple[int, State]]
"""Gives the newest seq and the whole state."""
Note = Callable[[str, Mapping[str, str | int]], None]
"""Takes what is worth a log line: a name as in `observe.logging`, and fields."""


def _rank(link: Link) -> int:
    """Who makes room first: who waits in silence, then who only looks on; of several who was there first."""
    return 0 if link.client is None else 1 if link.client.role == "observer" else 2


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
        self._listener: socket | None = None
        self._links: dict[Link, None] = {}
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

    def bind(self) -> None:
        """Take the socket's place, before anybody is told that the daemon is ready; `serve` listens there.

        `RefusedError` (exit 5) where another process listens already, `InputError` where no socket can be.
        """
        self._gid = -1 if self._group is None else gid_of(self._group)
        self._listener = listen(self._path, self._gid)

    def close(self) -> None:
        """Leave a place that was taken and is not served."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            self._path.unlink(missing_ok=True)

    async def serve(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Listen, and beat until cancelled. Binds where nobody has, as when it is started again; raises as `bind`."""
        if self._listener is None:
            self.bind()
        listener, self._listener = self._listener, None
        assert listener is not None
        identity = self._path.stat()
        try:
            loop = asyncio.get_running_loop()
            server = await loop.create_unix_server(lambda: Link(self), sock=listener, backlog=CLIENTS_MAX)
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
        attached: list[Link] = []
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

    def enter(self, link: Link, credentials: tuple[int, int], groups: frozenset[int]) -> str:
        """Let a connection in, or say why not."""
        uid, _ = credentials
        if uid not in (0, os.geteuid()) and (self._gid < 0 or self._gid not in groups):
            self.refused("uid")
            return f"uid {uid} is not let in here"
        if len(self._links) >= CLIENTS_MAX:
            # whoever comes may want to stop everything, and `axiomd kill` ends a daemon that does not let it in
            leaving = min((each for each in self._links if not each.in_flight), key=_rank, default=None)
            if leaving is None:
                self.refused("full")
                return f"{CLIENTS_MAX} clients are attached already"
            leaving.close("made room for another client")
            self._links.pop(leaving, None)
        self._links[link] = None
        return ""

    def attach(self, link: Link, client: Client) -> None:
        """Answer a hello; the snapshot comes with the beat that is woken for it."""
        self._note("control.attached", {"name": client.name, "role": client.role, "uid": client.uid, "pid": client.pid})
        link.write(line_of(self._welcome()))
        self.wake()

    def command(self, link: Link, client: Client, command: ControlCommand) -> None:
        """Carry a command out in a task of its own; what was begun ends even where its client goes."""
        if not is_allowed(client.role, command):
            link.answer(command.id, f"an observer may not {command.name}: it may only kill at level halt")
            return
        link.in_flight += 1
        # A plain task: a task group's costs twice as much as all the rest of a round trip.
        task = asyncio.get_running_loop().create_task(self._carry_out(link, client, command))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def leave(self, link: Link, reason: str) -> None:
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

    async def _carry_out(self, link: Link, client: Client, command: ControlCommand) -> None:
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


__all__ = ["Client", "ControlServer", "Handler", "StateSource"]
