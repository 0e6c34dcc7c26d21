"""P8 and P9: sweeps over many symbols and parameter sets; they wait for `axiomd sweep`.

The work is fixed here so that both sides are given the same: 500 symbols of 20,000 M5 bars, 20 sets.
"""

from __future__ import annotations

from typing import Final

from benchmarks import product
from benchmarks.bench import Bench
from benchmarks.measure import Goal, NotBuiltError, Row

SYMBOLS: Final = 500
BARS_EACH: Final = 20_000
SETS: Final = 20


def p8(bench: Bench) -> list[Row]:
    """The sweep against vectorbt's rust engine doing the same work, start-up and compiling apart."""
    del bench
    what = f"sweep, {SYMBOLS} symbols x {BARS_EACH:,} bars x {SETS} sets"
    return [_waiting("P8", what, "vectorbt rust, same work", Goal("<=", 1 / 10, 1 / 30))]


def p9(bench: Bench) -> list[Row]:
    """Two cores against one."""
    del bench
    return [_waiting("P9", "sweep on two cores", "the same on one", Goal(">=", 1.7, 1.9))]


def _waiting(number: str, what: str, reference: str, goal: Goal) -> Row:
    try:
        product.command("sweep")
        note = "axiomd sweep is there: measure it in benchmarks/sweeps.py"
    except NotBuiltError as missing:
        note = str(missing)
    return Row(number, what, reference, "s", goal=goal, note=note)
