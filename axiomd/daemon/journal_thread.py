"""The thread that commits: one, for the journal has one writer, and the event loop must not wait for a disk.

A job goes over by a queue and its end comes back by one call into the loop; a pool of workers takes half as long again,
and the path of every order waits for it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Final

Job = Callable[[], None]
CLOSE_S_MAX: Final = 2.0


class JournalThread:
    """Run jobs one after the other. Made where a loop runs; `close` ends it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[tuple[Job, asyncio.Future[None]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def run(self, job: Job) -> Awaitable[None]:
        """Have a job run there, from now on; what is given waits for its end and raises what it raises."""
        done = self._loop.create_future()
        self._jobs.put((job, done))
        return done

    def close(self) -> None:
        """End the thread once what waits is through; a disk that hangs is not waited for."""
        self._jobs.put(None)
        self._thread.join(CLOSE_S_MAX)

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, done = item
            error: BaseException | None = None
            try:
                job()
            except BaseException as raised:  # it belongs to who asked, whatever it is
                error = raised
            try:
                self._loop.call_soon_threadsafe(_finish, done, error)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more


def _finish(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
