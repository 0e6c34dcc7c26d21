"""Stage 1 of inside_bar: who is a candidate, in which order, and that the trading day itself is never seen."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiomd.contracts.errors import ConfigError
from axiomd.core.market.columns import DTYPES
from axiomd.core.strategies.indicators import (
    adx,
    atr,
    connors_rsi,
    percent_rank,
    roc,
    rsi,
    sma,
    streaks,
    true_ranges,
    wilder,
)
from axiomd.core.strategies.stage1 import listed, rank_inside_bar, screened

START = datetime(2024, 1, 1, tzinfo=UTC)
TODAY = date(2024, 3, 1)


def days(
    symbol: str, n: int = 60, *, close: float = 100.0, width: float = 3.0, volume: int = 2_000_000
) -> pl.DataFrame:
    """Daily bars up to the day before TODAY, each `width` wide around the same close."""
    first = START + timedelta(days=60 - n)
    return pl.DataFrame(
        {
            "symbol": [symbol] * n,
            "ts": [first + timedelta(days=k) for k in range(n)],
            "OPEN": [close] * n,
            "HIGH": [close + width / 2] * n,
            "LOW": [close - width / 2] * n,
            "CLOSE": [close] * n,
            "VOLUME": [volume] * n,
        },
        schema=DTYPES,
    )


def rank(frame: pl.DataFrame, *, most: int = 50, today: date = TODAY) -> tuple[str, ...]:
    return rank_inside_bar(frame, today, min_adv=1_000_000, min_price=10, atr_pct=(1, 10), max_candidates=most)


def test_wider_names_come_first_and_ties_go_by_symbol() -> None:
    frame = pl.concat([days("D", width=2.0), days("C", width=4.0), days("B", width=3.0), days("A", width=3.0)])

    assert rank(frame) == ("C", "A", "B", "D")
    assert rank(frame, most=2) == ("C", "A")


@pytest.mark.parametrize(
    ("frame", "is_candidate"),
    [
        (days("X", volume=1_000_000), True),
        (days("X", volume=999_999), False),
        (days("X", close=10.0, width=0.3), True),
        (days("X", close=9.99, width=0.3), False),
        (days("X", width=1.0), True),
        (days("X", width=0.98), False),
        (days("X", width=10.0), True),
        (days("X", width=10.02), False),
        (days("X", 50), True),
        (days("X", 49), False),
    ],
)
def test_bounds_are_included_and_young_names_are_not(frame: pl.DataFrame, is_candidate: bool) -> None:
    assert (rank(frame) == ("X",)) is is_candidate


def test_trading_day_itself_and_later_days_are_not_seen() -> None:
    wild = days("X", 60, width=9.0).with_columns(pl.col("ts") + pl.duration(days=60))

    assert rank(pl.concat([days("X"), wild])) == ("X",)
    assert rank(pl.concat([days("X"), days("Y", width=4.0), wild])) == ("Y", "X")


def test_order_of_rows_does_not_matter() -> None:
    frame = pl.concat([days("A", width=2.0), days("B", width=4.0), days("C", width=3.0)])

    assert rank(frame) == rank(frame.sample(fraction=1, shuffle=True, seed=1))


def test_no_daily_bars_are_no_candidates() -> None:
    assert rank(days("X")[:0]) == ()
    assert rank(days("X"), today=date(2020, 1, 1)) == ()


def test_decimal_limits_mean_the_same() -> None:
    frame = days("X", close=10.0, width=0.3)

    assert ("X",) == rank_inside_bar(
        frame,
        TODAY,
        min_adv=Decimal(1_000_000),
        min_price=Decimal("10.00"),
        atr_pct=(Decimal(1), Decimal(10)),
        max_candidates=1,
    )


def test_list_keeps_its_order_and_refuses_too_many() -> None:
    assert listed(["SPY", "AAPL", "SPY"], max_candidates=2) == ("SPY", "AAPL")
    with pytest.raises(ConfigError, match="3 symbols are listed"):
        listed(["A", "B", "C"], max_candidates=2)


def test_screen_is_cut_to_the_run_and_to_the_cap() -> None:
    assert screened(["C", "X", "A", "C", "B"], among=["A", "B", "C"], max_candidates=2) == ("C", "A")


PRICES = st.lists(st.tuples(*[st.integers(1, 10**6)] * 3).map(sorted), min_size=1, max_size=40)


@settings(deadline=None)
@given(PRICES, st.integers(1, 14))
def test_atr_is_wilders_to_the_fraction(bars: list[list[int]], n: int) -> None:
    low, close, high = (np.array(column, dtype=np.int64) for column in zip(*bars, strict=True))
    ranges = [Fraction(int(high[0] - low[0]))]
    for i in range(1, len(bars)):
        previous = int(close[i - 1])
        ranges.append(Fraction(max(int(high[i] - low[i]), abs(int(high[i]) - previous), abs(int(low[i]) - previous))))

    average = atr(high, low, close, n)

    assert ranges == true_ranges(high, low, close).tolist()
    expected: Fraction | None = None
    for i in range(len(bars)):
        if i >= n - 1:
            expected = sum(ranges[:n], Fraction(0)) / n if expected is None else (expected * (n - 1) + ranges[i]) / n
            assert float(expected) == pytest.approx(average[i], rel=1e-12)
        else:
            assert np.isnan(average[i])


@settings(deadline=None)
@given(PRICES, st.integers(0, 39))
def test_indicator_of_a_day_does_not_know_the_next(bars: list[list[int]], k: int) -> None:
    low, close, high = (np.array(column, dtype=np.int64) for column in zip(*bars, strict=True))
    for whole, part in (
        (atr(high, low, close, 3), atr(high[:k], low[:k], close[:k], 3)),
        (adx(high, low, close, 3), adx(high[:k], low[:k], close[:k], 3)),
        (rsi(close, 2), rsi(close[:k], 2)),
        (sma(close, 4), sma(close[:k], 4)),
        (roc(close, 2), roc(close[:k], 2)),
        (connors_rsi(close, 2, 2, 5), connors_rsi(close[:k], 2, 2, 5)),
    ):
        assert np.array_equal(part, whole[:k], equal_nan=True)


@settings(deadline=None)
@given(PRICES)
def test_oscillators_stay_between_0_and_100(bars: list[list[int]]) -> None:
    low, close, high = (np.array(column, dtype=np.int64) for column in zip(*bars, strict=True))
    for values in (rsi(close, 2), adx(high, low, close, 2), connors_rsi(close, 2, 2, 5)):
        known = values[~np.isnan(values)]
        assert ((known >= 0) & (known <= 100 + 1e-9)).all()


def test_indicators_by_hand() -> None:
    close = np.array([10, 11, 12, 12, 11, 10], dtype=np.int64)

    assert streaks(close).tolist() == [0, 1, 2, 0, -1, -2]
    assert sma(close, 3).tolist()[2:] == [11.0, 35 / 3, 35 / 3, 11.0]
    assert rsi(close, 2).tolist()[2:] == [100.0, 100.0, 33.333333333333336, 14.285714285714286]
    assert percent_rank(np.array([1.0, 2.0, 3.0, 2.5]), 2).tolist()[2:] == [100.0, 50.0]
    assert wilder(np.array([np.nan, 1.0, 3.0, 8.0]), 2).tolist()[2:] == [2.0, 5.0]
    assert roc(close, 1).tolist()[1] == pytest.approx(10.0)


def test_market_that_does_not_move_has_no_direction() -> None:
    still = np.full(12, 100, dtype=np.int64)

    assert adx(still, still, still, 3)[-1] == 0.0
    assert rsi(still, 2)[-1] == 50.0
