"""Restarts under another configuration, with an order of somebody else's at the broker, or under a wrong clock."""

from __future__ import annotations

import socket
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from axiomd.broker.sim_wire import Answer, Request, line_of, read_answer
from axiomd.cli.control_client import ControlError
from axiomd.contracts import events as e
from axiomd.contracts.errors import EXIT_INPUT, EXIT_OK, EXIT_REFUSED
from axiomd.contracts.orders import Order
from axiomd.journal.verify import verify
from tests.process.campaign import unprotected
from tests.process.stage import HALF_DAY, SYMBOLS, Stage, wait_until
from tests.process.test_kill import hold

pytestmark = pytest.mark.slow

TWO_DAYS = (date(2019, 11, 27), date(2019, 11, 29))


def interrupted(stage: Stage, **keys: Any) -> None:
    """A daemon that was killed with entries and a position."""
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(**{"speed": 2500, **keys})
    running = stage.start_ready()
    hold(stage, running, entries=True, position=True)
    running.kill()


def orders_sent_once(stage: Stage) -> bool:
    return max(Counter(stage.sent_to_broker()).values()) == 1


def test_working_entries_beyond_lowered_limits_are_cancelled_at_the_restart(stage: Stage) -> None:
    interrupted(stage)
    held = set(stage.broker_truth().positions)
    stage.write_config(speed=2500, risk={"max_open_positions": len(held)})

    running = stage.start_ready()
    code = running.wait()

    cancelled = [event.key for event in stage.events(e.OrderCancelled) if event.reason == "cancelled:limits"]
    assert cancelled
    assert code == EXIT_OK
    assert orders_sent_once(stage)
    assert verify(stage.journal).is_sound
    assert [] == stage.events(e.ReconDrift)


DEADLY = '''
"""A strategy package that kills the daemon where it should hold working entries against a changed configuration."""
import os
import signal

from axiomd.core.strategies.inside_bar import STRATEGY
from axiomd.daemon import {module}


async def killed(desk):
    os.kill(os.getpid(), signal.SIGKILL)


{module}.rejudge = killed
'''


@pytest.mark.parametrize("module", ["recovery", "reload"])
def test_limits_that_were_loaded_before_a_crash_are_held_against_what_works_after_it(stage: Stage, module: str) -> None:
    """The journal has the new configuration, and nothing differed from it any more at the next start."""
    stage.write_tape(11, span=HALF_DAY)
    stage.write_plugin("deadly", "from axiomd.core.strategies.inside_bar import STRATEGY")
    stage.write_config(speed=2500, strategy="deadly")
    running = stage.start_ready()
    hold(stage, running, entries=True, position=False)
    running.kill()

    # as fast as the market itself from here on, so that no bar fills them meanwhile
    stage.write_plugin("deadly", DEADLY.format(module=module))
    lowered = {"max_order_notional": 1}
    if module == "reload":
        stage.write_config(speed=1, strategy="deadly")
        running = stage.start_ready()
        stage.write_config(speed=1, strategy="deadly", risk=lowered)
        with running.console() as client, suppress(ControlError):
            client.snapshot()
            client.command("reload_config")
    else:
        stage.write_config(speed=1, strategy="deadly", risk=lowered)
        running = stage.start()
    running.wait()
    working = stage.broker_truth().entries
    stage.write_plugin("deadly", "from axiomd.core.strategies.inside_bar import STRATEGY")
    again = stage.start_ready()
    orders = again.state()["orders"]

    assert working
    assert stage.events(e.ConfigLoaded)[-2].config["risk"]["max_order_notional"] == 1
    assert orders == {}
    assert {event.reason for event in stage.events(e.OrderCancelled)} >= {"cancelled:limits"}
    assert again.stop() == EXIT_OK


def test_the_position_of_a_dropped_symbol_is_watched_and_closed_as_planned(stage: Stage) -> None:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(speed=2500)
    expected = stage.replay()
    running = stage.start_ready()
    dropped, *_ = sorted(hold(stage, running, entries=True, position=True).positions)
    running.kill()
    cut_seq = stage.entries()[-1].seq
    stage.write_config(speed=2500, symbols=[symbol for symbol in SYMBOLS if symbol != dropped])

    code = stage.start().wait()

    assert code == EXIT_OK
    own = [trade for trade in stage.trades() if trade[0] == dropped]
    assert own == [trade for trade in expected if trade[0] == dropped][: len(own)]
    assert own
    later = [entry.event for entry in stage.entries() if entry.seq > cut_seq]
    assert [] == [event for event in later if isinstance(event, e.SignalEmitted) and event.signal.symbol == dropped]
    assert stage.broker_truth().positions == {}
    assert [trade for trade in stage.trades() if trade[0] != dropped] == [
        trade for trade in expected if trade[0] != dropped
    ]


def test_an_added_symbol_leaves_the_others_trades_as_they_were(stage: Stage) -> None:
    stage.write_tape(11, span=TWO_DAYS)
    stage.write_config(speed=4000, symbols=SYMBOLS[1:])
    expected = stage.replay()
    running = stage.start_ready()
    hold(stage, running, entries=True, position=True)
    running.kill()
    stage.write_config(speed="max")

    code = stage.start().wait()

    assert code == EXIT_OK
    assert [trade for trade in stage.trades() if trade[0] != SYMBOLS[0]] == expected
    assert [trade for trade in stage.trades() if trade[0] == SYMBOLS[0]]


def test_a_journal_of_another_strategy_is_refused_with_its_name(stage: Stage) -> None:
    interrupted(stage)
    stage.write_plugin("other", "from axiomd.core.strategies.inside_bar import STRATEGY")
    stage.write_config(strategy="other")

    running = stage.start()

    assert running.wait() == EXIT_INPUT
    assert "has traded strategy inside_bar" in running.log


@pytest.mark.parametrize(("key", "value"), [("initial_cash", 200_000), ("currency", "EUR")])
def test_money_that_was_traded_with_does_not_become_other_money(stage: Stage, key: str, value: object) -> None:
    """Counted anew from another sum, every loss and limit would be another."""
    interrupted(stage)
    stage.write_config(**{"fx": {"EURUSD": 1.1}, key: value})
    before = len(stage.entries())

    running = stage.start()

    assert running.wait() == EXIT_INPUT
    assert f"{key} is {value}, and the journal has traded from" in running.log
    assert len(stage.entries()) == before


def ask_broker(stage: Stage, request: Request) -> Answer:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(5)
        line.connect(str(stage.state_dir / "sim.sock"))
        line.sendall(line_of(request))
        data = b""
        while not data.endswith(b"\n"):
            data += line.recv(1 << 16)
    return read_answer(data)


def foreign_order(stage: Stage) -> Order:
    """An order that no journal here knows, like one of ours in everything but its key."""
    wait_until(lambda: bool(stage.events(e.OrderIntent)), "an order is durable")
    like: Order = stage.events(e.OrderIntent)[0].order
    return replace(like, order_id="f" * 16, idempotency_key="f" * 16, oco_id="f" * 12)


def test_an_order_of_another_daemon_trips_sends_nothing_and_exits_1(stage: Stage) -> None:
    interrupted(stage)
    before = len(stage.sent_to_broker())
    answer = ask_broker(stage, Request(id=1, op="place", ts_us=0, orders=(foreign_order(stage),)))
    assert not answer.error

    running = stage.start()
    code = running.wait()

    assert code == EXIT_REFUSED
    assert stage.latch().is_tripped
    assert "UnknownPosition" in stage.latch().reason
    assert "ffffffffffffffff" in running.log
    assert stage.sent_to_broker()[before:] == ["f" * 16]


def test_an_order_of_another_daemon_under_way_blocks_alarms_and_trips(stage: Stage) -> None:
    stage.write_tape(11)
    stage.write_config(speed=600)
    running = stage.start_ready()
    running.wait_state(lambda state: bool(state["orders"]), "entries work")
    ask_broker(stage, Request(id=1, op="place", ts_us=0, orders=(foreign_order(stage),)))

    blocked = running.wait_state(lambda state: "ReconDrift" in state["alarms"], "the alarm is raised")
    wait_until(lambda: stage.latch().is_tripped, "it trips")
    running.wait_state(lambda state: state["kill"]["state"] == "TRIPPED", "the trip is seen")

    assert blocked["broker"]["is_reconciled"] is False
    assert any("ffffffffffffffff" in line for line in blocked["broker"]["differences"])
    assert "ReconDrift" in stage.latch().reason
    assert running.stop() == EXIT_OK
    assert stage.events(e.ReconDrift)
    assert unprotected(stage) == []


def test_a_wrong_clock_changes_nothing_where_the_feed_is_the_clock(stage: Stage) -> None:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(risk={"clock_skew": {"ms": 2000}})
    expected = stage.replay()
    offset = stage.folder / "offset"
    offset.write_text("0")
    running = stage.start_ready(AXIOMD_CLOCK_OFFSET_US=str(offset))
    offset.write_text("3600000000")

    code = running.wait()

    assert code == EXIT_OK
    assert not stage.latch().is_tripped
    assert expected == stage.trades()
    (started,) = stage.events(e.RunStarted)
    assert started.run_id == f"paper-SIM-{HALF_DAY[0]}"


@pytest.mark.parametrize("step_us", [-3_000_000, 3_600_000_000])
def test_a_clock_that_jumps_trips_and_no_event_goes_back(stage: Stage, step_us: int) -> None:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(
        speed=1000, clock={"kind": "system"}, risk={"clock_skew": {"ms": 2000}}, daemon={"max_signal_age_s": 86400}
    )
    offset = stage.folder / "offset"
    offset.write_text("0")
    running = stage.start_ready(AXIOMD_CLOCK_OFFSET_US=str(offset))
    running.wait_state(lambda state: bool(state["orders"]), "entries work")

    offset.write_text(str(step_us))
    state = running.wait_state(lambda state: state["kill"]["state"] == "TRIPPED", "it trips")

    assert "ClockSkew" in state["kill"]["reason"]
    assert "ClockSkew" in state["alarms"]
    assert running.stop() == EXIT_OK
    (skewed,) = stage.events(e.ClockSkewed)
    assert abs(skewed.skew_us - step_us) < 500_000
    times = [entry.event.ts_us for entry in stage.entries()]
    assert times == sorted(times)


def test_a_clock_is_held_against_the_limit_that_was_reloaded_last(stage: Stage) -> None:
    """Where the limit was off at the start nobody looked at the clock at all."""
    stage.write_tape(11, span=HALF_DAY)
    keys: dict[str, Any] = {"speed": 1000, "clock": {"kind": "system"}, "daemon": {"max_signal_age_s": 86400}}
    stage.write_config(**keys)
    offset = stage.folder / "offset"
    offset.write_text("0")
    running = stage.start_ready(AXIOMD_CLOCK_OFFSET_US=str(offset))
    stage.write_config(**keys, risk={"clock_skew": {"ms": 2000}})
    with running.console() as client:
        client.snapshot()
        refusal = client.command("reload_config")

    offset.write_text("3600000000")
    state = running.wait_state(lambda state: state["kill"]["state"] == "TRIPPED", "it trips")

    assert refusal == ""
    assert "ClockSkew" in state["kill"]["reason"]
    assert running.stop() == EXIT_OK


def test_at_night_market_time_is_the_clocks_where_it_is_the_clock(stage: Stage) -> None:
    """A new state dir five hours before an open: what an operator asks for then happens then."""
    night = datetime(2026, 11, 30, 5, tzinfo=UTC)
    offset_us = round((night.timestamp() - time.time()) * 1e6)
    stage.write_config(clock={"kind": "system"}, feed={"kind": "synthetic", "speed": 1})
    running = stage.start_ready(AXIOMD_CLOCK_OFFSET_US=str(offset_us))

    until = stage.run("pause", SYMBOLS[0], "--until", (night + timedelta(hours=5)).isoformat())
    over = stage.run("pause", SYMBOLS[0], "--until", (night - timedelta(minutes=5)).isoformat())
    stage.run("kill", "--reason", "it is night")
    running.stop()

    assert (0, 1) == (until.returncode, over.returncode)
    tripped = stage.events(e.KillTripped)[0]
    assert 0 <= tripped.ts_us - night.timestamp() * 1e6 < 120e6
    times = [entry.event.ts_us for entry in stage.entries()]
    assert times == sorted(times)
