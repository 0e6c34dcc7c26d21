"""Each rule of the bar contract, by its public name, and that all of them are found at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pandas as pd
import polars as pl
import pytest

from axiomd.contracts.bars import Rule
from axiomd.contracts.errors import ConfigError, DataContractError
from axiomd.feeds import assert_valid_daily, assert_valid_intraday, resample_m1_to_m5
from tests.unit.market.minutes import OPEN, minutes, with_cell

NEW_YORK = "America/New_York"


def rules(frame: pl.DataFrame, timeframe: str = "m1", calendar: str = "XNYS") -> list[str]:
    try:
        assert_valid_intraday(frame, calendar, NEW_YORK, timeframe)
    except DataContractError as error:
        return [violation.rule for violation in error.violations]
    return []


def test_whole_session_is_valid() -> None:
    assert rules(minutes()) == []


def test_empty_frame_that_keeps_the_contract_is_valid() -> None:
    assert rules(minutes([])) == []


BROKEN: list[tuple[str, Callable[[pl.DataFrame], pl.DataFrame]]] = [
    ("missing_column", lambda f: f.drop("CLOSE")),
    ("wrong_case", lambda f: f.rename({"OPEN": "open"})),
    ("wrong_case", lambda f: f.rename({"ts": "TS"})),
    ("wrong_dtype", lambda f: f.with_columns(pl.col("VOLUME").cast(pl.Float64))),
    ("wrong_dtype", lambda f: f.with_columns(pl.col("HIGH").cast(pl.Float32))),
    ("wrong_dtype", lambda f: f.with_columns(pl.col("ts").dt.cast_time_unit("ns"))),
    ("wrong_dtype", lambda f: with_cell(f, 3, "VOLUME", None)),
    ("wrong_dtype", lambda f: with_cell(f, 3, "symbol", None)),
    ("wrong_dtype", lambda f: with_cell(f, 3, "symbol", " ")),
    ("wrong_dtype", lambda f: with_cell(f, 3, "ts", None)),
    ("naive_timestamp", lambda f: f.with_columns(pl.col("ts").dt.replace_time_zone(None))),
    ("not_utc", lambda f: f.with_columns(pl.col("ts").dt.convert_time_zone(NEW_YORK))),
    ("not_monotonic", lambda f: pl.concat([f[:2], f[3:4], f[2:3], f[4:]])),
    ("duplicate_index", lambda f: pl.concat([f[:3], f[2:]])),
    ("nan_ohlc", lambda f: with_cell(f, 3, "LOW", math.nan)),
    ("nan_ohlc", lambda f: with_cell(f, 3, "OPEN", None)),
    ("bad_ohlc_range", lambda f: with_cell(f, 3, "LOW", 10.1)),
    ("bad_ohlc_range", lambda f: with_cell(f, 3, "HIGH", 10.1)),
    ("bad_ohlc_range", lambda f: with_cell(f, 3, "HIGH", math.inf)),
    ("bad_ohlc_range", lambda f: with_cell(f, 3, "LOW", 0.0)),
    ("bad_ohlc_range", lambda f: with_cell(f, 3, "LOW", -9.5)),
    ("bad_ohlc_range", lambda f: with_cell(f, 3, "HIGH", 1e9)),
    ("negative_volume", lambda f: with_cell(f, 3, "VOLUME", -1)),
    ("wrong_dtype", lambda f: with_cell(f, 3, "VOLUME", 2**62)),
    ("outside_session", lambda f: pl.concat([f, minutes([390])])),
    ("outside_session", lambda f: pl.concat([minutes([-1]), f])),
]


@pytest.mark.parametrize(("rule", "bend"), BROKEN)
def test_each_rule_is_named_and_nothing_else_with_it(rule: str, bend: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    assert rules(bend(minutes())) == [rule]


def test_bar_off_the_grid_is_named() -> None:
    frame = minutes([0, 1], start=OPEN + timedelta(seconds=30))

    assert rules(frame) == ["off_grid", "off_grid"]


def test_five_minute_bar_over_the_open_or_the_close_crosses_the_session() -> None:
    assert sorted(rules(minutes([-2, 388]), "m5")) == ["cross_session", "cross_session", "off_grid", "off_grid"]


def test_minutes_that_are_no_five_minutes_are_off_the_m5_grid() -> None:
    assert rules(minutes([0, 1, 5]), "m5") == ["off_grid"]


def test_half_day_and_holiday_end_the_session() -> None:
    half_day = datetime(2015, 12, 24, 14, 30, tzinfo=UTC)

    assert rules(minutes([209, 210], start=half_day)) == ["outside_session"]
    assert rules(minutes([0], start=half_day + timedelta(days=1))) == ["outside_session"]


def test_session_moves_with_the_clocks_of_its_exchange() -> None:
    before, after = (datetime(2024, 3, day, 13, 30, tzinfo=UTC) for day in (8, 11))

    assert rules(minutes([0], start=before)) == ["outside_session"]
    assert rules(minutes([0], start=after)) == []


def test_all_violations_are_collected_with_symbol_and_time() -> None:
    frame = with_cell(with_cell(minutes(), 5, "LOW", math.nan), 7, "VOLUME", -3).rename({"CLOSE": "close"})

    with pytest.raises(DataContractError) as caught:
        assert_valid_intraday(frame, "XNYS", NEW_YORK)

    found = caught.value.violations
    assert [("wrong_case", None, None), ("nan_ohlc", "AAA", OPEN + timedelta(minutes=5))] == [
        (v.rule, v.symbol, v.ts) for v in found[:2]
    ]
    assert [("negative_volume", "AAA", OPEN + timedelta(minutes=7))] == [(v.rule, v.symbol, v.ts) for v in found[2:]]
    assert "wrong_case x 1" in str(caught.value)


def test_symbols_are_judged_apart_and_in_one_spelling() -> None:
    interleaved = pl.concat([minutes(range(3)), minutes(range(3), "BBB")]).sort("ts")
    two_spellings = pl.concat([minutes([0]), minutes([0], " aaa ")])

    assert rules(interleaved) == []
    assert rules(two_spellings) == ["duplicate_index"]


def test_duplicate_that_is_not_adjacent_is_found() -> None:
    frame = pl.concat([minutes([0, 5]), minutes([0])])

    assert rules(frame, "m5") == ["not_monotonic", "duplicate_index"]


def test_time_beyond_any_calendar_is_a_violation_and_no_crash() -> None:
    far = minutes().with_columns(ts=pl.Series([10**17] * 390).cast(pl.Datetime("us", "UTC")))

    assert set(rules(far)) == {"off_grid"}


def test_every_rule_of_the_contract_is_tested_here() -> None:
    assert {rule for rule, _ in BROKEN} | {"off_grid", "cross_session"} == {str(rule) for rule in Rule}


@pytest.mark.parametrize("frame", [pd.DataFrame(), minutes().lazy(), None])
def test_frame_of_another_kind_is_refused_with_the_way_out(frame: object) -> None:
    with pytest.raises(DataContractError, match="polars") as caught:
        assert_valid_intraday(frame, "XNYS", NEW_YORK)  # type: ignore[arg-type]

    assert [v.rule for v in caught.value.violations] == ["wrong_dtype"]


@pytest.mark.parametrize(
    ("calendar", "tz", "timeframe"), [("XNYZ", NEW_YORK, "m1"), ("XNYS", "NY", "m1"), ("XNYS", NEW_YORK, "h1")]
)
def test_unknown_calendar_zone_or_timeframe_is_a_configuration_error(calendar: str, tz: str, timeframe: str) -> None:
    with pytest.raises(ConfigError):
        assert_valid_intraday(minutes(), calendar, tz, timeframe)


def test_daily_bar_stands_at_midnight() -> None:
    good = minutes([0], start=datetime(2024, 3, 5, tzinfo=UTC))

    assert_valid_daily(good)
    with pytest.raises(DataContractError, match="off_grid"):
        assert_valid_daily(minutes([0]))


def test_resampling_leaves_out_what_is_outside_and_keeps_prices_as_they_are() -> None:
    frame = with_cell(minutes([-5, 0, 3, 4, 7, 390]), 2, "HIGH", 10.723456)

    bars = resample_m1_to_m5(frame, "XNYS", NEW_YORK)

    assert [OPEN, OPEN + timedelta(minutes=5)] == bars["ts"].to_list()
    assert bars["HIGH"].to_list() == [10.723456, 10.5]
    assert bars["VOLUME"].to_list() == [300, 100]
    assert bars.schema == frame.schema


def test_resampling_refuses_any_other_violation() -> None:
    with pytest.raises(DataContractError, match="nan_ohlc"):
        resample_m1_to_m5(with_cell(minutes(), 0, "OPEN", math.nan), "XNYS", NEW_YORK)


def test_resampled_bars_keep_the_contract_on_a_half_day() -> None:
    half_day = minutes(range(210), start=datetime(2015, 12, 24, 14, 30, tzinfo=UTC))

    bars = resample_m1_to_m5(half_day, "XNYS", NEW_YORK)

    assert len(bars) == 42
    assert rules(bars, "m5") == []
