"""The feed's task: what happens on the market, one thing after the other, at market time's pace.

The desk's inbox takes one item at a time, which holds a fast tape to the desk's own pace. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import anyio

from axiomd.daemon.clock import monotonic_us
from axiomd.daemon.health import Heartbeats
from axiomd.daemon.heartbeat import beating
from axiomd.daemon.inbox import FeedEnded, Inbox
from axiomd.daemon.pacing import Pacing
from axiomd.daemon.standing import Standing
from axiomd.feeds.playback import Item, SessionBegins

READY_LOOK_S: Final = 0.005


async def play(
    items: Iterator[Item], *, pacing: Pacing, inbox: Inbox, standing: Standing, beats: Heartbeats
) -> None:  # fmt: skip
    """Hand the items of a feed to the desk when their time has come; the last message says that the tape is over."""
    while not standing.is_ready:
        beats.beat("feed", monotonic_us())
        await anyio.sleep(READY_LOOK_S)
    async with beating(beats, "feed"):
        for item in items:
            await pacing.wait_for(item.ts_us, begins_session=isinstance(item, SessionBegins))
            await inbox.put_item(item)
        standing.is_tape_over = True
        await inbox.put_item(FeedEnded())
    beats.forget("feed")
