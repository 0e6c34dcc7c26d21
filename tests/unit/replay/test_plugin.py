"""A strategy of somebody else's replays without a change here, and Stage 2 is asked about candidates alone."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.unit.cli.bars import SYMBOLS, market
from tests.unit.replay.plugin import install

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
strategy: {name: break_higher, version: "0.3.0", params: {minutes: 45}}
symbols: [AAA, BBB]
risk: {}
"""

pytestmark = pytest.mark.slow


def axiomd(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does who has installed the package."""
    path = os.pathsep.join([str(ROOT), str(install(folder / "site"))])
    return subprocess.run(
        [sys.executable, "-m", "axiomd", *arguments], cwd=folder, env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def written(folder: Path, config: str = CONFIG) -> list[str]:
    market().write_parquet(folder / "bars.parquet")
    (folder / "run.yml").write_text(config)
    return ["--bars", "bars.parquet", "--config", "run.yml", "--out", "out", "--no-plots"]


def test_somebody_elses_strategy_trades_through_the_same_walk(tmp_path: Path) -> None:
    result = axiomd(tmp_path, "replay", *written(tmp_path))

    assert (0, "") == (result.returncode, result.stderr)
    signals, orders, trades = (table(tmp_path / "out" / f"{name}.csv") for name in ("signals", "orders", "trades"))
    assert {("break_higher", "0.3.0", "close_above_mother", "0.5")} == {
        (row["strategy"], row["strategy_version"], row["setup"], row["score"]) for row in signals
    }
    days = [(row["symbol"], row["ts"][:10]) for row in signals]
    assert len(set(days)) == len(days) > 2
    assert {"BUY"} == {row["side"] for row in orders}
    assert {row["idempotency_key"] for row in trades} <= {row["idempotency_key"] for row in orders}
    assert len(trades) > 0


def daily() -> pl.DataFrame:
    first = market()["ts"][0].replace(hour=0, minute=0)
    rows = [
        {"symbol": symbol, "ts": first - timedelta(days=back), "OPEN": 50.0, "HIGH": 51.0, "LOW": 49.0, "CLOSE": 50.0,
         "VOLUME": 5_000_000}
        for symbol in SYMBOLS for back in (3, 2, 1)
    ]  # fmt: skip
    return pl.DataFrame(rows).with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC"))).sort("symbol", "ts")


def test_stage_2_is_never_asked_about_what_stage_1_did_not_choose(tmp_path: Path) -> None:
    arguments = written(tmp_path, CONFIG + "stage1: {mode: screen, max_candidates: 1}\n")
    daily().write_parquet(tmp_path / "daily.parquet")

    result = axiomd(tmp_path, "replay", *arguments, "--daily", "daily.parquet")

    assert (0, "") == (result.returncode, result.stderr)
    assert {"AAA"} == {row["symbol"] for row in table(tmp_path / "out/signals.csv")}
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    intervals = market().filter(symbol="AAA").group_by_dynamic("ts", every="5m").agg(pl.len()).height
    assert intervals == metrics["counts"]["asked"]


@pytest.mark.parametrize(
    ("word", "config"),
    [
        ("known: 0.3.0", CONFIG.replace("0.3.0", "9.9.9")),
        ("known: break_higher, inside_bar", CONFIG.replace("break_higher", "break_lower")),
        ("minuets", CONFIG.replace("minutes", "minuets")),
    ],
)
def test_what_is_wrong_with_it_is_told_in_one_line(word: str, config: str, tmp_path: Path) -> None:
    result = axiomd(tmp_path, "replay", *written(tmp_path, config))

    assert 2 == result.returncode
    assert word in result.stderr
    assert 1 == result.stderr.count("\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mistake", ["import nothing_that_exists", "STRATEGY = not_there", "STRATEGY = 1 / 0"])
def test_package_that_cannot_be_loaded_stops_only_its_own_runs(mistake: str, tmp_path: Path) -> None:
    arguments = written(tmp_path)
    site = tmp_path / "site"
    install(site)
    (site / "break_higher/strategy.py").write_text(f"{mistake}\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)])}

    def replay() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "axiomd", "replay", *arguments], cwd=tmp_path, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    broken = replay()
    (tmp_path / "run.yml").write_text("strategy: {name: inside_bar}\nsymbols: [AAA]\nrisk: {}\n")
    ours = replay()

    assert 2 == broken.returncode
    assert "cannot be loaded" in broken.stderr
    assert (0, "") == (ours.returncode, ours.stderr)
