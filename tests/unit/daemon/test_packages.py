"""What a daemon and its broker do not load: it would cost every start, and stay in memory for good."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

LOADED = "import sys\n{}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
A_DAEMON = "import axiomd.cli.run, axiomd.daemon.main, axiomd.feeds.recorded, axiomd.feeds.synthetic"
AN_ENGINE = """
from datetime import date
from axiomd.config.binding import bind
from axiomd.contracts import events as e
from axiomd.contracts.runs import RunConfig
from axiomd.core.engine import Engine
from axiomd.core.recent import Recent
from axiomd.core.view import Facts, snapshot
from axiomd.feeds.known_sessions import known_sessions

config = RunConfig.model_validate({"strategy": {"name": "inside_bar"}, "symbols": ["AAA"], "risk": {}})
table = known_sessions("XNYS", date(2026, 1, 2), date(2026, 1, 9))
engine = Engine(bind(config, table, 60_000_000, "run", "paper"))
engine.handle(e.RunStarted(
    ts_us=1, run_id="run", mode="paper", account="SIM", code_version="", config_hash="", bar_us=60_000_000,
    signal_age_us_max=5_000_000,
))
engine.handle(e.BrokerConnected(ts_us=1, broker="sim", account="SIM"))
engine.handle(e.ReconCompleted(ts_us=1, positions={}))
snapshot(engine, Recent(), Facts(
    run_id="run", mode="paper", account="SIM", instance="main", version="", started_us=1, market_us=1, is_ready=True,
))
"""
A_BAR = """
engine.handle(e.BarsClosed(ts_us=60_000_000, rows=((0, 0, 10_000, 10_000, 10_000, 10_000, 1),)))
"""
A_BROKER = "from axiomd.core.compiled import run_as_python; run_as_python(); import axiomd.broker.sim_process"


def loaded(statements: str) -> set[str]:
    script = [sys.executable, "-c", LOADED.format(statements)]
    return set(subprocess.run(script, capture_output=True, text=True, check=True).stdout.split())


def test_a_daemon_loads_no_frames_no_pictures_no_calendars_and_no_terminal() -> None:
    assert set() == loaded(A_DAEMON) & {"polars", "pandas", "matplotlib", "exchange_calendars", "rich", "textual"}


def test_a_daemon_loads_the_compiler_with_its_first_bar() -> None:
    ready, trading = loaded(f"{A_DAEMON}\n{AN_ENGINE}"), loaded(f"{AN_ENGINE}\n{A_BAR}")

    assert set() == ready & {"numba", "llvmlite"}
    assert "numba" in trading


def test_the_configuration_is_read_before_anything_heavy_is_loaded() -> None:
    assert set() == loaded("import axiomd.config.load, axiomd.feeds.recorded") & {"numpy", "numba", "polars", "anyio"}


def test_the_brokers_process_loads_no_compiler_and_no_arrays() -> None:
    assert set() == loaded(A_BROKER) & {"numba", "llvmlite", "numpy", "polars", "pydantic", "asyncio"}


@pytest.mark.parametrize("command", ["kill", "status"])
def test_a_kill_and_a_look_load_no_parser_of_anything(command: str) -> None:
    found = loaded(f"from axiomd.cli.main import main; from axiomd.cli.{command} import quick")

    assert set() == found & {"re", "json", "enum", "argparse", "typing", "socket"}
