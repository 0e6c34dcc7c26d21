"""A line to the broker that somebody hears for as long as a block lasts: for those who ask a few things and go.

The daemon itself hears its line all its life, and finds another when it breaks (`reconciler`); nothing here does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import TaskStatus

from axiomd.contracts.errors import BrokerUnavailable
from axiomd.daemon.sim_link import SimLink


@asynccontextmanager
async def hearing(link: SimLink) -> AsyncIterator[None]:
    """Have a link's answers come in until the block is through; what the block raises comes out as it was."""
    try:
        async with anyio.create_task_group() as group:
            await group.start(_listen, link)
            yield
            group.cancel_scope.cancel()
    except BaseExceptionGroup as raised:
        # who asked catches what a broker does, and a group of one is no kind of error
        raise raised.exceptions[0] if len(raised.exceptions) == 1 else raised from None


async def _listen(link: SimLink, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
    # that the line broke is told to whoever asks over it
    with suppress(BrokerUnavailable):
        await link.listen(lambda _: None, task_status=task_status)
