"""The desk's inbox: what cannot wait before what can, both bounded.

Feed items come one at a time and their sender waits, which is how a fast tape is held to the desk's pace. Urgent
messages (kill, commands, pushes, looks) go first. What the daemon tells itself has a kind, of which the newest replaces
the one before, and always finds room: operators' commands, however many wait, must not keep out that the broker is
back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio

from axiomd.feeds.playback import Item

URGENT_MAX: Final = 256
"""Urgent messages without a kind."""
KINDS_MAX: Final = 8
DEPTH_MAX: Final = URGENT_MAX + KINDS_MAX + 1
"""Urgent messages, and one item of the feed."""

Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Urgent:
    """Something to be done by the desk's own task; one with a `kind` takes the place of a waiting one of that kind."""

    job: Job
    kind: str = ""


@dataclass(frozen=True, slots=True)
class FeedEnded:
    """The tape is over."""


Message = Urgent | Item | FeedEnded


class Inbox:
    """Hold messages for one reader."""

    def __init__(self) -> None:
        self._urgent: deque[Urgent] = deque()
        self._feed: Item | FeedEnded | None = None
        self._has_some = anyio.Event()
        self._has_room = anyio.Event()

    @property
    def depth(self) -> int:
        """Give how many messages wait."""
        return len(self._urgent) + (self._feed is not None)

    @property
    def is_urgent(self) -> bool:
        """Say whether something waits that goes before the market."""
        return bool(self._urgent)

    def put(self, message: Urgent) -> bool:
        """Put an urgent message; False where there is no room for it."""
        if message.kind:
            for place, waiting in enumerate(self._urgent):
                if waiting.kind == message.kind:
                    self._urgent[place] = message
                    return True
        elif len(self._urgent) >= URGENT_MAX:
            return False
        self._urgent.append(message)
        self._has_some.set()
        return True

    async def put_item(self, item: Item | FeedEnded) -> None:
        """Put a feed item; waits until the one before was taken."""
        while self._feed is not None:
            self._has_room = anyio.Event()
            await self._has_room.wait()
        self._feed = item
        self._has_some.set()

    async def get(self, timeout_s: float, *, only_urgent: bool = False, market_first: bool = False) -> Message | None:
        """Take the next message, urgent ones first; None after `timeout_s` without any.

        With `only_urgent` the feed's item stays where it is, and its sender waits on; with `market_first` it goes
        before what is urgent.
        """
        if not self._urgent and (only_urgent or self._feed is None):
            self._has_some = anyio.Event()
            with anyio.move_on_after(timeout_s):
                await self._has_some.wait()
        if self._urgent and not (market_first and not only_urgent and self._feed is not None):
            return self._urgent.popleft()
        if only_urgent:
            return None
        item, self._feed = self._feed, None
        if item is not None:
            self._has_room.set()
        return item
