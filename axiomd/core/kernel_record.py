"""A backtest over a tape: the kernel's rows given their names as a `RunRecord`.

The rows say everything in numbers; ids, texts and records are made here, once, after the compiled part is through, by
the same functions that the engine makes them with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from axiomd.contracts.fills import ExitReason
from axiomd.contracts.outcome import EquityCurve, OrderOutcome, RunRecord, Status
from axiomd.contracts.units import side_of
from axiomd.core import kernel
from axiomd.core.board import Ints
from axiomd.core.counts import counts_of, note_activity
from axiomd.core.fills import EXIT_NAMES
from axiomd.core.guards.chain import GUARDS
from axiomd.core.kernel_figures import results
from axiomd.core.kernel_run import Rows, SelectCandidates, run_rows
from axiomd.core.market.strip import Strip, strip_of
from axiomd.core.market.tape import Tape
from axiomd.core.metrics import NOT_TRADED, percent_of_peak
from axiomd.core.orders.bracket import Bracket
from axiomd.core.plan import Plan
from axiomd.core.portfolio import trade_of
from axiomd.core.strategies import api
from axiomd.core.uncollected import uncollected

_ENDS: Final[Mapping[int, tuple[Status, str]]] = {
    kernel.WORKING: ("working", ""),
    kernel.EXPIRED: ("expired", "expired"),
    kernel.OCO_CANCELLED: ("cancelled", "oco_cancelled"),
    kernel.AMBIGUOUS: ("cancelled", "ambiguous"),
    kernel.KILLED: ("cancelled", "killed"),
    kernel.STALE_: ("cancelled", "stale"),
}


def backtest(
    plan: Plan,
    tape: Tape,
    select: SelectCandidates | None,
    first_session: int = 0,
    hear_first: Callable[[RunRecord], object] | None = None,
) -> RunRecord:
    """Run the kernel and give the record that a replay would have left.

    `hear_first` is told the record when it has its signals and its curve, which change no more, and no order yet.
    """
    rows = run_rows(plan, tape, select, first_session)
    with uncollected():
        return record_of(plan, tape, rows, hear_first)


def record_of(plan: Plan, tape: Tape, rows: Rows, hear_first: Callable[[RunRecord], object] | None = None) -> RunRecord:
    """Give the rows of a kernel their names."""
    strip = strip_of(tape)
    sessions = strip.session.tolist()
    record = RunRecord(plan.initial_cash, plan.currency)
    brackets = [Bracket(plan, k, index, plan.run_id) for k, index, *_ in rows.board.slots.tolist()]
    record.signals = [
        brackets[row[api.SLOT]].signal(row, rank, kernel.OUTCOMES[row[kernel.OUTCOME]])
        for row, rank in zip(rows.signals.tolist(), _ranks(rows, strip), strict=True)
    ]
    record.curve = EquityCurve.of(bytearray(rows.points.tobytes()))
    if hear_first is not None:
        hear_first(record)
    _add_orders(plan, tape, rows, brackets, sessions, record)
    _add_trades(plan, rows, record)
    _add_totals(plan, tape, rows, sessions, record)
    return record


def _add_totals(plan: Plan, tape: Tape, rows: Rows, sessions: Sequence[int], record: RunRecord) -> None:
    account, z = rows.board.account[0], rows.state[0]
    record.session_closes = [
        (int(tape.sessions.close_us[session]), equity)
        for session, equity in zip(sessions, rows.session_equity.tolist(), strict=True)
        if equity != NOT_TRADED
    ]
    record.final_cash = int(account["cash"])
    record.max_drawdown = int(account["max_drawdown"])
    record.max_drawdown_pct = percent_of_peak(account["steepest_drawdown"], account["steepest_peak"])
    record.moments, record.moments_exposed = int(account["moments"]), int(account["moments_exposed"])
    record.ambiguous_bars = int(z["ambiguous_bars"])
    record.operator_resumes = int(z["resumes"])
    note_activity(record, plan, rows.board)
    record.counts = counts_of(plan, tape, rows.board)


def _ranks(rows: Rows, strip: Strip) -> list[int]:
    """Give the rank that each signal's slot had in its session: the board knows those of the last one alone."""
    session = np.searchsorted(strip.open_us, rows.signals[:, api.MOMENT]) - 1
    ranks: list[int] = rows.ranks[session % len(rows.ranks), rows.signals[:, api.SLOT]].tolist()
    return ranks


def _add_orders(
    plan: Plan, tape: Tape, rows: Rows, brackets: Sequence[Bracket], sessions: Sequence[int], record: RunRecord
) -> None:
    dates = [tape.sessions.date(session).isoformat() for session in sessions]
    flattens = [int(tape.sessions.close_us[session]) - plan.flatten_us for session in sessions]
    slots, named, group = rows.signals[:, api.SLOT].tolist(), -1, ""
    for (
        setup, sign, qty, session, end, guard, fill_ts_us, fill_price, commission, slippage_ticks
    ) in _columns(
        rows.orders,
        kernel.O_SIGNAL, kernel.O_SIDE, kernel.O_QTY, kernel.O_SESSION, kernel.O_STATUS, kernel.O_GUARD,
        kernel.O_FILL_TS, kernel.O_FILL_PRICE, kernel.O_COMMISSION, kernel.O_SLIPPAGE,
    ):  # fmt: skip
        signal, side, date, bracket = record.signals[setup], side_of(sign), dates[session], brackets[slots[setup]]
        if setup != named:  # the legs of a setup follow each other
            named, group = setup, bracket.group(signal, date)
        order = bracket.order(signal, side, qty, date, flattens[session], group, bracket.names(side, group))
        if end == kernel.REFUSED:
            outcome = OrderOutcome(order, "rejected", f"rejected:{GUARDS[guard]}", False)
        elif end == kernel.FILLED_:
            outcome = OrderOutcome(order, "filled", "", True, fill_ts_us, fill_price, qty, commission, slippage_ticks)
        else:
            outcome = OrderOutcome(order, *_ENDS[end])
        record.orders.append(outcome)


def _add_trades(plan: Plan, rows: Rows, record: RunRecord) -> None:
    multiples, excursions = np.empty(len(rows.trades)), np.empty((len(rows.trades), 2), np.int64)
    results(rows.trades, rows.orders, rows.signals, rows.board.slots, rows.rates, multiples, excursions)
    columns = _columns(
        rows.trades,
        kernel.T_ORDER, kernel.T_EXIT, kernel.T_EXIT_TS, kernel.T_EXIT_PRICE, kernel.T_GROSS, kernel.T_COSTS,
        kernel.T_BARS, kernel.T_AMBIGUOUS,
    )  # fmt: skip
    for (place, way, exit_us, exit_price, gross, costs, bars_held, is_ambiguous), multiple, (mae, mfe) in zip(
        columns, multiples.tolist(), excursions.tolist(), strict=True
    ):
        outcome = record.orders[place]
        order = outcome.order
        assert outcome.fill_ts_us is not None
        assert outcome.fill_price is not None
        reason: ExitReason = EXIT_NAMES[way]
        trade = trade_of(
            order, order.qty, outcome.fill_ts_us, outcome.fill_price, exit_us, exit_price, reason, gross, costs,
            None if multiple != multiple else multiple, mae, mfe, bars_held, bool(is_ambiguous), plan.currency,
        )  # fmt: skip
        record.trades.append(trade)


def _columns(rows: Ints, *columns: int) -> Iterator[tuple[int, ...]]:
    """Give some columns of every row: to name each once costs less than to look each up in every row."""
    return zip(*(rows[:, column].tolist() for column in columns), strict=True)
