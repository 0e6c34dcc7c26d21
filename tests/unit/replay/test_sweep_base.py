"""What a sweep takes from its base: screened candidates, several strategies, paths; and what it cannot vary."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from axiomd.cli.main import main
from axiomd.contracts.errors import ConfigError
from axiomd.core.kernel_record import backtest
from axiomd.core.market.columns import DTYPES
from axiomd.core.metrics import metrics_of
from axiomd.replay.grid import read_sweep
from axiomd.replay.prepare import Request, prepare
from axiomd.replay.sweep import local_blocks, run_sweep
from tests.markets import SPANS, frame_of, random_market, sessions_of

PARAMS: dict[str, Any] = {"min_mother_range_atr": 0, "atr_period": 2}
SCREEN: dict[str, Any] = {"mode": "screen", "max_candidates": 1}
LAST_CALM = date(2019, 11, 26)
"""Until this day AAA moves more than BBB, from the next on less: the one candidate changes within the bars."""


def _daily() -> pl.DataFrame:
    rows = []
    for symbol in ("AAA", "BBB"):
        day = LAST_CALM - timedelta(days=70)
        while day < SPANS[0][1]:
            day += timedelta(days=1)
            is_wild = (symbol == "AAA") == (day <= LAST_CALM)
            width = 40.0 if day > LAST_CALM and is_wild else 5.0 if is_wild else 3.0
            ts = datetime(day.year, day.month, day.day, tzinfo=UTC)
            rows.append((symbol, ts, 100.0, 100.0 + width / 2, 100.0 - width / 2, 100.0, 2_000_000))
    return pl.DataFrame(rows, schema=DTYPES, orient="row")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    table = sessions_of(SPANS[0])
    frame_of(random_market(5, ["AAA", "BBB"], table, wildness=8)).write_parquet(tmp_path / "bars.parquet")
    _daily().write_parquet(tmp_path / "daily.parquet")
    return tmp_path


def _base(**keys: Any) -> dict[str, Any]:
    return {"strategy": {"name": "inside_bar", "params": PARAMS}, "symbols": ["BBB", "AAA"], "risk": {}, **keys}


def _several() -> dict[str, Any]:
    common = {"name": "inside_bar", "params": PARAMS}
    return {"strategies": [{"id": "a", "symbols": ["BBB"], **common}, {"id": "b", "symbols": ["AAA"], **common}]}


def _swept(folder: Path, jobs: int = 1, **keys: Any) -> pl.DataFrame:
    grid = {"bars": "bars.parquet", "grid": {"costs.slippage_ticks": [0, 2]}, **keys}
    (folder / "grid.yml").write_text(yaml.safe_dump(grid))
    return run_sweep(read_sweep(folder / "grid.yml"), local_blocks(jobs, lambda _: None))


def _alone(folder: Path, base: dict[str, Any], symbols: tuple[str, ...] | None = None, **values: Any) -> dict[str, Any]:
    (folder / "run.yml").write_text(yaml.safe_dump(base))
    request = Request(
        bars=folder / "bars.parquet", daily=folder / "daily.parquet", config=folder / "run.yml", symbols=symbols,
        overrides={"costs.slippage_ticks": 2, **values},
    )  # fmt: skip
    prepared = prepare(request, "backtest")
    select = prepared.select if prepared.screens else None
    return metrics_of(backtest(prepared.plan, prepared.tape, select)).model_dump(mode="json")


def _is_row_of(row: dict[str, Any], whole: dict[str, Any]) -> bool:
    return all(whole[name] == row[name] for name in set(whole) - {"counts", "by_strategy"})


def test_candidates_are_screened_from_the_daily_bars_and_cut_to_the_cap(folder: Path) -> None:
    base = _base(stage1=SCREEN)

    frame = _swept(folder, base=base, daily="daily.parquet")

    whole, listed = _alone(folder, base), _alone(folder, _base())
    assert 0 < whole["num_signals"] < listed["num_signals"]
    assert _is_row_of(frame.row(1, named=True), whole)


def test_each_symbol_is_screened_by_itself(folder: Path) -> None:
    base = _base(stage1={"mode": "screen", "atr_pct": [4, 50]})

    frame = _swept(folder, base=base, daily="daily.parquet", each_symbol_alone=True)

    for symbol in ("AAA", "BBB"):
        row = frame.filter((pl.col("set") == 1) & (pl.col("symbol") == symbol)).row(0, named=True)
        assert _is_row_of(row, _alone(folder, base, (symbol,)))


def test_screens_are_the_same_in_processes_and_may_be_what_is_varied(folder: Path) -> None:
    keys: dict[str, Any] = {"base": _base(), "daily": "daily.parquet", "each_symbol_alone": True}
    keys["grid"] = {"stage1.atr_pct": [[1, 50], [4.9, 50]], "stage1.mode": ["list", "screen"]}

    frame = _swept(folder, **keys)

    assert frame.equals(_swept(folder, 2, **keys))
    signals = [frame.filter(pl.col("set") == number)["num_signals"].sum() for number in range(4)]
    assert signals[0] == signals[1] == signals[2] > signals[3]


def test_a_screen_without_daily_bars_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"screens daily bars and there are none .* set 1 "):
        _swept(folder, base=_base(), grid={"stage1.mode": ["list", "screen"]})


@pytest.mark.parametrize("jobs", [1, 2])
def test_several_strategies_are_swept_together_and_by_symbol(folder: Path, jobs: int) -> None:
    base = {**_several(), "risk": {}}

    together = _swept(folder, jobs, base=base).row(1, named=True)
    apart = _swept(folder, jobs, base=base, each_symbol_alone=True)

    assert _is_row_of(together, _alone(folder, base))
    assert ["AAA", "BBB"] == apart.filter(pl.col("set") == 1)["symbol"].to_list()
    only_b = {**base, "strategies": base["strategies"][1:]}
    assert _is_row_of(apart.filter(pl.col("set") == 1).row(0, named=True), _alone(folder, only_b))


def test_a_symbol_that_no_strategy_trades_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no strategy of the base trades CCC"):
        _swept(folder, base={**_several(), "risk": {}}, symbols=["AAA", "CCC"])


@pytest.mark.parametrize(("key", "values"), [("symbols", [["AAA"], ["BBB"]]), ("calendar", ["XNYS", "XLON"])])
def test_what_all_sets_share_cannot_be_varied(folder: Path, key: str, values: list[Any]) -> None:
    for kind in ({"grid": {key: values}}, {"grid": None, "sets": [{"seed": 1}, {key: values[1]}]}):
        with pytest.raises(ConfigError, match=f"{key} cannot be varied"):
            _swept(folder, base=_base(), **kind)


@pytest.mark.parametrize("choose", ["symbol", "costs.slippage_ticks", "by_strategy", "nonsense"])
def test_a_fold_is_chosen_by_a_figure(folder: Path, choose: str) -> None:
    forward = {"train_sessions": 1, "test_sessions": 1, "choose": choose}

    with pytest.raises(ConfigError, match=f"{choose} is no figure"):
        _swept(folder, base=_base(), walk_forward=forward)


def test_paths_of_a_base_within_the_grid_count_from_the_grid(folder: Path) -> None:
    (folder / "limits.yml").write_text("restricted_list: [AAA, BBB]\n")

    frame = _swept(folder, base=_base(risk="limits.yml"))

    assert 0 < min(frame["num_signals"].to_list())
    assert 0 == frame["num_orders"].sum()


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_environment_holds_over_the_base_as_over_a_backtests(
    folder: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    """Also in workers of another environment: what held where the sweep was asked for goes with it."""
    keys: dict[str, Any] = {"bars": "bars.parquet", "base": _base(), "grid": {"costs.slippage_ticks": [0, 2]}}
    (folder / "grid.yml").write_text(yaml.safe_dump(keys))
    plain = _alone(folder, _base())
    monkeypatch.setenv("AXIOMD_COSTS__COMMISSION_MIN", "5")
    whole, sweep = _alone(folder, _base()), read_sweep(folder / "grid.yml")
    monkeypatch.delenv("AXIOMD_COSTS__COMMISSION_MIN")

    frame = run_sweep(sweep, local_blocks(jobs, lambda _: None))

    assert whole["total_costs"] != plain["total_costs"]
    assert _is_row_of(frame.row(1, named=True), whole)


def test_a_value_of_the_grid_wins_over_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _alone(folder, _base())
    monkeypatch.setenv("AXIOMD_COSTS__SLIPPAGE_TICKS", "7")

    frame = _swept(folder, base=_base())

    assert _is_row_of(frame.row(1, named=True), whole)


def test_null_is_a_value_like_any_other(folder: Path) -> None:
    """It was taken for none, and the row that says null had the base's value."""
    params = {**PARAMS, "stop_cap_ticks": 1}
    base = _base(costs={"slippage_ticks": 2}, strategy={"name": "inside_bar", "params": params})
    uncapped = _alone(folder, _base())
    capped = _alone(folder, base)

    frame = _swept(folder, base=base, grid={"strategy.params.stop_cap_ticks": [None, 1]})

    assert _is_row_of(frame.row(0, named=True), uncapped)
    assert _is_row_of(frame.row(1, named=True), capped)
    assert uncapped != capped


def test_symbols_and_strategies_of_the_environment_are_swept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, named = {**_several(), "risk": {}}, _alone(folder, _base(symbols=["AAA"]))

    monkeypatch.setenv("AXIOMD_SYMBOLS", "[AAA]")
    assert _is_row_of(_swept(folder, base=_base()).row(1, named=True), named)
    monkeypatch.delenv("AXIOMD_SYMBOLS")
    monkeypatch.setenv("AXIOMD_STRATEGIES", json.dumps(base["strategies"][1:]))
    assert ["AAA"] * 2 == _swept(folder, base=base, each_symbol_alone=True)["symbol"].to_list()


def test_a_wrong_variable_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXIOMD_COSTS__SLIPPAGE_BPS", "-1")

    with pytest.raises(ConfigError, match="environment AXIOMD_COSTS__SLIPPAGE_BPS"):
        _swept(folder, base=_base())


def test_a_base_within_the_grid_is_written_nowhere(folder: Path) -> None:
    """Neither where the results go, which may be where the user keeps a base of that name, nor beside the grid."""
    mine = "# my own\nstrategy: {name: inside_bar}\n"
    for place in (folder, folder / "out"):
        place.mkdir(exist_ok=True)
        (place / "base.yml").write_text(mine)
    grid = {"bars": "bars.parquet", "base": _base(), "grid": {"costs.slippage_ticks": [0, 2]}}
    words = ["sweep", "--grid", str(folder / "grid.yml"), "--out", str(folder / "out"), "--jobs", "1", "--no-plots"]

    for base, code in ((_base(), 0), (_base(initial_cash=-1), 2)):
        (folder / "grid.yml").write_text(yaml.safe_dump({**grid, "base": base}))
        assert code == main(words)

    assert [mine, mine] == [(place / "base.yml").read_text() for place in (folder, folder / "out")]
    assert {"base.yml", "results.parquet", "sweep.json"} == {path.name for path in (folder / "out").iterdir()}


@pytest.mark.parametrize(
    ("base", "what", "place"),
    [
        ("{strategy: {name: inside_bar}, symbols: [AAA], rsk: {}}", "unknown key rsk", "grid.yml:2 base.rsk"),
        ("\n  strategy: {name: inside_bar}\n  symbols: [AAA]\n  costs: {slippage_bps: -1}", "costs.slippage_bps",
         "grid.yml:5 base.costs.slippage_bps"),
        ("{symbols: [AAA]}", "strategy", "grid.yml base"),
        ("{strategy: {name: inside_bar}, symbols: [AAA], risk: }", "risk is empty", "grid.yml:2 base.risk"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_base_within_the_grid_is_placed_in_the_grid(
    folder: Path, base: str, what: str, place: str
) -> None:
    (folder / "grid.yml").write_text(f"bars: bars.parquet\nbase: {base}\ngrid: {{seed: [1]}}\n")

    with pytest.raises(ConfigError) as refused:
        read_sweep(folder / "grid.yml")

    assert what in refused.value.what
    assert str(folder / place) == refused.value.where


def test_a_wrong_value_is_placed_in_the_grid(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"initial_cash.*grid\.yml set 1 "):
        _swept(folder, base=_base(), grid={"initial_cash": [1000, -1]})


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_sweep_that_is_broken_off_says_nothing_and_leaves_nothing(
    folder: Path, number: signal.Signals, code: int
) -> None:
    values = [1 + n / 1000 for n in range(4_000)]
    grid = {"bars": "bars.parquet", "base": _base(), "each_symbol_alone": True}
    (folder / "grid.yml").write_text(yaml.safe_dump({**grid, "grid": {"strategy.params.risk_reward": values}}))
    bars = folder / "tmp"
    bars.mkdir()
    words = [sys.executable, "-m", "axiomd", "sweep", "--grid", str(folder / "grid.yml"), "--out", str(folder / "out")]
    process = subprocess.Popen(
        [*words, "--jobs", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        env={**os.environ, "TMPDIR": str(bars)},
    )  # fmt: skip
    deadline_s = time.monotonic() + 60
    while not list(bars.glob("axiomd-sweep-*/bars")) and time.monotonic() < deadline_s:
        time.sleep(0.01)

    # a terminal's ^C is heard by the workers too
    os.killpg(process.pid, number) if number is signal.SIGINT else process.send_signal(number)
    out, said = process.communicate(timeout=30)

    assert (code, b"") == (process.returncode, out), said
    assert number is signal.SIGTERM or b"" == said
    assert [] == list(bars.glob("axiomd-sweep-*"))
    assert not (folder / "out").exists()
