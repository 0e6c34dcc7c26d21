"""What systemd hears from a daemon, and that the shipped unit is sound and hardened."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from axiomd.daemon.systemd import STATUS_LENGTH_MAX, Notifier

FOLDER = Path(__file__).resolve().parents[3] / "systemd"
UNIT = FOLDER / "axiomd@.service"
EXPOSURE_MAX = 1.2

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed on this machine"
)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.settimeout(5)
        yield receiver, path


def test_ready_alive_and_stopping_reach_the_manager(manager: tuple[socket.socket, str]) -> None:
    receiver, path = manager
    notifier = Notifier.of({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "7"}, 7)
    notifier.ready("trading paper SIM")
    notifier.alive()
    notifier.stopping("asked to stop")
    notifier.extend(5_000_000)

    assert 10_000_000 == notifier.watchdog_us
    assert [
        b"READY=1\nSTATUS=trading paper SIM",
        b"WATCHDOG=1",
        b"STOPPING=1\nSTATUS=asked to stop",
        b"EXTEND_TIMEOUT_USEC=5000000",
    ] == [receiver.recv(4096) for _ in range(4)]


def test_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0axiomd-test-notify")
        receiver.settimeout(5)
        Notifier.of({"NOTIFY_SOCKET": "@axiomd-test-notify"}, 1).alive()

        assert b"WATCHDOG=1" == receiver.recv(4096)


def test_same_status_twice_is_sent_once_and_stays_one_line(manager: tuple[socket.socket, str]) -> None:
    receiver, path = manager
    notifier = Notifier(path)
    notifier.status("hung:\nengine")
    notifier.status("hung:\nengine")
    notifier.status("x" * 1000)

    assert b"STATUS=hung: engine" == receiver.recv(4096)
    assert b"STATUS=" + b"x" * STATUS_LENGTH_MAX == receiver.recv(4096)


def test_manager_that_is_gone_or_full_holds_nobody_up(manager: tuple[socket.socket, str], tmp_path: Path) -> None:
    receiver, path = manager
    Notifier(str(tmp_path / "nobody")).ready("on")
    notifier = Notifier(path)
    for _ in range(2000):
        notifier.alive()

    assert b"WATCHDOG=1" == receiver.recv(4096)


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "vsock:2:1234"}, {"NOTIFY_SOCKET": "relative"}])
def test_without_a_manager_nothing_is_sent(environ: dict[str, str]) -> None:
    notifier = Notifier.of(environ, 1)
    notifier.ready("on")

    assert not notifier.is_heard
    assert notifier.beat_s is None


@pytest.mark.parametrize(
    ("text", "pid", "expected"),
    [
        ("3000000", "", 1.0),
        ("3000000", "1", 1.0),
        ("3000000", "2", None),
        ("0", "", None),
        ("x", "", None),
        ("²", "", None),
    ],
)
def test_watchdog_is_fed_three_times_as_often_as_asked(text: str, pid: str, expected: float | None) -> None:
    environ = {"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": text, "WATCHDOG_PID": pid}

    assert expected == Notifier.of(environ, 1).beat_s


@needs_systemd
def test_unit_is_verified_by_systemd() -> None:
    told = subprocess.run(["systemd-analyze", "verify", str(UNIT)], capture_output=True, text=True, check=False)

    assert (0, "") == (told.returncode, told.stderr + told.stdout)


@needs_systemd
def test_unit_is_exposed_no_more_than_allowed() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told.stdout)

    assert found is not None
    assert EXPOSURE_MAX >= float(found[1])


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
def test_user_has_no_login_and_the_group_of_operators_its_name(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    command = ["systemd-sysusers", f"--root={tmp_path}", str(FOLDER / "axiomd.sysusers")]
    subprocess.run(command, capture_output=True, check=True)

    assert (tmp_path / "etc/passwd").read_text().startswith("axiomd:x:")
    assert "/usr/sbin/nologin" in (tmp_path / "etc/passwd").read_text()
    assert (tmp_path / "etc/group").read_text().startswith("axiomd:x:")


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "Restart=on-failure",
        "RestartPreventExitStatus=1 2 6",
        "StateDirectory=axiomd/%i",
        "RuntimeDirectory=axiomd/%i",
        "CacheDirectory=axiomd/%i",
        "LogsDirectory=axiomd/%i",
        "User=axiomd",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "Environment=NUMBA_CACHE_DIR=%C/axiomd/%i/numba",
        "Environment=AXIOMD_STATE_DIR=%S/axiomd/%i",
        "Environment=AXIOMD_RUNTIME_DIR=%t/axiomd/%i",
    ],
)
def test_unit_says(line: str) -> None:
    assert line in UNIT.read_text().splitlines()


def test_watchdog_waits_longer_than_a_task_may_be_silent() -> None:
    from axiomd.daemon.health import SILENCE_US_MAX

    found = re.search(r"^WatchdogSec=(\d+)s$", UNIT.read_text(), re.MULTILINE)

    assert found is not None
    assert SILENCE_US_MAX < int(found[1]) * 1_000_000
