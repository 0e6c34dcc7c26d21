"""A run on which nothing but the message rate sets a limit: what a guard would look at is known when it is compiled.

The guards are called as ever; of one whose limit is known to be off nothing is left in the code.
"""

from __future__ import annotations

from typing import Final

from axiomd.core.board import Records
from axiomd.core.guards.api import LIMITS, OFF
from axiomd.core.registers import set_columns

_NEVER_OFF: Final = ("rate_orders", "rate_us")
_SWITCHES: Final = tuple(name for name in LIMITS.names or () if name not in _NEVER_OFF)

switch_off = set_columns(LIMITS, _SWITCHES, OFF)
"""Tell the compiler of a copy of limits that are off that they are. The copy must be the function's own: what a
function copies is gone when it returns."""


def is_unlimited(limits: Records) -> bool:
    """Say whether every limit that can be off is."""
    return all(limits[0][name] == OFF for name in _SWITCHES)
