"""Resampling bar by bar and over arrays is one rule: any bars, the same result."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiomd.contracts.errors import DataContractError
from axiomd.contracts.units import MINUTE_US
from axiomd.core.market.resample import IntervalAssembler, resample_arrays
from axiomd.feeds.calendars import session_table

TABLE = session_table("XNYS", date(2015, 12, 23), date(2015, 12, 28))
COMPILED = settings(deadline=None)
"""The first call compiles, or reads the cache; pytest's own timeout still bounds the test."""
STEP_US = 5 * MINUTE_US
SPAN_MINUTES = int(TABLE.close_us[-1] - TABLE.open_us[0]) // MINUTE_US + 240


@st.composite
def minute_bars(draw: st.DrawFn) -> np.ndarray:
    """Bars of one symbol, [ts_us, O, H, L, C, V], rising, with gaps, from two hours before to two after."""
    first = draw(st.integers(0, SPAN_MINUTES))
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 2, 3, 7, 60, 900]), max_size=60))
    minutes = np.cumsum([first, *steps])
    rows = []
    for minute in minutes[minutes <= SPAN_MINUTES]:
        prices = sorted(draw(st.lists(st.integers(1, 10**7), min_size=4, max_size=4)))
        open_, close = (prices[1], prices[2]) if draw(st.booleans()) else (prices[2], prices[1])
        ts_us = int(TABLE.open_us[0]) - 120 * MINUTE_US + int(minute) * MINUTE_US
        rows.append((ts_us, open_, prices[3], prices[0], close, draw(st.integers(0, 10**6))))
    return np.array(rows, dtype=np.int64).reshape(-1, 6)


def one_by_one(bars: np.ndarray) -> list[tuple[int, ...]]:
    assembler = IntervalAssembler(TABLE, step_us=STEP_US)
    finished = [bar for row in bars.tolist() for bar in assembler.push(*row)]
    finished += assembler.finish(2**62)
    return [(b.start_us, b.open, b.high, b.low, b.close, b.volume) for b in finished]


def all_at_once(bars: np.ndarray) -> list[tuple[int, ...]]:
    symbol = np.zeros(len(bars), dtype=np.int64)
    _, ts_us, out = resample_arrays(symbol, bars[:, 0].copy(), bars[:, 1:].copy(), TABLE, step_us=STEP_US)
    return [(int(ts), *map(int, row)) for ts, row in zip(ts_us, out, strict=True)]


@COMPILED
@given(minute_bars())
def test_bar_by_bar_and_frame_resampling_agree(bars: np.ndarray) -> None:
    assert all_at_once(bars) == one_by_one(bars)


@COMPILED
@given(minute_bars(), st.integers(0, 60))
def test_bars_finished_so_far_are_a_prefix_of_the_whole(bars: np.ndarray, k: int) -> None:
    assembler = IntervalAssembler(TABLE, step_us=STEP_US)

    so_far = [bar.start_us for row in bars[:k].tolist() for bar in assembler.push(*row)]

    assert so_far == [start for start, *_ in all_at_once(bars)][: len(so_far)]


@COMPILED
@given(minute_bars())
def test_interval_is_made_of_exactly_its_own_bars(bars: np.ndarray) -> None:
    for start_us, open_, high, low, close, volume in all_at_once(bars):
        session = TABLE.index_of(start_us)
        end_us = min(start_us + STEP_US, int(TABLE.close_us[session]))
        own = bars[(bars[:, 0] >= start_us) & (bars[:, 0] < end_us)]
        expected = (own[0, 1], own[:, 2].max(), own[:, 3].min(), own[-1, 4], own[:, 5].sum())
        assert expected == (open_, high, low, close, volume)
        assert (start_us - int(TABLE.open_us[session])) % STEP_US == 0


@COMPILED
@given(minute_bars())
def test_bars_outside_sessions_change_nothing(bars: np.ndarray) -> None:
    inside = bars[TABLE.indices_of(bars[:, 0]) >= 0]

    assert all_at_once(inside) == all_at_once(bars)


@COMPILED
@given(minute_bars())
def test_float_prices_give_the_same_bars(bars: np.ndarray) -> None:
    symbol = np.zeros(len(bars), dtype=np.int64)

    _, ts_us, out = resample_arrays(symbol, bars[:, 0].copy(), bars[:, 1:].astype(np.float64), TABLE, step_us=STEP_US)

    assert all_at_once(bars) == [(int(ts), *map(int, row)) for ts, row in zip(ts_us, out, strict=True)]


def test_last_minute_of_an_interval_finishes_it_at_once() -> None:
    assembler = IntervalAssembler(TABLE, step_us=STEP_US)
    open_us = int(TABLE.open_us[0])

    given_out = [assembler.push(open_us + k * MINUTE_US, 10, 12, 9, 11, 1) for k in range(5)]

    assert [0, 0, 0, 0, 1] == [len(bars) for bars in given_out]


def test_bar_for_an_interval_already_given_out_is_late_and_dropped() -> None:
    assembler = IntervalAssembler(TABLE, step_us=STEP_US)
    open_us = int(TABLE.open_us[0])
    assembler.push(open_us, 10, 12, 9, 11, 1)
    assembler.finish(open_us + STEP_US)

    bars = assembler.push(open_us + 4 * MINUTE_US, 10, 12, 9, 11, 1)

    assert bars == ()
    assert assembler.late_count == 1


@pytest.mark.parametrize(("back_us", "rule"), [(0, "duplicate_index"), (MINUTE_US, "not_monotonic")])
def test_bar_out_of_order_is_refused_by_rule(back_us: int, rule: str) -> None:
    assembler = IntervalAssembler(TABLE, step_us=STEP_US)
    open_us = int(TABLE.open_us[0])
    assembler.push(open_us + MINUTE_US, 10, 12, 9, 11, 1)

    with pytest.raises(DataContractError) as caught:
        assembler.push(open_us + MINUTE_US - back_us, 10, 12, 9, 11, 1)

    assert [rule] == [violation.rule for violation in caught.value.violations]
