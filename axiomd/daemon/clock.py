"""The clock: the one place that reads the time, wall and monotonic.

Everything else is told the time, by an event or an argument. A test moves the wall clock by an offset here, from the
start or while the process runs, which is how a step of the machine's clock is simulated without being root.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

OFFSET_VARIABLE: Final = "AXIOMD_CLOCK_OFFSET_US"
"""Added to the wall clock, or the absolute path of a file that holds such a number; for tests of a wrong clock."""

_GIVEN: Final = os.environ.get(OFFSET_VARIABLE, "")
_FILE: Final = Path(_GIVEN) if _GIVEN.startswith("/") else None
_FIXED_US: Final = 0 if _FILE is not None or not _GIVEN else int(_GIVEN)


def wall_us() -> int:
    """Give the wall clock in UTC microseconds."""
    return time.time_ns() // 1_000 + (_FIXED_US if _FILE is None else _step_us(_FILE))


def monotonic_us() -> int:
    """Give the machine's monotonic clock in microseconds; only differences mean anything."""
    return time.monotonic_ns() // 1_000


def _step_us(path: Path) -> int:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return 0
