"""The broker's process: one works a record, and one that nobody speaks to ends by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from axiomd.broker.sim_wire import SOCKET_FILE
from axiomd.contracts.errors import EXIT_LOCKED, EXIT_OK
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
