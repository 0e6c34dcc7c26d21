"""The bare loop and the exact reference of the benchmarks are held against the product: they must do the same job."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiomd.core.market.tape import Tape, bars_sha256
from benchmarks import bound, compare, exact
from benchmarks.job import job_of, plan_of, record_of
from benchmarks.market import dense_tape

BARS = 200_000


@pytest.fixture(scope="module")
def tape() -> Tape:
    return dense_tape(BARS)


def worn(tape: Tape, first: int, count: int, *, missing: float, between: bool, seed: int) -> Tape:
    """Cut a piece out of a tape, lose some bars of it, and move its prices off the ticks."""
    dice = np.random.default_rng(seed)
    piece = tape.bars[first : first + count].copy()
    if between:
        piece[:, 2:6] += np.sort(dice.integers(0, 100, (len(piece), 4)), axis=1)[:, [1, 3, 0, 2]]
    piece = np.ascontiguousarray(piece[dice.random(len(piece)) >= missing])
    return replace(tape, bars=piece, sha256=bars_sha256(tape.symbols, piece, tape.timeframe_us))


@pytest.mark.slow
def test_bare_loop_gives_the_very_trades_of_the_replay(tape: Tape) -> None:
    job = job_of(tape)

    expected = compare.of_product(record_of(tape).trades)

    assert len(expected) > BARS // 50
    assert {trade[6] for trade in expected} == {"SL", "TP", "EOD"}
    assert expected == compare.of_bound(job, bound.integer_trades(job))


@pytest.mark.slow
def test_bare_loop_gives_the_very_trades_of_the_exact_reference(tape: Tape) -> None:
    job = job_of(tape)

    assert compare.of_exact(exact.trades(job)) == compare.of_bound(job, bound.integer_trades(job))


@pytest.mark.slow
@settings(max_examples=25)
@given(
    first=st.integers(0, BARS - 2_000),
    count=st.integers(2, 2_000),
    missing=st.sampled_from((0.0, 0.01, 0.1, 0.4)),
    between=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_three_readings_agree_on_any_piece_of_a_worn_tape(
    tape: Tape, first: int, count: int, missing: float, between: bool, seed: int
) -> None:
    piece = worn(tape, first, count, missing=missing, between=between, seed=seed)
    if not len(piece):
        return
    job = job_of(piece)

    expected = compare.of_exact(exact.trades(job))

    assert expected == compare.of_bound(job, bound.integer_trades(job))
    assert expected == compare.of_product(record_of(piece).trades)


def test_float_loop_finds_about_as_many_trades_and_not_the_same(tape: Tape) -> None:
    """Why the inside is integers: a rounding of the last bit moves a level, a size, and from then on the equity."""
    job = job_of(tape)

    right = compare.of_bound(job, bound.integer_trades(job))
    floats = compare.of_floats(job, bound.float_trades(job))

    assert len(right) * 0.9 < len(floats) < len(right) * 1.1
    assert compare.share_identical(right, floats) < 1.0


@given(st.lists(st.integers(1, 10**6), min_size=14, max_size=60), st.integers(0, 10**6))
def test_average_between_bounds_decides_as_the_rational_one(true_ranges: list[int], width: int) -> None:
    average, true = exact.Average(), Fraction(0)
    for seen, value in enumerate(true_ranges, start=1):
        average.add(value)
        true = true + value if seen <= 14 else (true * 13 + value) / 14
        if seen == 14:
            true /= 14

    if true == 2 * width:
        return
    assert (width >= true / 2) == average.is_at_most_twice(width)


def test_average_that_bounds_cannot_tell_from_a_range_raises() -> None:
    average = exact.Average()
    for value in (4, *[3] * 13, 3):
        average.add(value)
    true = Fraction((Fraction(4 + 3 * 13, 14) * 13 + 3), 14)
    average._high = average._low + 2**161

    with pytest.raises(ArithmeticError, match="more bits"):
        average.is_at_most_twice(int(true // 2) + 1)


@given(st.integers(1, 10**7))
def test_commission_written_into_the_loop_is_the_exact_one(qty: int) -> None:
    assert exact.commission(qty) == max(35 * qty + 50, 3_550) // 100 * 100


def test_share_identical_counts_what_either_side_lacks() -> None:
    one = (0, 1, 1, 1, 1, 1, "SL", 0, 0, False)
    other = (5, 6, 1, 1, 1, 1, "SL", 0, 0, False)

    assert 0.5 == compare.share_identical([one, other], [one])
    assert 1.0 == compare.share_identical([], [])


def test_job_ends_each_day_inside_the_session_of_its_window(tape: Tape) -> None:
    job = job_of(tape, plan_of(tape))

    held = np.unique(job.pair_window[job.pair_window >= 0])
    eod_us = job.starts_us[job.eod_row[held]]

    assert bool(np.all(job.window_us[held, 1] <= eod_us + job.bar_us))
    assert bool(np.all(eod_us < job.window_us[held, 2]))
