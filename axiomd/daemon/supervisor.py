"""The supervisor: one task group owns every task, and has a policy for each way one can end.

A task that dies is started again after a pause that doubles; one that keeps dying, or one that must not die at all,
ends the daemon. It knows tasks by name and nothing of what they do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio

from axiomd.contracts.errors import PeerError
from axiomd.daemon.clock import monotonic_us

BACKOFF_S_MIN: Final = 0.1
BACKOFF_S_MAX: Final = 10.0
DEATHS_MAX: Final = 8
"""A task that died so often within `DEATHS_S` keeps dying."""
DEATHS_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Task:
    """A task: what runs, and whether its death is the daemon's. A task that returns has done its work."""

    name: str
    run: Callable[[], Awaitable[None]]
    is_vital: bool = False


class Failed(Exception):
    """A task died that must not, or kept dying."""

    def __init__(self, task: str, cause: BaseException) -> None:
        super().__init__(f"{task}: {cause}")
        self.task = task
        self.cause = cause


class Supervisor:
    """Run tasks until they are through, one fails for good, or `stop` is called."""

    def __init__(self, note: Callable[[str, str, int], None]) -> None:
        self._note = note
        self._scope = anyio.CancelScope()
        self.restarts: dict[str, int] = {}

    def stop(self) -> None:
        """End every task."""
        self._scope.cancel()

    async def run(self, tasks: list[Task]) -> None:
        """Run them all; `Failed` where one ends the daemon."""
        failures: list[Failed] = []
        with self._scope:
            async with anyio.create_task_group() as group:
                for task in tasks:
                    group.start_soon(self._keep, task, failures, name=task.name)
        if failures:
            raise failures[0] from failures[0].cause

    async def _keep(self, task: Task, failures: list[Failed]) -> None:
        deaths_us: list[int] = []
        while True:
            try:
                await task.run()
                return
            except Exception as error:
                now_us = monotonic_us()
                deaths_us = [at for at in deaths_us if now_us - at < DEATHS_S * 1e6] + [now_us]
                is_peer = isinstance(error, PeerError)
                if (task.is_vital and not is_peer) or len(deaths_us) >= DEATHS_MAX:
                    failures.append(Failed(task.name, error))
                    self._scope.cancel()
                    return
                self.restarts[task.name] = self.restarts.get(task.name, 0) + 1
                self._note(task.name, str(error), self.restarts[task.name])
                await anyio.sleep(min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2 ** (len(deaths_us) - 1)))
