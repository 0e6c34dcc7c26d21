"""How a row is measured: reference and product in turn, A B A B, the median of each, and the ratio of the two.

It knows no row. Absolute times differ between machines and from hour to hour; a ratio taken in turn in one run holds.
Nothing here judges: a row that misses its goal is a row of the table like any other.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

LONG_ENOUGH_S: Final = 0.2
"""Work is repeated for so long, to be read."""
PAIRS: Final = 5
"""Medians are over so many pairs at least."""

Measure = Callable[[], float]
"""Does the work once and gives its figure: seconds, bytes, or whatever the row compares."""


class NotBuiltError(Exception):
    """The part of the product or the peer that a row needs is not there; the text says which."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What the ratio should come to: at least or at most so much; floor first, then goal."""

    sense: Literal[">=", "<="]
    floor: float
    goal: float

    def met(self, ratio: float) -> str:
        """Say whether a ratio meets the goal, the floor alone, or neither."""
        if self.sense == ">=":
            return "goal" if ratio >= self.goal else "floor" if ratio >= self.floor else "no"
        return "goal" if ratio <= self.goal else "floor" if ratio <= self.floor else "no"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Figures are None where something is not built; `note` says what, or what differs.

    `ratio` is speed over speed (at least so much) or time over time (at most so much), as the goal asks.
    """

    number: str
    what: str
    reference: str
    unit: str = ""
    reference_figure: float | None = None
    product_figure: float | None = None
    ratio: float | None = None
    goal: Goal | None = None
    note: str = ""

    @property
    def met(self) -> str:
        """Say how far the goal is met, `-` where nothing was measured or asked."""
        return "-" if self.ratio is None or self.goal is None else self.goal.met(self.ratio)


def in_turn(measures: Sequence[Measure], pairs: int) -> list[float]:
    """Take every measure once a round, in turn, and give the median of each; one round before that warms up."""
    for measure in measures:
        measure()
    taken: list[list[float]] = [[] for _ in measures]
    for _ in range(pairs):
        for figures, measure in zip(taken, measures, strict=True):
            gc.collect()
            figures.append(measure())
    return [statistics.median(figures) for figures in taken]


def seconds(work: Callable[[], object]) -> Measure:
    """Turn work into a measure of its seconds on the wall."""

    def measure() -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    return measure


def best_rate(work: Callable[[], object], count: int, *, at_least_s: float = LONG_ENOUGH_S) -> Measure:
    """Measure how many of `count` units a second: the work is repeated until the time is long enough to be read."""

    def measure() -> float:
        rounds, begin = 0, time.perf_counter()
        while True:
            work()
            rounds += 1
            elapsed = time.perf_counter() - begin
            if elapsed >= at_least_s:
                return count * rounds / elapsed

    return measure


@dataclass(frozen=True, slots=True)
class Ended:
    """What a whole process took: seconds on the wall, and its peak of resident memory in bytes."""

    seconds: float
    peak_bytes: int


def whole_process(
    command: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Ended:
    """Run a program from start to end, `env` added to ours. Raises `NotBuiltError` with its last line where it fails.

    A small launcher starts it and reads its peak: a process begins with the peak of the one that forked it, and ours
    holds all the bars.
    """
    told = subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCHER, *map(str, command)],
        check=False, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True,
    )  # fmt: skip
    code, taken, peak = json.loads(told.stdout.splitlines()[-1])
    if code:
        last = (told.stderr.strip().splitlines() or [""])[-1]
        raise NotBuiltError(f"{Path(command[0]).name} ended with {code}: {last}")
    return Ended(taken, peak)


_LAUNCHER: Final = """
import json, os, sys, time
begin = time.perf_counter()
silence = os.open(os.devnull, os.O_WRONLY)
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, silence, 1)])
_, status, usage = os.wait4(pid, 0)
taken = time.perf_counter() - begin
kib = 1024 if sys.platform == "linux" else 1
print(json.dumps([os.waitstatus_to_exitcode(status), taken, usage.ru_maxrss * kib]))
"""


def percentile(figures: Sequence[float], part: float) -> float:
    """Give the figure below which `part` (0 to 1) of them lie, nearest rank."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
