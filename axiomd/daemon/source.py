"""Where a daemon's bars come from: sessions of a recorded file, or of the seeded synthetic market.

It gives a table of sessions and the bars of each; playing them is `feeds.playback`'s, pacing them `pacing`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.units import MINUTE_US
from axiomd.core.market.sessions import Int64Array, SessionTable
from axiomd.feeds.recorded import TapeProcess

SYNTHETIC_DAYS: Final = 400
"""So far the session table of a feed without an end reaches; a daemon is restarted more often than that."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Sessions and their bars. Of what a feed gave, `dropped[i]` bars lay outside sessions, and nearest to that one."""

    table: SessionTable
    bars_of: Callable[[int], Int64Array]
    bar_us: int
    is_endless: bool
    warm_up: tuple[int, int] = (0, 0)
    dropped: tuple[int, ...] = ()

    def dropped_near(self, open_us: int) -> int:
        """Count the bars outside sessions that were left out around the session that opens then."""
        return self.dropped[int(self.table.open_us.searchsorted(open_us))] if self.dropped else 0


def source_of(config: DaemonConfig, first_session: str, wall_us: int, reader: TapeProcess | None = None) -> Source:
    """Open the feed of a configuration. `first_session` is the first of the journal, empty for a new state dir.

    `reader` is who reads a recorded feed's file, where that has begun.
    """
    return _recorded(config, reader) if config.feed.kind == "file" else _synthetic(config, first_session, wall_us)


def _recorded(config: DaemonConfig, reader: TapeProcess | None) -> Source:
    assert config.feed.path is not None
    ticks = {symbol: config.instrument_of(symbol).tick_size for symbol in config.all_symbols()}
    reader = reader or TapeProcess().read(Path(config.feed.path))
    recorded = reader.bars(config.all_symbols(), config.calendar, ticks)
    return Source(recorded.table, recorded.session, recorded.bar_us, is_endless=False, dropped=recorded.dropped)


def _synthetic(config: DaemonConfig, first_session: str, wall_us: int) -> Source:
    from axiomd.feeds.known_sessions import known_sessions
    from axiomd.feeds.synthetic import SyntheticMarket

    today = datetime.fromtimestamp(wall_us / 1e6, UTC).date()
    origin = date.fromisoformat(first_session) if first_session else today
    # to the end of a month, so that the table is asked for once a month and not once a day
    end = max(today, origin) + timedelta(days=SYNTHETIC_DAYS)
    table = known_sessions(config.calendar, origin, (end.replace(day=1) + timedelta(days=31)).replace(day=1))
    market = SyntheticMarket(config.seed, config.all_symbols())
    made: dict[int, Int64Array] = {}

    def bars_of(session: int) -> Int64Array:
        # a market goes on from the closes before, so sessions are made in order, and only the newest is kept
        if session not in made:
            assert session == max(made, default=-1) + 1, "sessions of a synthetic market are made in order"
            bars = market.session(table, session)
            made.clear()
            made[session] = bars
        return made[session]

    return Source(table, bars_of, MINUTE_US, is_endless=True)
