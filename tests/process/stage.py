"""A stage for real processes: a scripted market in a file, a state dir, and the daemons that are run over it.

Everything lives in one folder of the test. A daemon's process is ended with the stage, and so is the broker's.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from axiomd import latch, native
from axiomd.cli.control_client import ControlClient, ControlError
from axiomd.cli.sim_kill import SimConnection, SimTruth
from axiomd.contracts import events as e
from axiomd.contracts.orders import split_reference
from axiomd.journal.beside import wait_for_writer
from axiomd.journal.reading import Entry, entries
from axiomd.presence import read as read_presence
from axiomd.presence import start_time_of
from tests.markets import SPANS, frame_of, random_market, sessions_of

AXIOMD = [sys.executable, "-m", "axiomd"]
ROOT = Path(__file__).resolve().parents[2]
SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE")
WINDOWS = [f"{h:02d}:{m:02d}-{h + m // 30:02d}:{30 - m:02d}" for h in range(9, 16) for m in (0, 30)][1:-1]
HALF_DAY = (date(2019, 11, 29), date(2019, 11, 29))
READY_S_MAX = 20.0
WAIT_S_MAX = 30.0
RUN_S_MAX = 240.0
"""A command may be the first of a fresh clone, which compiles every rule, on a machine that others slow down."""

Row = tuple[str, ...]


class Stage:
    """One state dir with its tape and configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        self.tape = folder / "bars.parquet"
        self.config_path = folder / "run.yml"
        self.environ: dict[str, str] = {}
        self._running: list[Running] = []

    # --- the script ---

    def write_tape(
        self, seed: int, symbols: Sequence[str] = SYMBOLS, span: tuple[date, date] = SPANS[0], **traits: Any
    ) -> None:
        """Write a scripted market."""
        rows = random_market(seed, symbols, sessions_of(span), **traits)
        frame_of(rows).write_parquet(self.tape)

    def write_config(
        self, *, speed: float | str = "max", symbols: Sequence[str] = SYMBOLS, strategy: str = "inside_bar", **keys: Any
    ) -> None:
        """Write a configuration in which many setups come; `keys` are top-level ones."""
        config: dict[str, Any] = {
            "strategy": {
                "name": strategy,
                "params": {"windows": WINDOWS, "min_mother_range_atr": 0, "atr_period": 2},
            },
            "symbols": list(symbols),
            "sizing": {"mode": "fixed", "fixed_qty": 10},
            "risk": {},
            "mode": "paper",
            "feed": {"kind": "file", "path": str(self.tape), "speed": speed},
            "clock": {"kind": "feed"},
            "metrics": {"port": 0},
        }
        self.config_path.write_text(yaml.safe_dump({**config, **keys}), "utf-8")

    def write_plugin(
        self, package: str, source: str, *, group: str = "axiomd.strategies", name: str = "STRATEGY"
    ) -> None:
        """Put a package of somebody else's beside; `source` is its module, in which `name` is the plug-in."""
        packages = self.folder / "packages"
        info = packages / f"{package}-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (packages / f"{package}.py").write_text(source, "utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", "utf-8")
        (info / "entry_points.txt").write_text(f"[{group}]\n{package} = {package}:{name}\n", "utf-8")

    # --- programs ---

    def run(self, *arguments: str, stdin: str = "", timeout_s: float = RUN_S_MAX) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self._run([*AXIOMD, *arguments], stdin, timeout_s)

    def run_as(self, program: Sequence[str], *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command behind a program for the interpreter, which puts itself under other rights first."""
        return self._run([sys.executable, *program, *AXIOMD[1:], *arguments], "", RUN_S_MAX)

    def _run(self, command: list[str], stdin: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=self._environ(), timeout=timeout_s,
            check=False, cwd=self.folder,
        )  # fmt: skip

    def start(self, *arguments: str, **environ: str) -> Running:
        """Start a daemon."""
        running = Running(self, [*AXIOMD, "run", "--config", str(self.config_path), *arguments], self._environ(environ))
        self._running.append(running)
        return running

    def start_ready(self, *arguments: str, **environ: str) -> Running:
        """Start a daemon and wait until it is ready."""
        running = self.start(*arguments, **environ)
        running.wait_ready()
        return running

    def replay(self) -> list[Row]:
        """Give the trades of a replay of the same file: what an undisturbed run comes to."""
        out = self.folder / "replay"
        done = self.run("replay", "--bars", str(self.tape), "--config", str(self.config_path), "--out", str(out))
        assert done.returncode == 0, done.stderr
        return trades_in([out])

    def _environ(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("AXIOMD_") or name == native.SWITCH
        }
        path = os.pathsep.join([str(self.folder / "packages"), str(ROOT)])
        return {**kept, "AXIOMD_STATE_DIR": str(self.state_dir), "PYTHONPATH": path, **self.environ, **(more or {})}

    # --- what is there ---

    @property
    def journal(self) -> Path:
        return self.state_dir / "journal.sqlite"

    def entries(self) -> list[Entry]:
        return list(entries(self.journal))

    def events(self, kind: type[Any]) -> list[Any]:
        return [entry.event for entry in self.entries() if isinstance(entry.event, kind)]

    def trades(self) -> list[Row]:
        return trades_in(sorted((self.state_dir / "artifacts" / "runs").glob("*")))

    def latch(self) -> latch.LatchState:
        return latch.read(self.state_dir)

    def broker_reports(self) -> list[tuple[str, dict[str, Any]]]:
        """Read the broker's own record, as it lies on the disk."""
        db = sqlite3.connect(f"{(self.state_dir / 'sim.sqlite').absolute().as_uri()}?mode=ro", uri=True)
        try:
            rows = db.execute("SELECT kind, payload FROM reports ORDER BY seq").fetchall()
        finally:
            db.close()
        return [(kind, json.loads(payload)) for kind, payload in rows]

    def sent_to_broker(self) -> list[str]:
        """Give the keys of the orders that reached the broker, by its own record, in their order."""
        return [payload["key"] for kind, payload in self.broker_reports() if kind == e.OrderSent.KIND]

    def entries_sent_to_broker(self) -> list[str]:
        """Give those that open a position."""
        return [key for key in self.sent_to_broker() if not split_reference(key).role]

    def filled_at_broker(self) -> list[str]:
        """Give the exec ids of the broker's own record, in their order."""
        return [payload["fill"]["exec_id"] for kind, payload in self.broker_reports() if kind == e.FillReceived.KIND]

    def broker_truth(self) -> SimTruth:
        """Ask the broker what it holds and works; its process is started where it is gone."""
        with SimConnection(str(self.state_dir / "sim.sock"), str(self.state_dir)) as broker:
            return broker.truth()

    def broker_pid(self) -> int:
        """Give the broker's process, 0 where none lives."""
        try:
            pid = int((self.state_dir / "sim.lock").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            return 0
        return pid if b"axiomd.broker" in command and state not in "ZX" else 0

    def kill_broker(self) -> None:
        pid = self.broker_pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: start_time_of(pid) is None, "the broker's process ends")

    def close(self) -> None:
        for running in self._running:
            running.end()
        self.kill_broker()


class Running:
    """One daemon's process. What it writes to stderr is collected in `log`."""

    def __init__(self, stage: Stage, command: list[str], environ: dict[str, str]) -> None:
        self.stage = stage
        self.started_s = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environ,
            cwd=stage.folder,
        )  # fmt: skip
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.append(line.decode())

    def is_ready(self) -> bool:
        present = read_presence(self.stage.state_dir)
        return present is not None and present.pid == self.pid and present.is_ready

    def wait_ready(self) -> float:
        """Wait until it is ready and give the seconds since its start."""
        wait_until(lambda: self.is_ready() or self.process.poll() is not None, "the daemon is ready", READY_S_MAX)
        assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.log}"
        return time.monotonic() - self.started_s

    def wait(self, timeout_s: float = WAIT_S_MAX) -> int:
        """Wait for its end and give the exit code."""
        code = self.process.wait(timeout_s)
        # as the next daemon does: what was killed may have had its last rows on their way
        wait_for_writer(self.stage.journal)
        self._reader.join(5)
        return code

    def writer_pid(self) -> int:
        """Give the process that writes its journal; waits until there is one."""
        found: list[int] = []

        def look() -> bool:
            lists = [listed.read_text() for listed in Path(f"/proc/{self.pid}/task").glob("*/children")]
            found[:] = [int(pid) for listed in lists for pid in listed.split() if _writes_a_journal(int(pid))]
            return bool(found)

        wait_until(look, "a process writes the journal")
        return found[0]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def stop(self) -> int:
        self.send(signal.SIGTERM)
        return self.wait()

    def end(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self._reader.join(5)
        if self.process.stderr is not None:
            self.process.stderr.close()

    @contextmanager
    def console(self, role: str = "operator") -> Iterator[ControlClient]:
        with ControlClient(
            str(self.stage.state_dir / "control.sock"), role=role, name="a test", timeout_s=10
        ) as client:
            yield client

    def state(self) -> dict[str, Any]:
        """Ask for the whole state."""
        with self.console("observer") as client:
            return client.snapshot()

    def wait_state(self, is_so: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Wait until the state says something."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            with suppress(ControlError):
                state = self.state()
                if is_so(state):
                    found.append(state)
            return bool(found) or self.process.poll() is not None

        wait_until(look, what)
        assert found, f"it ended with {self.process.returncode} before {what}: {self.log}"
        return found[0]

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def _writes_a_journal(pid: int) -> bool:
    with suppress(OSError):
        return b"axiomd.journal.beside" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def wait_until(is_so: Callable[[], bool], what: str, timeout_s: float = WAIT_S_MAX) -> None:
    """Wait until something holds; an assertion where it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    pause = threading.Event()
    while not is_so():
        assert time.monotonic() < deadline_s, f"not within {timeout_s:g} s: {what}"
        pause.wait(0.005)


_COMPARED = (
    "symbol", "side", "qty", "entry_ts", "entry_price", "exit_ts", "exit_price", "exit_reason", "net_pnl", "r_multiple",
    "bars_held", "ambiguous",
)  # fmt: skip


def trades_in(folders: Sequence[Path]) -> list[Row]:
    """Read trades of run folders, without what carries the run's name."""
    trades = []
    for folder in folders:
        with (folder / "trades.csv").open(encoding="utf-8", newline="") as file:
            trades += [tuple(row[name] for name in _COMPARED) for row in csv.DictReader(file)]
    return sorted(trades)


def keys_in(folders: Sequence[Path]) -> list[Row]:
    """Read what became of every order, by key."""
    rows = []
    for folder in folders:
        with (folder / "filled_orders.csv").open(encoding="utf-8", newline="") as file:
            rows += [
                tuple(row[name] for name in ("idempotency_key", "fill_ts", "fill_price", "status", "reason"))
                for row in csv.DictReader(file)
            ]
    return sorted(rows)
