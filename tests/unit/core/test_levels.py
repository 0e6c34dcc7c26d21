"""Levels of `inside_bar` where prices end: an exit that would stand at nothing is not the same as none."""

from __future__ import annotations

import numpy as np

from axiomd.core.strategies.inside_bar import STRATEGY, Params, levels

PARAMS = np.array(STRATEGY.numbers(Params())[0], np.int64)


def test_a_target_at_nothing_is_a_level_that_is_refused_and_not_left_out() -> None:
    assert (20_000, 30_000, -100) == levels(PARAMS, -1, 20_100, 30_000, 100)


def test_a_stop_at_nothing_is_a_level_that_is_refused_and_not_left_out() -> None:
    assert (20_000, -100) == levels(PARAMS, 1, 19_900, 50, 100)[:2]
