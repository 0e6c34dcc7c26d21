"""A sweep gives the figures of its runs, whoever computes them; a test part sees nothing of itself before."""

from __future__ import annotations

import json
import math
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from axiomd.cli.main import main
from axiomd.contracts.errors import ConfigError
from axiomd.core import ahead
from axiomd.core.ahead import KEPT_MAX
from axiomd.core.kernel_record import backtest
from axiomd.core.market import strip
from axiomd.core.metrics import metrics_of
from axiomd.replay.grid import read_sweep
from axiomd.replay.prepare import Request, prepare
from axiomd.replay.sweep import (
    BLOCK_TRIALS,
    blocks_of,
    deflated_sharpe,
    local_blocks,
    run_sweep,
    summary_of,
    tasks_of,
    trial_count,
)
from axiomd.replay.swept_base import Base
from axiomd.replay.trials import Block, Trial
from axiomd.runs.sweep_plots import draw_sweep
from tests.markets import SPANS, frame_of, random_market, sessions_of, write_rates

GRID = """
base: {strategy: {name: inside_bar, params: {min_mother_range_atr: 0, atr_period: 2}}, symbols: [AAA, BBB], risk: {}}
bars: bars.parquet
each_symbol_alone: true
grid:
  strategy.params.risk_reward: [1, 2]
  costs.slippage_ticks: [0, 1]
"""


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    table = sessions_of(SPANS[0])
    frame_of(random_market(5, ["AAA", "BBB"], table, wildness=8)).write_parquet(tmp_path / "bars.parquet")
    path = tmp_path / "grid.yml"
    path.write_text(GRID)
    return path


def _done(count: int) -> None:
    assert count > 0


def _base_of(grid: Path) -> Path:
    """Write the base of a grid as a file of its own, for a run of it alone."""
    path = grid.with_name("run.yml")
    path.write_text(yaml.safe_dump(yaml.safe_load(grid.read_text())["base"]))
    return path


def test_each_row_is_the_backtest_of_its_set(grid: Path, tmp_path: Path) -> None:
    sweep = read_sweep(grid)

    frame = run_sweep(sweep, local_blocks(1, _done))

    assert 8 == frame.height
    row = frame.filter((pl.col("set") == 3) & (pl.col("symbol") == "BBB")).row(0, named=True)
    overrides = {"strategy.params.risk_reward": 2, "costs.slippage_ticks": 1}
    alone = prepare(
        Request(bars=tmp_path / "bars.parquet", config=_base_of(grid), symbols=("BBB",), overrides=overrides),
        "backtest",
    )
    whole = metrics_of(backtest(alone.plan, alone.tape, None)).model_dump(mode="json")
    names = set(whole) - {"counts", "by_strategy"}
    assert {name: whole[name] for name in names} == {name: row[name] for name in names}


@pytest.mark.parametrize("symbol", ["AAA", "BBB"])
def test_symbols_of_two_currencies_have_each_its_own_rates_by_day(grid: Path, tmp_path: Path, symbol: str) -> None:
    """Trials of lone symbols take up one start after the other: what it says of a currency is the next symbol's."""
    days = {date(2019, 11, 20): Decimal("0.9"), date(2019, 11, 28): Decimal("1.7")}
    path = write_rates(tmp_path / "fx.parquet", "USDEUR", days)
    money = f"currency: EUR, fx: {{USDEUR: {path}}}, instruments: {{AAA: {{currency: EUR}}}}"
    grid.write_text(GRID.replace("symbols: [AAA, BBB]", f"symbols: [AAA, BBB], {money}"))

    frame = run_sweep(read_sweep(grid), local_blocks(1, _done))

    row = frame.filter((pl.col("set") == 0) & (pl.col("symbol") == symbol)).row(0, named=True)
    overrides = {"strategy.params.risk_reward": 1, "costs.slippage_ticks": 0}
    alone = prepare(
        Request(bars=tmp_path / "bars.parquet", config=_base_of(grid), symbols=(symbol,), overrides=overrides),
        "backtest",
    )
    whole = metrics_of(backtest(alone.plan, alone.tape, None)).model_dump(mode="json")
    names = set(whole) - {"counts", "by_strategy"}
    assert {name: whole[name] for name in names} == {name: row[name] for name in names}
    assert row["num_trades"] > 0


def test_rows_do_not_depend_on_the_number_of_processes(grid: Path, tmp_path: Path) -> None:
    sweep = read_sweep(grid)

    assert run_sweep(sweep, local_blocks(1, _done)).equals(run_sweep(sweep, local_blocks(2, _done)))


@pytest.mark.parametrize(("symbols", "sets"), [(500, 20), (3, 20), (1, 1), (40, 200), (7, 1)])
def test_tasks_are_large_first_and_small_last(symbols: int, sets: int) -> None:
    trials = tuple(Trial(number, {}) for number in range(sets))
    blocks = [Block((Base(""), "", None, ()), (str(n),), trials) for n in range(symbols)]

    tasks = tasks_of(blocks, 2)

    sizes = [len(task) for task in tasks]
    assert blocks == [block for task in tasks for block in task]
    assert sorted(sizes, reverse=True) == sizes
    assert sizes[-1] == 1
    assert max(sizes) * sets <= max(BLOCK_TRIALS, sets)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(180)
def test_a_dask_cluster_gives_the_same_rows(grid: Path, tmp_path: Path) -> None:
    from distributed import LocalCluster

    from axiomd.replay.cluster import dask_blocks

    sweep = read_sweep(grid)
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        found = run_sweep(sweep, dask_blocks(cluster.scheduler_address, _done))

    assert run_sweep(sweep, local_blocks(1, _done)).equals(found)


def test_bars_are_observed_once_for_all_sets_that_observe_the_same(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many periods there are, and although the key that varies fastest is the period."""
    own_interval = random_market(5, ["AAA", "BBB"], sessions_of(SPANS[0]), step_minutes=5)
    frame_of(own_interval).write_parquet(tmp_path / "bars.parquet")
    periods = list(range(2, 3 + 2 * KEPT_MAX))
    grid.write_text(GRID + f"  strategy.params.atr_period: {periods}\n")
    observed: list[None] = []
    look = ahead.look
    monkeypatch.setattr(ahead, "look", lambda *asked: observed.append(None) or look(*asked))
    sweep = read_sweep(grid)

    frame = run_sweep(sweep, local_blocks(1, _done))

    assert (2 * 4 * len(periods), 2 * len(periods)) == (frame.height, len(observed))


def test_a_part_of_the_sessions_is_laid_out_once_for_all_sets(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid.write_text(GRID + "walk_forward: {train_sessions: 1, test_sessions: 1, choose: net_pnl}\n")
    laid_out: list[tuple[str, int]] = []
    lay_out = strip._strip
    monkeypatch.setattr(
        strip, "_strip", lambda tape: laid_out.append((tape.symbols[0], len(tape.bars))) or lay_out(tape)
    )
    sweep = read_sweep(grid)

    frame = run_sweep(sweep, local_blocks(1, _done))

    parts = frame.select("symbol", "fold", "part").unique()
    assert parts.height == len(laid_out)
    assert frame.height > len(laid_out)


def test_a_test_part_is_run_with_the_set_its_train_part_chose(grid: Path, tmp_path: Path) -> None:
    grid.write_text(GRID + "walk_forward: {train_sessions: 1, test_sessions: 1, choose: net_pnl}\n")
    sweep = read_sweep(grid)

    frame = run_sweep(sweep, local_blocks(1, _done))

    tests = frame.filter(pl.col("part") == "test")
    assert tests.height == frame.filter(pl.col("part") == "train").select("symbol", "fold").n_unique()
    for test in tests.iter_rows(named=True):
        trained = frame.filter(
            (pl.col("part") == "train") & (pl.col("fold") == test["fold"]) & (pl.col("symbol") == test["symbol"])
        )
        best = trained.sort(["net_pnl", "set"], descending=[True, False]).row(0, named=True)
        assert best["set"] == test["set"]


def test_a_train_part_knows_nothing_of_what_comes_after(grid: Path, tmp_path: Path) -> None:
    """Other bars after the first session leave the first train part's rows as they are."""
    text = GRID + "walk_forward: {train_sessions: 1, test_sessions: 1, choose: net_pnl}\n"
    grid.write_text(text)
    before = run_sweep(read_sweep(grid), local_blocks(1, _done))
    bars = pl.read_parquet(tmp_path / "bars.parquet")
    first_day = bars["ts"].dt.date().min()
    later = pl.col("ts").dt.date() > first_day
    other = bars.with_columns(
        *(pl.when(later).then(pl.col(name) + 1).otherwise(pl.col(name)) for name in ("OPEN", "HIGH", "LOW", "CLOSE"))
    )
    other.write_parquet(tmp_path / "other.parquet")
    grid.write_text(text.replace("bars.parquet", "other.parquet"))

    after = run_sweep(read_sweep(grid), local_blocks(1, _done))

    first = (pl.col("fold") == 0) & (pl.col("part") == "train")
    assert before.filter(first).equals(after.filter(first))


def test_deflation_falls_with_the_number_of_trials() -> None:
    returns = [0.01, -0.004, 0.012, 0.003, -0.002, 0.008, 0.004, 0.001]
    sharpes = [0.1, 0.5, 0.9, -0.2]

    one, few, many = (deflated_sharpe(returns, sharpes, trials) for trials in (1, 10, 1000))

    assert one is not None
    assert few is not None
    assert many is not None
    assert one > few > many > 0


def test_deflation_needs_variation() -> None:
    assert deflated_sharpe([0.01, 0.01, 0.01], [0.1], 5) is None
    assert deflated_sharpe([], [], 5) is None


def test_the_summary_counts_trials(grid: Path, tmp_path: Path) -> None:
    sweep = read_sweep(grid)

    summary = summary_of(sweep, run_sweep(sweep, local_blocks(1, _done)))

    assert 8 == summary["trials"]
    assert summary["deflated_sharpe"] is None or 0 <= summary["deflated_sharpe"] <= 1
    assert not math.isnan(summary["deflated_sharpe"] or 0.0)
    assert 8 == sum(len(block.trials) for block in blocks_of(sweep)) == trial_count(sweep)


def test_a_wrong_key_of_the_grid_is_named(grid: Path, tmp_path: Path) -> None:
    grid.write_text(GRID.replace("costs.slippage_ticks", "costs.slipage_ticks"))

    with pytest.raises(ConfigError, match="slippage_ticks"):
        read_sweep(grid)


def test_the_command_leaves_results_summary_and_pictures(grid: Path, tmp_path: Path) -> None:
    code = main(["sweep", "--grid", str(grid), "--out", str(tmp_path / "out"), "--jobs", "1", "--json"])

    assert 0 == code
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"results.parquet", "sweep.json", "distribution.png", "heatmap.png"} <= names


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("  strategy.params.risk_rewrad: [1]\n", "  strategy.params.risk_reward: [1, 2]\n"),
        ("bars: nowhere.parquet\n", "bars: bars.parquet\n"),
        ("symbols: [AAA, ZZZ]", "symbols: [AAA, BBB]"),
    ],
)
def test_a_refused_sweep_leaves_nothing_behind(grid: Path, tmp_path: Path, wrong: str, right: str) -> None:
    """Whether it was refused while its grid was read, its bars, or a set was bound."""
    grid.write_text(GRID.replace(right, wrong))
    kept = tmp_path / "kept"
    kept.mkdir()

    for folder in (tmp_path / "new" / "folder" / "out", kept):
        assert 2 == main(["sweep", "--grid", str(grid), "--out", str(folder), "--jobs", "1", "--no-plots"])

    assert {"bars.parquet", "grid.yml", "kept"} == {path.name for path in tmp_path.iterdir()}


def test_a_folder_that_something_came_into_stays(grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "new" / "out"

    def fails(*asked: object) -> None:
        (out / "mine").touch()
        raise ConfigError("no", "here", "no way")

    monkeypatch.setattr("axiomd.replay.sweep.run_sweep", fails)

    assert 2 == main(["sweep", "--grid", str(grid), "--out", str(out)])
    assert (out / "mine").exists()


@pytest.mark.parametrize("name", ["file", "file/inside", "n" * 300])
def test_a_folder_that_cannot_be_is_refused(
    grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "file").touch()

    assert 2 == main(["sweep", "--grid", str(grid), "--out", str(tmp_path / name)])
    assert capsys.readouterr().err.startswith("error: it cannot be written (")


def test_the_command_says_in_words_what_it_found(
    grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"

    assert 0 == main(["sweep", "--grid", str(grid), "--out", str(folder), "--jobs", "1", "--no-plots"])

    said = capsys.readouterr().out
    found = json.loads((folder / "sweep.json").read_text())
    best, shown = found["best"], dict(re.findall(r"^ *(\S.*?) {2,}(\S.*?) *$", said, re.MULTILINE))
    assert ("8", "4") == (shown["trials"], shown["sets"])
    assert f"{best['set']} ({best['symbol']}, fold {best['fold']})" == shown["best set by Sharpe ratio"]
    assert str(found["best_values"]["costs.slippage_ticks"]) == shown["costs.slippage_ticks"]
    assert f"{best['sharpe']:.2f}" == shown["Sharpe ratio"]
    assert f"{best['net_pnl']:,.2f}" == shown["net P&L"]
    assert f"results: {folder / 'results.parquet'}" in said


def test_a_heat_map_has_its_middle_at_nothing_and_a_figure_in_each_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.axes import Axes

    drawn: list[tuple[list[list[float]], float, float]] = []
    figures: list[tuple[int, int, str]] = []
    draw, write = Axes.imshow, Axes.text

    def imshow(axes: Axes, cells: list[list[float]], **how: Any) -> Any:
        drawn.append((cells, how["vmin"], how["vmax"]))
        return draw(axes, cells, **how)

    def text(axes: Axes, x: int, y: int, words: str, **how: Any) -> Any:
        figures.append((x, y, words))
        return write(axes, x, y, words, **how)

    monkeypatch.setattr(Axes, "imshow", imshow)
    monkeypatch.setattr(Axes, "text", text)
    rows = [(1, 5, 100.0), (1, 6, -1500.0), (2, 5, 300.0), (2, 6, 20.0), (2, 6, 40.0)]
    frame = pl.DataFrame(rows, schema=["a", "b", "net_pnl"], orient="row").with_columns(pl.lit("all").alias("part"))

    written = draw_sweep(frame, ["a", "b"], tmp_path)

    assert ["distribution.png", "heatmap.png"] == [path.name for path in written if path.stat().st_size]
    assert [([[100.0, -1500.0], [300.0, 30.0]], -1500.0, 1500.0)] == drawn
    assert [(0, 0, "100.00"), (1, 0, "-1,500.00"), (0, 1, "300.00"), (1, 1, "30.00")] == figures
