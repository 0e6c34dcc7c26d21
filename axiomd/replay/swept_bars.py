"""The bars of a sweep as its trials ask for them: all of them, or those of one symbol.

One process reads and checks them. The workers of the same machine are given a file where they lie by symbol, and map
it: reading and sorting ten million bars takes longer than a sweep over them, and each worker would hold them all.
"""

from __future__ import annotations

import pickle
from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from axiomd.core.market.sessions import Int64Array, SessionTable
from axiomd.core.market.tape import SYMBOL_INDEX, TAPE_WIDTH, Tape


class SweptBars(Protocol):
    """Bars of `symbols`, which rise."""

    symbols: tuple[str, ...]
    sessions: SessionTable
    timeframe_us: int

    def tape_of(self, symbols: tuple[str, ...]) -> Tape:
        """Give the tape of one symbol, or of all; of the last that was asked for it is kept."""


class TapeBars:
    """Bars that this process holds."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.symbols, self.sessions, self.timeframe_us = tape.symbols, tape.sessions, tape.timeframe_us
        self._last = tape
        self._rows: list[Int64Array] = []

    def tape_of(self, symbols: tuple[str, ...]) -> Tape:
        """Give the tape of one symbol, or of all."""
        if len(symbols) == len(self.symbols):
            return self.tape
        assert len(symbols) == 1, symbols
        if self._last.symbols != symbols:
            rows = self.rows_of(bisect_left(self.symbols, symbols[0]))
            self._last = Tape(symbols, rows, self.timeframe_us, self.sessions, 0, 0, "", ())
        return self._last

    def rows_of(self, index: int) -> Int64Array:
        """Give the rows of one symbol as those of a tape of its own."""
        if not self._rows:
            # found once: to look for them by symbol reads all bars each time
            order = np.argsort(self.tape.bars[:, SYMBOL_INDEX], kind="stable")
            self._rows = np.split(order, self._ends()[1:-1])
        rows = self.tape.bars[self._rows[index]]
        rows[:, SYMBOL_INDEX] = 0
        return rows

    def share(self, path: Path, *, by_symbol: bool, announced: Callable[[], object] = lambda: None) -> SharedBars:
        """Lay the bars out in a file, by symbol or as they are, and what they are beside it. Raises `OSError`.

        `announced` is called when the latter is said and no bar is there yet, for who has something to do meanwhile.
        """
        ends = self._ends() if by_symbol else [0, len(self.tape.bars)]
        shared = SharedBars(path, self.symbols, self.sessions, self.timeframe_us, ends)
        _said_of(path).write_bytes(pickle.dumps(shared))
        announced()
        with path.open("wb") as file:
            for rows in map(self.rows_of, range(len(self.symbols))) if by_symbol else [self.tape.bars]:
                file.write(rows.data)
        return shared

    def _ends(self) -> list[int]:
        """Give the row behind each symbol's last, as they lie by symbol, with a 0 before the first."""
        counts = np.bincount(self.tape.bars[:, SYMBOL_INDEX], minlength=len(self.symbols))
        return [0, *np.cumsum(counts).tolist()]


class SharedBars:
    """Bars that another process laid out in a file, mapped when they are first asked for."""

    def __init__(
        self, path: Path, symbols: tuple[str, ...], sessions: SessionTable, timeframe_us: int, ends: Sequence[int]
    ) -> None:
        self.symbols, self.sessions, self.timeframe_us = symbols, sessions, timeframe_us
        self._path = path
        self._ends = ends
        self._bars: Int64Array | None = None
        self._last: Tape | None = None

    @classmethod
    def at(cls, path: Path) -> SharedBars:
        """Give the bars that a process of this sweep laid out in a file."""
        shared = pickle.loads(_said_of(path).read_bytes())
        assert isinstance(shared, cls)
        return shared

    def tape_of(self, symbols: tuple[str, ...]) -> Tape:
        """Give the tape of one symbol, or of all."""
        is_whole = len(symbols) == len(self.symbols)
        assert len(self._ends) == (2 if is_whole else len(self.symbols) + 1), "laid out for other trials"
        names = self.symbols if is_whole else symbols
        if self._last is None or self._last.symbols != names:
            if self._bars is None:
                # never written to; but of an array that cannot be, all compiled code would have to be made anew
                self._bars = np.asarray(np.memmap(self._path, np.int64, mode="c")).reshape(-1, TAPE_WIDTH)
            first = 0 if is_whole else bisect_left(self.symbols, symbols[0])
            rows = self._bars[self._ends[first] : self._ends[first + 1]]
            self._last = Tape(names, rows, self.timeframe_us, self.sessions, 0, 0, "", ())
        return self._last


def _said_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.pickle")
