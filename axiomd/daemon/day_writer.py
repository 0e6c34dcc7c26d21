"""The artifacts' task: the run folder of each session, written when it is over, in a thread beside the event loop.

It never holds the desk up. A folder that cannot be written, say on a full disk of its own, is an alarm and tried again:
what the day left is in the journal, and no reason to leave a market. What was not written by the end is at the next
start.
"""

from __future__ import annotations

import gc
from typing import Final

import anyio
import anyio.to_thread

from axiomd.contracts.errors import InputError
from axiomd.core.engine import Engine
from axiomd.daemon.alarms import Alarms
from axiomd.daemon.clock import monotonic_us, wall_us
from axiomd.daemon.days import Day, Days, clear_half_written, write_day
from axiomd.daemon.health import Heartbeats
from axiomd.daemon.heartbeat import beating
from axiomd.daemon.identity import Identity

LOOK_S: Final = 0.1
AGAIN_S: Final = 10.0
DAYS_KEPT_MAX: Final = 20
"""Days that cannot be written are kept in memory; older ones wait for the next start."""
UNWRITTEN: Final = "Artifacts"


class DayWriter:
    """Write the days that are over, one after the other."""

    def __init__(self, days: Days, engine: Engine, identity: Identity, beats: Heartbeats, alarms: Alarms) -> None:
        self._days = days
        self._engine = engine
        self._identity = identity
        self._beats = beats
        self._alarms = alarms
        self._lock = anyio.Lock()
        self._fails = False

    @property
    def is_behind(self) -> bool:
        """Say whether a day that is over has no folder yet; one that cannot be written is waited for by nobody."""
        return bool(self._days.over) and not self._fails

    async def run(self) -> None:
        """Look for days that are over until cancelled."""
        own = self._identity
        if own.places.artifacts_dir.is_relative_to(own.places.state_dir):
            # a folder elsewhere may be shared with another instance, which may be writing right now
            clear_half_written(own.places.artifacts_dir, own.mode, own.account)
        while True:
            self._beats.beat("artifacts", monotonic_us())
            await self.write_all()
            if self._fails:
                async with beating(self._beats, "artifacts"):
                    await anyio.sleep(AGAIN_S)
            else:
                await anyio.sleep(LOOK_S)

    async def write_all(self) -> bool:
        """Write every day that is over, and say whether all are; one that cannot be written raises an alarm."""
        async with self._lock:
            problem = ""
            for day in list(self._days.over):
                try:
                    await self._write(day)
                except InputError as error:
                    problem = problem or str(error)
                    continue
                self._days.over.remove(day)
                # pictures are cycles of small objects, which the collector alone would leave for weeks of sessions
                gc.collect()
            self._fails = bool(problem)
            if problem:
                del self._days.over[:-DAYS_KEPT_MAX]
                self._alarms.put(UNWRITTEN, "high", problem, max(self._engine.now_us, 0))
            else:
                self._alarms.clear(UNWRITTEN)
            return not problem

    async def _write(self, day: Day) -> None:
        own = self._identity
        async with beating(self._beats, "artifacts"):
            await anyio.to_thread.run_sync(write_day, day, own.places, self._engine, wall_us(), own.mode)
