"""The thread that commits: in order, with its errors, and no longer than it is wanted."""

from __future__ import annotations

import threading

import anyio
import pytest

from axiomd.contracts.errors import JournalWriteFailed
from axiomd.daemon.journal_thread import JournalThread


def test_jobs_run_in_order_on_one_thread_that_ends() -> None:
    ran: list[tuple[int, int]] = []

    async def story() -> None:
        thread = JournalThread()
        jobs = [thread.run(lambda number=number: ran.append((number, threading.get_ident()))) for number in range(20)]
        for job in reversed(jobs):
            await job
        thread.close()

    anyio.run(story)

    assert [number for number, _ in ran] == list(range(20))
    assert len({ident for _, ident in ran}) == 1
    assert ran[0][1] != threading.get_ident()
    assert ran[0][1] not in {thread.ident for thread in threading.enumerate()}


def test_what_a_job_raises_comes_out_where_it_was_asked_for() -> None:
    def fail() -> None:
        raise JournalWriteFailed("the disk is full", "here", "free it")

    async def story() -> None:
        thread = JournalThread()
        with pytest.raises(JournalWriteFailed):
            await thread.run(fail)
        await thread.run(lambda: None)
        thread.close()

    anyio.run(story)


def test_a_job_whose_asker_was_cancelled_is_seen_through() -> None:
    ran: list[str] = []
    go = threading.Event()

    def slow() -> None:
        go.wait(5)
        ran.append("done")

    async def story() -> None:
        thread = JournalThread()
        with anyio.move_on_after(0.01):
            await thread.run(slow)
        go.set()
        thread.close()

    anyio.run(story)

    assert ran == ["done"]
