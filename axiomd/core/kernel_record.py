"""A backtest over a tape: the kernel's arrays laid out, run, and its rows given their names as a `RunRecord`.

The rows say everything in numbers; ids, texts and records are made here, once, after the compiled part is through, by
the same functions that the engine makes them with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from axiomd.contracts.fills import ExitReason
from axiomd.contracts.outcome import CurvePoint, OrderOutcome, RunRecord, Status
from axiomd.contracts.signals import Signal
from axiomd.contracts.units import side_of
from axiomd.core import kernel
from axiomd.core.ahead import NO_SETUPS, setups_ahead
from axiomd.core.board import Board, Ints, Records
from axiomd.core.fills import EXIT_NAMES
from axiomd.core.guards.api import OFF
from axiomd.core.guards.chain import GUARDS
from axiomd.core.market.sessions import Int64Array
from axiomd.core.market.strip import is_even, strip_of
from axiomd.core.market.tape import Tape
from axiomd.core.orders.bracket import order_of, signal_of
from axiomd.core.plan import Plan, board_of
from axiomd.core.portfolio import trade_of
from axiomd.core.strategies import api
from axiomd.core.strategies.api import Candidates
from axiomd.core.uncollected import uncollected

SelectCandidates = Callable[[int], Mapping[str, Candidates]]

_LEVELS: Final = {"halt": 1, "flatten": 2}
_ENDS: Final[Mapping[int, tuple[Status, str]]] = {
    kernel.WORKING: ("working", ""),
    kernel.EXPIRED: ("expired", "expired"),
    kernel.OCO_CANCELLED: ("cancelled", "oco_cancelled"),
    kernel.AMBIGUOUS: ("cancelled", "ambiguous"),
    kernel.KILLED: ("cancelled", "killed"),
    kernel.STALE_: ("cancelled", "stale"),
}
_ROOM_MIN: Final = 4096
NOT_TRADED: Final = -(2**62)
"""The equity of a session that was not traded."""


@dataclass(slots=True, eq=False)
class Rows:
    """What the kernel wrote, and the board it left: signals, orders, trades, points, equity at each session's close."""

    board: Board
    state: Records
    signals: Ints
    orders: Ints
    trades: Ints
    points: Ints
    session_equity: Ints


def run_rows(plan: Plan, tape: Tape, select: SelectCandidates | None, first_session: int = 0) -> Rows:
    """Run the kernel over a tape. `select` gives candidates by session; None means as listed, for every session."""
    board = board_of(plan)
    strip = strip_of(tape)
    sessions = strip.session
    ranks = _ranks(plan, board, sessions, select)
    rules = _rules(plan, first_session, sessions, lists=select is None)
    symbols = len(plan.instruments)
    legs = np.zeros((symbols, 2), kernel.LEG)
    legs["order"] = -1
    held = np.zeros(symbols, kernel.HELD)
    held["order"] = -1
    state = np.zeros(1, kernel.STATE)
    state["filled_us"] = -1
    fills = int(plan.limits[0]["execution_fills"])
    bursts = np.full((symbols, 2, fills if fills != OFF else 1), -(2**62), np.int64)
    sizings = np.concatenate([own.sizing for own in plan.strategies])
    # one setup a window is the usual strategy; whoever finds more is given more as it goes
    windows = sum(len(own.windows) // 4 * len(own.symbols) for own in plan.strategies)
    room = max(_ROOM_MIN, windows) + 2 * kernel.SETUPS_A_SESSION * len(board.slots)
    signals, orders, trades, points = _rooms(
        (room, kernel.SIGNAL_WIDTH), (2 * room, kernel.ORDER_WIDTH), (2 * room, kernel.TRADE_WIDTH),
        (4 * room + 2 * len(sessions), kernel.POINT_WIDTH),
    )  # fmt: skip
    run, ahead = kernel.run, NO_SETUPS
    if symbols == len(board.slots) == 1 and plan.bar_us == plan.strategies[0].strategy.timeframe_us and is_even(strip):
        run, first = (
            kernel.run_alone_unlimited if kernel.is_unlimited(plan.limits) else kernel.run_alone,
            int(rules[0]["first_session"]),
        )
        # a setup is read before its signal is written, in the same place
        ahead = setups_ahead(strip, plan.strategies[0].strategy, board, ranks, first, signals)
    equity = np.full(len(sessions), NOT_TRADED, np.int64)
    while not run(
        tape.bars, strip.rows, strip.run_end, strip.is_whole, strip.first, ahead.row, ahead.found, strip.start_us,
        strip.open_us, strip.close_us, ranks, board.account, board.symbols, board.strategies, board.slots,
        board.intervals, board.int_state, board.float_state, board.int_params, board.float_params, board.windows,
        board.limits, board.setups, sizings, plan.costs, rules, legs, held, state, bursts,
        np.zeros(max(1, len(board.slots)), np.int64), signals, orders, trades, points, equity,
    ):  # fmt: skip
        signals, orders, trades, points = (_doubled(rows) for rows in (signals, orders, trades, points))
    z = state[0]
    return Rows(
        board,
        state,
        signals[: int(z["signals"])],
        orders[: int(z["orders"])],
        trades[: int(z["trades"])],
        points[: int(z["points"])],
        equity,
    )


def backtest(plan: Plan, tape: Tape, select: SelectCandidates | None, first_session: int = 0) -> RunRecord:
    """Run the kernel and give the record that a replay would have left."""
    rows = run_rows(plan, tape, select, first_session)
    with uncollected():
        return record_of(plan, tape, rows)


def record_of(plan: Plan, tape: Tape, rows: Rows) -> RunRecord:
    """Give the rows of a kernel their names."""
    sessions = strip_of(tape).session.tolist()
    record = RunRecord(plan.initial_cash, plan.currency)
    slots = rows.board.slots.tolist()
    record.signals = [_signal(plan, slots, row) for row in rows.signals.tolist()]
    _add_orders(plan, tape, rows, slots, sessions, record)
    _add_trades(plan, rows, record)
    record.curve = list(map(CurvePoint, *rows.points.T.tolist()))
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
    record.max_drawdown_pct = float(account["max_drawdown_pct"])
    record.moments, record.moments_exposed = int(account["moments"]), int(account["moments_exposed"])
    record.turnover_units = int(z["turnover"])
    record.ambiguous_bars = int(z["ambiguous_bars"])
    record.fills_beyond_volume = int(z["beyond_volume"])
    record.operator_resumes = int(z["resumes"])
    record.counts = counts_of(plan, tape, rows.board)


def counts_of(plan: Plan, tape: Tape, board: Board) -> dict[str, int]:
    """Say why there was no setup, and what was left out of the data."""
    counts = {"bars_outside_sessions": tape.dropped, "prices_between_ticks": tape.between_ticks}
    for position, (k, *_) in enumerate(board.slots.tolist()):
        for name, column in plan.strategies[k].strategy.counters.items():
            counts[name] = counts.get(name, 0) + int(board.int_state[position, column])
    return counts


def _signal(plan: Plan, slots: Sequence[tuple[int, ...]], row: Sequence[int]) -> Signal:
    k, index, _, rank = slots[row[api.SLOT]]
    symbol = plan.instruments[index].symbol
    return signal_of(plan.strategies[k], plan.run_id, symbol, row, rank, kernel.OUTCOMES[row[kernel.OUTCOME]])


def _add_orders(
    plan: Plan, tape: Tape, rows: Rows, slots: Sequence[tuple[int, ...]], sessions: Sequence[int], record: RunRecord
) -> None:
    dates = [tape.sessions.date(session).isoformat() for session in sessions]
    flattens = [int(tape.sessions.close_us[session]) - plan.flatten_us for session in sessions]
    index_of = [slots[slot][1] for slot in rows.signals[:, api.SLOT].tolist()]
    for (
        setup, sign, qty, session, end, guard, fill_ts_us, fill_price, commission, slippage_ticks
    ) in _columns(
        rows.orders,
        kernel.O_SIGNAL, kernel.O_SIDE, kernel.O_QTY, kernel.O_SESSION, kernel.O_STATUS, kernel.O_GUARD,
        kernel.O_FILL_TS, kernel.O_FILL_PRICE, kernel.O_COMMISSION, kernel.O_SLIPPAGE,
    ):  # fmt: skip
        order = order_of(
            plan, record.signals[setup], index_of[setup], side_of(sign), qty, dates[session], flattens[session]
        )
        if end == kernel.REFUSED:
            outcome = OrderOutcome(order, "rejected", f"rejected:{GUARDS[guard]}", False)
        elif end == kernel.FILLED_:
            outcome = OrderOutcome(order, "filled", "", True, fill_ts_us, fill_price, qty, commission, slippage_ticks)
        else:
            outcome = OrderOutcome(order, *_ENDS[end])
        record.orders.append(outcome)


def _add_trades(plan: Plan, rows: Rows, record: RunRecord) -> None:
    rates = dict(zip(plan.symbols, plan.rates, strict=True))
    for place, way, exit_us, exit_price, gross, costs, worst, best, bars_held, is_ambiguous in _columns(
        rows.trades,
        kernel.T_ORDER, kernel.T_EXIT, kernel.T_EXIT_TS, kernel.T_EXIT_PRICE, kernel.T_GROSS, kernel.T_COSTS,
        kernel.T_WORST, kernel.T_BEST, kernel.T_BARS, kernel.T_AMBIGUOUS,
    ):  # fmt: skip
        outcome = record.orders[place]
        order = outcome.order
        assert outcome.fill_ts_us is not None
        assert outcome.fill_price is not None
        reason: ExitReason = EXIT_NAMES[way]
        record.trades.append(
            trade_of(
                order,
                qty=order.qty,
                entry=(outcome.fill_ts_us, outcome.fill_price),
                exit_=(exit_us, exit_price),
                reason=reason,
                gross=gross,
                costs=costs,
                extremes=(worst, best),
                rate=rates[order.symbol],
                bars_held=bars_held,
                is_ambiguous=bool(is_ambiguous),
                currency=plan.currency,
            )
        )


def _columns(rows: Ints, *columns: int) -> Iterator[tuple[int, ...]]:
    """Give some columns of every row: to name each once costs less than to look each up in every row."""
    return zip(*(rows[:, column].tolist() for column in columns), strict=True)


def _ranks(plan: Plan, board: Board, sessions: Int64Array, select: SelectCandidates | None) -> Ints:
    """Give the stage-1 rank of every slot by session, -1 for one that is no candidate."""
    slots = board.slots.tolist()
    if select is None:
        ranks = [[plan.strategies[k].symbols.index(plan.instruments[index].symbol) for k, index, _, _ in slots]]
        return np.array(ranks, np.int64)
    ranks = []
    for session in sessions.tolist():
        places = {strategy: {s: r for r, s in enumerate(symbols)} for strategy, symbols in select(session).items()}
        ranks.append([places[plan.strategies[k].id].get(plan.instruments[i].symbol, -1) for k, i, _, _ in slots])
    return np.array(ranks, np.int64).reshape(len(sessions), len(slots))


def _rules(plan: Plan, first_session: int, sessions: Int64Array, *, lists: bool) -> Records:
    first = int(np.count_nonzero(sessions < first_session)) if first_session else 0
    levels = [_LEVELS[plan.levels.get(guard, "halt")] for guard in ("MaxDailyLoss", "MaxDrawdown", "ConsecutiveLosses")]
    return np.array([(plan.flatten_us, plan.skips_ambiguous, plan.resumes, first, lists, *levels)], kernel.RULES)


def _rooms(*shapes: tuple[int, int]) -> Iterator[Ints]:
    """Make room for rows, all in one piece: what is freed together is kept for the next run.

    Of several pieces the allocator gives some back to the system each time, and a page that comes anew costs 2 us: it
    was a quarter of a run.
    """
    room = np.empty(sum(rows * width for rows, width in shapes), np.int64)
    for rows, width in shapes:
        own, room = room[: rows * width], room[rows * width :]
        yield own.reshape(rows, width)


def _doubled(rows: Ints) -> Ints:
    return np.concatenate([rows, np.empty_like(rows)])
