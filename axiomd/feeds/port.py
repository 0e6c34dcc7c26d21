"""What a feed is to the daemon: a stream of closed bars, and the history that warms indicators up.

A feed turns one outside source into bars of the contract and nothing more: it validates at its border, decides nothing
and keeps no state that a restart would miss. Each kind (file, synthetic, ib) is one implementation of this port.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Protocol

from axiomd.core.market.sessions import Int64Array


class Feed(Protocol):
    """A source of M1 bars for a fixed set of symbols.

    Rows are those of a tape, `int64[k, 7]`: start of the bar (UTC microseconds), symbol index, O, H, L, C in 1/10,000
    units, volume in shares; symbol indices count in the order `symbols` names them.
    """

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names behind the symbol index."""
        ...

    def minutes(self) -> AsyncIterator[Int64Array]:
        """Yield all bars that close together, batch by batch, in the order of time; raises `FeedStale` when dead."""
        ...

    async def history(self, before: date, sessions: int) -> Int64Array:
        """Give the bars of up to so many sessions before a date, sorted by (ts, symbol index)."""
        ...

    async def aclose(self) -> None:
        """Let go of the source."""
        ...
