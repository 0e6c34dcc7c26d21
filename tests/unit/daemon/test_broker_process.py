"""The broker's process: one works a record, and one that nobody speaks to ends by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from axiomd.broker import sim_process
from axiomd.broker.sim_desk import SimDesk
from axiomd.broker.sim_process import LOCK_FILE, SimServer
from axiomd.broker.sim_record import SimRecord
from axiomd.broker.sim_wire import SOCKET_FILE
from axiomd.contracts.errors import EXIT_LOCKED, EXIT_OK
from axiomd.daemon.broker_process import BrokerProcess
from axiomd.presence import start_time_of
from tests.process.stage import wait_until

pytestmark = pytest.mark.slow


def command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "axiomd.broker", "--state", str(folder), "--runtime", str(folder), *more]


def test_one_without_clients_ends_by_itself(tmp_path: Path) -> None:
    assert subprocess.run(command(tmp_path, "--idle-s", "0.1"), timeout=30, check=False).returncode == EXIT_OK
    assert not (tmp_path / SOCKET_FILE).exists()


def test_a_second_one_on_a_record_leaves(tmp_path: Path) -> None:
    with subprocess.Popen(command(tmp_path)) as first:
        try:
            wait_until((tmp_path / SOCKET_FILE).exists, "the first listens")

            second = subprocess.run(command(tmp_path), timeout=30, check=False)

            assert second.returncode == EXIT_LOCKED
            assert first.poll() is None
        finally:
            first.terminate()
    assert start_time_of(first.pid) is None


def test_one_that_is_coming_up_is_not_started_again_and_none_is_left(tmp_path: Path) -> None:
    process = BrokerProcess(tmp_path, tmp_path)
    process.start()
    process.start()
    wait_until(process.socket.exists, "it listens")
    pid = int((tmp_path / LOCK_FILE).read_text())
    process.start()

    process.end_unused()

    wait_until(lambda: start_time_of(pid) is None, "it has ended")
    assert not process.socket.exists()


def test_one_that_has_ended_is_started_again(tmp_path: Path) -> None:
    process = BrokerProcess(tmp_path, tmp_path)
    process.start()
    wait_until(process.socket.exists, "it listens")
    first = int((tmp_path / LOCK_FILE).read_text())
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: start_time_of(first) is None, "it has ended")

    def another_works() -> bool:
        process.start()  # as `connect` does: one that still has threads to end counts as there
        return (tmp_path / LOCK_FILE).read_text() not in ("", str(first))

    wait_until(another_works, "another one works the record")
    process.end_unused()
    assert start_time_of(first) is None


def test_one_that_nobody_ever_speaks_to_ends_sooner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim_process, "UNUSED_S_MAX", 0.1)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    try:
        SimServer(tmp_path / SOCKET_FILE, SimDesk(SimRecord(tmp_path / "sim.sqlite"))).serve()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    assert not (tmp_path / SOCKET_FILE).exists()
