from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.market import dense_tape, walk


@settings(max_examples=25)
@given(st.integers(1, 3_000), st.integers(0, 2**32 - 1))
def test_walk_keeps_every_bar_inside_its_range_and_on_the_ticks(count: int, seed: int) -> None:
    open_, high, low, close, volume = walk(count, seed).T

    assert bool(np.all((low <= np.minimum(open_, close)) & (np.maximum(open_, close) <= high)))
    assert bool(np.all((low > 0) & (volume > 0)))
    assert [0] == np.unique(np.stack([open_, high, low, close]) % 100).tolist()


def test_same_seed_gives_the_same_market_and_another_does_not() -> None:
    assert dense_tape(1_000).sha256 == dense_tape(1_000).sha256
    assert dense_tape(1_000).sha256 != dense_tape(1_000, seed=8).sha256


def test_market_longer_than_the_calendar_goes_on_in_sessions() -> None:
    tape = dense_tape(1_045_000)

    starts_us = tape.bars[:, 0]
    assert 1_045_000 == len(tape)
    assert bool(np.all(starts_us[1:] > starts_us[:-1]))
    assert -1 not in tape.sessions.indices_of(starts_us)
