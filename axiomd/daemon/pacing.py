"""Market time: that of the machine, or that of the feed's bars, as fast as the configuration says.

With `clock: feed` time passes only in sessions, from moment to moment; with `clock: system` it runs on through nights.
Timeouts and heartbeats never come from here: they stay on the machine's monotonic clock.
"""

from __future__ import annotations

import anyio

from axiomd.core.market.sessions import Int64Array
from axiomd.daemon.clock import monotonic_us


class Pacing:
    """Wait until market time has come. `speed` None is as fast as it goes."""

    def __init__(self, speed: float | None, *, follows_feed: bool, market_us: int) -> None:
        self._speed = speed
        self._follows_feed = follows_feed
        self._market_us = market_us
        self._machine_us = monotonic_us()
        self._is_in_session = False

    @property
    def waits_for_us(self) -> bool:
        """Say whether market time stands still as long as nobody asks for it."""
        return self._follows_feed or self._speed is None

    def now_us(self) -> int:
        """Give market time."""
        if self._speed is None or self._follows_feed:
            return self._market_us
        return self._market_us + int((monotonic_us() - self._machine_us) * self._speed)

    async def wait_for(self, market_us: int, *, begins_session: bool = False) -> None:
        """Come back when market time has come so far; with `clock: feed` a session begins when it is asked for."""
        if self._speed is None or (self._follows_feed and begins_session):
            self._market_us, self._machine_us = max(market_us, self._market_us), monotonic_us()
            return
        due_us = self._machine_us + (market_us - self._market_us) / self._speed
        ahead_s = (due_us - monotonic_us()) / 1e6
        if ahead_s > 0:
            await anyio.sleep(ahead_s)
        if self._follows_feed:
            self._market_us, self._machine_us = market_us, monotonic_us()


def between_sessions(pacing: Pacing, opens_us: Int64Array, newest_us: int) -> int:
    """Give market time where no session is under way: that of the newest thing that happened, or the clock's since.

    It never comes past the next session's open, at which the next thing happens. `opens_us` is sorted, in UTC us.
    """
    following = opens_us[opens_us.searchsorted(newest_us) :]
    now_us = min(pacing.now_us(), int(following[0])) if len(following) else pacing.now_us()
    return max(newest_us, now_us)
