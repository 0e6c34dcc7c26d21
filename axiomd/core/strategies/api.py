"""What a strategy is: a daily choice of candidates and a compiled step over closed bars.

Stage 1 looks at daily bars of finished sessions and names at most `max_candidates` symbols, best first. Stage 2 is two
compiled functions over plain numbers: `observe` takes every closed bar into its state and decides nothing; `trigger`
is called only for a slot that stands in today's `Candidates`, and reports a setup. A strategy reads no clock, sees no
position and sends nothing.

Both steps have the same eight arguments, one-dimensional arrays seen through pointers, and return an int64:

    si     int64[16]     the slot's own state; si[0] is the tick in price units and stays so
    sf     float64[8]    the slot's own state
    pi     int64[16]     parameters of the strategy
    pf     float64[8]    parameters of the strategy
    win    int64[n * 4]  its windows: start, end, session's close, flatten time; UTC us, sorted, disjoint
    n      int64         their number
    bar    int64[6]      the bar that just closed: start in UTC us, O, H, L, C in price units, V in shares
    out    int64[16]     the setup, where `trigger` returns `SETUP`; the columns are the constants below
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NewType

if TYPE_CHECKING:
    import polars as pl
    from pydantic import BaseModel

Step = Callable[..., int]

NO_SETUP: Final = 0
SETUP: Final = 1

# columns of `out`; a price of 0 means that there is none
VALID_FROM: Final = 0
VALID_TO: Final = 1
ENTRY_KIND: Final = 2
LONG_ENTRY: Final = 3
LONG_STOP: Final = 4
LONG_TARGET: Final = 5
LONG_LIMIT: Final = 6
SHORT_ENTRY: Final = 7
SHORT_STOP: Final = 8
SHORT_TARGET: Final = 9
SHORT_LIMIT: Final = 10
SCORE_PPM: Final = 11
# filled in by the scan
SLOT: Final = 12
MOMENT: Final = 13
VOLUME: Final = 14

OBSERVED_INTS: Final = 9
OBSERVED_FLOATS: Final = 2
"""Of a strategy with a `Memory`, so many columns of `si` and of `sf` are `observe`'s, the rest `trigger`'s."""

Candidates = NewType("Candidates", tuple[str, ...])
"""Symbols that came out of Stage 1; made by `core.strategies.stage1` alone, and all that Stage 2 can be handed."""


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """The times of day in which a strategy may find setups: `"HH:MM-HH:MM"` texts in a time zone; none: the session."""

    windows: tuple[str, ...]
    tz: str


@dataclass(frozen=True, slots=True)
class Memory:
    """A promise about two steps, with which a run need not hand them every bar in turn; it names parameters.

    `observe` writes `si[1:OBSERVED_INTS]` and `sf[:OBSERVED_FLOATS]`, reads besides them its bar, the tick, `pi` at
    `ints` and `pf` at `floats`, and its counts end somewhere, so that what it keeps comes to depend on the last bars
    alone. `trigger` writes nothing of that. A bar that starts in none of its windows changes nothing for it, and
    neither does a bar of a window in which it has reported a setup. Without the promise a run is as right, and slower.
    """

    ints: tuple[int, ...] = ()
    floats: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Strategy:
    """A plug-in: what an entry point of the group `axiomd.strategies` gives.

    `numbers` turns validated parameters into (pi, pf), at most 16 and 8 long. `screen` ranks a polars frame of daily
    bars of finished sessions; it is asked only where the run configuration says `screen`. `counters` names positions
    of `si` that count why there was no setup.
    """

    name: str
    version: str
    setup: str
    timeframe: str
    timeframe_us: int
    params: type[BaseModel]
    observe: Step
    trigger: Step
    numbers: Callable[[Any], tuple[Sequence[int], Sequence[float]]]
    windows: Callable[[Any, str], WindowSpec]
    screen: Callable[[pl.DataFrame, date, Mapping[str, Any]], Sequence[str]]
    counters: Mapping[str, int]
    is_intraday: bool = True
    memory: Memory | None = None
