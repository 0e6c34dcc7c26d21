"""What the rows of one run share: how many pairs and bars, the folder for files, the tapes and the peers' bars.

Made once by the runner and handed to every row; it measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from axiomd.core.market.tape import Tape
from benchmarks.market import dense_tape
from benchmarks.measure import NotBuiltError, Row

RowsOf = Callable[["Bench"], list[Row]]


@dataclass(slots=True)
class Bench:
    """One run of the benchmarks. `bars` is the size of the job, 1,000,000 unless asked otherwise."""

    pairs: int
    bars: int
    has_peers: bool
    folder: Path
    _tapes: dict[tuple[int, int, int], Tape] = field(default_factory=dict)

    def tape(self, *, symbols: int = 1, step_minutes: int = 5, bars: int | None = None) -> Tape:
        """Give the seeded market; the same one each time it is asked for."""
        key = (bars or self.bars, symbols, step_minutes)
        if key not in self._tapes:
            self._tapes[key] = dense_tape(key[0], symbols, step_minutes=step_minutes)
        return self._tapes[key]

    def need_peers(self) -> None:
        """Raise `NotBuiltError` where this run measures the product alone."""
        if not self.has_peers:
            raise NotBuiltError("needs the peers: make bench-peers")
