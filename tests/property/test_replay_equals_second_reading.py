"""Drawn markets under drawn configurations: the engine and the second reading agree on every order, trade and mark.

A failing seed is the name of its case. `AXIOMD_PARITY_SEEDS=400` draws more of them, `AXIOMD_PARITY_SEEDS=156:157` one.
"""

from __future__ import annotations

import os

import pytest

from tests.parity import differences, random_case

# each of these found a mistake once
REGRESSIONS = (156, 1177, 1522, 1526, 20033, 30020, 840_350)
IN_CI = 60


def seeds() -> list[int]:
    wanted = os.environ.get("AXIOMD_PARITY_SEEDS", "")
    first, colon, end = wanted.partition(":")
    if colon:
        return list(range(int(first), int(end)))
    return [*range(int(wanted or IN_CI)), *REGRESSIONS]


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds())
def test_replay_is_what_the_second_reading_says(seed: int) -> None:
    config, rows, tape = random_case(seed)

    found = differences(config, rows, tape)

    again = f"AXIOMD_PARITY_SEEDS={seed}:{seed + 1} .venv/bin/python -m pytest tests/property -k second_reading"
    assert [] == found, f"seed {seed}; again by: {again}"
