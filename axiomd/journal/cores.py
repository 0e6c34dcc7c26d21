"""The core that a process beside may not use while we work on it.

Woken by our writing, it is put where we are: the system takes it that whoever writes is about to wait for an answer.
While a moment is decided nobody waits, and the two would take turns on one core with another one idle.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Set
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

_SIBLINGS: Final = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def _sched_getcpu() -> Callable[[], int]:
    found: Callable[[], int] | None = getattr(ctypes.CDLL(None), "sched_getcpu", None)
    return found or (lambda: -1)


core_now: Final = _sched_getcpu()
"""Gives the core that the caller runs on, -1 where the system does not say."""


class Apart:
    """Keep one process off our core for a while. It never has more cores than it had, and always at least one."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._core = -1
        """The core it is kept off."""
        self._allowed: Set[int] = frozenset()

    def begin(self) -> None:
        """Keep it off the core that we run on by now; where there is no other one, leave it where it is."""
        core = core_now()
        if core in (self._core, -1):
            return
        # it is for speed alone: where we may not, everything goes on as before
        with suppress(OSError, AttributeError):
            allowed = self._allowed or os.sched_getaffinity(self._pid)
            others = allowed - _threads_of(core) or allowed - {core}
            if others:
                os.sched_setaffinity(self._pid, others)
                self._core, self._allowed = core, allowed

    def end(self) -> None:
        """Let it have again what it had: whoever waits for it leaves a core free."""
        if self._core >= 0:
            with suppress(OSError):
                os.sched_setaffinity(self._pid, self._allowed)
            self._core, self._allowed = -1, frozenset()


def never_push(pid: int) -> None:
    """Have a process wait for its turn when it is woken: its work is no reason to push whoever woke it off a core."""
    with suppress(OSError, AttributeError):
        # who chose otherwise knows better
        if os.sched_getscheduler(pid) == os.SCHED_OTHER:
            os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))


@cache
def _threads_of(core: int) -> frozenset[int]:
    """Give all that the system counts as cores and that share a core with this one."""
    with suppress(OSError, ValueError):
        return frozenset(_numbers_of(Path(_SIBLINGS.format(core)).read_text("ascii")))
    return frozenset({core})


def _numbers_of(ranges: str) -> list[int]:
    """Read `0,4-6` as the numbers it names."""
    bounds = [part.partition("-") for part in ranges.strip().split(",")]
    return [number for first, _, last in bounds for number in range(int(first), int(last or first) + 1)]
