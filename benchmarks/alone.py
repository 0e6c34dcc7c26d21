"""Work measured in a process that is started anew for each figure.

Where code comes to lie is drawn when it is loaded, and moves a run of the compiled backtest by a fifth, for as long as
the process lives: of one process the median of many runs is the median of one draw.
"""

from __future__ import annotations

import multiprocessing as mp
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

from axiomd.core.market.tape import Tape
from benchmarks import product
from benchmarks.bound import bare_loop
from benchmarks.job import job_of, plan_of
from benchmarks.market import dense_tape
from benchmarks.measure import Measure, NotBuiltError, best_rate


def _backtest(tape: Tape) -> Callable[[], object]:
    return product.compiled_backtest(tape, plan_of(tape))


def _bare_loop(tape: Tape) -> Callable[[], object]:
    return bare_loop(job_of(tape))


WORK: Final = {"compiled backtest": _backtest, "bare loop": _bare_loop}


def rate_alone(what: str, bars: int) -> Measure:
    """Measure bars a second of a work by its name, on the dense market. Raises `NotBuiltError` as the work does."""
    context = mp.get_context("spawn")

    def measure() -> float:
        ours, theirs = context.Pipe()
        process = context.Process(target=_tell_rate, args=(what, bars, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            rate: float | str = ours.recv()
        except EOFError:
            rate = "its process ended"
        process.join()
        if isinstance(rate, str):
            raise NotBuiltError(rate)
        return rate

    return measure


def _tell_rate(what: str, bars: int, to: Connection) -> None:
    """Warm up, then measure once."""
    try:
        tape = dense_tape(bars)
        rate = best_rate(WORK[what](tape), len(tape))
        rate()
        to.send(rate())
    except NotBuiltError as missing:
        to.send(str(missing))
