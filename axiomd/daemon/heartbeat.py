"""A heart that beats on while a task waits: waiting for market time, for the desk or for a disk is no hang."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from axiomd.daemon.clock import monotonic_us
from axiomd.daemon.health import Heartbeats

BEAT_S: Final = 0.5


@asynccontextmanager
async def beating(beats: Heartbeats, name: str) -> AsyncIterator[None]:
    """Beat for a task for as long as the block lasts; what the block raises comes out as it was."""
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_beat, beats, name)
            yield
            group.cancel_scope.cancel()
    except BaseExceptionGroup as raised:
        # the supervisor has a policy for each kind of error, and a group of one is no kind
        raise raised.exceptions[0] if len(raised.exceptions) == 1 else raised from None


async def _beat(beats: Heartbeats, name: str) -> None:
    while True:
        beats.beat(name, monotonic_us())
        await anyio.sleep(BEAT_S)
