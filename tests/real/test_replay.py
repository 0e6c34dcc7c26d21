"""Real days through the whole daemon: the second reading's trades, the journal's own decisions, the orders' own trades.

Half day, holiday, split and missing minutes are in them.
"""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from axiomd.cli.main import main
from axiomd.contracts import events as e
from axiomd.core.market.tape import Tape
from axiomd.feeds import load_tape
from axiomd.replay import simulate_insidebar_from_orders
from tests.markets import Row
from tests.parity import differences
from tests.property.drives import EventLog, EveryMoment, drive
from tests.property.test_inside_bar_prefix import cuts, first_part, signals

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / ".." / "shared/data/market"
M1 = DATA / "equity_m1.parquet"
CONFIG = ROOT / "configs/runs/inside_bar.yml"
SYMBOLS = ("SPY", "IBM", "BAC", "AAPL", "GOOG")
TIMES = ("created_at", "started_at", "finished_at")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real market data is not beside the project"),
]


@pytest.fixture(scope="module")
def tape() -> Tape:
    return load_tape(M1, None, "XNYS")


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    bars = pl.read_parquet(M1).with_columns(pl.col("ts").dt.epoch("us")).sort("ts", "symbol")
    columns = ("symbol", "ts", "OPEN", "HIGH", "LOW", "CLOSE", "VOLUME")
    return [(s, t, *(Decimal(str(p)) for p in ohlc), v) for s, t, *ohlc, v in bars.select(columns).iter_rows()]  # type: ignore[misc]


def config(risk: Any, **more: Any) -> dict[str, Any]:
    return {"strategy": {"name": "inside_bar"}, "symbols": list(SYMBOLS), "risk": risk, **more}


def shipped() -> Any:
    return yaml.safe_load((ROOT / "configs/risk.yml").read_text())


COSTS = {"commission_per_share": "0.005", "commission_min": 1, "slippage_bps": "1.5", "slippage_ticks": 1}
VARIANTS = {
    "no limits": lambda: config({}),
    "the shipped limits": lambda: config(shipped()),
    "costs and size by risk": lambda: config(shipped(), costs=COSTS, sizing={"mode": "risk", "risk_pct": "0.5"}),
    "all day, skipping what is ambiguous": lambda: config(
        {},
        strategy={"name": "inside_bar", "params": {"windows": ["09:30-16:00"], "min_mother_range_atr": 0}},
        fills={"ambiguity": "skip"},
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_real_days_are_traded_as_the_second_reading_says(name: str, rows: list[Row], tape: Tape) -> None:
    assert [] == differences(VARIANTS[name](), rows, tape)


def test_real_days_scanned_are_real_days_moment_by_moment(tape: Tape) -> None:
    alone, scanned = EventLog(), EventLog()

    expected = drive(config(shipped()), tape, alone, kind=EveryMoment).recorder.record
    record = drive(config(shipped()), tape, scanned).recorder.record

    assert expected == record
    assert [event for event in alone.events if not isinstance(event, e.BarsClosed)] == [
        event for event in scanned.events if not isinstance(event, e.BarsClosed)
    ]


def test_first_real_bars_give_the_signals_of_the_whole_up_to_there(tape: Tape) -> None:
    whole = signals(config(shipped()), tape)
    assert len(whole) > 10

    for end_us in cuts(tape, random.Random(1), 25):
        assert [s for s in whole if s.ts_us <= end_us] == signals(config(shipped()), first_part(tape, end_us)), end_us


def replay(out: Path, *more: str, symbols: tuple[str, ...] = SYMBOLS) -> list[str]:
    return [
        "replay", "--bars", str(M1), "--config", str(CONFIG), "--symbols", ",".join(symbols), "--out", str(out), *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the run folder of all the days under the shipped configuration."""
    out = tmp_path_factory.mktemp("real") / "run"
    assert 0 == main(replay(out))
    yield out
    shutil.rmtree(out)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_run_folder_holds_every_file_of_a_run(run: Path) -> None:
    expected = {
        "manifest.json", "metrics.json", "label.txt", "quality.json", "signals.csv", "orders.csv", "filled_orders.csv",
        "trades.csv", "equity_curve.csv", "equity_curve.png", "drawdown_curve.png", "report.html", "journal.sqlite",
    }  # fmt: skip
    assert expected == {path.name for path in run.iterdir()}


def test_trades_of_the_folder_add_up_to_its_cash(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    trades = table(run / "trades.csv")

    assert len(trades) == metrics["num_trades"] > 10
    assert Decimal(str(metrics["final_cash"])) - Decimal(str(metrics["initial_cash"])) == sum(
        Decimal(row["net_pnl"]) for row in trades
    )
    assert set(SYMBOLS) >= {row["symbol"] for row in trades}


def test_no_position_outlives_its_session_half_days_too(run: Path) -> None:
    trades = table(run / "trades.csv")

    assert [] == [row for row in trades if row["entry_ts"][:10] != row["exit_ts"][:10]]
    assert [] == [row for row in trades if row["exit_ts"].startswith("2015-12-24") and row["exit_ts"][11:16] >= "18:00"]


def test_recorded_day_is_decided_again_to_the_letter(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["replay", "--journal", str(run / "journal.sqlite")])

    assert "every decision came out again" in capsys.readouterr().out


def test_journal_of_the_folder_verifies(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["journal", "verify", str(run / "journal.sqlite")])

    assert capsys.readouterr().out.startswith("sound: ")


def test_orders_of_the_folder_give_the_trades_of_the_folder(run: Path, tmp_path: Path) -> None:
    simulate_insidebar_from_orders(run / "orders.csv", M1, "America/New_York", {}, 100_000, out_dir=tmp_path / "narrow")

    assert (run / "trades.csv").read_text() == (tmp_path / "narrow/trades.csv").read_text()


def test_exported_orders_are_those_of_the_folder_and_a_second_export_adds_none(run: Path, tmp_path: Path) -> None:
    export = ["orders", "export", "--journal", str(run), "--out", str(tmp_path / "orders.csv")]

    assert 0 == main(export)
    assert 0 == main(export)

    assert (run / "orders.csv").read_text() == (tmp_path / "orders.csv").read_text()


def test_signals_alone_are_those_of_the_folder(run: Path, tmp_path: Path) -> None:
    arguments = replay(tmp_path / "signals.csv")[1:]

    assert 0 == main(["signals", *arguments])

    assert (run / "signals.csv").read_text() == (tmp_path / "signals.csv").read_text()


ENVIRONMENTS = (
    {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C", "POLARS_MAX_THREADS": "1"},
    {"PYTHONHASHSEED": "77", "TZ": "America/St_Johns", "LC_ALL": "C.UTF-8", "POLARS_MAX_THREADS": "4"},
)


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda each: each["TZ"])
@pytest.mark.timeout(180)
def test_same_replay_anywhere_is_the_same_folder_byte_for_byte(
    environment: dict[str, str], run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "elsewhere"
    subprocess.run(
        [sys.executable, "-m", "axiomd", *replay(out)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, check=True, capture_output=True,
    )  # fmt: skip

    assert {path.name for path in run.iterdir()} == {path.name for path in out.iterdir()}
    for path in run.iterdir():
        if path.name != "manifest.json":
            assert path.read_bytes() == (out / path.name).read_bytes(), path.name
    first, second = (json.loads((folder / "manifest.json").read_text()) for folder in (run, out))
    assert {key: value for key, value in first.items() if key not in TIMES} == {
        key: value for key, value in second.items() if key not in TIMES
    }


def test_bars_outside_sessions_are_dropped_and_counted(run: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    both.mkdir()
    shutil.copy(M1, both / "a.parquet")
    shutil.copy(DATA / "equity_m1_extended_hours.parquet", both / "b.parquet")
    arguments = replay(tmp_path / "run", "--no-plots")
    arguments[arguments.index(str(M1))] = str(both)

    assert 0 == main(arguments)

    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert 5_095 == metrics["counts"]["bars_outside_sessions"]
    assert (run / "trades.csv").read_text() == (tmp_path / "run/trades.csv").read_text()


def test_earlier_sessions_warm_up_and_are_not_traded(tmp_path: Path) -> None:
    assert 0 == main(replay(tmp_path / "run", "--from", "2013-10-09", "--to", "2013-10-10", "--no-plots"))

    days = {row["ts"][:10] for row in table(tmp_path / "run/signals.csv")}
    assert {"2013-10-09", "2013-10-10"} == days
