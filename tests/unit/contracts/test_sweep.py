"""A grid gives its sets in an order that depends on nothing but the file."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from axiomd.contracts.sweep import SweepConfig

BASE: dict[str, Any] = {"base": "run.yml", "bars": "bars.parquet"}


def test_last_key_of_a_grid_varies_fastest() -> None:
    sweep = SweepConfig.model_validate({**BASE, "grid": {"a": [1, 2], "b.c": ["x", "y"]}})

    expected = [{"a": 1, "b.c": "x"}, {"a": 1, "b.c": "y"}, {"a": 2, "b.c": "x"}, {"a": 2, "b.c": "y"}]
    assert expected == list(sweep.parameter_sets())


@given(grid=st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(), min_size=1, max_size=4, unique=True)))
def test_a_grid_gives_every_combination_once(grid: dict[str, list[int]]) -> None:
    sets = list(SweepConfig.model_validate({**BASE, "grid": grid}).parameter_sets())

    assert len(sets) == math.prod(len(values) for values in grid.values())
    assert len(sets) == len({tuple(entry.items()) for entry in sets})


def test_sets_are_taken_as_they_stand() -> None:
    sweep = SweepConfig.model_validate({**BASE, "sets": [{"a": 2}, {"a": 1}]})

    assert [{"a": 2}, {"a": 1}] == list(sweep.parameter_sets())


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"grid": {"a": [1]}, "sets": [{"a": 1}]},
        {"grid": {"a": []}},
        {"grid": {name: list(range(1000)) for name in "abc"}},
        {"grid": {"a": [1]}, "walk_forward": {"train_sessions": 0, "test_sessions": 1, "choose": "sharpe"}},
    ],
)
def test_what_is_no_search_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SweepConfig.model_validate({**BASE, **keys})
