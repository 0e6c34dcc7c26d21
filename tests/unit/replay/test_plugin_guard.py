"""A guard of somebody else's brings its own key and model, refuses with its name, and refuses when it raises."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.bars import market

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = """
from pydantic import BaseModel, ConfigDict

from axiomd.core.guards.api import Guard


class Params(BaseModel):
    model_config = ConfigDict(extra="forbid")
    qty: int = 50
    raises: bool = False


def check(order, figures, params):
    if params.raises:
        raise ZeroDivisionError("somebody else's mistake")
    return order.qty > params.qty, order.qty, params.qty


GUARD = Guard(name="EvenSmaller", params=Params, check=check)
"""
CONFIG = """
strategy: {{name: inside_bar, params: {{min_mother_range_atr: 0, atr_period: 2}}}}
symbols: [AAA, BBB]
risk: {risk}
"""

pytestmark = pytest.mark.slow


def axiomd(folder: Path, command: str, risk: str) -> subprocess.CompletedProcess[str]:
    site = folder / "site"
    info = site / "even_smaller-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (site / "even_smaller.py").write_text(PACKAGE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: even-smaller\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[axiomd.guards]\neven_smaller = even_smaller:GUARD\n")
    market().write_parquet(folder / "bars.parquet")
    (folder / "run.yml").write_text(CONFIG.format(risk=risk))
    path = os.pathsep.join([str(ROOT), str(site)])
    return subprocess.run(
        [sys.executable, "-m", "axiomd", command, "--bars", "bars.parquet", "--config", "run.yml", "--out", "out",
         "--no-plots"],
        cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def reasons(folder: Path) -> set[str]:
    with (folder / "out" / "filled_orders.csv").open(newline="", encoding="utf-8") as file:
        return {row["reason"] for row in csv.DictReader(file)}


def test_it_refuses_by_its_name(tmp_path: Path) -> None:
    result = axiomd(tmp_path, "replay", "{even_smaller: {qty: 50}}")

    assert (0, "") == (result.returncode, result.stderr)
    assert {"rejected:EvenSmaller"} == reasons(tmp_path)


def test_what_it_lets_pass_is_traded(tmp_path: Path) -> None:
    result = axiomd(tmp_path, "replay", "{even_smaller: {qty: 100}}")

    assert 0 == result.returncode
    assert "rejected:EvenSmaller" not in reasons(tmp_path)


def test_one_that_raises_refuses(tmp_path: Path) -> None:
    result = axiomd(tmp_path, "replay", "{even_smaller: {raises: true}}")

    assert (0, "") == (result.returncode, result.stderr)
    assert {"rejected:EvenSmaller"} == reasons(tmp_path)


def test_a_wrong_value_of_its_own_is_named(tmp_path: Path) -> None:
    result = axiomd(tmp_path, "replay", "{even_smaller: {quantity: 5}}")

    assert 2 == result.returncode
    assert "risk.even_smaller.quantity" in result.stderr
    assert 1 == len(result.stderr.splitlines())


def test_the_compiled_backtest_names_the_replay(tmp_path: Path) -> None:
    result = axiomd(tmp_path, "backtest", "{even_smaller: {}}")

    assert 2 == result.returncode
    assert "axiomd replay" in result.stderr
    assert not (tmp_path / "out").exists()
