"""What a step of Python costs, by how many a program goes through in turn: `python -m benchmarks.steps`.

The interpreter jumps from each step to the next by an address that the processor foretells from the jumps before. It
has room for some thousands of them; a program that goes round more waits at most. No row of the table: it explains P3.
"""

from __future__ import annotations

import dis
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

Function = Callable[..., int]

COUNTS: Final = (5, 10, 20, 30, 40, 60, 80, 120, 200, 400)
LINES: Final = 24
CALLS: Final = 40_000
TURNS: Final = 5
_KINDS: Final = (
    "{0} = {1} + 1 - {2}", "o.x = {1}", "{0} = o.y", "if {0} is None: {1} = 3", "{0} = {1} if {2} else 2",
    "{0} = t[{3}]", "l.append({0})",
)  # fmt: skip


def function_of(seed: int) -> Function:
    """Make a function of so many lines, each of which does a little to plain numbers."""
    dice = np.random.Generator(np.random.PCG64(seed))
    lines = [
        _KINDS[kind].format(*("abcd"[name] for name in names), names[0])
        for kind, names in zip(dice.integers(len(_KINDS), size=LINES), dice.integers(4, size=(LINES, 3)), strict=True)
    ]
    source = "\n  ".join(["def f(o, t, l, a, b, c, d):", *lines, "l.clear()", "return a & 1023"])
    made: dict[str, Any] = {}
    exec(source, made)
    function: Function = made["f"]
    return function


def steps_in(function: Function) -> int:
    """Count the instructions of a function."""
    return sum(1 for _ in dis.get_instructions(function))


def nanoseconds_a_step(functions: list[Function]) -> float:
    """Call functions in turn, again and again, and give the best time of a step in a few rounds."""
    own, row, kept = SimpleNamespace(x=1, y=2), (1, 2, 3, 4), list[int]()
    rounds, steps, best = CALLS // len(functions), sum(map(steps_in, functions)), float("inf")
    for _ in range(TURNS + 1):
        value, begun_s = 1, time.perf_counter()
        for _ in range(rounds):
            for function in functions:
                value = function(own, row, kept, value, 2, 3, 4)
        best = min(best, time.perf_counter() - begun_s)
    return best / rounds / steps * 1e9


def main() -> int:
    """Print a line for each number of functions."""
    functions = [function_of(seed) for seed in range(max(COUNTS))]
    for count in COUNTS:
        some = functions[:count]
        steps = sum(map(steps_in, some))
        sys.stdout.write(f"{count:4d} functions {steps:6d} steps {nanoseconds_a_step(some):5.2f} ns a step\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
