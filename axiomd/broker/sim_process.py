"""The simulated broker as a process of its own: its truth outlives the daemon's death, and its own.

One thread, one loop: requests that come together are one transaction, and are answered in their order when it is
through. It trusts its socket's owner alone. One process works a record: a second one waits for the first to go, and
leaves when it does not; one that nobody speaks to for long ends by itself, and sooner where nobody ever did.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from axiomd.broker import sim_wire as wire
from axiomd.broker.sim_desk import SimDesk
from axiomd.broker.sim_record import SimRecord
from axiomd.contracts.errors import EXIT_LOCKED, EXIT_OK

CLIENTS_MAX: Final = 16
LOCK_FILE: Final = "sim.lock"
LOCK_S_MAX: Final = 5.0
"""A process that was told to stop is gone by then."""
IDLE_S_MAX: Final = 600.0
"""Without a client for so long it ends: its record is all that is needed to go on."""
UNUSED_S_MAX: Final = 60.0
"""Nobody has ever spoken to it: who started it is gone, or starts it again."""
LOOK_S: Final = 0.5


class SimServer:
    """The socket: lines in from a few clients, answers out, pushes to those that attached."""

    def __init__(self, path: Path, desk: SimDesk, *, idle_s_max: float = IDLE_S_MAX) -> None:
        self._path = path
        self._idle_s_max = idle_s_max
        self._desk = desk
        self._selector = selectors.DefaultSelector()
        self._buffers: dict[socket.socket, bytearray] = {}
        self._attached: set[socket.socket] = set()
        self._is_stopped = False

    def serve(self) -> None:
        """Serve until stopped."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            listener.bind(str(self._path))
        finally:
            os.umask(mask)
        listener.listen(CLIENTS_MAX)
        self._selector.register(listener, selectors.EVENT_READ)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C is the daemon's, which stops us itself
        heard_s, waits_s_max = time.monotonic(), min(self._idle_s_max, UNUSED_S_MAX)
        while not self._is_stopped:
            if self._buffers:
                heard_s, waits_s_max = time.monotonic(), self._idle_s_max
            elif time.monotonic() - heard_s > waits_s_max:
                break
            for key, _ in self._selector.select(timeout=LOOK_S):
                if key.fileobj is listener:
                    self._accept(listener)
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self._read(key.fileobj)
        self._path.unlink(missing_ok=True)
        self._selector.close()
        listener.close()

    def _stop(self) -> None:
        self._is_stopped = True

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        if len(self._buffers) >= CLIENTS_MAX:
            client.close()
            return
        client.settimeout(1.0)
        self._buffers[client] = bytearray()
        self._selector.register(client, selectors.EVENT_READ)

    def _read(self, client: socket.socket) -> None:
        try:
            data = client.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        buffer = self._buffers[client]
        buffer += data
        if len(buffer) > wire.LINE_BYTES_MAX:
            self._drop(client)
            return
        whole = buffer.rfind(b"\n") + 1
        if whole:
            lines = bytes(buffer[: whole - 1]).split(b"\n")
            del buffer[:whole]
            self._serve_lines(client, lines)

    def _serve_lines(self, client: socket.socket, lines: Sequence[bytes]) -> None:
        """Serve what came together: one transaction, then the answers in order, and to others what happened."""
        answers, news = bytearray(), bytearray()
        for line in lines:
            if b'"op":"stop"' in line:
                self._stop()
                answers += wire.line_of(wire.Answer(id=0))
                break
            if b'"op":"attach"' in line:
                self._attached.add(client)
            answer, reports = self._desk.take(line)
            answers += wire.line_of(answer)
            if reports:
                news += wire.line_of(wire.Answer(id=0, reports=answer.reports))
        self._desk.commit()
        self._send(client, answers)
        if news:
            for other in [other for other in self._attached if other is not client]:
                self._send(other, news)

    def _send(self, client: socket.socket, data: bytes | bytearray) -> None:
        try:
            client.sendall(data)
        except OSError:
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        self._attached.discard(client)
        if self._buffers.pop(client, None) is not None:
            self._selector.unregister(client)
        client.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the broker over a state dir: its socket and its record lie there."""
    parser = argparse.ArgumentParser(prog="axiomd-sim-broker")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--runtime", type=Path, required=True)
    parser.add_argument("--idle-s", type=float, default=IDLE_S_MAX, help="end after so long without a client")
    args = parser.parse_args(argv)
    with _lock(args.state / LOCK_FILE) as is_ours:
        if not is_ours:
            return EXIT_LOCKED
        desk = SimDesk(SimRecord(args.state / wire.RECORD_FILE))
        SimServer(args.runtime / wire.SOCKET_FILE, desk, idle_s_max=args.idle_s).serve()
    return EXIT_OK


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Hold the lock on a record, waiting a little for one that is about to go; says whether it is held.

    The file names the process that holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline_s = time.monotonic() + LOCK_S_MAX
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    yield False
                    return
                time.sleep(0.01)
            else:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
                yield True
                return
    finally:
        os.close(descriptor)
