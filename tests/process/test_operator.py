"""A person at work: positions closed and cut, entries paused, limits changed under way, both truths compared."""

from __future__ import annotations

import json
import os
import shutil
import signal
from typing import Any

import pytest
import yaml

from axiomd.cli.control_client import ControlError
from axiomd.contracts import events as e
from tests.process.stage import HALF_DAY, Running, Stage, wait_until

pytestmark = pytest.mark.slow

DONE, REFUSED, NOT_RUNNING = 0, 1, 3


def day(stage: Stage, **keys: Any) -> None:
    """A half day with many setups that takes some ten seconds."""
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(**{"speed": 1200, **keys})


def until_held(running: Running) -> tuple[str, int]:
    """Wait for a position that nobody is closing and give it: symbol and shares."""
    state = running.wait_state(
        lambda state: any(not row["is_closing"] for row in state["positions"].values()), "a position is held"
    )
    return next((symbol, row["qty"]) for symbol, row in state["positions"].items() if not row["is_closing"])


def is_confirmed(stage: Stage) -> bool:
    """I10: the journal's decisions come out of its inputs again."""
    done = stage.run("replay", "--journal", str(stage.journal), "--json")
    assert done.returncode == DONE, done.stdout + done.stderr
    return True


def cut_what_is_held(stage: Stage, running: Running, cut_qty: int) -> tuple[str, int]:
    """Have a position cut and give it as it was: symbol and shares. One may be over before the command comes."""
    while True:
        symbol, qty = until_held(running)
        done = stage.run("close", symbol, "--qty", str(cut_qty))
        if done.returncode == DONE:
            return symbol, qty
        assert done.stderr == f"refused: nothing is held in {symbol}\n"


def test_a_position_is_cut_and_its_exits_with_it_then_closed_by_hand(stage: Stage) -> None:
    day(stage, risk={})
    running = stage.start_ready()

    symbol, qty = cut_what_is_held(stage, running, 4)
    truth = stage.broker_truth()
    left = running.state()["positions"].get(symbol)
    closed = stage.run("close", symbol)

    if left is not None and symbol in truth.positions:
        assert abs(truth.positions[symbol]) == qty - 4
    manual = [
        (fill.reference.partition("-")[2], fill.qty)
        for fill in (event.fill for event in stage.events(e.FillReceived))
        if "-MANUAL" in fill.reference
    ]
    assert ("MANUAL", 4) in manual
    assert closed.returncode in (DONE, REFUSED)
    if closed.returncode == DONE:
        assert ("MANUAL2", qty - 4) in manual
    assert running.wait() == 0
    by_reason = [row[7] for row in stage.trades()]
    assert "MANUAL" in by_reason or closed.returncode == REFUSED
    assert [] == stage.events(e.ReconDrift)
    assert is_confirmed(stage)
    assert stage.run("journal", "verify").returncode == DONE


def test_what_is_not_held_cannot_be_closed(stage: Stage) -> None:
    day(stage, speed=100)
    running = stage.start_ready()

    unknown = stage.run("close", "ZZZ")
    nothing = stage.run("close", "AAA", "--qty", "5")
    running.stop()
    gone = stage.run("close", "AAA")

    notes = [event.args.get("text") for event in stage.events(e.OperatorCommand)]
    assert [f"close {answer.stderr.strip()}" for answer in (unknown, nothing)] == notes
    assert (unknown.returncode, unknown.stderr) == (REFUSED, "refused: nothing is held in ZZZ\n")
    assert nothing.returncode == REFUSED
    assert gone.returncode == NOT_RUNNING


def test_a_pause_keeps_entries_out_survives_a_restart_and_is_lifted(stage: Stage) -> None:
    day(stage)
    running = stage.start_ready()

    paused = stage.run("pause")
    running.wait_state(lambda state: state["pauses"] == {"*": 0}, "everything is paused")
    running.kill()
    again = stage.start_ready()
    shown = stage.run("status").stdout
    again.wait_state(
        lambda state: any("blocked:paused" in row["text"] for row in state["events"].values()), "a setup is refused"
    )
    since = len(stage.entries())
    lifted = stage.run("unpause")
    twice = stage.run("unpause")

    assert (paused.returncode, lifted.returncode, twice.returncode) == (DONE, DONE, REFUSED)
    assert "PAUSED: everything, no new entries until it is lifted" in shown
    assert again.wait() == 0
    begin, end = (
        next(entry.seq for entry in stage.entries() if _is_command(entry.event, name)) for name in ("pause", "unpause")
    )
    intents = [entry.seq for entry in stage.entries() if isinstance(entry.event, e.OrderIntent)]
    assert not [seq for seq in intents if begin < seq < end]
    assert [seq for seq in intents if seq > end]
    assert since <= end
    assert is_confirmed(stage)


def _is_command(event: e.Event, name: str) -> bool:
    return isinstance(event, e.OperatorCommand) and event.name == name


def test_a_pause_of_one_symbol_or_strategy_ends_by_itself(stage: Stage) -> None:
    day(stage)
    running = stage.start_ready()

    symbol = stage.run("pause", "AAA", "--until", "10:30")
    strategy = stage.run("pause", "inside_bar", "--until", "10:15")
    nowhere = stage.run("pause", "NOBODY")
    over = stage.run("pause", "AAA", "--until", "00:01")
    nonsense = stage.run("pause", "AAA", "--until", "soon")
    shown = running.state()["pauses"]
    assert running.wait() == 0

    assert (symbol.returncode, strategy.returncode) == (DONE, DONE)
    assert set(shown) <= {"strategy inside_bar", "symbol AAA"}
    assert "NOBODY is no symbol" in nowhere.stderr
    assert "over already" in over.stderr
    assert "no time" in nonsense.stderr
    signals = [event.signal for event in stage.events(e.SignalEmitted)]
    refused = [signal for signal in signals if signal.outcome == "blocked:paused"]
    assert refused
    open_us = stage.events(e.SessionOpened)[0].open_us
    assert all(signal.ts_us < open_us + 60 * 60_000_000 for signal in refused)
    assert [signal for signal in signals if signal.outcome == ""]


def test_limits_are_lowered_under_way_and_working_entries_beyond_them_are_cancelled(stage: Stage) -> None:
    day(stage, speed=300)
    running = stage.start_ready()
    running.wait_state(lambda state: bool(state["orders"]), "entries work")

    config = yaml.safe_load(stage.config_path.read_text("utf-8"))
    stage.config_path.write_text(yaml.safe_dump({**config, "risk": {"max_order_notional": 1}}), "utf-8")
    with running.console() as client:
        client.snapshot()
        applied = client.command("reload_config")
    orders = running.state()["orders"]
    stage.config_path.write_text(yaml.safe_dump({**config, "initial_cash": 5}), "utf-8")
    with running.console() as client:
        client.snapshot()
        beyond = client.command("reload_config")
    stage.config_path.write_text("strategy: [", "utf-8")
    with running.console() as client:
        client.snapshot()
        broken = client.command("reload_config")

    asked = [(event.name, event.args) for event in stage.events(e.OperatorCommand)]
    notes = [("note", {"text": f"reload_config refused: {why}"}) for why in (beyond, broken)]
    assert [("reload_config", {}), *notes] == asked
    assert applied == ""
    assert orders == {}
    assert "initial_cash" in beyond
    assert "restart" in beyond
    assert broken
    wait_until(lambda: bool(stage.events(e.OrderBlocked)), "a new entry is judged by the new limit")
    assert running.stop() == 0
    loads = [entry.seq for entry in stage.entries() if isinstance(entry.event, e.ConfigLoaded)]
    assert len(loads) == 2
    reasons = {event.reason for event in stage.events(e.OrderCancelled)}
    assert "cancelled:limits" in reasons
    assert [entry for entry in stage.entries() if isinstance(entry.event, e.OrderIntent) and entry.seq > loads[1]] == []
    assert {event.guard for event in stage.events(e.OrderBlocked)} == {"MaxOrderNotional"}
    assert is_confirmed(stage)


def test_after_a_drawdown_only_a_raised_limit_or_a_new_peak_resumes(stage: Stage) -> None:
    """Not an operator's kill on top of the trip, nor a restart, nor words that stand for yes."""
    day(stage, speed=600, risk={"max_drawdown": 1})
    running = stage.start_ready()
    running.wait_state(lambda state: state["kill"]["reason"] == "MaxDrawdown", "the drawdown trips")
    assert stage.run("kill", "--reason", "a second look").returncode == DONE
    running.kill()
    running = stage.start_ready()

    def resume(**more: Any) -> str:
        with running.console() as client:
            kill = client.snapshot()["kill"]
            assert isinstance(kill, dict)
            asked = {"trip_id": kill["trip_id"], "account": "SIM", "reason": "r", **more}
            return client.command("resume", asked)

    unchanged, no = resume(), resume(new_peak=False)
    with pytest.raises(ControlError, match="new_peak is true or false"):
        resume(new_peak="false")
    config = yaml.safe_load(stage.config_path.read_text("utf-8"))
    stage.config_path.write_text(yaml.safe_dump({**config, "risk": {"max_drawdown": 90000}}), "utf-8")
    with running.console() as client:
        client.snapshot()
        assert client.command("reload_config") == ""
    raised = resume()

    assert "a second look" in stage.events(e.KillTripped)[-1].reason
    assert unchanged == no == "after MaxDrawdown only a raised limit or --new-peak resumes"
    assert raised == ""
    assert running.stop() == 0


def test_a_changed_configuration_over_a_restart_replays_under_the_one_that_held_then(stage: Stage) -> None:
    """Story g: other parameters, a dropped symbol and lower limits, and every decision comes out again (I10)."""
    day(stage)
    running = stage.start_ready()
    running.wait_state(lambda state: bool(state["positions"]), "a position is held")
    running.kill()
    config = yaml.safe_load(stage.config_path.read_text("utf-8"))
    config["strategy"]["params"]["risk_reward"] = 1
    config["symbols"] = config["symbols"][:-1]
    config["risk"] = {"per_symbol_max_qty": 5}
    stage.config_path.write_text(yaml.safe_dump(config), "utf-8")

    assert stage.start_ready().wait() == 0

    digests = [event.config_hash for event in stage.events(e.ConfigLoaded)]
    assert len(set(digests)) == 2
    assert stage.events(e.OrderBlocked)
    assert is_confirmed(stage)


def forget_since_yesterday(stage: Stage) -> None:
    """Story k: the journal as it was at an earlier moment, while the broker went on."""
    for name in ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"):
        kept = stage.folder / "kept" / name
        target = stage.state_dir / name
        target.unlink(missing_ok=True)
        if kept.exists():
            shutil.copy(kept, target)


def keep_journal(stage: Stage) -> None:
    (stage.folder / "kept").mkdir()
    for name in ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"):
        if (stage.state_dir / name).exists():
            shutil.copy(stage.state_dir / name, stage.folder / "kept" / name)


def test_an_old_journal_is_refused_shown_beside_the_broker_and_adopted_on_request(stage: Stage) -> None:
    day(stage)
    running = stage.start_ready()
    running.kill()
    keep_journal(stage)
    going_on = stage.start_ready()
    going_on.wait_state(lambda state: bool(state["positions"] and state["orders"]), "a position and entries")
    going_on.kill()
    held = stage.broker_truth().positions
    forget_since_yesterday(stage)

    refused = stage.start()
    assert refused.wait() == 1
    before = stage.run("reconcile", "--json")
    wrong = stage.run("reconcile", "--adopt", "--reason", "restored", stdin="WRONG\n")
    adopted = stage.run("reconcile", "--adopt", "--reason", "restored", stdin="SIM\n")
    after = stage.run("reconcile", "--json")

    assert before.returncode == REFUSED
    sides = json.loads(before.stdout)
    assert (sides["ours"], sides["is_agreed"]) == ({}, False)
    assert set(held) <= set(sides["theirs"])
    assert wrong.returncode == REFUSED
    assert adopted.returncode == DONE, adopted.stdout + adopted.stderr
    assert "journal and broker agree" in adopted.stdout
    assert after.returncode == DONE, after.stdout
    assert json.loads(after.stdout)["adopted"] == held
    assert stage.latch().is_tripped
    assert stage.broker_truth().entries == []
    (event,) = stage.events(e.ReconAdopted)
    assert (event.reason, event.positions) == ("restored", held)

    again = stage.start_ready()
    state = again.state()
    assert state["broker"]["is_reconciled"]
    assert state["kill"]["state"] == "TRIPPED"
    assert again.wait() == 0
    assert stage.run("journal", "verify").returncode == DONE
    assert is_confirmed(stage)


@pytest.mark.parametrize("adopts", [(), ("--adopt", "--reason", "r", "--account", "SIM")], ids=["look", "adopt"])
def test_a_broker_that_hangs_is_named_where_both_sides_are_asked_for(stage: Stage, adopts: tuple[str, ...]) -> None:
    day(stage)
    running = stage.start_ready()
    running.kill()
    os.kill(stage.broker_pid(), signal.SIGSTOP)

    asked = stage.run("reconcile", *adopts)

    assert asked.stderr.splitlines() == ["error: it does not answer · simulated broker · it is asked again"]


def test_a_running_daemon_shows_both_sides_and_adopts(stage: Stage) -> None:
    day(stage, speed=60)
    running = stage.start_ready()

    agreed = stage.run("reconcile")
    no_reason = stage.run("reconcile", "--adopt")
    adopted = stage.run("reconcile", "--adopt", "--reason", "to be sure", "--account", "SIM")

    assert agreed.returncode == DONE
    assert "journal and broker agree" in agreed.stdout
    assert no_reason.returncode == 2
    assert adopted.returncode == DONE, adopted.stderr
    assert running.state()["kill"]["state"] == "TRIPPED"
    wait_until(lambda: bool(stage.events(e.ReconAdopted)), "it is journaled")
    assert running.stop() == 0


def test_both_sides_are_shown_as_they_are_now_and_not_as_they_were_at_the_last_look(stage: Stage) -> None:
    day(stage, speed=60)
    running = stage.start_ready()
    running.wait_state(lambda state: bool(state["broker"]["positions"]), "the broker's side holds a position")

    killed = stage.run("kill", "--flatten")
    shown = stage.run("reconcile", "--json")

    assert killed.returncode == DONE, killed.stdout
    assert shown.returncode == DONE, shown.stdout + shown.stderr
    sides = json.loads(shown.stdout)
    assert ({}, {}) == (sides["ours"], sides["theirs"])
    assert running.stop() == 0


def test_all_is_said_in_more_than_one_way_over_the_socket(stage: Stage) -> None:
    day(stage, speed=300)
    running = stage.start_ready()
    symbol, _ = until_held(running)

    with running.console() as client:
        client.snapshot()
        answers = [
            client.command("pause", {"all": True}),
            client.command("unpause", {"all": True}),
            client.command("pause", {"symbol": None, "until": None}),
            client.command("close", {"symbol": symbol, "qty": "all"}),
            client.command("close", {"symbol": symbol, "qty": None}),
        ]

    assert answers == ["", "", "", "", f"nothing is held in {symbol}"]
    assert symbol not in running.state()["positions"]
    assert running.state()["pauses"] == {"*": 0}
    assert running.stop() == 0
