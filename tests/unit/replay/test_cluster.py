"""A Dask cluster that is not what it should be is told in one line, after a wait that ends."""

from __future__ import annotations

import gc
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from axiomd.cli import sweep as command
from axiomd.cli.main import main
from axiomd.replay import cluster, sweep
from tests.markets import SPANS, frame_of, random_market, sessions_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

Break = Callable[[], object]


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    table = sessions_of(SPANS[0])
    frame_of(random_market(5, ["AAA", "BBB"], table, wildness=8)).write_parquet(tmp_path / "bars.parquet")
    base = {"strategy": {"name": "inside_bar"}, "symbols": ["AAA", "BBB"], "risk": {}}
    values = {"strategy.params.risk_reward": [1 + n / 10 for n in range(20)]}
    path = tmp_path / "grid.yml"
    path.write_text(yaml.safe_dump({"base": base, "bars": "bars.parquet", "each_symbol_alone": True, "grid": values}))
    return path


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Begin processes of a cluster, which find each other by a file; whatever is left of them is ended."""
    begun: list[subprocess.Popen[bytes]] = []

    def one(part: str, *words: str) -> subprocess.Popen[bytes]:
        named = ["--scheduler-file", str(tmp_path / "scheduler.json"), "--no-dashboard"]
        with (tmp_path / f"{part}.log").open("wb") as log:
            program = [sys.executable, "-m", f"distributed.cli.{part}", *named, *words]
            begun.append(subprocess.Popen(program, stdout=log, stderr=log))
        return begun[-1]

    yield one
    for process in begun:
        process.kill()
        process.wait()


def address_in(folder: Path) -> str:
    """Wait until the scheduler has said where it listens."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        try:
            return str(json.loads((folder / "scheduler.json").read_text())["address"])
        except (FileNotFoundError, json.JSONDecodeError):
            time.sleep(0.02)
    pytest.fail((folder / "dask_scheduler.log").read_text())


def swept(grid: Path, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Give exit code and error line of a sweep on the cluster."""
    words = ["--grid", str(grid), "--out", str(grid.parent / "out"), "--no-plots"]
    capfd.readouterr()
    code = main(["sweep", *words, "--engine", "dask", "--scheduler", address_in(grid.parent)])
    return code, capfd.readouterr().err


def at_the_first_block(monkeypatch: pytest.MonkeyPatch, breaks: Break) -> None:
    """Have something happen when the first of many blocks is done."""

    @contextmanager
    def progress(total: int) -> Iterator[Callable[[int], None]]:
        assert total == 40
        yield lambda count: breaks()

    monkeypatch.setattr(sweep, "BLOCK_TRIALS", 1)
    monkeypatch.setattr(command, "_progress", progress)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(cluster, "LOOK_S", 0.2)
    yield
    gc.collect()  # what Dask has left to say is said now, to nobody
    logging.disable(logging.NOTSET)


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_without_workers_is_waited_for_so_long_and_no_longer(
    grid: Path, begin: Callable[..., object], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "WORKER_S_MAX", 1)
    begin("dask_scheduler", "--port", "0")

    code, said = swept(grid, capfd)

    address = address_in(grid.parent)
    assert f"error: it has had no worker for 1 s · {address} · start some: dask worker {address}\n" == said
    assert 2 == code
    assert not (grid.parent / "out").exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("part", "number", "what"),
    [
        ("dask_scheduler", signal.SIGKILL, "the scheduler was lost"),
        ("dask_scheduler", signal.SIGSTOP, "the scheduler was lost"),
        ("dask_worker", signal.SIGKILL, "it has had no worker for 1 s"),
    ],
)
def test_a_cluster_that_is_lost_midway_is_told_in_one_line(
    grid: Path, begin: Callable[..., subprocess.Popen[bytes]], capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, part: str, number: signal.Signals, what: str,
) -> None:  # fmt: skip
    processes = {"dask_scheduler": begin("dask_scheduler", "--port", "0")}
    address = address_in(grid.parent)
    processes["dask_worker"] = begin("dask_worker", "--no-nanny", "--nthreads", "1")

    def breaks() -> None:
        processes[part].send_signal(number)
        monkeypatch.setattr(cluster, "WORKER_S_MAX", 1)
        monkeypatch.setattr(cluster, "SCHEDULER_S_MAX", 1)

    at_the_first_block(monkeypatch, breaks)

    code, said = swept(grid, capfd)

    assert said.startswith(f"error: {what} · {address} · "), said
    assert 1 == said.count("\n")
    assert 2 == code


@pytest.mark.filterwarnings("ignore")
def test_what_a_block_itself_finds_wrong_is_told_as_on_this_machine(
    grid: Path, begin: Callable[..., object], capfd: pytest.CaptureFixture[str]
) -> None:
    begin("dask_scheduler", "--port", "0")
    begin("dask_worker", "--no-nanny", "--nthreads", "1")
    (grid.parent / "bars.parquet").write_bytes(b"PAR2")

    code, said = swept(grid, capfd)

    assert said.startswith("error: not a whole Parquet file (truncated?) · "), said
    assert 1 == said.count("\n")
    assert 2 == code
