"""The rows of the compiled backtest: what stands, what was found, what was ordered, what was traded.

Columns of arrays and fields of records, and nothing that moves. `core.kernel_record` gives them their names.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from axiomd.core.strategies import api

LEG = np.dtype(
    [
        ("order", "i8"),  # row of the order, -1: none works
        ("qty", "i8"),
        ("kind", "i8"),
        ("stop", "i8"),
        ("limit", "i8"),
        ("stop_loss", "i8"),
        ("target", "i8"),
        ("valid_from_us", "i8"),
        ("valid_to_us", "i8"),
        ("is_triggered", "i8"),
    ],
    align=True,
)
HELD = np.dtype(
    [
        ("order", "i8"),  # row of the entry, -1: flat
        ("side", "i8"),
        ("qty", "i8"),
        ("stop_loss", "i8"),
        ("target", "i8"),
        ("flow", "i8"),
        ("costs", "i8"),
        ("is_ambiguous", "i8"),
        ("is_closing", "i8"),
    ],
    align=True,
)
STATE = np.dtype(
    [
        ("row", "i8"),
        ("session", "i8"),
        ("level", "i8"),  # 0 armed, 1 halt, 2 flatten
        ("asked_level", "i8"),  # a fill of this moment asks for it; acted on when the moment is matched
        ("tripped_by_drawdown", "i8"),
        ("resumes", "i8"),
        ("losses", "i8"),
        ("streak_has_tripped", "i8"),
        ("filled_us", "i8"),
        ("has_curve", "i8"),
        ("found", "i8"),  # of the setups found beforehand, those that are decided
        ("signals", "i8"),
        ("orders", "i8"),
        ("trades", "i8"),
        ("points", "i8"),
        ("sends_head", "i8"),
        ("sends", "i8"),
        ("ambiguous_bars", "i8"),
    ],
    align=True,
)
RULES = np.dtype(
    [
        ("flatten_us", "i8"),
        ("skips_ambiguous", "i8"),
        ("resumes", "i8"),
        ("first_session", "i8"),
        ("lists_candidates", "i8"),
        ("daily_loss_level", "i8"),
        ("drawdown_level", "i8"),
        ("streak_level", "i8"),
    ],
    align=True,
)

# columns of a signal's row: those of a setup, then
OUTCOME: Final = api.VOLUME + 1
SIGNAL_WIDTH: Final = 16
PLACED: Final = 0
NETTING: Final = 1
PAUSED: Final = 2
TOO_SMALL: Final = 3
UNPRICED: Final = 4
OUTCOMES: Final = ("", "blocked:netting", "blocked:paused", "below_min_qty", "blocked:fx_rate")

# columns of an order's row
O_SIGNAL: Final = 0
O_SIDE: Final = 1
O_QTY: Final = 2
O_STATUS: Final = 3
O_GUARD: Final = 4
O_FILL_TS: Final = 5
O_FILL_PRICE: Final = 6
O_COMMISSION: Final = 7
O_SLIPPAGE: Final = 8
O_SENT_US: Final = 9
O_SESSION: Final = 10
ORDER_WIDTH: Final = 11
WORKING: Final = 0
FILLED_: Final = 1
EXPIRED: Final = 2
OCO_CANCELLED: Final = 3
AMBIGUOUS: Final = 4
KILLED: Final = 5
STALE_: Final = 6
REFUSED: Final = 7

# columns of a trade's row
T_ORDER: Final = 0
T_EXIT: Final = 1
T_EXIT_TS: Final = 2
T_EXIT_PRICE: Final = 3
T_GROSS: Final = 4
T_COSTS: Final = 5
T_LOWEST: Final = 6
T_HIGHEST: Final = 7
T_BARS: Final = 8
T_AMBIGUOUS: Final = 9
TRADE_WIDTH: Final = 10

# columns of a point: time, equity, cash, gross exposure, drawdown
POINT_WIDTH: Final = 5

SETUPS_A_SESSION: Final = 128
"""More than any session has intervals: so much room is kept for each slot before a session begins."""
