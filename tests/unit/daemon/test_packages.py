"""What a daemon and its broker do not load: it would cost every start, and stay in memory for good."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

LOADED = "import sys; {} ; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
A_DAEMON = "import axiomd.cli.run, axiomd.daemon.main, axiomd.feeds.recorded, axiomd.feeds.synthetic"
A_BROKER = "from axiomd.core.compiled import run_as_python; run_as_python(); import axiomd.broker.sim_process"


def loaded(statements: str) -> set[str]:
    script = [sys.executable, "-c", LOADED.format(statements)]
    return set(subprocess.run(script, capture_output=True, text=True, check=True).stdout.split())


def test_a_daemon_loads_no_frames_no_pictures_no_calendars_and_no_terminal() -> None:
    assert set() == loaded(A_DAEMON) & {"polars", "pandas", "matplotlib", "exchange_calendars", "rich", "textual"}


def test_the_configuration_is_read_before_anything_heavy_is_loaded() -> None:
    assert set() == loaded("import axiomd.config.load, axiomd.feeds.recorded") & {"numpy", "numba", "polars", "anyio"}


def test_the_brokers_process_loads_no_compiler() -> None:
    assert set() == loaded(A_BROKER) & {"numba", "llvmlite", "polars", "pydantic", "asyncio"}


@pytest.mark.parametrize("command", ["kill", "status"])
def test_a_kill_and_a_look_load_no_parser_of_anything(command: str) -> None:
    found = loaded(f"from axiomd.cli.main import main; from axiomd.cli.{command} import quick")

    assert set() == found & {"re", "json", "enum", "argparse", "typing", "socket"}
