"""Machine code is used where it is of the very sources that lie there, and nowhere else."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from axiomd import native
from axiomd.feeds import synthetic

PACKAGE: Final = Path(native.__file__).parent
TOLD: Final = ("signals.csv", "orders.csv", "filled_orders.csv", "trades.csv", "equity_curve.csv", "metrics.json")
LOADED = f"""
import sys, json
from importlib import import_module
from axiomd import native
print(json.dumps([native.finder.reason, [import_module(name).__spec__.origin for name in {native.MODULES!r}]]))
"""


def loaded(folder: Path, **environ: str) -> tuple[str, list[str]]:
    """Give why not, and where each module was loaded from, in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name != native.SWITCH}
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, cwd=folder,
        env={**kept, "PYTHONPATH": str(folder), **environ},
    )  # fmt: skip
    reason, files = json.loads(done.stdout)
    return reason, files


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package with its machine code, at another place."""
    if not (PACKAGE / native.FOLDER / native.SUM_FILE).exists():
        pytest.skip("no machine code: it takes a C compiler and Python's headers")
    shutil.copytree(PACKAGE, tmp_path / "axiomd", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_all_modules_are_machine_code_as_installed(copy: Path) -> None:
    reason, files = loaded(copy)

    assert reason == ""
    assert {".so"} == {Path(file).suffix for file in files}


def test_none_is_where_it_is_switched_off(copy: Path) -> None:
    reason, files = loaded(copy, AXIOMD_NATIVE="off")

    assert reason == "AXIOMD_NATIVE is off"
    assert {".py"} == {Path(file).suffix for file in files}


@pytest.mark.parametrize(
    "changed", ["core/entries.py", "core/orders/lifecycle.py", "contracts/units.py", "broker/sim.py"]
)
def test_none_is_where_a_source_is_another_one_by_now(copy: Path, changed: str) -> None:
    source = copy / "axiomd" / changed
    source.write_text(source.read_text() + "\nNEWER = True\n")

    reason, files = loaded(copy)

    assert reason == "translated from other sources, or for another Python"
    assert {".py"} == {Path(file).suffix for file in files}


def test_none_is_where_none_was_made(copy: Path) -> None:
    shutil.rmtree(copy / "axiomd" / native.FOLDER)

    reason, files = loaded(copy)

    assert reason == "not translated when it was installed"
    assert {".py"} == {Path(file).suffix for file in files}


def replayed(folder: Path, switch: str, bars: Path, out: Path) -> dict[str, bytes]:
    """Replay by the package in a folder and give all that says what was decided: tables, figures, chained events."""
    config = PACKAGE.parent / "configs/runs/demo.yml"
    command = ["replay", "--bars", bars, "--config", config, "--out", out, "--symbols", "AAA,BBB", "--no-plots"]
    subprocess.run(
        [sys.executable, "-m", "axiomd", *map(str, command)], check=True, capture_output=True, cwd=folder,
        env={**os.environ, native.SWITCH: switch, "PYTHONPATH": str(folder)},
    )  # fmt: skip
    with closing(sqlite3.connect(out / "journal.sqlite")) as db:
        hashes = [row[0] for row in db.execute("SELECT hash FROM events ORDER BY seq")]
    return {name: (out / name).read_bytes() for name in TOLD} | {"chain": b"".join(hashes)}


@pytest.mark.timeout(180)
def test_a_replay_comes_to_the_same_bytes_either_way(copy: Path, tmp_path: Path) -> None:
    bars = tmp_path / "bars.parquet"
    synthetic.main(["--out", str(bars), "--symbols", "AAA,BBB", "--seed", "11"])

    by_machine_code = replayed(copy, "on", bars, tmp_path / "on")
    by_python = replayed(copy, "off", bars, tmp_path / "off")

    assert len(by_python["trades.csv"].splitlines()) > 10
    assert by_machine_code == by_python


def test_every_room_that_such_a_module_takes_from_is_looked_at() -> None:
    files = [PACKAGE.parent / f"{name.replace('.', '/')}.py" for name in native.MODULES]
    rooms = {room for file in files for room in re.findall(r"^from axiomd\.(\w+)", file.read_text(), re.MULTILINE)}

    assert rooms == set(native.ROOMS)


@pytest.mark.parametrize("name", native.MODULES)
def test_a_module_of_machine_code_defines_no_rule(name: str) -> None:
    """A rule is compiled by numba, which reads the Python that it is made of."""
    file = PACKAGE.parent / f"{name.replace('.', '/')}.py"

    assert "@njit" not in file.read_text()
    assert import_module(name).__name__ == name
