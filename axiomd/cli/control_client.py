"""The client's side of the control socket for short commands: standard library only, one deadline for all of it.

It says hello, reads the snapshot, asks for something and waits for the answer. It decides nothing; a daemon that does
not answer in time is an answer too. The names are those of `axiomd.contracts.control`, which it does not load: pydantic
costs more than the whole command may.
"""

from __future__ import annotations

import json
import os
import socket
import time

PROTOCOL_VERSION = 1
"""The same as in `axiomd.contracts.control`; a test holds the two against each other."""
LINE_BYTES_MAX = 32 * 1024 * 1024
"""A snapshot of more than this is not a daemon of ours."""
READ_BYTES = 256 * 1024
ERROR_LENGTH_MAX = 500


class ControlError(OSError):
    """Report that the daemon could not be asked: no socket, no answer in time, or an answer that makes no sense."""


class ControlClient:
    """Attach to a daemon's socket. `timeout_s` bounds the whole conversation from the first byte on.

    Use it as a context manager; entering connects and says hello, and raises `ControlError` where that fails.
    """

    def __init__(self, path: str, *, role: str, name: str, timeout_s: float = 1.0) -> None:
        self._path = path
        self._role = role
        self._name = name
        self._timeout_s = timeout_s
        self._deadline_s = 0.0
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self._commands = 0
        self._seq = 0
        self.welcome: dict[str, object] = {}

    def __enter__(self) -> ControlClient:
        self._deadline_s = time.monotonic() + self._timeout_s
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(self._timeout_s)
            try:
                self._socket.connect(self._path)
            except OSError as problem:
                raise ControlError(f"no connection: {problem.strerror or problem}") from problem
            self._send({"type": "hello", "version": PROTOCOL_VERSION, "role": self._role, "name": self._name})
            self.welcome = self._next("welcome")
        except ControlError:
            self._socket.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()

    def snapshot(self) -> dict[str, object]:
        """Give the whole state as `axiomd.core.view` describes it."""
        message = self._next("snapshot")
        state, seq = message.get("state"), message.get("seq")
        if not isinstance(state, dict) or not isinstance(seq, int):
            raise ControlError("the snapshot makes no sense")
        self._seq = seq
        return state

    def change(self) -> dict[str, object]:
        """Give the next patch of the state that is known."""
        changes = self._next("delta").get("changes")
        if not isinstance(changes, dict):
            raise ControlError("the delta makes no sense")
        return changes

    def command(self, name: str, args: dict[str, object] | None = None, *, timeout_s: float | None = None) -> str:
        """Ask for something and give the daemon's refusal, empty where it was done; `ControlError` if unanswered."""
        if timeout_s is not None:
            self._deadline_s = time.monotonic() + timeout_s
        self._commands += 1
        own = f"{os.getpid()}-{self._commands}"
        self._send({"type": "command", "id": own, "name": name, "seq": self._seq, "args": args or {}})
        while True:
            message = self._next("result")
            if message.get("id") == own:
                return "" if message.get("ok") is True else str(message.get("error"))[:ERROR_LENGTH_MAX]

    def _next(self, kind: str) -> dict[str, object]:
        """Read on to the next message of a kind; what else comes meanwhile is news that this client has no use for."""
        while True:
            message = self._message()
            told = message.get("type")
            if told == kind:
                return message
            if told == "closing":
                raise ControlError(f"the daemon closed: {str(message.get('reason'))[:ERROR_LENGTH_MAX]}")

    def _message(self) -> dict[str, object]:
        scanned = 0
        while (end := self._buffer.find(b"\n", scanned)) < 0:
            scanned = len(self._buffer)
            if scanned > LINE_BYTES_MAX:
                raise ControlError(f"a line of more than {LINE_BYTES_MAX} bytes")
            self._buffer += self._read()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise ControlError("the daemon's line is no JSON object")
        return message

    def _read(self) -> bytes:
        sender = self._within_deadline()
        try:
            data = sender.recv(READ_BYTES)
        except TimeoutError as problem:
            raise self._late() from problem
        except OSError as problem:
            raise ControlError(f"no answer: {problem.strerror or problem}") from problem
        if not data:
            raise ControlError("the daemon closed without a word")
        return data

    def _send(self, message: dict[str, object]) -> None:
        sender = self._within_deadline()
        try:
            sender.sendall(json.dumps(message).encode() + b"\n")
        except TimeoutError as problem:
            raise self._late() from problem
        except OSError as problem:
            raise ControlError(f"nothing could be sent: {problem.strerror or problem}") from problem

    def _late(self) -> ControlError:
        return ControlError(f"no answer within {self._timeout_s:g} s")

    def _within_deadline(self) -> socket.socket:
        assert self._socket is not None
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise self._late()
        self._socket.settimeout(left_s)
        return self._socket
