"""A command that is ended takes away what it had half written.

SIGINT unwinds a Python process by itself. SIGTERM, and SIGHUP of a terminal that is closed, end it on the spot, and
leave a journal or the bars of a sweep behind: gigabytes, in a folder that nobody looks into. Any of them may come while
C calls us back, where Python prints what is raised and goes on as if nobody had asked.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

EXIT_SIGNAL: Final = 128
"""And the number of the signal: what a shell tells of a process that one has ended."""
AGAIN_S: Final = 0.01
"""Asked again so long after a word was lost: whatever swallowed it is through by then, or loses it again."""


@contextmanager
def unwinding() -> Iterator[None]:
    """Have SIGTERM and SIGHUP unwind as well, with the exit codes that they have anyway, and lose neither them nor ^C.

    Started by `nohup`, a command goes on without its terminal.
    """
    told_else = sys.unraisablehook
    lost: list[BaseException] = []

    def hear(unraisable: UnraisableHookArgs) -> None:
        if isinstance(unraisable.exc_value, SystemExit | KeyboardInterrupt):
            lost.append(unraisable.exc_value)
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        else:
            told_else(unraisable)

    def raise_again(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise type(lost[-1])(*lost[-1].args)

    ends = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, _end) for number in ends}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, raise_again)
    sys.unraisablehook = hear
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = told_else
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(EXIT_SIGNAL + number)
