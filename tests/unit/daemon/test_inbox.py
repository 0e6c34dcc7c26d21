"""The desk's inbox: what cannot wait goes first, and nothing grows."""

from __future__ import annotations

import anyio
import pytest

from axiomd.daemon.inbox import DEPTH_MAX, KINDS_MAX, URGENT_MAX, FeedEnded, Inbox, Urgent
from axiomd.feeds.playback import Moment

pytestmark = pytest.mark.anyio
MOMENT = Moment(1, ())
LATER = Moment(2, ())


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def nothing() -> None:
    return


async def test_urgent_messages_go_before_the_market() -> None:
    inbox = Inbox()
    await inbox.put_item(MOMENT)
    kill = Urgent(nothing)
    inbox.put(kill)

    assert [kill, MOMENT] == [await inbox.get(1), await inbox.get(1)]


async def test_the_market_waits_while_only_urgent_messages_are_taken() -> None:
    inbox = Inbox()
    await inbox.put_item(MOMENT)

    assert await inbox.get(0.001, only_urgent=True) is None
    assert await inbox.get(1) == MOMENT


async def test_a_second_item_waits_until_the_first_was_taken() -> None:
    inbox, taken = Inbox(), []
    await inbox.put_item(MOMENT)
    async with anyio.create_task_group() as group:
        group.start_soon(inbox.put_item, LATER)
        await anyio.wait_all_tasks_blocked()
        taken = [inbox.depth, await inbox.get(1), await inbox.get(1)]

    assert [1, MOMENT, LATER] == taken


async def test_the_newest_of_a_kind_takes_the_place_of_the_one_before() -> None:
    inbox = Inbox()
    newer = Urgent(nothing, "truth")
    inbox.put(Urgent(nothing, "truth"))
    inbox.put(Urgent(nothing))
    inbox.put(newer)

    assert inbox.depth == 2
    assert await inbox.get(1) is newer


async def test_a_full_inbox_refuses_commands_and_never_grows() -> None:
    inbox = Inbox()
    await inbox.put_item(FeedEnded())

    accepted = [inbox.put(Urgent(nothing)) for _ in range(URGENT_MAX + 10)]

    assert sum(accepted) == URGENT_MAX
    assert inbox.depth == URGENT_MAX + 1
    assert inbox.is_urgent


async def test_what_the_daemon_tells_itself_finds_room_in_a_full_inbox() -> None:
    """That the broker is back was lost behind commands, and nobody said it again."""
    inbox = Inbox()
    await inbox.put_item(FeedEnded())
    for _ in range(URGENT_MAX):
        inbox.put(Urgent(nothing))

    accepted = [inbox.put(Urgent(nothing, f"kind {number}")) for number in range(KINDS_MAX) for _ in range(2)]

    assert all(accepted)
    assert inbox.depth == DEPTH_MAX


async def test_the_market_has_its_turn_where_it_is_given_one() -> None:
    inbox = Inbox()
    command = Urgent(nothing)
    inbox.put(command)

    assert [command] == [await inbox.get(1, market_first=True)]
    inbox.put(command)
    await inbox.put_item(MOMENT)
    assert [MOMENT, command] == [await inbox.get(1, market_first=True) for _ in range(2)]


async def test_nothing_within_the_time_is_none() -> None:
    assert await Inbox().get(0.001) is None
