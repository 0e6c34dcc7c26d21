"""L5, S3 and C2: a whole daemon as its operator has it, started by `axiomd run` over a scripted market.

Each has a state dir of its own in the bench's folder, and ends with its row, the broker's process too.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from axiomd.cli.control_client import ControlClient
from axiomd.cli.sim_kill import SimConnection
from axiomd.core.market.tape import Tape
from benchmarks import product
from benchmarks.bench import Bench
from benchmarks.desk import WINDOWS
from benchmarks.job import document_of
from benchmarks.market import dense_tape
from benchmarks.measure import Goal, Measure, NotBuiltError, Row, in_turn, percentile, seconds
from benchmarks.processes import write_parquet

SYMBOLS: Final = 500
MINUTES: Final = 390
WEEK: Final = 5
ROUND_TRIPS: Final = 200
LOAD_SPEED: Final = 1200
"""Market time under load: twenty moments of 500 symbols a second, as many as a console is to stand."""
LOAD_SESSIONS: Final = 4
READY_S_MAX: Final = 60.0
PACKAGES: Final = ("polars", "numba", "pydantic", "exchange_calendars", "msgspec", "anyio", "orjson", "yaml", "numpy")
"""What the daemon is made with: third-party packages it needs for a day."""
COMMAND_BYTES: Final = 120


def l5(bench: Bench) -> list[Row]:
    """A control command's round trip under load, against a bare asyncio protocol that echoes a line of its size."""
    tape = dense_tape(SYMBOLS * MINUTES * LOAD_SESSIONS, SYMBOLS, step_minutes=1)
    with (
        _daemon(bench.folder / "l5", tape, speed=LOAD_SPEED) as daemon,
        _echo(bench.folder / "echo.sock") as echo,
        _attached(daemon, "observer") as observer,
        _attached(daemon, "operator") as operator,
    ):
        if not observer.command("note", {"text": "x"}) or operator.command("note", {"text": "x"}):
            raise NotBuiltError("a command was not answered as it should be")
        slow: dict[str, list[float]] = {}
        figures = in_turn(
            [
                _round_trips(lambda: _ask(echo), slow.setdefault("echo", [])),
                _round_trips(lambda: observer.command("note", {"text": "x"}), slow.setdefault("refused", [])),
                _round_trips(lambda: operator.command("note", {"text": "x"}), slow.setdefault("journaled", [])),
            ],
            bench.pairs,
        )
        if daemon.process.poll() is not None:
            raise NotBuiltError("the daemon ended before it was measured: it needs a longer tape")
    load = f"{SYMBOLS} symbols, {LOAD_SPEED // 60} minutes of market a second"
    late = {name: percentile(taken[1:], 0.5) for name, taken in slow.items()}
    late_echo, late_answer = late["echo"], late["refused"]
    echoed = "asyncio protocol echo"
    return [
        Row("L5", "control round trip: refused, p50", echoed, "s", figures[0], figures[1], figures[1] / figures[0],
            Goal("<=", 4, 1.5), load),
        Row("L5", "the same, p95", echoed, "s", late_echo, late_answer, late_answer / late_echo, note=load),
        Row("L5", "journaled before it is answered, p50", echoed, "s", figures[0], figures[2], figures[2] / figures[0],
            None, f"a durable commit and the desk's turn are in it; {load}"),
    ]  # fmt: skip


def s3(bench: Bench) -> list[Row]:
    """The daemon, until it says that it is ready, against importing its packages."""
    tape = dense_tape(2 * MINUTES, 2, step_minutes=1)
    imports = [sys.executable, "-c", "import " + ", ".join(PACKAGES)]

    def ours() -> float:
        with _daemon(bench.folder / "s3", tape, speed=1) as daemon:
            return daemon.ready_s

    figures = in_turn([seconds(lambda: subprocess.run(imports, check=True)), ours], bench.pairs)
    note = f"a new state dir; imported: {' '.join(PACKAGES)}"
    return [
        Row("S3", "daemon ready, warm", "importing its packages", "s", figures[0], figures[1], figures[1] / figures[0],
            Goal("<=", 0.8, 0.3), note)
    ]  # fmt: skip


def c2(bench: Bench) -> list[Row]:
    """The daemon's memory with 500 symbols and its growth over a week."""
    tape = dense_tape(SYMBOLS * MINUTES * WEEK, SYMBOLS, step_minutes=1)
    with _daemon(bench.folder / "c2", tape, speed="max") as daemon:
        sizes = _sizes_by_session(daemon)
    mib = 1024 * 1024
    first, last = sizes[0], sizes[-1]
    note = f"resident after each of {len(sizes)} sessions: {', '.join(f'{size / mib:.0f}' for size in sizes)} MiB"
    return [
        Row("C2", f"daemon memory, {SYMBOLS} symbols, a week's end", "200 MiB", "bytes", 200.0 * mib, last,
            last / (200 * mib), Goal("<=", 2, 1), note),
        Row("C2", "its growth from the first session's end to the last's", "5 MiB", "bytes", 5.0 * mib, last - first,
            (last - first) / (5 * mib), Goal("<=", 1, 0), ""),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Daemon:
    """One that has said that it is ready, `ready_s` after it was started."""

    state: Path
    process: subprocess.Popen[bytes]
    ready_s: float


@contextmanager
def _daemon(folder: Path, tape: Tape, *, speed: float | str) -> Iterator[_Daemon]:
    shutil.rmtree(folder, ignore_errors=True)
    state = folder / "state"
    state.mkdir(parents=True)
    bars, config, notices = folder / "bars.parquet", folder / "run.json", folder / "notify.sock"
    write_parquet(tape, bars)
    document: dict[str, Any] = document_of(tape.symbols, 0.0)
    document["strategy"]["params"] |= {"windows": list(WINDOWS)}
    document |= {
        "mode": "paper", "clock": {"kind": "feed"}, "metrics": {"port": 0},
        "feed": {"kind": "file", "path": str(bars), "speed": speed},
    }  # fmt: skip
    config.write_text(json.dumps(document, default=str), encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AXIOMD_")}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard, (folder / "log").open("wb") as log:
        heard.bind(str(notices))
        heard.settimeout(READY_S_MAX)
        begin = time.perf_counter()
        process = subprocess.Popen(
            [*product.command("run"), "--config", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**environ, "AXIOMD_STATE_DIR": str(state), "NOTIFY_SOCKET": str(notices)},
        )  # fmt: skip
        try:
            _until_ready(heard, process, folder / "log")
            yield _Daemon(state, process, time.perf_counter() - begin)
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with suppress(OSError), SimConnection(str(state / "sim.sock"), str(state)) as broker:
                os.kill(int((state / "sim.lock").read_text()), signal.SIGTERM)
                del broker


def _until_ready(heard: socket.socket, process: subprocess.Popen[bytes], log: Path) -> None:
    while True:
        try:
            message = heard.recv(4096)
        except TimeoutError:
            message = b""
        if message.startswith(b"READY=1"):
            return
        if not message or process.poll() is not None:
            last = (log.read_text("utf-8", "replace").strip().splitlines() or [""])[-1]
            raise NotBuiltError(f"the daemon did not come up: {last}")


@contextmanager
def _attached(daemon: _Daemon, role: str) -> Iterator[ControlClient]:
    with ControlClient(str(daemon.state / "control.sock"), role=role, name="bench", timeout_s=600) as client:
        client.snapshot()
        yield client


def _sizes_by_session(daemon: _Daemon) -> list[float]:
    """Read the daemon's resident memory whenever another session's folder is there, until it ends."""
    sizes: list[float] = []
    size = 0.0
    runs = daemon.state / "artifacts" / "runs"
    while True:
        seen = len(list(runs.glob("*/manifest.json")))
        try:
            size = _resident_bytes(daemon.process.pid) or size
        except OSError:
            break
        if seen > len(sizes):
            sizes.append(size)
        if len(sizes) == WEEK:
            break
        time.sleep(0.02)
    if not sizes:
        raise NotBuiltError("no session came to its end")
    return sizes


def _resident_bytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1]) * 1024
    return 0.0


_ECHO: Final = """
import asyncio, sys
class Echo(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(data)
async def main():
    server = await asyncio.get_running_loop().create_unix_server(Echo, sys.argv[1])
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@contextmanager
def _echo(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    server = subprocess.Popen([sys.executable, "-c", _ECHO, str(path)], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        server.stdout.readline()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(path))
            yield client
    finally:
        server.kill()
        server.wait()


def _ask(echo: socket.socket) -> None:
    line = b"x" * (COMMAND_BYTES - 1) + b"\n"
    echo.sendall(line)
    got = 0
    while got < len(line):
        got += len(echo.recv(4096))


def _round_trips(work: Callable[[], object], slow: list[float]) -> Measure:
    """Measure the median of so many round trips; their p95 is put into `slow`."""

    def measure() -> float:
        taken = []
        for _ in range(ROUND_TRIPS):
            begin = time.perf_counter()
            work()
            taken.append(time.perf_counter() - begin)
        slow.append(percentile(taken, 0.95))
        return percentile(taken, 0.5)

    return measure
