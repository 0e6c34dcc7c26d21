"""The bars of a session as they stand in the journal, for its run folder.

They are read back when the session is over, so that nothing is kept or counted while it trades.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from axiomd.contracts import events as e
from axiomd.contracts.errors import JournalWriteFailed
from axiomd.journal.reading import read_only
from axiomd.journal.watched import SymbolPlaces

WAITED_S_MAX: Final = 5.0
LOOK_S: Final = 0.02
_WIDTH: Final = 7


@dataclass(frozen=True, slots=True)
class Span:
    """Rows `first` to `last` of a journal, both included, and the configurations that were loaded before them."""

    first: int
    last: int
    loaded: tuple[e.ConfigLoaded, ...]


def bars_of(journal: Path, span: Span, symbols: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Give the rows of bars in a span, `int64[n, 7]` by (start, symbol), at the places that symbols have in `symbols`.

    The last row may be on its way: it is waited for. Raises `JournalWriteFailed` where it does not come, and
    `JournalCorrupt` where the file is none.
    """
    places = SymbolPlaces(symbols)
    for loaded in span.loaded:
        places.loaded(loaded)
    found: list[tuple[int, ...]] = []
    for kind, payload in _rows(journal, span):
        if kind == e.ConfigLoaded.KIND:
            places.loaded(msgspec.json.decode(payload, type=e.ConfigLoaded))
        else:
            found += places.today(msgspec.json.decode(payload, type=e.BarsClosed)).rows
    bars = np.array(found, np.int64).reshape(-1, _WIDTH)
    return np.ascontiguousarray(bars[np.lexsort((bars[:, 1], bars[:, 0]))])


def _rows(journal: Path, span: Span) -> Iterable[tuple[str, str]]:
    with closing(read_only(journal)) as db:
        deadline_s = time.monotonic() + WAITED_S_MAX
        while db.execute("SELECT 1 FROM events WHERE seq = ?", (span.last,)).fetchone() is None:
            if time.monotonic() > deadline_s:
                raise JournalWriteFailed(f"row {span.last} does not come", str(journal), "look at the disk")
            time.sleep(LOOK_S)
        yield from db.execute(
            "SELECT kind, payload FROM events WHERE seq BETWEEN ? AND ? AND kind IN (?, ?) ORDER BY seq",
            (span.first, span.last, e.BarsClosed.KIND, e.ConfigLoaded.KIND),
        )
