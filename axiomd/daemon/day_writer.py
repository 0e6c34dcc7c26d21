"""The artifacts' task: the run folder of each session, written when it is over, in a thread beside the event loop.

It never holds the desk up, and what it could not write is written at the next start.
"""

from __future__ import annotations

import gc
from typing import Final

import anyio
import anyio.to_thread

from axiomd.core.engine import Engine
from axiomd.daemon.clock import monotonic_us, wall_us
from axiomd.daemon.days import Day, Days, clear_half_written, write_day
from axiomd.daemon.health import Heartbeats
from axiomd.daemon.heartbeat import beating
from axiomd.daemon.identity import Identity

LOOK_S: Final = 0.1


class DayWriter:
    """Write the days that are over, one after the other."""

    def __init__(self, days: Days, engine: Engine, identity: Identity, beats: Heartbeats) -> None:
        self._days = days
        self._engine = engine
        self._identity = identity
        self._beats = beats
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
            await anyio.sleep(LOOK_S)

    async def write_all(self) -> None:
        """Write every day that is over. Raises where a folder cannot be written; the day stays in the queue."""
        async with self._lock:
            while self._days.over:
                try:
                    await self._write(self._days.over[0])
                except Exception:
                    self._fails = True
                    raise
                self._fails = False
                self._days.over.pop(0)
                # pictures are cycles of small objects, which the collector alone would leave for weeks of sessions
                gc.collect()

    async def _write(self, day: Day) -> None:
        own = self._identity
        async with beating(self._beats, "artifacts"):
            await anyio.to_thread.run_sync(
                write_day, day, own.places, own.config, self._engine, own.digest, wall_us(), own.mode
            )
