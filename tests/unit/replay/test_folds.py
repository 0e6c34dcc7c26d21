"""Walking forward over symbols of different histories: folds are dates, the same for all of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from axiomd.core.kernel_record import backtest
from axiomd.core.metrics import metrics_of
from axiomd.replay.grid import read_sweep
from axiomd.replay.prepare import Request, prepare
from axiomd.replay.sweep import local_blocks, run_sweep, summary_of
from tests.markets import SPANS, frame_of, random_market, sessions_of

BASE: dict[str, Any] = {
    "strategy": {"name": "inside_bar", "params": {"min_mother_range_atr": 0, "atr_period": 2}},
    "symbols": ["AAA", "BBB", "CCC"],
    "risk": {},
}
SESSIONS = sessions_of(SPANS[2])
"""Five of them: with two to train and one to test, folds begin at the first, second and third."""
DATES = [SESSIONS.date(session) for session in range(5)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """AAA has all sessions, BBB was listed on the fourth, CCC lacks the third."""
    frame = frame_of(random_market(5, ["AAA", "BBB", "CCC"], SESSIONS, wildness=8))
    day, symbol = pl.col("ts").dt.date(), pl.col("symbol")
    is_gone = ((symbol == "BBB") & (day < DATES[3])) | ((symbol == "CCC") & (day == DATES[2]))
    frame.filter(~is_gone).write_parquet(tmp_path / "bars.parquet")
    (tmp_path / "run.yml").write_text(yaml.safe_dump(BASE))
    grid = {
        "base": "run.yml", "bars": "bars.parquet", "each_symbol_alone": True,
        "grid": {"strategy.params.risk_reward": [1, 2]},
        "walk_forward": {"train_sessions": 2, "test_sessions": 1, "choose": "net_pnl"},
    }  # fmt: skip
    (tmp_path / "grid.yml").write_text(yaml.safe_dump(grid))
    return tmp_path


def dates_of(row: dict[str, Any]) -> tuple[date, date]:
    """Give first and last date of a row's part."""
    first = row["fold"]
    return (DATES[first], DATES[first + 1]) if row["part"] == "train" else (DATES[first + 2], DATES[first + 2])


def is_there(symbol: str, first: date, last: date) -> bool:
    dates = {"AAA": DATES, "BBB": DATES[3:], "CCC": DATES[:2] + DATES[3:]}[symbol]
    return any(first <= day <= last for day in dates)


def alone(folder: Path, row: dict[str, Any]) -> dict[str, Any]:
    """Run what a row stands for as `axiomd backtest --symbols --from --to` would."""
    first, last = dates_of(row)
    request = Request(
        bars=folder / "bars.parquet", config=folder / "run.yml", symbols=(row["symbol"],), first=first, last=last,
        overrides={"strategy.params.risk_reward": row["strategy.params.risk_reward"]},
    )  # fmt: skip
    prepared = prepare(request, "backtest")
    return metrics_of(backtest(prepared.plan, prepared.tape, None, prepared.first_session)).model_dump(mode="json")


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_row_is_the_backtest_of_its_dates(folder: Path, jobs: int) -> None:
    frame = run_sweep(read_sweep(folder / "grid.yml"), local_blocks(jobs, lambda _: None))

    assert 3 * 3 * (2 + 1) == frame.height, "every symbol has every fold"
    traded = set()
    for row in frame.iter_rows(named=True):
        if is_there(row["symbol"], *dates_of(row)):
            whole = alone(folder, row)
            names = set(whole) - {"counts", "by_strategy"}
            assert {name: whole[name] for name in names} == {name: row[name] for name in names}
            traded |= {row["symbol"]} if whole["num_trades"] else set()
        else:
            assert (0, 0, None, 0) == tuple(row[name] for name in ("num_signals", "num_trades", "sharpe", "net_pnl"))
    assert {"AAA", "BBB", "CCC"} == traded


def test_the_best_of_all_folds_is_found_among_symbols_of_different_histories(folder: Path) -> None:
    sweep = read_sweep(folder / "grid.yml")

    summary = summary_of(sweep, run_sweep(sweep, local_blocks(1, lambda _: None)))

    assert 3 * 3 * 2 == summary["trials"]
    assert summary["best"] is not None
