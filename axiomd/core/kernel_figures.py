"""What the figures of a run are made of, read off the kernel's rows in one pass.

No order, signal or trade is made a record: a sweep asks for thousands of figures and for no order, and naming every row
would take longer than the run.
"""

from __future__ import annotations

import numpy as np

from axiomd.core import kernel
from axiomd.core.board import Floats, Ints, Records
from axiomd.core.compiled import njit
from axiomd.core.kernel_run import Rows
from axiomd.core.metrics import Basis, fill_returns, share_of
from axiomd.core.plan import Plan
from axiomd.core.portfolio import multiple_of
from axiomd.core.strategies import api


def basis_of(plan: Plan, rows: Rows) -> Basis:
    """Give what the figures of a run are made of, from its rows."""
    account, z = rows.board.account[0], rows.state[0]
    nets, multiples = np.empty(len(rows.trades), np.int64), np.empty(len(rows.trades), np.float64)
    returns = np.empty((len(rows.session_equity), 2), np.int64)
    costs, risked, refused, filled, sessions = outcomes(
        rows.trades, rows.orders, rows.signals, rows.board.slots, rows.session_equity,
        rows.rates, plan.initial_cash, nets, multiples, returns,
    )  # fmt: skip
    return Basis(
        nets=nets,
        multiples=multiples[:risked],
        costs=costs,
        sent=len(rows.orders) - refused,
        filled=filled,
        num_signals=len(rows.signals),
        returns=returns[:sessions],
        max_drawdown=int(account["max_drawdown"]),
        max_drawdown_pct=float(account["max_drawdown_pct"]),
        exposure=share_of(int(account["moments_exposed"]), int(account["moments"])),
        turnover_units=int(rows.board.strategies["turnover"].sum()),
        ambiguous_bars=int(z["ambiguous_bars"]),
        fills_beyond_volume=int(rows.board.strategies["beyond_volume"].sum()),
    )


@njit
def outcomes(
    trades: Ints, orders: Ints, signals: Ints, slots: Records, session_equity: Ints, rates: Ints,
    initial_cash: int, nets: Ints, multiples: Floats, returns: Ints,
) -> tuple[int, int, int, int, int]:  # fmt: skip
    """Fill in what each trade made, by how many times its risk, of those that had one, and what each session made.

    Gives the costs, the number of multiples, of orders refused, of orders filled, and of returns. A multiple is as
    exact as one of Python's whole numbers: both sides are far below 2**53.
    """
    costs, risked = 0, 0
    for k in range(len(trades)):
        order = orders[trades[k, kernel.T_ORDER]]
        setup = signals[order[kernel.O_SIGNAL]]
        if order[kernel.O_SIDE] > 0:
            level, stop = setup[api.LONG_ENTRY], setup[api.LONG_STOP]
        else:
            level, stop = setup[api.SHORT_ENTRY], setup[api.SHORT_STOP]
        rate = rates[order[kernel.O_SESSION] % len(rates), slots[setup[api.SLOT]].symbol]
        risk = abs(level - stop) * order[kernel.O_QTY]
        nets[k] = trades[k, kernel.T_GROSS] - trades[k, kernel.T_COSTS]
        costs += trades[k, kernel.T_COSTS]
        if risk != 0:
            multiples[risked] = multiple_of(nets[k], risk, rate[0], rate[1])
            risked += 1
    refused, filled = 0, 0
    for k in range(len(orders)):
        refused += orders[k, kernel.O_STATUS] == kernel.REFUSED
        filled += orders[k, kernel.O_STATUS] == kernel.FILLED_
    return costs, risked, refused, filled, fill_returns(initial_cash, session_equity, returns)
