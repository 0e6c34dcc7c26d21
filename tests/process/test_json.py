"""What an operator's commands print for a program: one document on stdout, whatever else is said goes to stderr."""

from __future__ import annotations

import json

import pytest

from axiomd.contracts.errors import EXIT_OK, EXIT_REFUSED
from tests.process.stage import HALF_DAY, Stage
from tests.process.test_kill import hold

pytestmark = pytest.mark.slow

NO_DAEMON = 3


def test_a_kill_and_its_release_are_told_as_documents(stage: Stage) -> None:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(speed=600)
    running = stage.start_ready()
    running.wait_state(lambda state: bool(state["orders"] and state["positions"]), "entries and a position")

    killed = stage.run("kill", "--flatten", "--json")
    resumed = stage.run("resume", "--reason", "looked at", "--json", stdin="SIM\n")
    again = stage.run("resume", "--reason", "looked at", "--json")

    assert killed.returncode == EXIT_OK, killed.stdout
    told = json.loads(killed.stdout)
    assert (told["code"], told["not_touched"]) == (EXIT_OK, [])
    (instance,) = told["instances"]
    assert (instance["is_latched"], instance["is_seen"], instance["level"]) == (True, True, "flatten")
    assert (instance["account"], instance["pid"], instance["code"]) == ("SIM", running.pid, EXIT_OK)
    assert (instance["left"], instance["positions"]) == ([], {})
    assert "done: no entry works and the account is flat" in instance["said"]
    assert json.loads(resumed.stdout)["ok"] is True, resumed.stderr
    assert instance["trip_id"] in resumed.stderr
    assert json.loads(again.stdout)["ok"] is True
    assert running.stop() == EXIT_OK


def test_a_kill_at_the_broker_tells_what_it_left(stage: Stage) -> None:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(speed=1500)
    before = hold(stage, stage.start_ready(), entries=True, position=True)

    killed = stage.run("kill", "--json")

    (instance,) = json.loads(killed.stdout)["instances"]
    assert (instance["is_latched"], instance["is_seen"], instance["left"]) == (True, False, [])
    assert instance["positions"] == before.positions


def test_a_kill_of_nobody_is_a_document_too(stage: Stage) -> None:
    killed = stage.run("kill", "--json", "--reason", "not today")

    assert killed.returncode == NO_DAEMON
    told = json.loads(killed.stdout)
    assert told["code"] == NO_DAEMON
    assert told["instances"][0]["is_latched"] is True


def test_what_was_asked_of_a_daemon_is_told_done_or_refused(stage: Stage) -> None:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(speed=100)
    running = stage.start_ready()

    paused = stage.run("pause", "AAA", "--json")
    lifted = stage.run("unpause", "AAA", "--json")
    refused = stage.run("close", "ZZZ", "--json")

    assert [json.loads(done.stdout)["ok"] for done in (paused, lifted, refused)] == [True, True, False]
    assert json.loads(paused.stdout)["args"] == {"symbol": "AAA"}
    assert "ZZZ" in json.loads(refused.stdout)["error"]
    assert (paused.returncode, refused.returncode) == (EXIT_OK, EXIT_REFUSED)
    assert running.stop() == EXIT_OK
