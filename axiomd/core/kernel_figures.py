"""What the figures of a run are made of, read off the kernel's rows in one pass.

No order, signal or trade is made a record: a sweep asks for thousands of figures and for no order, and naming every row
would take longer than the run.
"""

from __future__ import annotations

import numpy as np

from axiomd.core import kernel
from axiomd.core.board import Floats, Ints, Records
from axiomd.core.compiled import njit
from axiomd.core.fills import MARKET
from axiomd.core.kernel_run import Rows
from axiomd.core.metrics import Basis, fill_returns, percent_of_peak, share_of
from axiomd.core.plan import Plan
from axiomd.core.portfolio import result_of
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
        max_drawdown_pct=percent_of_peak(account["steepest_drawdown"], account["steepest_peak"]),
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
        nets[k] = trades[k, kernel.T_GROSS] - trades[k, kernel.T_COSTS]
        costs += trades[k, kernel.T_COSTS]
        has_risk, multiple, _, _ = result_at(k, trades, orders, signals, slots, rates)
        if has_risk:
            multiples[risked] = multiple
            risked += 1
    refused, filled = 0, 0
    for k in range(len(orders)):
        refused += orders[k, kernel.O_STATUS] == kernel.REFUSED
        filled += orders[k, kernel.O_STATUS] == kernel.FILLED_
    return costs, risked, refused, filled, fill_returns(initial_cash, session_equity, returns)


@njit
def result_at(
    k: int, trades: Ints, orders: Ints, signals: Ints, slots: Records, rates: Ints
) -> tuple[bool, float, int, int]:
    """Give what a trade's row came to: `portfolio.result_of`."""
    trade = trades[k]
    order = orders[trade[kernel.T_ORDER]]
    setup = signals[order[kernel.O_SIGNAL]]
    is_long = order[kernel.O_SIDE] > 0
    level, stop = setup[api.LONG_ENTRY], setup[api.LONG_STOP]
    if not is_long:
        level, stop = setup[api.SHORT_ENTRY], setup[api.SHORT_STOP]
    if setup[api.ENTRY_KIND] == MARKET:
        level = 0
    rate = rates[order[kernel.O_SESSION] % len(rates), slots[setup[api.SLOT]].symbol]
    return result_of(
        1 if is_long else -1, order[kernel.O_QTY], order[kernel.O_FILL_PRICE], trade[kernel.T_EXIT_PRICE],
        trade[kernel.T_GROSS] - trade[kernel.T_COSTS], trade[kernel.T_LOWEST], trade[kernel.T_HIGHEST], level, stop,
        rate[0], rate[1],
    )  # fmt: skip


@njit
def results(
    trades: Ints, orders: Ints, signals: Ints, slots: Records, rates: Ints, multiples: Floats, excursions: Ints
) -> None:
    """Fill in what every trade came to: `multiples` float64[t], NaN where it had no risk, `excursions` int64[t, 2]."""
    for k in range(len(trades)):
        has_risk, multiple, mae, mfe = result_at(k, trades, orders, signals, slots, rates)
        multiples[k] = multiple if has_risk else np.nan
        excursions[k, 0], excursions[k, 1] = mae, mfe
