"""How a daemon starts, refuses to start and stops: exit codes, what it leaves behind, how long it takes."""

from __future__ import annotations

import grp
import itertools
import json
import os
import shutil
import signal
import socket
import stat
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from axiomd.cli.main import main
from axiomd.contracts import events as e
from axiomd.contracts.errors import EXIT_INPUT, EXIT_INTERNAL, EXIT_LOCKED, EXIT_OK, EXIT_REFUSED
from axiomd.core.market.sla import measure_frame
from axiomd.core.market.tape import frame_sha256
from axiomd.journal.log import Journal
from axiomd.presence import PRESENCE_FILE
from axiomd.runs.artifacts import FILES
from tests.markets import SPANS, sessions_of
from tests.process.stage import HALF_DAY, SYMBOLS, Stage, trades_in, wait_until

pytestmark = pytest.mark.slow

STOP_S_MAX = 10.0
STOP_ASKED_S_MAX = 8.0
"""Well inside what a service's stop may take, on a machine that others slow down."""


def small(stage: Stage, **keys: Any) -> None:
    stage.write_tape(3, symbols=("AAA", "BBB"), span=HALF_DAY)
    stage.write_config(**{"symbols": ("AAA", "BBB"), **keys})


def busy(stage: Stage, **keys: Any) -> None:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(**{"speed": 2500, **keys})


def no_broker_is_left(stage: Stage) -> bool:
    wait_until(lambda: stage.broker_pid() == 0, "no broker is left behind")
    return True


def test_a_tape_that_ends_leaves_the_trades_of_a_replay_and_exits_0(stage: Stage) -> None:
    stage.write_tape(5)
    stage.write_config()

    code = stage.start().wait()

    assert code == EXIT_OK
    assert stage.replay() == stage.trades()
    assert len(list((stage.state_dir / "artifacts" / "runs").iterdir())) == len(stage.events(e.SessionClosed))
    assert not (stage.state_dir / PRESENCE_FILE).exists()
    assert no_broker_is_left(stage)


def test_a_days_folder_names_the_bars_that_it_saw_and_how_good_they_were(stage: Stage) -> None:
    stage.write_tape(5, missing=0.3)
    stage.write_config()

    stage.start().wait()

    bars = pl.read_parquet(stage.tape)
    folders = sorted((stage.state_dir / "artifacts" / "runs").iterdir())
    assert len(folders) > 1
    for folder in folders:
        assert set(FILES) == {path.name for path in folder.iterdir()}
        assert stage.journal == (folder / "journal.sqlite").resolve()
        assert EXIT_OK == main(["journal", "verify", str(folder)])
        manifest, quality = (json.loads((folder / name).read_text()) for name in ("manifest.json", "quality.json"))
        day = bars.filter(pl.col("ts").dt.date() == date.fromisoformat(folder.name[-10:]))
        (data,) = manifest["data"]
        assert data["sha256"] == frame_sha256(day, 60_000_000)
        assert (day.height, day["ts"].max()) == (data["rows"], datetime.fromisoformat(data["last_ts"]))
        assert manifest["packages"]
        assert [(each["symbol"], each["first_date"]) for each in quality["symbols"]] == [
            (symbol, folder.name[-10:]) for symbol in sorted(day["symbol"].unique())
        ]
        expected = (measure_frame(day, sessions_of(SPANS[0])), quality["symbols"])
        assert [each.m5_present for each in expected[0]] == [each["m5_present"] for each in expected[1]]


def test_the_days_of_a_tape_count_together_what_its_replay_counts(stage: Stage) -> None:
    """Why there was no setup, prices off the grid, bars outside sessions: nothing is counted twice or left out."""
    stage.write_tape(5)
    bars = pl.read_parquet(stage.tape)
    early = bars.filter(pl.col("ts").dt.hour() < 15).with_columns(pl.col("ts") - timedelta(hours=3))
    odd = (pl.when(pl.int_range(pl.len()) % 50 == 0).then(pl.col("HIGH") + 0.005).otherwise(pl.col("HIGH"))).alias(
        "HIGH"
    )
    pl.concat([bars.with_columns(odd), early]).sort("symbol", "ts").write_parquet(stage.tape)
    stage.write_config(risk={})

    assert stage.start().wait() == EXIT_OK
    stage.replay()

    folders = sorted((stage.state_dir / "artifacts/runs").iterdir())
    days = [json.loads((folder / "metrics.json").read_text()) for folder in folders]
    whole = json.loads((stage.folder / "replay/metrics.json").read_text())["counts"]
    assert len(days) > 1
    assert whole == {why: sum(day["counts"][why] for day in days) for why in whole}
    assert min(whole["bars_outside_sessions"], whole["prices_between_ticks"]) > 0
    dates = early["ts"].dt.date()
    assert [int((dates == date.fromisoformat(folder.name[-10:])).sum()) for folder in folders] == [
        day["counts"]["bars_outside_sessions"] for day in days
    ]


def test_a_days_curve_falls_from_the_days_own_peak_as_its_figures_do(stage: Stage) -> None:
    stage.write_tape(5)
    stage.write_config(risk={})

    assert stage.start().wait() == EXIT_OK

    folders = sorted((stage.state_dir / "artifacts/runs").iterdir())
    curves = [pl.read_csv(folder / "equity_curve.csv") for folder in folders]
    deepest = [json.loads((folder / "metrics.json").read_text())["max_drawdown"] for folder in folders]
    assert any(curve["equity"][0] < max(before["equity"]) for before, curve in itertools.pairwise(curves))
    assert {0.0} == {curve["drawdown"][0] for curve in curves}
    assert [] == [day for curve, day in zip(curves, deepest, strict=True) if curve["drawdown"].min() < day]


def test_a_system_clock_plays_a_recorded_session_to_the_same_trades(stage: Stage) -> None:
    stage.write_tape(5, span=HALF_DAY)
    stage.write_config(speed=4000, clock={"kind": "system"}, daemon={"max_signal_age_s": 86400})

    code = stage.start().wait()

    assert code == EXIT_OK
    assert stage.replay() == stage.trades()


def test_the_folder_of_a_closed_day_that_is_missing_is_written_at_the_next_start(stage: Stage) -> None:
    stage.write_tape(5)
    stage.write_config()
    stage.start().wait()
    first, *_ = sorted((stage.state_dir / "artifacts" / "runs").iterdir())
    before = {path.name: path.read_bytes() for path in first.iterdir() if path.suffix == ".csv"}
    for path in first.iterdir():
        path.unlink()
    first.rmdir()

    code = stage.start().wait()

    assert code == EXIT_OK
    assert before == {path.name: path.read_bytes() for path in first.iterdir() if path.suffix == ".csv"}
    assert trades_in([first]) == [trade for trade in stage.trades() if trade in trades_in([first])]


def test_a_folder_written_late_tells_of_the_configuration_of_its_own_day(stage: Stage) -> None:
    """It told of the one of the next start: other parameters, symbols and costs than the day was traded with."""
    stage.write_tape(5, span=HALF_DAY)
    stage.write_config(symbols=SYMBOLS[1:])
    stage.start().wait()
    (folder,) = (stage.state_dir / "artifacts" / "runs").iterdir()
    names = ("manifest.json", "label.txt", "quality.json")
    before = {name: (folder / name).read_text("utf-8") for name in names}
    shutil.rmtree(folder)
    stage.write_config(symbols=SYMBOLS[:-1], costs={"commission_per_share": 1}, risk={"max_open_orders": 3}, seed=7)

    code = stage.start().wait()

    after = {name: (folder / name).read_text("utf-8") for name in names}
    first, second = ({**json.loads(texts.pop("manifest.json")), "created_at": ""} for texts in (before, after))
    assert code == EXIT_OK
    assert first == second
    assert before == after
    assert first["symbols"] == list(SYMBOLS[1:])


def test_a_folder_that_cannot_be_written_keeps_nobody_from_trading(stage: Stage) -> None:
    """It was tried eight times within seconds, and then the daemon left the market, latched, at every start."""
    stage.write_tape(5)
    stage.write_config()
    in_the_way = stage.state_dir / "artifacts" / "runs" / "paper-SIM-2019-11-27" / "no run"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()

    running = stage.start()
    code = running.wait()
    written = sorted(manifest.parent.name for manifest in in_the_way.parents[1].glob("*/manifest.json"))
    in_the_way.unlink()

    assert code == EXIT_INTERNAL
    assert '"alarm":"Artifacts"' in running.log
    assert not stage.latch().is_tripped
    assert written == ["paper-SIM-2019-11-29", "paper-SIM-2019-12-02"]
    assert stage.start().wait() == EXIT_OK
    assert stage.replay() == stage.trades()


def test_a_presence_that_cannot_be_written_anew_ends_no_desk(stage: Stage) -> None:
    """Where the disk is full the journal may have its room already, and each session writes the file anew."""
    stage.write_tape(5)
    stage.write_config(speed=10_000)  # no session may be over before its successor is hindered
    running = stage.start_ready()
    (stage.state_dir / f"{PRESENCE_FILE}.{running.pid}").mkdir()

    code = running.wait()

    assert code == EXIT_OK
    assert '"alarm":"Presence"' in running.log
    assert stage.replay() == stage.trades()


def test_a_daemon_that_nobody_could_speak_to_does_not_start(stage: Stage, tmp_path: Path) -> None:
    small(stage, control={"group": "nobodys-group"})
    no_group = stage.start()
    assert no_group.wait() == EXIT_INPUT
    small(stage)
    too_long = stage.start(AXIOMD_RUNTIME_DIR=str(tmp_path / ("d" * 100)))
    assert too_long.wait() == EXIT_INPUT

    assert "there is no group nobodys-group" in no_group.log
    assert "the path is too long for a socket" in too_long.log
    assert not stage.journal.exists()


def test_a_file_where_the_socket_belongs_ends_the_start_before_anything_is_ready(stage: Stage) -> None:
    small(stage, speed=1)
    stage.state_dir.mkdir()
    (stage.state_dir / "control.sock").write_text("not a socket", "utf-8")

    running = stage.start()

    assert running.wait() == EXIT_INPUT
    assert "a file that is no socket lies there" in running.log.splitlines()[-1]
    assert "daemon.ready" not in running.log
    assert (stage.state_dir / "control.sock").read_text("utf-8") == "not a socket"
    assert not stage.latch().is_tripped
    assert not (stage.state_dir / PRESENCE_FILE).exists()
    assert no_broker_is_left(stage)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_clean_stop_cancels_entries_and_ends_the_broker_within_ten_seconds(
    stage: Stage, number: signal.Signals
) -> None:
    busy(stage)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may have been started by nohup
    try:
        running = stage.start_ready()
    finally:
        signal.signal(signal.SIGHUP, before)
    running.wait_state(lambda state: bool(state["orders"]), "entries work")

    began_s = time.monotonic()
    running.send(number)
    code = running.wait()

    assert code == EXIT_OK
    assert time.monotonic() - began_s < STOP_S_MAX
    assert not stage.latch().is_tripped
    last = stage.entries()[-1].event
    assert isinstance(last, e.RunStopped)
    assert last.reason == signal.Signals(number).name
    assert no_broker_is_left(stage)
    assert stage.broker_truth().entries == []


def test_a_stop_is_over_in_time_while_the_broker_hangs_and_names_what_it_left(stage: Stage) -> None:
    """Where the desk waits for the broker already, the time of that wait is the stop's too."""
    busy(stage, speed=300)
    running = stage.start_ready()
    working = running.wait_state(lambda state: bool(state["orders"]), "entries work")["orders"]
    broker = stage.broker_pid()
    os.kill(broker, signal.SIGSTOP)
    try:
        wait_until(lambda: '"event":"broker.lost"' in running.log, "the desk has waited once")

        began_s = time.monotonic()
        code = running.stop()
        took_s = time.monotonic() - began_s
    finally:
        os.kill(broker, signal.SIGKILL)

    assert code == EXIT_OK
    assert took_s < STOP_ASKED_S_MAX
    (left,) = [line for line in map(json.loads, running.log.splitlines()) if line["event"] == "entries.left"]
    assert set(left["keys"].split()) >= set(working) - {event.key for event in stage.events(e.OrderCancelled)}
    assert left["count"] == len(left["keys"].split())
    assert isinstance(stage.entries()[-1].event, e.RunStopped)


def test_a_daemon_started_by_nohup_outlives_its_terminal(stage: Stage) -> None:
    busy(stage)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does; a process inherits it
    try:
        running = stage.start()
    finally:
        signal.signal(signal.SIGHUP, before)
    running.send(signal.SIGHUP)
    running.wait_ready()
    running.send(signal.SIGHUP)
    running.wait_state(lambda state: bool(state["orders"]), "entries work")

    assert running.stop() == EXIT_OK
    assert ["SIGTERM"] == [event.reason for event in stage.events(e.RunStopped)]


def test_entries_left_at_stops_are_taken_up_again_and_the_trades_are_the_same(stage: Stage) -> None:
    busy(stage, daemon={"on_shutdown": "leave"})
    codes = []
    for _ in range(3):
        running = stage.start_ready()
        running.wait_state(lambda state: bool(state["orders"]), "entries work")
        codes.append(running.stop())

    codes.append(stage.start().wait())

    assert [EXIT_OK] * 4 == codes
    assert stage.replay() == stage.trades()


def test_a_stop_during_the_start_ends_it_with_0(stage: Stage) -> None:
    small(stage)
    running = stage.start()
    wait_until(lambda: (stage.state_dir / "daemon.lock").exists(), "the start has begun")

    assert running.stop() == EXIT_OK
    assert no_broker_is_left(stage)


def test_a_day_goes_on_in_a_folder_whose_name_means_something_else_in_a_uri(tmp_path: Path) -> None:
    """`#` and `?` end the path of a URI, `%41` is an `A`: no daemon there found its journal again."""
    folder = tmp_path / "st#x?y%41"
    folder.mkdir()
    stage = Stage(folder)
    try:
        busy(stage, daemon={"on_shutdown": "leave"})
        running = stage.start_ready()
        running.wait_state(lambda state: bool(state["orders"]), "entries work")
        stopped = running.stop()

        ended = stage.start().wait()
        trades = stage.replay()
        replayed = folder / "replay" / "journal.sqlite"
        verified = [stage.run("journal", "verify", str(path)).returncode for path in (stage.journal, replayed)]
        listed = stage.run("orders", "list", "--journal", str(stage.journal)).returncode
        again = stage.run("replay", "--journal", str(replayed), "--bars", str(stage.tape)).returncode
    finally:
        stage.close()

    assert (EXIT_OK, EXIT_OK) == (stopped, ended)
    assert trades == stage.trades()
    assert [EXIT_OK] * 4 == [*verified, listed, again]
    assert [folder] == list(tmp_path.iterdir())


def test_a_second_daemon_on_a_state_dir_is_refused_with_5(stage: Stage) -> None:
    busy(stage)
    first = stage.start_ready()

    second = stage.start()

    assert second.wait() == EXIT_LOCKED
    assert f"in use by process {first.pid}" in second.log
    assert first.is_ready()
    assert first.stop() == EXIT_OK


def test_a_state_dir_of_another_account_is_refused_with_1(stage: Stage) -> None:
    small(stage)
    stage.state_dir.mkdir()
    with Journal(stage.journal, "paper-DU1-2019-11-29") as journal:
        journal.append(
            e.RunStarted(
                ts_us=1, run_id="paper-DU1-2019-11-29", mode="paper", account="DU1", code_version="", config_hash=""
            )
        )

    running = stage.start()

    assert running.wait() == EXIT_REFUSED
    assert "belongs to paper DU1" in running.log
    assert no_broker_is_left(stage)


def test_live_on_the_simulated_broker_is_refused_with_1(stage: Stage) -> None:
    small(stage, mode="live")

    assert stage.start("--mode", "live").wait() == EXIT_REFUSED


@pytest.mark.parametrize(
    ("arguments", "variable"), [(("--mode", "live"), ""), ((), "live"), (("--mode", "paper"), "live"), ((), "papier")]
)
def test_modes_that_disagree_are_refused_with_2(stage: Stage, arguments: tuple[str, ...], variable: str) -> None:
    small(stage)

    running = stage.start(*arguments, **({"TR_MODE": variable} if variable else {}))

    assert running.wait() == EXIT_INPUT
    assert running.log.count("\n") == 1
    assert not stage.journal.exists()


@pytest.mark.parametrize(
    "keys", [{"feed": {"kind": "ib"}}, {"feed": {"kind": "synthetic", "history": "store"}}, {"broker": {"kind": "ib"}}]
)
def test_what_is_not_in_this_version_is_refused_before_anything_is_started(stage: Stage, keys: dict[str, Any]) -> None:
    small(stage, **keys)

    running = stage.start()

    assert running.wait() == EXIT_INPUT
    assert "is not in this version" in running.log
    assert not stage.state_dir.exists()


def test_a_metrics_port_in_use_is_a_configuration_error_and_leaves_no_broker(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        small(stage, metrics={"port": taken.getsockname()[1]})

        running = stage.start()

        assert running.wait() == EXIT_INPUT
        assert "metrics.port" in running.log
    assert no_broker_is_left(stage)


def test_daemon_json_says_how_to_reach_it(stage: Stage) -> None:
    busy(stage)
    running = stage.start_ready()
    path = stage.state_dir / PRESENCE_FILE

    state = running.state()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert state["run"]["is_ready"] is True
    assert stat.S_IMODE((stage.state_dir / "control.sock").stat().st_mode) == 0o600


def test_a_group_of_operators_may_read_where_the_daemon_is(stage: Stage) -> None:
    name = grp.getgrgid(os.getgid()).gr_name
    busy(stage, control={"group": name})
    stage.start_ready()

    modes = {
        file: stat.S_IMODE((stage.state_dir / file).stat().st_mode)
        for file in (PRESENCE_FILE, "kill.json", "control.sock")
    }

    assert {PRESENCE_FILE: 0o640, "kill.json": 0o660, "control.sock": 0o660} == modes


def test_a_broker_that_is_killed_under_a_daemon_comes_back_and_the_trades_are_the_same(stage: Stage) -> None:
    busy(stage)
    running = stage.start_ready()
    for _ in range(3):
        running.wait_state(lambda state: bool(state["orders"]) and state["broker"]["is_reconciled"], "entries work")
        pid = stage.broker_pid()
        stage.kill_broker()
        wait_until(lambda pid=pid: stage.broker_pid() not in (0, pid), "the broker is back")  # type: ignore[misc]

    code = running.wait()

    assert code == EXIT_OK
    assert stage.replay() == stage.trades()
    assert stage.events(e.BrokerLost)
    assert [] == stage.events(e.ReconDrift)


def test_a_stopped_broker_is_told_from_a_dead_one_and_waited_for(stage: Stage) -> None:
    busy(stage)
    running = stage.start_ready()
    running.wait_state(lambda state: bool(state["orders"]), "entries work")
    pid = stage.broker_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        state = running.wait_state(lambda state: "BrokerLost" in state["alarms"], "the alarm is raised")
    finally:
        os.kill(pid, signal.SIGCONT)

    code = running.wait()

    assert state["broker"]["is_connected"] is False
    assert code == EXIT_OK
    assert stage.replay() == stage.trades()


def test_warnings_as_errors_find_no_leak_at_a_stop(stage: Stage) -> None:
    busy(stage)
    running = stage.start_ready(PYTHONWARNINGS="error::ResourceWarning,error::RuntimeWarning")

    running.wait_state(lambda state: bool(state["orders"]), "entries work")
    code = running.stop()

    assert code == EXIT_OK
    assert [line for line in running.log.splitlines() if not line.startswith("{")] == []
