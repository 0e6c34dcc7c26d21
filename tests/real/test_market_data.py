"""The bar contract against recorded bars of real sessions: a half day, a holiday, a split, missing minutes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from axiomd.contracts.errors import DataContractError
from axiomd.core.market.resample import IntervalAssembler
from axiomd.core.market.sla import measure_frame
from axiomd.core.strategies.stage1 import rank_inside_bar
from axiomd.feeds import assert_valid_daily, assert_valid_intraday, load_tape, resample_m1_to_m5
from axiomd.feeds.calendars import session_table

DATA = Path(__file__).resolve().parents[2] / ".." / "shared/data/market"
NEW_YORK = "America/New_York"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real market data is not beside the project"),
]


@pytest.fixture(scope="module")
def m1() -> pl.DataFrame:
    return pl.read_parquet(DATA / "equity_m1.parquet")


@pytest.fixture(scope="module")
def extended() -> pl.DataFrame:
    return pl.read_parquet(DATA / "equity_m1_extended_hours.parquet")


def test_regular_minutes_keep_the_contract(m1: pl.DataFrame) -> None:
    assert_valid_intraday(m1, "XNYS", NEW_YORK)
    assert m1.height == 9_170


def test_daily_bars_keep_the_contract() -> None:
    daily = pl.read_parquet(DATA / "equity_daily.parquet")

    assert_valid_daily(daily)
    assert daily["symbol"].n_unique() == 12


def test_extended_hours_are_all_outside_and_nothing_else(extended: pl.DataFrame) -> None:
    with pytest.raises(DataContractError) as caught:
        assert_valid_intraday(extended, "XNYS", NEW_YORK)

    assert [v.rule for v in caught.value.violations] == ["outside_session"] * extended.height


def test_extended_hours_never_reach_m5_bars(m1: pl.DataFrame, extended: pl.DataFrame) -> None:
    mixed = pl.concat([m1, extended]).sort("symbol", "ts")

    assert resample_m1_to_m5(m1, "XNYS", NEW_YORK).equals(resample_m1_to_m5(mixed, "XNYS", NEW_YORK))


def test_m5_bars_are_those_a_group_by_finds(m1: pl.DataFrame) -> None:
    """Sessions open on the half hour, so here a plain five-minute group by is an independent answer."""
    expected = (
        m1.group_by("symbol", pl.col("ts").dt.truncate("5m"), maintain_order=True)
        .agg(
            pl.col("OPEN").first(),
            pl.col("HIGH").max(),
            pl.col("LOW").min(),
            pl.col("CLOSE").last(),
            pl.col("VOLUME").sum(),
        )
        .sort("symbol", "ts")
    )

    bars = resample_m1_to_m5(m1, "XNYS", NEW_YORK)

    assert expected.equals(bars)
    assert_valid_intraday(bars, "XNYS", NEW_YORK, "m5")


def test_half_day_has_its_own_number_of_bars(m1: pl.DataFrame) -> None:
    half_day = m1.filter(pl.col("ts").dt.date() == date(2015, 12, 24))

    bars = resample_m1_to_m5(half_day, "XNYS", NEW_YORK)

    assert bars.height == 42
    assert "2015-12-24 17:55:00+00:00" == str(bars["ts"].max())


def test_bar_by_bar_gives_the_same_m5_bars(m1: pl.DataFrame, extended: pl.DataFrame) -> None:
    frame = pl.concat([m1, extended]).filter(pl.col("symbol") == "GOOG").sort("ts")
    table = session_table("XNYS", date(2015, 12, 22), date(2015, 12, 30))
    assembler = IntervalAssembler(table, step_us=300_000_000)
    prices = [pl.col(name).mul(10_000).round().cast(pl.Int64) for name in ("OPEN", "HIGH", "LOW", "CLOSE")]
    rows = frame.select(pl.col("ts").to_physical(), *prices, "VOLUME").iter_rows()

    finished = [bar for row in rows for bar in assembler.push(*row)]

    expected = resample_m1_to_m5(frame, "XNYS", NEW_YORK).select(pl.col("ts").to_physical(), *prices, "VOLUME").rows()
    assert expected == [(b.start_us, b.open, b.high, b.low, b.close, b.volume) for b in finished]
    assert assembler.outside_count == 109


def test_tape_drops_and_counts_the_extended_hours(m1: pl.DataFrame) -> None:
    regular = load_tape(DATA / "equity_m1.parquet", ["SPY", "IBM"], "XNYS")
    both = load_tape([DATA / "equity_m1.parquet", DATA / "equity_m1_extended_hours.parquet"], ["SPY", "IBM"], "XNYS")

    assert regular.sha256 == both.sha256
    assert (regular.dropped, both.dropped) == (0, 228 + 2_499)
    assert regular.between_ticks == 0


def test_missing_minutes_leave_the_service_levels_whole(m1: pl.DataFrame) -> None:
    reports = measure_frame(m1, session_table("XNYS", date(2013, 10, 1), date(2015, 12, 31)))

    assert {"AAPL": 234, "BAC": 468, "GOOG": 198, "IBM": 468, "SPY": 468} == {r.symbol: r.m5_expected for r in reports}
    assert all(report.passed for report in reports)


def test_stage_1_ranks_the_real_universe_by_atr_over_close() -> None:
    daily = pl.read_parquet(DATA / "equity_daily.parquet")

    ranked = rank_inside_bar(
        daily, date(2013, 10, 11), min_adv=1_000_000, min_price=10, atr_pct=(1, 10), max_candidates=50
    )

    independent = {}
    for symbol in daily["symbol"].unique().to_list():
        rows = daily.filter((pl.col("symbol") == symbol) & (pl.col("ts").dt.date() < date(2013, 10, 11))).to_dicts()
        if len(rows) < 50:
            continue
        average, previous = 0.0, None
        for i, row in enumerate(rows):
            high, low = row["HIGH"], row["LOW"]
            true_range = high - low if previous is None else max(high, previous) - min(low, previous)
            average = average + true_range / 14 if i < 14 else (average * 13 + true_range) / 14
            previous = row["CLOSE"]
        adv = sum(row["VOLUME"] for row in rows[-50:]) / 50
        if adv >= 1_000_000 and previous is not None and previous >= 10 and 1 <= 100 * average / previous <= 10:
            independent[symbol] = average / previous
    assert tuple(sorted(independent, key=lambda name: (-independent[name], name))) == ranked
    assert len(ranked) > 5
