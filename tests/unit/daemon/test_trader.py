"""The desk's task: whose turn it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from axiomd.daemon.alarms import Alarms
from axiomd.daemon.health import Heartbeats
from axiomd.daemon.inbox import Inbox, Urgent
from axiomd.daemon.standing import Standing
from axiomd.daemon.trader import IN_A_ROW_MAX, Trader
from axiomd.feeds.playback import Moment

ASKED_MAX = 1000


class Stall:
    """A desk whose operators ask for the next thing as soon as one is done; it ends with its first moment."""

    is_journal_dead = False

    def __init__(self, *, fails_first: bool) -> None:
        self.engine = SimpleNamespace(is_connected=True, holdings={})
        self.inbox, self.standing = Inbox(), Standing(is_warm=True)
        self.asked = 0
        self.moments: list[int] = []
        beats = Heartbeats()
        beats.expect("desk", 0)
        self.trader = Trader(
            cast(Any, self), cast(Any, SimpleNamespace(follows_feed=True)), cast(Any, SimpleNamespace(table=None)),
            inbox=self.inbox, pacing=cast(Any, None), standing=self.standing, beats=beats,
            alarms=Alarms(lambda *_: None), on_session=lambda: None, on_tape_over=self.over,
        )  # fmt: skip
        if fails_first:
            self.trader._kept = Moment(1, ())
        self.is_kept = fails_first

    async def over(self) -> None:
        raise AssertionError

    async def ask(self) -> None:
        self.asked += 1
        self.standing.is_stopping = self.asked >= ASKED_MAX
        self.inbox.put(Urgent(self.ask))

    async def moment(self, ts_us: int, *_: object) -> None:
        self.moments.append(ts_us)
        self.standing.is_stopping = True

    async def run(self) -> None:
        if not self.is_kept:
            await self.inbox.put_item(Moment(1, ()))
        for _ in range(8):
            self.inbox.put(Urgent(self.ask))
        await self.trader.run()


@pytest.mark.parametrize("is_kept", [False, True], ids=["of the feed", "kept for the broker"])
def test_who_asks_on_and_on_does_not_stop_the_market(is_kept: bool) -> None:
    desk = Stall(fails_first=is_kept)

    anyio.run(desk.run)

    assert [1] == desk.moments
    assert IN_A_ROW_MAX == desk.asked
