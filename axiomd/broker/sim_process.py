"""The simulated broker as a process of its own: its truth outlives the daemon's death, and its own.

Every request that changes something is durable in its SQLite record before it is answered; at start the record is
played again through the same matching. One thread, one loop: requests that come together are one transaction, and are
answered in their order when it is through. It trusts its socket's owner alone and takes no decision of ours. One
process works a record: a second one waits for the first to go, and leaves when it does not; one that nobody speaks to
for long ends by itself, and sooner where nobody ever did.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import selectors
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

import msgspec

from axiomd.broker import sim_wire as wire
from axiomd.broker.sim import SimBroker
from axiomd.contracts.commands import Approved, CancelEntry, ClosePosition, SendEntries
from axiomd.contracts.errors import EXIT_LOCKED, EXIT_OK
from axiomd.contracts.truth import Report

REPORTS_KEPT: Final = 20_000
"""The day's reports and more; older ones are nobody's business any more."""
CLIENTS_MAX: Final = 16
LOCK_FILE: Final = "sim.lock"
LOCK_S_MAX: Final = 5.0
"""A process that was told to stop is gone by then."""
IDLE_S_MAX: Final = 600.0
"""Without a client for so long it ends: its record is all that is needed to go on."""
UNUSED_S_MAX: Final = 60.0
"""Nobody has ever spoken to it: who started it is gone, or starts it again."""
LOOK_S: Final = 0.5

_DDL: Final = """
CREATE TABLE IF NOT EXISTS inputs (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS reports (
    seq INTEGER PRIMARY KEY, ts_us INTEGER NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS reports_by_time ON reports(ts_us);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""
_CHANGES: Final = frozenset({"attach", "place", "cancel", "close", "moment", "end_session", "kill"})


class IdleState(msgspec.Struct, frozen=True, kw_only=True):
    """All that an idle broker needs to go on; `last` as in `SimBroker.last_bars`, times UTC us."""

    setup: wire.Setup
    next_id: int
    fills: int
    last: dict[int, tuple[int, int, int]]
    moment_us: int
    session_end_us: int
    session_before_us: int


class SimRecord:
    """The record on disk: requests since the broker was last idle, reports, counters."""

    def __init__(self, path: Path) -> None:
        # SQLite would let everybody read it; its WAL gets the file's mode
        path.touch(0o600)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_DDL)
        self._is_quiet = False
        self._is_open = False

    def inputs(self) -> list[bytes]:
        """Give the requests to be played again, in order."""
        return [bytes(body) for (body,) in self._db.execute("SELECT body FROM inputs ORDER BY seq")]

    def write(self, body: bytes, reports: Sequence[Report], *, is_quiet: bool) -> None:
        """Take a request and what came of it in, to be durable after `commit`.

        A quiet one survives our death, and the machine's only with the next one that is not: it is a bar that did
        nothing, which the daemon gives again.
        """
        if self._is_open and self._is_quiet and not is_quiet:
            self.commit()
        if not self._is_open:
            if self._is_quiet != is_quiet:
                self._db.execute(f"PRAGMA synchronous={'NORMAL' if is_quiet else 'FULL'}")
                self._is_quiet = is_quiet
            self._db.execute("BEGIN IMMEDIATE")
            self._is_open = True
        self._db.execute("INSERT INTO inputs(body) VALUES (?)", (body,))
        packed = ((report.ts_us, report.KIND, bytes(wire.pack(report)[1])) for report in reports)
        self._db.executemany("INSERT INTO reports(ts_us, kind, payload) VALUES (?,?,?)", packed)

    def commit(self) -> None:
        """Make durable what was taken in."""
        if self._is_open:
            self._db.execute("COMMIT")
            self._is_open = False

    def checkpoint(self, state: IdleState) -> None:
        """The broker is idle: keep its counters, drop the requests, and reports that nobody will ask for."""
        self.commit()
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("DELETE FROM inputs")
        self._db.execute("DELETE FROM reports WHERE seq <= (SELECT MAX(seq) FROM reports) - ?", (REPORTS_KEPT,))
        self._db.execute("INSERT OR REPLACE INTO state VALUES ('idle', ?)", (msgspec.json.encode(state).decode(),))
        self._db.execute("COMMIT")

    def idle_state(self) -> IdleState | None:
        """Give what was kept at the last checkpoint."""
        row = self._db.execute("SELECT value FROM state WHERE name = 'idle'").fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=IdleState)

    def reports(self, after_us: int) -> tuple[tuple[str, msgspec.Raw], ...]:
        """Give the reports that are kept of moments after `after_us`, in order."""
        rows = self._db.execute("SELECT kind, payload FROM reports WHERE ts_us > ? ORDER BY seq", (after_us,))
        return tuple((kind, msgspec.Raw(payload)) for kind, payload in rows)


class SimDesk:
    """The broker behind the socket: requests in, answers out, written down in between."""

    def __init__(self, record: SimRecord) -> None:
        self._record = record
        self._broker: SimBroker | None = None
        self._setup: wire.Setup | None = None
        self._symbols: list[str] = []
        self._ticks: list[int] = []
        self._own_index: list[int] = []
        self._moment_us = 0
        self._session_end_us = 0
        self._session_before_us = 0
        self._restore()

    def _restore(self) -> None:
        idle = self._record.idle_state()
        if idle is not None:
            self._setup_from(idle.setup)
            assert self._broker is not None
            self._broker.resume_from(idle.next_id, idle.fills, idle.last)
            self._moment_us = idle.moment_us
            self._session_end_us = idle.session_end_us
            self._session_before_us = idle.session_before_us
        for body in self._record.inputs():
            self._change(wire.read_request(body))

    def answer(self, line: bytes) -> wire.Answer:
        """Answer one request, durably."""
        answer, _ = self.take(line)
        self.commit()
        return answer

    def commit(self) -> None:
        """Make durable what the requests so far led to: only then may they be answered."""
        self._record.commit()

    def take(self, line: bytes) -> tuple[wire.Answer, list[Report]]:
        """Do what one request asks and give its answer, and what it made happen. Never raises for a bad request."""
        try:
            request = wire.read_request(line)
        except msgspec.MsgspecError as error:
            return wire.Answer(id=0, error=f"not understood: {error}"), []
        if request.op == "truth":
            truth = None if self._broker is None else self._broker.truth()
            return wire.Answer(
                id=request.id,
                # a daemon that died while a session closed asks for that session; nobody asks for older ones
                reports=self._record.reports(max(self._session_before_us, request.ts_us)),
                positions={} if truth is None else truth.positions,
                orders=() if truth is None else truth.orders,
            ), []
        if request.op not in _CHANGES:
            return wire.Answer(id=request.id, error=f"unknown request {request.op}"), []
        if self._broker is None and request.op not in ("attach", "kill"):
            return wire.Answer(id=request.id, error="nobody has attached yet"), []
        before = (self._moment_us, self._session_end_us)
        reports = self._change(request)
        is_news = bool(reports) or request.op != "attach" or self._setup_is_new
        if is_news and (request.op not in ("moment", "end_session") or before != self._times()):
            self._record.write(line.strip(), reports, is_quiet=request.op == "moment" and not reports)
        if request.op == "end_session" and self._broker is not None and self._broker.is_idle:
            self._checkpoint(self._broker)
        return wire.Answer(id=request.id, reports=tuple(map(wire.pack, reports))), reports

    def _times(self) -> tuple[int, int]:
        return self._moment_us, self._session_end_us

    def _checkpoint(self, broker: SimBroker) -> None:
        next_id, fills = broker.counters
        self._record.checkpoint(
            IdleState(
                setup=self._whole_setup(),
                next_id=next_id,
                fills=fills,
                last=broker.last_bars,
                moment_us=self._moment_us,
                session_end_us=self._session_end_us,
                session_before_us=self._session_before_us,
            )
        )

    def _whole_setup(self) -> wire.Setup:
        assert self._setup is not None
        return msgspec.structs.replace(self._setup, symbols=tuple(self._symbols), ticks=tuple(self._ticks))

    def _change(self, request: wire.Request) -> list[Report]:
        self._setup_is_new = False
        broker = self._broker
        match request.op:
            case "attach":
                assert request.setup is not None
                self._setup_from(request.setup)
                return []
            case _ if broker is None:
                return []
            case "place":
                placed: list[Report] = []
                for oco, orders in groupby(request.orders, attrgetter("oco_id")):
                    legs = tuple(Approved(order) for order in orders)
                    placed += broker.execute(SendEntries(oco_id=oco, legs=legs), request.ts_us)
                return placed
            case "cancel":
                return broker.execute(CancelEntry(key=request.key, reason=request.reason), request.ts_us)
            case "close":
                return broker.execute(
                    ClosePosition(
                        key=request.key,
                        reference=request.reference,
                        symbol=request.symbol,
                        qty=request.qty,
                        is_urgent=request.is_urgent,
                    ),
                    request.ts_us,
                )
            case "moment":
                if request.ts_us <= self._moment_us:
                    return []
                self._moment_us = request.ts_us
                own = self._own_index
                return broker.match([(bar[0], own[bar[1]], *bar[2:]) for bar in request.bars], request.ts_us)
            case "end_session":
                if request.ts_us <= self._session_end_us:
                    return []
                self._session_before_us, self._session_end_us = self._session_end_us, request.ts_us
                return broker.end_session(request.ts_us)
            case _:
                return broker.kill(self._moment_us or request.ts_us, flattens=request.flattens)

    def _setup_from(self, setup: wire.Setup) -> None:
        """Take a client's symbols in; those it no longer names keep their place, and what is held in them."""
        if self._broker is not None and self._setup == setup:
            return
        self._setup_is_new = True
        self._setup = setup
        for symbol, tick in zip(setup.symbols, setup.ticks, strict=True):
            if symbol not in self._symbols:
                self._symbols.append(symbol)
                self._ticks.append(tick)
        self._own_index = [self._symbols.index(symbol) for symbol in setup.symbols]
        if self._broker is None:
            self._broker = SimBroker(
                self._symbols, self._ticks, setup.costs, bar_us=setup.bar_us, skips_ambiguous=setup.skips_ambiguous
            )
        else:
            self._broker.set_up(self._symbols, self._ticks, setup.costs, skips_ambiguous=setup.skips_ambiguous)


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
