"""What machines around a daemon see: systemd's socket, metrics, health, and the lock that a kill holds."""

from __future__ import annotations

import fcntl
import json
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from axiomd.contracts.errors import EXIT_OK
from axiomd.core.orders.lifecycle import State
from axiomd.presence import read as read_presence
from tests.process.stage import HALF_DAY, Stage, wait_until

pytestmark = pytest.mark.slow


def busy(stage: Stage, **keys: Any) -> None:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(**{"speed": 2500, **keys})


def test_systemd_hears_ready_then_the_watchdog_and_at_last_stopping(stage: Stage, tmp_path: Path) -> None:
    busy(stage)
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(20)
        running = stage.start(NOTIFY_SOCKET=str(address), WATCHDOG_USEC="900000")
        heard: list[str] = []
        armed = "paper SIM 2019-11-29: armed"
        # a day opens once its rules are loaded, or compiled
        while sum("WATCHDOG=1" in message for message in heard) < 3 or not any(armed in message for message in heard):
            heard.append(systemd.recv(4096).decode())
        assert running.stop() == EXIT_OK
        systemd.settimeout(0.5)
        try:
            while True:
                heard.append(systemd.recv(4096).decode())
        except TimeoutError:
            pass

    (ready,) = [place for place, message in enumerate(heard) if message.startswith("READY=1")]
    assert "STATUS=ready: paper SIM" in heard[ready]
    assert any(message.startswith("STOPPING=1") for message in heard)


HANGS = '''
"""A strategy package in which the {n}th call of {what} never comes back."""
import anyio

from axiomd.core.strategies.inside_bar import STRATEGY
from {module} import {owner}

whole, calls = {owner}.{what}, 0


def hung(*args, **kwargs):
    global calls
    calls += 1
    while calls >= {n} and not {is_async}:
        pass
    return anyio.sleep_forever() if calls >= {n} else whole(*args, **kwargs)


{owner}.{what} = hung
'''


@pytest.mark.parametrize(
    ("module", "owner", "what", "n"),
    [("axiomd.core.entries", "Entries", "_take_setup", 12), ("axiomd.daemon.desk", "Desk", "moment", 60)],
    ids=["the engine burns", "the desk waits"],
)
def test_a_hung_engine_stops_the_watchdog_and_kill_still_works(
    stage: Stage, tmp_path: Path, module: str, owner: str, what: str, n: int
) -> None:
    is_async = owner == "Desk"
    stage.write_tape(11, span=HALF_DAY)
    stage.write_plugin("hanger", HANGS.format(module=module, owner=owner, what=what, is_async=is_async, n=n))
    stage.write_config(speed=2500, strategy="hanger")
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(20)
        running = stage.start(NOTIFY_SOCKET=str(address), WATCHDOG_USEC="900000", AXIOMD_NATIVE="off")
        heard: list[str] = []
        while not any("WATCHDOG=1" in message for message in heard):
            heard.append(systemd.recv(4096).decode())
        systemd.settimeout(3 * 0.9)
        last_beat_s = time.monotonic()
        try:
            while time.monotonic() - last_beat_s < 3 * 0.9:
                message = systemd.recv(4096).decode()
                heard.append(message)
                if "WATCHDOG=1" in message:
                    last_beat_s = time.monotonic()
        except TimeoutError:
            pass

    assert running.process.poll() is None
    assert is_async == any("hung: desk" in message for message in heard)
    killed = stage.run("kill", "--flatten", "--reason", "it hangs")
    assert killed.returncode == 0, killed.stdout
    assert running.wait() < 0
    truth = stage.broker_truth()
    assert (truth.positions, truth.entries) == ({}, [])


def test_metrics_tell_every_stage_from_bar_to_acknowledgement(stage: Stage) -> None:
    busy(stage, speed=800)
    running = stage.start_ready()
    running.wait_state(
        lambda state: any(order["state"] == State.WORKING for order in state["orders"].values()), "entries work"
    )
    present = read_presence(stage.state_dir)
    assert present is not None
    address = f"http://{present.metrics['host']}:{present.metrics['port']}"

    text = urllib.request.urlopen(f"{address}/metrics", timeout=5).read().decode()
    health = urllib.request.urlopen(f"{address}/healthz", timeout=5).read()

    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    for stage_name in ("signal", "intent", "order", "ack", "pipeline"):
        assert float(figures[f"{stage_name}_latency_seconds_count"]) > 0, stage_name
        assert float(figures[f"{stage_name}_latency_seconds_sum"]) > 0, stage_name
    parts = sum(float(figures[f"{name}_latency_seconds_count"]) for name in ("order",))
    assert parts == float(figures["ack_latency_seconds_count"])
    assert health == b"healthy\n"
    assert float(figures["broker_reconciled"]) == 1.0
    assert running.stop() == EXIT_OK


def test_a_starting_daemon_waits_for_a_kill_that_is_at_work(stage: Stage) -> None:
    busy(stage)
    stage.state_dir.mkdir()
    with (stage.state_dir / "kill.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = stage.start()
        wait_until(lambda: stage.broker_pid() != 0, "all that may come up before has come up")
        wait_until(lambda: (stage.state_dir / "sim.sock").exists(), "the broker listens")
        waited = not stage.journal.exists() and not running.is_ready()
    took_s = running.wait_ready()

    assert waited
    assert took_s > 0
    assert running.stop() == EXIT_OK


def test_log_lines_are_json_with_key_and_seq(stage: Stage) -> None:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config()
    running = stage.start()

    assert running.wait() == EXIT_OK
    lines = [json.loads(line) for line in running.log.splitlines()]
    assert all({"ts", "level", "event", "seq", "key", "run_id"} <= set(line) for line in lines)
    assert {"run.started", "daemon.ready", "order.intent", "fill.received", "daemon.stopped"} <= {
        line["event"] for line in lines
    }


def test_a_warm_start_is_ready_soon(stage: Stage) -> None:
    busy(stage)
    stage.start_ready().stop()

    took_s = [stage.start().wait_ready() for _ in range(1)]

    print(f"ready after {min(took_s):.2f} s")
    assert min(took_s) < 5.0


def test_state_is_shown_while_it_changes(stage: Stage) -> None:
    busy(stage)
    running = stage.start_ready()

    def how_far(state: dict[str, Any]) -> tuple[int, int]:
        return state["journal"]["seq"], state["clock"]["market_us"]

    first = how_far(running.state())
    began_s = time.monotonic()
    running.wait_state(lambda state: all(map(int.__gt__, how_far(state), first)), "bars closed and time went on")

    assert time.monotonic() - began_s < 5
