"""The fixed budget of seeds, and every seed that ever found a bug (`make sim SEEDS=n` runs as many as asked)."""

from __future__ import annotations

import os

import pytest

from tests.simulation.corpus import CORPUS
from tests.simulation.run import run_chunk, without_threads
from tests.simulation.world import NAMED_FROM, POINTS, run_seed

SEEDS = int(os.environ.get("AXIOMD_SIM_SEEDS", "300"))
FIRST = 100_000
CHUNKS = 6


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_seed_breaks_an_invariant(chunk: int) -> None:
    count = SEEDS // CHUNKS

    days, lives, broken = run_chunk(FIRST + chunk * count, count)

    reproducers = [f"python -m tests.simulation.run --first {seed} --seeds 1  # {text}" for seed, text in broken]
    assert reproducers == []
    assert days >= count
    assert lives >= count


@pytest.mark.parametrize("seed", CORPUS)
def test_a_seed_that_found_a_bug_stays_whole(seed: int) -> None:
    with without_threads():
        world = run_seed(seed)

    assert world.days > 0


def test_one_seed_is_one_history() -> None:
    """The same seed twice: the same points, faults, reports and head of the journal."""
    found = []
    for _ in range(2):
        with without_threads():
            world = run_seed(3957)
        found.append((world.points, world.faults, [str(report) for report in world.broker.reports]))

    assert found[0] == found[1]


def test_crashes_strike_at_every_kind_of_point() -> None:
    """The draw reaches each crash point: before and after append, commit, send, moment, the truth."""
    names = set()
    for seed in range(NAMED_FROM, NAMED_FROM + 100):
        with without_threads():
            world = run_seed(seed)
        names |= {fault.partition("crash ")[2] for fault in world.faults if "crash" in fault}

    assert set(POINTS) <= names
