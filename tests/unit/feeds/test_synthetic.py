"""The synthetic market: one seed, one market; bars that keep the contract and behave like a market's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from axiomd.contracts.errors import ConfigError, InputError
from axiomd.core.market.tape import frame_sha256
from axiomd.feeds import assert_valid_daily, assert_valid_intraday
from axiomd.feeds.calendars import session_table
from axiomd.feeds.synthetic import SyntheticMarket, daily_bars, generate, generate_daily, generate_sessions, main

FIRST, LAST = date(2024, 12, 17), date(2024, 12, 27)
NAMES = ("AAA", "BBB", "CCC", "DDD")


@pytest.fixture(scope="module")
def market() -> pl.DataFrame:
    return generate(NAMES, "XNYS", FIRST, LAST, seed=7)


def test_bars_keep_the_contract_and_the_calendar(market: pl.DataFrame) -> None:
    assert_valid_intraday(market, "XNYS", "America/New_York")
    half_day = market.filter((pl.col("ts").dt.date() == date(2024, 12, 24)) & (pl.col("symbol") == "AAA"))

    assert 205 < half_day.height <= 210
    assert market.filter(pl.col("ts").dt.date() == date(2024, 12, 25)).height == 0


def test_a_seed_gives_the_very_same_bytes_on_any_machine() -> None:
    """The figure stands for all machines: it may change only together with the model, on purpose."""
    bars = generate(["AAA", "BBB"], "XNYS", date(2024, 3, 4), date(2024, 3, 6), seed=1)

    assert "2f542f8cbd735209f6cc13591eb493a6d466a2729e4efaed40a43053a26c79bc" == frame_sha256(bars, 60_000_000)


def test_another_seed_is_another_market() -> None:
    one, two = (generate(["AAA"], "XNYS", FIRST, FIRST, seed=seed) for seed in (1, 2))

    assert not one.equals(two)


def test_symbol_does_not_depend_on_the_others_asked_for(market: pl.DataFrame) -> None:
    alone = generate(["bbb"], "XNYS", FIRST, LAST, seed=7)

    assert alone.equals(market.filter(pl.col("symbol") == "BBB"))


def test_sessions_made_one_by_one_are_those_made_at_once(market: pl.DataFrame) -> None:
    table = session_table("XNYS", FIRST, LAST)
    walked = SyntheticMarket(7, NAMES)

    rows = sum(len(walked.session(table, k)) for k in range(len(table)))

    assert rows == market.height


def test_names_move_together_and_days_differ_in_volatility() -> None:
    daily = generate_daily(NAMES, "XNYS", date(2023, 1, 3), date(2023, 12, 29), seed=3)
    returns = (
        daily.with_columns(r=(pl.col("CLOSE") / pl.col("CLOSE").shift(1).over("symbol")).log())
        .pivot(on="symbol", index="ts", values="r")
        .drop("ts")
        .drop_nulls()
        .to_numpy()
    )
    correlation = np.corrcoef(returns.T)
    deviation = returns.std(axis=0)

    assert correlation[np.triu_indices(4, 1)].min() > 0.15
    assert 0.008 < deviation.min() < deviation.max() < 0.06


def test_volume_is_high_at_both_ends_of_a_day(market: pl.DataFrame) -> None:
    day = market.filter((pl.col("symbol") == "AAA") & (pl.col("ts").dt.date() == date(2024, 12, 18)))
    volume = day["VOLUME"].to_numpy()

    assert volume[:30].mean() > 2 * volume[170:220].mean()
    assert volume[-30:].mean() > 2 * volume[170:220].mean()


def test_prices_lie_on_the_grid_but_for_a_few_midpoints(market: pl.DataFrame) -> None:
    units = np.rint(market["CLOSE"].to_numpy() * 10_000).astype(np.int64)
    midpoints = units % 100 != 0

    assert set(units[midpoints] % 100) == {50}
    assert 0 < midpoints.mean() < 0.02


def test_nights_make_gaps(market: pl.DataFrame) -> None:
    daily = daily_bars(market, session_table("XNYS", FIRST, LAST)).filter(pl.col("symbol") == "AAA")
    gaps = (daily["OPEN"] / daily["CLOSE"].shift(1)).drop_nulls() - 1

    assert gaps.abs().max() > 0.001


def test_daily_bars_are_those_of_the_minutes(market: pl.DataFrame) -> None:
    daily = generate_daily(NAMES, "XNYS", FIRST, LAST, seed=7)
    assert_valid_daily(daily)
    first = daily.filter(pl.col("symbol") == "AAA").row(0, named=True)
    own = market.filter((pl.col("symbol") == "AAA") & (pl.col("ts").dt.date() == FIRST))

    assert (own["OPEN"][0], own["HIGH"].max(), own["LOW"].min(), own["CLOSE"][-1], own["VOLUME"].sum()) == tuple(
        first[name] for name in ("OPEN", "HIGH", "LOW", "CLOSE", "VOLUME")
    )


def test_start_price_is_where_a_name_begins() -> None:
    bars = generate(["AAA"], "XNYS", FIRST, FIRST, seed=1, start_prices={"aaa": 5_000_000})

    assert abs(bars["OPEN"][0] / 500 - 1) < 0.1


def test_last_sessions_are_counted_back_from_a_date() -> None:
    bars = generate_sessions(["AAA"], "XNYS", date(2024, 12, 26), sessions=6, seed=0)

    days = bars["ts"].dt.date().unique().sort().to_list()
    assert [date(2024, 12, d) for d in (18, 19, 20, 23, 24, 26)] == days


def test_wrong_requests_are_one_line() -> None:
    with pytest.raises(InputError, match="no session"):
        generate(["AAA"], "XNYS", date(2024, 12, 25), date(2024, 12, 25), seed=0)
    with pytest.raises(InputError, match="no symbol"):
        generate([], "XNYS", FIRST, LAST, seed=0)
    with pytest.raises(InputError, match="at least one"):
        generate_sessions(["AAA"], "XNYS", LAST, sessions=0, seed=0)
    with pytest.raises(InputError, match="out of range"):
        generate(["AAA"], "XNYS", FIRST, LAST, seed=0, start_prices={"AAA": 10_000})
    with pytest.raises(ConfigError, match="unknown calendar"):
        generate(["AAA"], "XNOWHERE", FIRST, LAST, seed=0)


def test_command_writes_minutes_and_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, daily = tmp_path / "m1.parquet", tmp_path / "d1.parquet"

    code = main(["--out", str(out), "--daily-out", str(daily), "--seed", "3", "--sessions", "2", "--symbols", "A,B"])

    assert code == 0
    assert "bars of 2 symbols" in capsys.readouterr().out
    assert_valid_intraday(pl.read_parquet(out), "XNYS", "America/New_York")
    assert pl.read_parquet(daily).height == 4


def test_bytes_do_not_depend_on_hash_seed_zone_or_threads(tmp_path: Path) -> None:
    written = set()
    for k, (hash_seed, zone, threads) in enumerate([("0", "UTC", "1"), ("1", "Asia/Tokyo", "2")]):
        out = tmp_path / f"{k}.parquet"
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone, "POLARS_MAX_THREADS": threads}
        command = [sys.executable, "-m", "axiomd.feeds.synthetic", "--out", str(out), "--sessions", "2"]
        subprocess.run(command, env=environment, cwd=Path(__file__).parents[3], check=True, capture_output=True)
        written.add(hashlib.sha256(out.read_bytes()).hexdigest())

    assert len(written) == 1
