"""A descriptor that lines are written to without waiting for who reads it: a pager that stands still, a terminal that
was stopped by ^S, a service manager that hangs. None of them may stop a daemon.

It asks whether there is room before it writes, since the descriptor is shared with whoever started us, and must not be
made one that never waits. A reader that is only slow is waited for, for a moment.
"""

from __future__ import annotations

import errno
import os
import select
from typing import Final, Protocol

ROOM_S_MAX: Final = 0.1
"""So long a line waits for room. Behind one that found none no other waits, until there is room again."""


class Lines(Protocol):
    """What a log writes its lines to."""

    def write(self, text: str, /) -> object:
        """Write text; `OSError` or `ValueError` where it is lost."""
        ...

    def flush(self) -> object:
        """Let go what waits."""
        ...


class Outlet:
    """Write to one descriptor that others may hold too."""

    def __init__(self, descriptor: int, encoding: str) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._waits_ms = int(ROOM_S_MAX * 1000)
        self._is_torn = False

    def write(self, text: str, /) -> None:
        """Write text; `OSError` where not all of it found room or a reader."""
        left = memoryview((f"\n{text}" if self._is_torn else text).encode(self._encoding, "backslashreplace"))
        room = select.poll()  # one for each: threads may write, and none of them can be asked by two at once
        room.register(self._descriptor, select.POLLOUT)
        while left:
            if not room.poll(self._waits_ms):
                self._waits_ms = 0
                raise OSError(errno.EAGAIN, "nobody reads")
            # a pipe with room has it for so much in one go
            written = os.write(self._descriptor, left[: select.PIPE_BUF])
            left, self._waits_ms = left[written:], int(ROOM_S_MAX * 1000)
            self._is_torn = bool(left)

    def flush(self) -> None:
        """Nothing waits here."""
