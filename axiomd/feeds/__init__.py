"""World into bars: calendars, files, the local store, the synthetic market and the public validators of frames.

Everything that enters is checked here, once, and is trusted further in. The public names load on first use, so that
importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axiomd.feeds.calendars import session_table, window_table
    from axiomd.feeds.files import load_tape, read_bars
    from axiomd.feeds.frames import assert_valid_daily, assert_valid_intraday, resample_m1_to_m5

__all__ = [
    "assert_valid_daily",
    "assert_valid_intraday",
    "load_tape",
    "read_bars",
    "resample_m1_to_m5",
    "session_table",
    "window_table",
]

_HOMES = {
    "assert_valid_daily": "frames",
    "assert_valid_intraday": "frames",
    "load_tape": "files",
    "read_bars": "files",
    "resample_m1_to_m5": "frames",
    "session_table": "calendars",
    "window_table": "calendars",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
