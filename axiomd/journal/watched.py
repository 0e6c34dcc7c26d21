"""Symbols that stand in the journal, whatever the configuration names today.

A bar is journaled by the place of its symbol among all that were known by then, so places move when a symbol is added
or dropped; here they are found again. A dropped symbol is watched on: what is held in it is marked and closed as
planned, and nothing new is opened, since Stage 1 chooses among the configuration's own symbols alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from axiomd.contracts import events as e
from axiomd.contracts.errors import JournalCorrupt
from axiomd.contracts.runs import RunConfig
from axiomd.journal.reading import HOW_TO_RESTORE, rows
from axiomd.journal.rows import is_as_written

Config = TypeVar("Config", bound=RunConfig)


def with_watched(config: Config, journaled: Iterable[str]) -> Config:
    """Add the symbols that only the journal knows, behind those of the first strategy."""
    known = set(config.all_symbols())
    dropped = [symbol for symbol in journaled if symbol not in known]
    if not dropped:
        return config
    first, *others = config.normalised()
    widened = first.model_copy(update={"symbols": (*first.symbols, *dropped)})
    return config.model_copy(update={"strategies": (widened, *others), "strategy": None, "symbols": ()})


def journaled_symbols(journal: Path) -> tuple[str, ...]:
    """Give every symbol of every configuration that stands in a journal, rising."""
    return tuple(sorted({symbol for event in _loads(journal) for symbol in symbols_of(event.config)}))


def last_loaded(journal: Path) -> e.ConfigLoaded | None:
    """Give the configuration that holds at the end of a journal."""
    loads = _loads(journal)
    return loads[-1] if loads else None


def _loads(journal: Path) -> list[e.ConfigLoaded]:
    loads = []
    for row in rows(journal, e.ConfigLoaded.KIND):
        if not is_as_written(row):
            raise JournalCorrupt(f"row {row[0]} is not what its hash says", str(journal), HOW_TO_RESTORE)
        loads.append(msgspec.json.decode(row[6], type=e.ConfigLoaded))
    return loads


def symbols_of(document: dict[str, Any]) -> set[str]:
    """Give the symbols that a journaled configuration names."""
    return {symbol for entry in document["strategies"] for symbol in entry["symbols"]}


class SymbolPlaces:
    """Follow the configurations of a journal, and put the rows of bars where their symbols are today."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self._now = {symbol: place for place, symbol in enumerate(symbols)}
        self._known: set[str] = set()
        self._moved: tuple[int, ...] = ()

    def loaded(self, event: e.ConfigLoaded) -> None:
        """A configuration holds from here on."""
        self._known |= symbols_of(event.config)
        moved = tuple(self._now[symbol] for symbol in sorted(self._known))
        self._moved = () if moved == tuple(range(len(moved))) else moved

    def today(self, event: e.BarsClosed) -> e.BarsClosed:
        """Give an event of bars with today's places, its rows in order again."""
        if not self._moved or not event.rows:
            return event
        rows = np.array(event.rows, np.int64)
        rows[:, 1] = np.array(self._moved, np.int64)[rows[:, 1]]
        rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
        return e.BarsClosed(ts_us=event.ts_us, rows=tuple(map(tuple, rows.tolist())), heard_us=event.heard_us)
