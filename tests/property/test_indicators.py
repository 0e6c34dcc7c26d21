"""Indicators against plain definitions in exact arithmetic, and none of them looks ahead."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from axiomd.core.strategies import indicators

BARS = st.lists(st.tuples(st.integers(1_000, 9_000), st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=60)
PERIODS = st.integers(1, 15)
CLOSES = st.lists(st.integers(1_000, 9_000), min_size=1, max_size=60)


def columns(bars: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    close = np.array([c for c, _, _ in bars], np.int64)
    high = close + np.array([up for _, up, _ in bars], np.int64)
    low = close - np.array([down for _, _, down in bars], np.int64)
    return high, low, close


def wilder(values: list[Fraction], n: int) -> list[Fraction | None]:
    result: list[Fraction | None] = []
    average = Fraction(0)
    for i, value in enumerate(values):
        if i < n - 1:
            result.append(None)
            continue
        average = sum(values[:n], Fraction(0)) / n if i == n - 1 else (average * (n - 1) + value) / n
        result.append(average)
    return result


def same(expected: list[Fraction | None], found: np.ndarray) -> bool:  # type: ignore[type-arg]
    return len(expected) == len(found) and all(
        math.isnan(b) if a is None else math.isclose(float(a), b, rel_tol=1e-9, abs_tol=1e-9)
        for a, b in zip(expected, found.tolist(), strict=True)
    )


@given(bars=BARS, n=PERIODS)
def test_atr_is_wilders_from_the_mean_of_the_first(bars: list[tuple[int, int, int]], n: int) -> None:
    high, low, close = columns(bars)
    ranges = [Fraction(int(high[0] - low[0]))] + [
        Fraction(int(max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1]))))
        for i in range(1, len(close))
    ]

    assert same(wilder(ranges, n), indicators.atr(high, low, close, n))


@given(values=CLOSES, n=PERIODS)
def test_sma_is_the_mean_of_the_last(values: list[int], n: int) -> None:
    expected = [
        None if i < n - 1 else Fraction(sum(values[i - n + 1 : i + 1]), n)
        for i in range(len(values))
    ]  # fmt: skip

    assert same(expected, indicators.sma(np.array(values, np.int64), n))


@given(values=CLOSES, n=PERIODS)
def test_roc_is_the_change_over_sessions_in_percent(values: list[int], n: int) -> None:
    expected = [
        None if i < n else 100 * (Fraction(values[i], values[i - n]) - 1)
        for i in range(len(values))
    ]  # fmt: skip

    assert same(expected, indicators.roc(np.array(values, np.int64), n))


@given(values=CLOSES, n=PERIODS)
def test_rsi_is_the_share_of_gains_in_wilders_averages(values: list[int], n: int) -> None:
    changes = [Fraction(b - a) for a, b in pairwise(values)]
    gains = wilder([max(change, Fraction(0)) for change in changes], n)
    losses = wilder([max(-change, Fraction(0)) for change in changes], n)
    expected: list[Fraction | None] = [None]
    for gain, loss in zip(gains, losses, strict=True):
        if gain is None or loss is None:
            expected.append(None)
        else:
            expected.append(Fraction(50) if gain + loss == 0 else 100 * gain / (gain + loss))

    assert same(expected, indicators.rsi(np.array(values, np.int64), n))


@given(bars=BARS, cut=st.integers(1, 59), n=PERIODS)
def test_no_indicator_looks_ahead(bars: list[tuple[int, int, int]], cut: int, n: int) -> None:
    whole, part = columns(bars), columns(bars[:cut])

    for name in ("atr", "adx"):
        indicator = getattr(indicators, name)
        assert np.array_equal(indicator(*whole, n)[:cut], indicator(*part, n), equal_nan=True), name
    for series in (
        lambda close: indicators.connors_rsi(close, 2, 2, n),
        lambda close: indicators.percent_rank(indicators.roc(close, 1), n),
        lambda close: indicators.streaks(close).astype(float),
    ):
        assert np.array_equal(series(whole[2])[:cut], series(part[2]), equal_nan=True)


@given(bars=BARS, n=PERIODS)
def test_adx_and_connors_rsi_stay_between_0_and_100(bars: list[tuple[int, int, int]], n: int) -> None:
    high, low, close = columns(bars)

    for values in (indicators.adx(high, low, close, n), indicators.connors_rsi(close, n, n, n)):
        known = values[~np.isnan(values)]
        assert bool(np.all((known > -1e-9) & (known < 100 + 1e-9)))
