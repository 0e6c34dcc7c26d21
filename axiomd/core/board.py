"""The board: every plain number that compiled rules read or move, one record a symbol, a strategy, a slot, an account.

It is the engine's state in the form the machine likes: the engine owns it, the scan advances it, nobody else writes to
it. A slot is one strategy watching one symbol. Prices and money are 1/10,000 units, times UTC microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ABOVE_ALL: Final = 2**62
BELOW_ALL: Final = -1
OFF: Final = -1

SYMBOL = np.dtype(
    [
        # the instrument
        ("tick", "i8"),
        ("lot", "i8"),
        ("fx_num", "i8"),
        ("fx_den", "i8"),
        ("is_unpriced", "i8"),
        ("max_qty", "i8"),
        ("is_short_allowed", "i8"),
        ("is_restricted", "i8"),
        ("slot_first", "i8"),
        ("slot_end", "i8"),
        # the market
        ("last_ts_us", "i8"),
        ("close", "i8"),
        ("volume", "i8"),
        ("jump_until_us", "i8"),
        ("intervals", "i8"),
        ("interval_close", "i8"),
        ("atr", "f8"),
        ("atr_seen", "i8"),
        # the book
        ("position", "i8"),
        ("owner", "i8"),
        ("taken", "i8"),
        ("paid", "i8"),
        ("lowest", "i8"),
        ("highest", "i8"),
        ("bars_held", "i8"),
        ("work_long", "i8"),
        ("work_short", "i8"),
        ("work_legs", "i8"),
        # what the market has to do to concern us
        ("touch_high", "i8"),
        ("touch_low", "i8"),
        ("deadline_us", "i8"),
    ],
    align=True,
)

STRATEGY = np.dtype(
    [
        ("cash", "i8"),
        ("session_equity", "i8"),
        ("daily_loss_limit", "i8"),
        ("is_paused", "i8"),
        ("step", "i8"),
        ("walk", "i8"),
        ("window_first", "i8"),
        ("window_end", "i8"),
        # what it did since the run began
        ("turnover", "i8"),
        ("beyond_volume", "i8"),
        ("moments_exposed", "i8"),
        ("exposed_us", "i8"),
    ],
    align=True,
)

ENTRY = np.dtype([("side", "i8"), ("qty", "i8"), ("stop", "i8"), ("limit", "i8"), ("ends_us", "i8")], align=True)
"""An entry that works: `qty` is what is open of it, 0 where there is none; a price of 0 is none."""

POSITION = np.dtype(
    [
        # its exits
        ("side", "i8"),
        ("stop", "i8"),
        ("target", "i8"),
        ("ends_us", "i8"),
        ("is_closing", "i8"),
        # what it made so far, in account units, and quantity * price of its exits
        ("flow", "i8"),
        ("charge", "i8"),
        ("exit_value", "i8"),
    ],
    align=True,
)
"""A position: `side` 0 where nothing is held; a price of 0 is none; `ends_us` closes the bar that ends it."""

SLOT = np.dtype([("strategy", "i8"), ("symbol", "i8"), ("is_candidate", "i8"), ("rank", "i8")], align=True)

ACCOUNT = np.dtype(
    [
        ("bar_us", "i8"),
        ("interval_us", "i8"),
        ("now_us", "i8"),
        ("cursor", "i8"),
        ("touched_us", "i8"),
        ("open_us", "i8"),
        ("close_us", "i8"),
        ("flatten_us", "i8"),
        ("interval_begin_us", "i8"),
        ("interval_end_us", "i8"),
        ("deadline_us", "i8"),
        ("cash", "i8"),
        ("equity", "i8"),
        ("peak", "i8"),
        ("max_drawdown", "i8"),
        ("steepest_drawdown", "i8"),  # the largest part of a peak, which is the next
        ("steepest_peak", "i8"),
        ("session_equity", "i8"),
        ("session_peak", "i8"),
        ("session_drawdown", "i8"),
        ("session_drawdown_peak", "i8"),  # which that fall was from
        ("loss_base", "i8"),
        ("drawdown_peak", "i8"),
        ("setups", "i8"),
        ("moments", "i8"),
        ("moments_exposed", "i8"),
        ("positions", "i8"),
        ("is_trading", "i8"),
        ("losses_judged", "i8"),
        ("has_strategy_limits", "i8"),
        # the books as they stood right after the marks of the moment with a fill
        ("snap_us", "i8"),
        ("snap_equity", "i8"),
        ("snap_cash", "i8"),
        ("snap_gross", "i8"),
        ("snap_drawdown", "i8"),
    ],
    align=True,
)


def column(kind: np.dtype[Any], name: str) -> int:
    """Give which of a record's eight-byte columns a name is."""
    assert kind.fields is not None
    return int(kind.fields[name][1]) // 8


INT_STATE_SIZE: Final = 16
FLOAT_STATE_SIZE: Final = 8
INT_PARAMS_SIZE: Final = 16
FLOAT_PARAMS_SIZE: Final = 8
SETUP_SIZE: Final = 16
"""Columns of a setup row; their meaning stands in `core.strategies.api`."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Records = NDArray[np.void]


@dataclass(slots=True)
class Board:
    """The arrays of one run. `intervals` int64[S, 6] is the bar being built of each symbol, start -1 where none is."""

    account: Records
    symbols: Records
    strategies: Records
    slots: Records
    intervals: Ints
    int_state: Ints
    float_state: Floats
    int_params: Ints
    float_params: Floats
    windows: Ints
    limits: Records
    setups: Ints
    entries: Records
    """`ENTRY`[n * S]: a symbol's stand a whole number of S behind its first, which is at its index."""
    positions: Records
    """`POSITION`[S]."""
