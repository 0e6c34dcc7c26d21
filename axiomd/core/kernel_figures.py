"""What the figures of a run are made of, read off the kernel's rows in one pass.

No order, signal or trade is made a record: a sweep asks for thousands of figures and for no order, and naming every row
would take longer than the run.
"""

from __future__ import annotations

import numpy as np

from axiomd.core import kernel
from axiomd.core.board import Floats, Ints
from axiomd.core.compiled import njit
from axiomd.core.kernel_record import NOT_TRADED, Rows
from axiomd.core.metrics import Basis, session_returns, share_of
from axiomd.core.plan import Plan
from axiomd.core.portfolio import risk_of
from axiomd.core.strategies import api


def basis_of(plan: Plan, rows: Rows) -> Basis:
    """Give what the figures of a run are made of, from its rows."""
    account, z = rows.board.account[0], rows.state[0]
    equity = rows.session_equity
    nets, multiples = np.empty(len(rows.trades), np.int64), np.empty(len(rows.trades), np.float64)
    rates = np.array([plan.rates[index] for index in rows.board.slots["symbol"].tolist()], np.int64)
    costs, risked = outcomes(rows.trades, rows.orders, rows.signals, rates, nets, multiples)
    refused, filled = ends(rows.orders)
    return Basis(
        nets=nets,
        multiples=multiples[:risked],
        costs=costs,
        sent=len(rows.orders) - refused,
        filled=filled,
        num_signals=len(rows.signals),
        returns=session_returns(plan.initial_cash, equity[equity != NOT_TRADED]),
        max_drawdown=int(account["max_drawdown"]),
        max_drawdown_pct=float(account["max_drawdown_pct"]),
        exposure=share_of(int(account["moments_exposed"]), int(account["moments"])),
        turnover_units=(int(z["turnover"]), 1),
        ambiguous_bars=int(z["ambiguous_bars"]),
        fills_beyond_volume=int(z["beyond_volume"]),
    )


@njit
def outcomes(trades: Ints, orders: Ints, signals: Ints, rates: Ints, nets: Ints, multiples: Floats) -> tuple[int, int]:
    """Fill in what each trade made, and by how many times its risk, of those that had one; give costs and their number.

    `rates` int64[slots, 2] is account currency for one of the instrument's, as a fraction. A multiple is as exact as
    one of Python's whole numbers: both sides are far below 2**53.
    """
    costs, risked = 0, 0
    for k in range(len(trades)):
        order = orders[trades[k, kernel.T_ORDER]]
        setup = signals[order[kernel.O_SIGNAL]]
        if order[kernel.O_SIDE] > 0:
            level, stop = setup[api.LONG_ENTRY], setup[api.LONG_STOP]
        else:
            level, stop = setup[api.SHORT_ENTRY], setup[api.SHORT_STOP]
        slot = setup[api.SLOT]
        risk = risk_of(level, stop, order[kernel.O_QTY], rates[slot, 0], rates[slot, 1])
        nets[k] = trades[k, kernel.T_GROSS] - trades[k, kernel.T_COSTS]
        costs += trades[k, kernel.T_COSTS]
        if risk != 0:
            multiples[risked] = nets[k] / risk
            risked += 1
    return costs, risked


@njit
def ends(orders: Ints) -> tuple[int, int]:
    """Count the orders that were refused, and those that filled."""
    refused, filled = 0, 0
    for k in range(len(orders)):
        refused += orders[k, kernel.O_STATUS] == kernel.REFUSED
        filled += orders[k, kernel.O_STATUS] == kernel.FILLED_
    return refused, filled
