"""The kill switch from outside: a daemon that is well, hung, dead or not there, and what a restart makes of it."""

from __future__ import annotations

import json
import signal
import time
from contextlib import ExitStack
from typing import Any

import pytest

from axiomd.cli.sim_kill import SimTruth
from axiomd.contracts import events as e
from axiomd.contracts.orders import split_reference
from axiomd.daemon.control import CLIENTS_MAX
from axiomd.presence import PRESENCE_FILE
from tests.process.campaign import unprotected
from tests.process.stage import HALF_DAY, Running, Stage, wait_until

pytestmark = pytest.mark.slow

DONE, REFUSED, NO_DAEMON, KILLED, NOT_LATCHED = 0, 1, 3, 4, 6
ACTED_S_MAX = 3.0


def day(stage: Stage, **keys: Any) -> None:
    """A half day with many setups that takes some five seconds."""
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(**{"speed": 2500, **keys})


def hold(stage: Stage, running: Running, *, entries: bool, position: bool) -> SimTruth:
    """Stop the process at a moment when the broker works entries and holds a position, as asked for.

    It has heard of every entry that left by then: what it hears of later would look as if it had left later.
    """

    def is_there(truth: SimTruth) -> bool:
        heard = {event.key for event in stage.events(e.OrderSent)}
        has_heard = heard.issuperset(str(order["reference"]) for order in truth.entries)
        return has_heard and (not entries or bool(truth.entries)) and (not position or bool(truth.positions))

    truths: list[SimTruth] = []

    def look() -> bool:
        running.wait_state(
            lambda state: (not entries or bool(state["orders"])) and (not position or bool(state["positions"])),
            "entries work and a position is held",
        )
        running.send(signal.SIGSTOP)
        truth = stage.broker_truth()
        if is_there(truth):
            truths.append(truth)
        else:
            running.send(signal.SIGCONT)
        return bool(truths)

    wait_until(look, "a moment with entries and a position")
    return truths[0]


def sends_after_trip(stage: Stage) -> list[str]:
    """I5: keys of entries that left for the broker after the latch fell and before it was released.

    The broker says when an order reached it, and may say so late: one that was decided before the latch fell, and was
    there by then, may be heard of behind it.
    """
    tripped_us: int | None = None
    decided_before, found = set(), []
    for entry in stage.entries():
        match entry.event:
            case e.KillTripped(ts_us=ts_us):
                tripped_us = ts_us if tripped_us is None else tripped_us
            case e.KillReset():
                tripped_us = None
            case e.OrderIntent(order=order) if tripped_us is None:
                decided_before.add(order.idempotency_key)
            case e.OrderSent(ts_us=ts_us, key=key) if tripped_us is not None and not split_reference(key).role:
                if ts_us > tripped_us or key not in decided_before:
                    found.append(key)
    return found


def test_a_hung_daemon_is_latched_and_its_entries_are_cancelled_at_the_broker_within_three_seconds(
    stage: Stage,
) -> None:
    day(stage)
    running = stage.start_ready()
    before = hold(stage, running, entries=True, position=True)

    began_s = time.monotonic()
    killed = stage.run("kill", "--reason", "it hangs")
    took_s = time.monotonic() - began_s

    assert killed.returncode == DONE, killed.stdout + killed.stderr
    assert took_s < ACTED_S_MAX
    assert stage.latch().level == "halt"
    after = stage.broker_truth()
    assert after.entries == []
    assert before.positions == after.positions
    assert unprotected(stage) == []
    assert running.wait() == -signal.SIGKILL


def test_the_restart_after_a_kill_is_latched_reconciles_and_sends_nothing(stage: Stage) -> None:
    day(stage)
    hold(stage, stage.start_ready(), entries=True, position=True)
    stage.run("kill", "--reason", "it hangs")

    restarted = stage.start_ready()
    state = restarted.state()
    status = stage.run("status")

    assert (state["kill"]["state"], state["kill"]["reason"]) == ("TRIPPED", "it hangs")
    assert state["broker"]["is_reconciled"] is True
    assert state["orders"] == {}
    assert status.returncode == KILLED
    assert restarted.stop() == 0
    assert sends_after_trip(stage) == []
    assert [] == stage.events(e.ReconDrift)


def test_kill_then_flatten_of_a_hung_daemon_closes_once_and_never_flips(stage: Stage) -> None:
    day(stage)
    before = hold(stage, stage.start_ready(), entries=True, position=True)
    stage.run("kill")

    flattened = stage.run("kill", "--flatten", "--reason", "out")
    truth = stage.broker_truth()
    restarted = stage.start_ready()
    level = restarted.state()["kill"]["level"]
    ended = restarted.wait()

    assert flattened.returncode == DONE, flattened.stdout
    assert (truth.positions, truth.entries) == ({}, [])
    assert level == "flatten"
    assert ended == 0
    closes = [fill for kind, fill in _fills(stage) if "-KILL" in kind]
    assert sorted(before.positions) == sorted(fill["symbol"] for fill in closes)
    assert sends_after_trip(stage) == []
    held: dict[str, int] = {}
    for _, fill in _fills(stage):
        held[fill["symbol"]] = held.get(fill["symbol"], 0) + (fill["qty"] if fill["side"] == "BUY" else -fill["qty"])
    assert set(held.values()) == {0}


def _fills(stage: Stage) -> list[tuple[str, dict[str, Any]]]:
    return [
        (payload["fill"]["reference"], payload["fill"])
        for kind, payload in stage.broker_reports()
        if kind == e.FillReceived.KIND
    ]


_CAPABILITIES_OVER_PERMISSIONS = (1, 2, 3)
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER: without them even root is held to a file's mode."""
_HELD_TO_MODES = f"""
import ctypes, os, sys
if os.geteuid() == 0:
    for capability in {_CAPABILITIES_OVER_PERMISSIONS}:
        assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def test_a_latch_that_can_be_neither_written_nor_removed_promises_no_latched_restart(stage: Stage) -> None:
    day(stage)
    hold(stage, stage.start_ready(), entries=True, position=False)
    stage.state_dir.chmod(0o555)
    (stage.state_dir / "kill.json").chmod(0o444)

    killed = stage.run_as(["-c", _HELD_TO_MODES], "kill", "--reason", "it hangs", "--json")
    stage.state_dir.chmod(0o700)
    (stage.state_dir / "kill.json").chmod(0o600)

    told = json.loads(killed.stdout)
    assert (NOT_LATCHED, False) == (killed.returncode, told["instances"][0]["is_latched"]), killed.stdout
    assert stage.latch().is_tripped is False
    assert stage.broker_truth().entries == []
    said = "\n".join(told["instances"][0]["said"])
    assert "comes up latched" not in said
    assert "a daemon that is started again is NOT latched: stop its unit" in said


def test_a_daemon_that_is_well_cancels_and_closes_itself(stage: Stage) -> None:
    day(stage)
    running = stage.start_ready()
    running.wait_state(lambda state: bool(state["orders"] and state["positions"]), "entries and a position")

    killed = stage.run("kill", "--flatten", "--reason", "test")

    assert killed.returncode == DONE, killed.stdout
    assert "the daemon has seen it" in killed.stdout
    assert "done: no entry works and the account is flat" in killed.stdout
    truth = stage.broker_truth()
    assert (truth.positions, truth.entries) == ({}, [])
    assert running.stop() == 0
    (tripped,) = stage.events(e.KillTripped)
    assert (tripped.level, tripped.reason) == ("flatten", "test")
    assert sends_after_trip(stage) == []


def test_halt_leaves_a_position_with_its_protection(stage: Stage) -> None:
    day(stage)
    running = stage.start_ready()
    running.wait_state(lambda state: bool(state["orders"] and state["positions"]), "entries and a position")

    killed = stage.run("kill")
    running.send(signal.SIGSTOP)

    assert killed.returncode == DONE, killed.stdout
    assert stage.broker_truth().entries == []
    assert unprotected(stage) == []
    running.send(signal.SIGCONT)
    assert running.wait() == 0
    assert sends_after_trip(stage) == []


def test_a_dead_daemon_is_acted_for_at_the_broker(stage: Stage) -> None:
    day(stage)
    running = stage.start_ready()
    hold(stage, running, entries=True, position=True)
    running.kill()
    stage.kill_broker()

    killed = stage.run("kill", "--flatten")

    assert killed.returncode == DONE, killed.stdout
    assert "which is gone" in killed.stdout
    truth = stage.broker_truth()
    assert (truth.positions, truth.entries) == ({}, [])
    restarted = stage.start_ready()
    assert restarted.state()["positions"] == {}
    assert restarted.stop() == 0
    assert [] == stage.events(e.ReconDrift)


def test_kill_where_no_daemon_is_latches_the_first_one_to_come(stage: Stage) -> None:
    day(stage)

    killed = stage.run("kill", "--reason", "not today")
    running = stage.start_ready()
    state = running.state()

    assert killed.returncode == NO_DAEMON
    assert (state["kill"]["level"], state["kill"]["reason"]) == ("halt", "not today")
    assert running.wait() == 0
    assert [] == stage.events(e.OrderSent)


def test_all_latches_every_instance(stage: Stage) -> None:
    day(stage, metrics={"port": 0})
    home = stage.folder / "home"
    stage.environ = {"AXIOMD_STATE_DIR": "", "XDG_STATE_HOME": str(home)}
    daemons = [stage.start("--instance", name) for name in ("one", "two")]
    places = [home / "axiomd" / name for name in ("one", "two")]
    try:
        wait_until(lambda: all((place / PRESENCE_FILE).is_file() for place in places), "both daemons are there")

        killed = stage.run("kill", "--all", "--reason", "everything")

        assert killed.returncode in (DONE, 5), killed.stdout
        assert killed.stdout.count("latched at halt") == 2
    finally:
        for daemon, place in zip(daemons, places, strict=True):
            daemon.stop()
            stage.state_dir = place
            stage.kill_broker()


def test_all_latches_instances_that_ended_well_too(stage: Stage) -> None:
    """Their next start is what is to be stopped."""
    day(stage, metrics={"port": 0})
    home = stage.folder / "home"
    stage.environ = {"AXIOMD_STATE_DIR": "", "XDG_STATE_HOME": str(home)}
    for name in ("one", "two"):
        daemon = stage.start("--instance", name)
        stage.state_dir = home / "axiomd" / name
        daemon.wait_ready()
        daemon.stop()
        stage.kill_broker()

    killed = stage.run("kill", "--all", "--reason", "everything")

    assert killed.returncode == NO_DAEMON, killed.stderr
    assert killed.stdout.count("latched at halt") == 2


def test_all_latches_where_nothing_ever_was(stage: Stage) -> None:
    """It ended with 7 and latched nothing."""
    killed = stage.run("kill", "--all", "--flatten")

    assert killed.returncode == NO_DAEMON, killed.stderr
    assert "latched at flatten" in killed.stdout


def test_a_crowd_of_onlookers_keeps_no_kill_out(stage: Stage) -> None:
    """It found no place, took the daemon for hung, and ended it."""
    day(stage)
    running = stage.start_ready()
    with ExitStack() as crowd:
        for _ in range(CLIENTS_MAX + 1):
            crowd.enter_context(running.console(role="observer")).snapshot()

        killed = stage.run("kill", "--reason", "in a crowd")

    assert killed.returncode in (DONE, 5), killed.stdout
    assert "the daemon has seen it" in killed.stdout
    assert running.wait() == 0


def test_latched_over_restarts_until_an_operator_resumes(stage: Stage) -> None:
    day(stage)
    stage.start_ready().kill()
    stage.run("kill", "--reason", "look at it")
    stage.start_ready().kill()
    running = stage.start_ready()
    trip_id = stage.latch().trip_id

    wrong = stage.run("resume", "--reason", "fine again", stdin="SAM\n")
    with running.console() as console:
        console.snapshot()
        stale = console.command("resume", {"trip_id": "0123456789abcdef", "account": "SIM", "reason": "mine"})
    still = stage.latch()
    right = stage.run("resume", "--reason", "fine again", stdin="SIM\n")
    state = running.state()

    assert wrong.returncode == REFUSED
    assert "the account is SIM" in wrong.stderr
    assert f"the trip in force is {trip_id}" in stale
    assert (still.level, still.trip_id) == ("halt", trip_id)
    assert right.returncode == DONE, right.stderr
    assert not stage.latch().is_tripped
    assert state["kill"]["state"] == "ARMED"
    assert running.wait() == 0
    (reset,) = stage.events(e.KillReset)
    assert (reset.trip_id, reset.reason) == (trip_id, "fine again")
    assert sends_after_trip(stage) == []
    assert stage.events(e.OrderSent)


def test_a_reason_in_bytes_of_another_alphabet_ends_no_daemon(stage: Stage) -> None:
    """A Latin-1 terminal: the daemon died of the latch's words, and of the journal's at every start after."""
    day(stage, speed=60)
    running = stage.start_ready()

    killed = stage.run("kill", "--reason", "St\udcf6rung")
    resumed = stage.run("resume", "--reason", "\udcfcberlegt", "--account", "SIM", "--json")

    assert (DONE, 0) == (killed.returncode, resumed.returncode), resumed.stderr
    assert "the daemon has seen it" in killed.stdout
    assert ["St?rung"] == [event.reason for event in stage.events(e.KillTripped)]
    assert ["?berlegt"] == [event.reason for event in stage.events(e.KillReset)]
    assert running.stop() == 0


def test_resume_without_a_daemon_is_refused_with_3(stage: Stage) -> None:
    day(stage)
    stage.run("kill")

    resumed = stage.run("resume", "--reason", "now", stdin="SIM\n")

    assert resumed.returncode == NO_DAEMON
    assert stage.latch().is_tripped


def test_sigusr1_latches_with_its_reason_everywhere(stage: Stage) -> None:
    day(stage)
    running = stage.start_ready()

    running.send(signal.SIGUSR1)
    state = running.wait_state(lambda state: state["kill"]["state"] == "TRIPPED", "it is latched")
    status = stage.run("status")

    assert state["kill"]["reason"] == "SIGUSR1"
    assert status.returncode == KILLED
    assert "SIGUSR1" in status.stdout
    assert running.stop() == 0
    assert '"event":"kill.tripped"' in running.log
    (tripped,) = stage.events(e.KillTripped)
    assert (tripped.reason, tripped.source) == ("SIGUSR1", "os_signal")


def test_sigusr1_during_the_start_is_not_lost(stage: Stage) -> None:
    day(stage)
    running = stage.start()
    # from here on the program has begun and its signals are blocked, long before the daemon listens
    wait_until(lambda: (stage.state_dir / "daemon.lock").exists(), "the start has begun")

    running.send(signal.SIGUSR1)

    wait_until(lambda: stage.latch().is_tripped, "it is latched")
    running.wait_ready()
    assert running.state()["kill"]["reason"] == "SIGUSR1"


@pytest.mark.parametrize("level", ["halt", "flatten"])
def test_a_tripped_guard_latches_with_its_name_in_status_log_and_journal(stage: Stage, level: str) -> None:
    day(stage, speed="max", risk={"max_daily_loss": {"limit": 1, "level": level}})

    running = stage.start()
    code = running.wait()
    status = stage.run("status")

    assert code == 0
    assert stage.latch().level == level
    assert "MaxDailyLoss" in stage.latch().reason
    assert "MaxDailyLoss" in status.stdout
    assert status.returncode == NO_DAEMON
    tripped = stage.events(e.GuardTripped)
    assert {event.guard for event in tripped} == {"MaxDailyLoss"}
    assert any(event.reason == "MaxDailyLoss" and event.level == level for event in stage.events(e.KillTripped))
    assert '"guard":"MaxDailyLoss"' in running.log
    assert sends_after_trip(stage) == []
