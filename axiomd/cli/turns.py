"""Short turns at the interpreter, for a command that has whole columns worked on by threads beside its own work.

Who has let the interpreter go for a millisecond of columns waits a whole turn to have it back, a hundred times over
while bars are checked; the turns of Python's own choice are five milliseconds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

TURN_S: Final = 0.0005


@contextmanager
def short_turns() -> Iterator[None]:
    """Shorten the turns of all threads, and leave them as they were."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)
