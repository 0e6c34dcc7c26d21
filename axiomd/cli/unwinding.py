"""A command that is ended takes away what it had half written.

SIGINT unwinds a Python process by itself. SIGTERM ends it on the spot, and leaves a journal or the bars of a sweep
behind: gigabytes, in a folder that nobody looks into.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_TERMINATED = 128 + signal.SIGTERM


@contextmanager
def unwinding() -> Iterator[None]:
    """Have SIGTERM unwind as well, with the exit code that it has anyway."""
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(EXIT_TERMINATED)
