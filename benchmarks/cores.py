"""What a second core of this machine is worth: the bare loop twice over on one, and once on each of two.

A guest's two cores may be threads of one, or its host may give it less than both: P9 is to be held against that.
"""

from __future__ import annotations

import multiprocessing as mp
import time
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Final, Self

from benchmarks import bound
from benchmarks.job import job_of
from benchmarks.market import dense_tape

BARS: Final = 20_000
"""Those of one symbol of the sweep: they stay in a core's own cache, as there."""
TURNS: Final = 4_000


def work(orders: Connection) -> None:
    """Run the loop as often as asked, and say when it is done, until nobody asks any more."""
    job = job_of(dense_tape(BARS))
    bound.integer_trades(job)
    orders.send(None)
    while turns := orders.recv():
        for _ in range(turns):
            bound.integer_trades(job)
        orders.send(None)


class Cores:
    """Two processes that run the bare loop."""

    def __enter__(self) -> Self:
        context = mp.get_context("spawn")
        self._ends, self._processes = [], []
        for _ in range(2):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs,), daemon=True)
            process.start()
            self._ends.append(ours)
            self._processes.append(process)
        for end in self._ends:
            end.recv()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for end, process in zip(self._ends, self._processes, strict=True):
            end.send(0)
            process.join()

    def one(self) -> float:
        """Give the seconds that the work takes on one core."""
        return self._take(2 * TURNS, self._ends[:1])

    def two(self) -> float:
        """Give the seconds that it takes with a half on each."""
        return self._take(TURNS, self._ends)

    def _take(self, turns: int, ends: list[Connection]) -> float:
        begun_s = time.perf_counter()
        for end in ends:
            end.send(turns)
        for end in ends:
            end.recv()
        return time.perf_counter() - begun_s
