"""Run seeds from the command line: `python -m tests.simulation.run --seeds 10000 [--first 0] [--jobs 2] [--mutants]`.

A failing seed prints one line that reproduces it. The rate is simulated trading days a minute over all jobs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

CHUNK = 50
SEEDS_A_MUTANT = 400
SHRUNK_MAX = 3
"""Shrinking takes a run a fault: of so many failures the script is shown."""


@contextmanager
def without_threads() -> Iterator[None]:
    """Run what the daemon gives to a thread right here: one seed, one order of things."""

    async def inline(function: Any, *args: Any, **_: Any) -> Any:
        return function(*args)

    with patch("anyio.to_thread.run_sync", inline):
        yield


def run_chunk(first: int, count: int) -> tuple[int, int, list[tuple[int, str]]]:
    """Run seeds one after the other: days, lives, and what broke."""
    from tests.simulation.world import run_seed

    days = lives = 0
    broken: list[tuple[int, str]] = []
    with without_threads():
        for seed in range(first, first + count):
            try:
                world = run_seed(seed)
                days += world.days
                lives += world.lives + 1
            except Exception as error:
                broken.append((seed, f"{type(error).__name__}: {error}"))
    return days, lives, broken


def seeds_to_catch(mutant: Any, first: int = 0, most: int = SEEDS_A_MUTANT) -> tuple[int, str]:
    """Give how many seeds it took to catch a mutant, and by what; -1 where it survived."""
    from tests.simulation.world import run_seed

    with without_threads(), mutant():
        for seed in range(first, first + most):
            try:
                run_seed(seed)
            except Exception as error:
                return seed - first + 1, f"{type(error).__name__}: {error}"
    return -1, "survived"


def shrink(seed: int) -> tuple[str, list[str]]:
    """Give the failure of a seed and the shortest script of faults that still leads to one: greedy, by halves."""
    from tests.simulation.world import run_seed

    def failing(kept: frozenset[int] | None) -> tuple[str, Any] | None:
        try:
            run_seed(seed, kept)
        except Exception as error:
            return f"{type(error).__name__}: {error}", getattr(error, "world", None)
        return None

    with without_threads():
        found = failing(None)
        if found is None:
            return "", []
        kept = frozenset(range(1, found[1].strikes + 1))
        size, before = max(1, len(kept) // 2), len(kept) + 1
        while size > 1 or len(kept) < before:
            before = len(kept)
            for part in [frozenset(sorted(kept)[at : at + size]) for at in range(0, len(kept), size)]:
                shorter = failing(kept - part) if part & kept else None
                if shorter is not None:
                    kept, found = kept - part, shorter
            size = max(1, size // 2)
    return found[0], list(found[1].faults)


def main(argv: Sequence[str] | None = None) -> int:
    """Run and report; 1 where something broke or a mutant survived."""
    parser = argparse.ArgumentParser(prog="simulation")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--mutants", action="store_true", help="try the broken daemons instead")
    args = parser.parse_args(argv)
    return _mutants() if args.mutants else _seeds(args)


def _seeds(args: argparse.Namespace) -> int:
    began_s = time.monotonic()
    chunks = range(args.first, args.first + args.seeds, CHUNK)
    days = lives = done = 0
    broken: list[tuple[int, str]] = []
    with ProcessPoolExecutor(args.jobs) as pool:
        counts = [min(CHUNK, args.first + args.seeds - first) for first in chunks]
        for result in pool.map(run_chunk, chunks, counts):
            days, lives, done = days + result[0], lives + result[1], done + CHUNK
            broken += result[2]
            if sys.stderr.isatty():
                print(f"\r{min(done, args.seeds)}/{args.seeds} seeds, {len(broken)} broken", end="", file=sys.stderr)
    minutes = (time.monotonic() - began_s) / 60
    for seed, text in broken:
        print(f"seed {seed}: {text}\n  python -m tests.simulation.run --first {seed} --seeds 1")
    for seed, _ in broken[:SHRUNK_MAX]:
        text, faults = shrink(seed)
        print(f"seed {seed}, shrunk to {len(faults)} faults: {text[:200]}")
        for fault in faults:
            print(f"  {fault}")
    print(
        f"{args.seeds} seeds, {days} trading days, {lives} lives in {60 * minutes:.0f} s: "
        f"{days / minutes:,.0f} days a minute on {args.jobs} processes; {len(broken)} broken"
    )
    return 1 if broken else 0


def _mutants() -> int:
    from tests.simulation.mutants import MUTANTS

    survived = 0
    for mutant in MUTANTS:
        count, by = seeds_to_catch(mutant)
        survived += count < 0
        print(f"{mutant.__name__:<36} {count if count > 0 else '-':>4} seeds  {by[:110]}")
    print(f"{len(MUTANTS) - survived} of {len(MUTANTS)} mutants caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
