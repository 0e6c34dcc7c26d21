"""The clock: the one place that reads the time, wall and monotonic.

Everything else is told the time, by an event or an argument. A test moves the wall clock by an offset here, which is
how a step of the machine's clock is simulated without being root.
"""

from __future__ import annotations

import os
import time
from typing import Final

OFFSET_VARIABLE: Final = "AXIOMD_CLOCK_OFFSET_US"
"""Added to the wall clock; for tests of a clock that is wrong."""


def wall_us() -> int:
    """Give the wall clock in UTC microseconds."""
    return time.time_ns() // 1_000 + int(os.environ.get(OFFSET_VARIABLE, "0"))


def monotonic_us() -> int:
    """Give the machine's monotonic clock in microseconds; only differences mean anything."""
    return time.monotonic_ns() // 1_000
