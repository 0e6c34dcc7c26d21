"""A run of the kernel: what it begins with, and its call over a tape.

What a plan says of every run of it is laid out once. To begin anew is then one copy, for a sweep that runs a plan over
hundreds of symbols in less time than it takes to lay out a board.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from axiomd.contracts.instruments import Instrument
from axiomd.core import kernel
from axiomd.core.ahead import NO_SETUPS, setups_ahead
from axiomd.core.board import Board, Ints, Records
from axiomd.core.guards.api import OFF
from axiomd.core.market.rates import Rate, columns_of
from axiomd.core.market.sessions import Int64Array
from axiomd.core.market.strip import strip_of
from axiomd.core.market.tape import Tape
from axiomd.core.metrics import NOT_TRADED
from axiomd.core.plan import Plan, board_of, lay_instrument
from axiomd.core.strategies.api import Candidates

SelectCandidates = Callable[[int], Mapping[str, Candidates]]

_LEVELS: Final = {"halt": 1, "flatten": 2}
_ROOM_MIN: Final = 4096


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
    ranks: Ints
    """The stage-1 rank of every slot, a row for all sessions of the strip or one for each."""
    rates: Ints
    """Columns of every symbol's rate in each session of the strip, or in all: int64[sessions or 1, symbols, 3]."""


class Room:
    """Memory for the rows of a run, kept for the next one, which takes it all back.

    It is one piece and stays ours: what a run frees the system gives on, even to other machines, and a page that comes
    anew costs 2 us or ten times that. Of a small run that was a quarter, of a large one behind a pause most.
    """

    def __init__(self) -> None:
        self._memory = np.empty(0, np.int64)

    def lay_out(self, *shapes: tuple[int, int]) -> Iterator[Ints]:
        """Give arrays of these shapes, with anything in them."""
        size = sum(rows * width for rows, width in shapes)
        if size > len(self._memory):
            self._memory = np.empty(size, np.int64)
        memory = self._memory
        for rows, width in shapes:
            own, memory = memory[: rows * width], memory[rows * width :]
            yield own.reshape(rows, width)


class Start:
    """What every run of a plan begins with. All that a run moves is one piece of memory.

    A run begins from it once; `again` makes it ready for another, and what the last one left of it is gone.
    """

    def __init__(self, plan: Plan) -> None:
        board, symbols = board_of(plan), len(plan.instruments)
        legs = np.zeros((symbols, 2), kernel.LEG)
        legs["order"] = -1
        held = np.zeros(symbols, kernel.HELD)
        held["order"] = -1
        state = np.zeros(1, kernel.STATE)
        state["filled_us"] = -1
        fills = int(plan.limits[0]["execution_fills"])
        bursts = np.full((symbols, 2, fills if fills != OFF else 1), -(2**62), np.int64)
        order_of_setups = np.zeros(max(1, len(board.slots)), np.int64)
        self.plan = plan
        self._piece, moved = _in_one_piece(
            board.account, board.symbols, board.strategies, board.slots, board.intervals, board.int_state,
            board.float_state, board.setups, legs, held, state, bursts, order_of_setups,
        )  # fmt: skip
        (
            board.account, board.symbols, board.strategies, board.slots, board.intervals, board.int_state,
            board.float_state, board.setups, self.legs, self.held, self.state, self.bursts, self.order_of_setups,
        ) = moved  # fmt: skip
        self.board = board
        self.written = self.state[["signals", "orders", "trades", "points"]]
        self.rules = _rules(plan)
        self.ranks = _listed(plan, board)
        self._laid: tuple[Instrument, Rate] | None = None
        self._price(plan.rates, tuple(instrument.currency for instrument in plan.instruments))
        self.sizings = np.concatenate([own.sizing for own in plan.strategies])
        # one setup a window is the usual strategy; whoever finds more is given more as it goes
        windows = sum(len(own.windows) // 4 * len(own.symbols) for own in plan.strategies)
        self.setups_expected = max(_ROOM_MIN, windows) + 2 * kernel.SETUPS_A_SESSION * len(board.slots)
        self.is_alone = symbols == len(board.slots) == 1 and plan.bar_us == plan.strategies[0].strategy.timeframe_us
        self.is_unlimited = kernel.is_unlimited(plan.limits)
        assert not self.is_alone or kernel.are_in_place(moved[:-2]), "a lone symbol's walk finds them by their places"
        self._begun = self._piece.copy()

    def again(self, instrument: Instrument, rate: Rate) -> None:
        """Make a run of one symbol ready to begin with that symbol or with another."""
        self._piece[:] = self._begun
        if self._laid != (instrument, rate):
            lay_instrument(self.board, 0, instrument, rate, self.plan.risk)
            self._begun[:] = self._piece
            self._price((rate,), (instrument.currency,))
            self._laid = instrument, rate

    def rates_on(self, days: Int64Array) -> Ints:
        """Give the columns of every symbol's rate in each session, int64[sessions, symbols, 3], or in all of them.

        `days` are the sessions' days since 1970.
        """
        if not self._daily:
            return self._fixed
        rows = np.repeat(self._fixed, len(days), axis=0)
        for index, daily in self._daily.items():
            columns = [columns_of(daily.on(day)) for day in days.tolist()]
            rows[:, index] = np.array(columns, np.int64).reshape(-1, 3)
        return rows

    def _price(self, rates: Sequence[Rate], currencies: Sequence[str]) -> None:
        daily = self.plan.daily_rates
        self._daily = {index: daily[currency] for index, currency in enumerate(currencies) if currency in daily}
        self._fixed = np.array([[columns_of(rate) for rate in rates]], np.int64)


def run_rows(plan: Plan, tape: Tape, select: SelectCandidates | None, first_session: int = 0) -> Rows:
    """Run the kernel over a tape. `select` gives candidates by session; None means as listed, for every session."""
    return run_from(Start(plan), tape, select, first_session, Room())


def run_from(start: Start, tape: Tape, select: SelectCandidates | None, first_session: int, room: Room) -> Rows:
    """Run likewise from a start that is ready; the board of the rows is the start's, and they lie in the room."""
    plan, board, state, rules = start.plan, start.board, start.state, start.rules
    assert len(tape.symbols) == len(board.symbols), "a tape's symbols are its plan's, in their order"
    strip = strip_of(tape)
    sessions = strip.session
    ranks = start.ranks if select is None else _ranks(plan, board, sessions, select)
    rates = start.rates_on(tape.sessions.date_days[sessions])
    first = int(np.count_nonzero(sessions < first_session)) if first_session else 0
    rules["first_session"], rules["lists_candidates"] = first, select is None
    setups = start.setups_expected
    signals, orders, trades, points = room.lay_out(
        (setups, kernel.SIGNAL_WIDTH), (2 * setups, kernel.ORDER_WIDTH), (2 * setups, kernel.TRADE_WIDTH),
        (4 * setups + 2 * len(sessions), kernel.POINT_WIDTH),
    )  # fmt: skip
    run, ahead = kernel.run, NO_SETUPS
    if start.is_alone and strip.is_all_even:
        run = kernel.run_alone_unlimited if start.is_unlimited else kernel.run_alone
        # a setup is read before its signal is written, in the same place
        ahead = setups_ahead(strip, plan.strategies[0].strategy, board, ranks, first, signals)
    equity = np.full(len(sessions), NOT_TRADED, np.int64)
    while not run(
        tape.bars, strip.columns, strip.run_end, strip.is_whole, strip.first, ahead.row, ahead.found, strip.start_us,
        strip.open_us, strip.close_us, ranks, board.account, board.symbols, board.strategies, board.slots,
        board.intervals, board.int_state, board.float_state, board.int_params, board.float_params, board.windows,
        board.limits, board.setups, start.sizings, plan.costs, rules, start.legs, start.held, state, start.bursts,
        start.order_of_setups, signals, orders, trades, points, equity, rates,
    ):  # fmt: skip
        signals, orders, trades, points = (_doubled(rows) for rows in (signals, orders, trades, points))
    s, o, t, p = start.written.tolist()[0]
    return Rows(board, state, signals[:s], orders[:o], trades[:t], points[:p], equity, ranks, rates)


def _in_one_piece(*arrays: NDArray[Any]) -> tuple[Ints, list[NDArray[Any]]]:
    """Copy arrays of eight-byte columns into one array; give it, and each of them as a view of its part."""
    piece = np.concatenate([array.reshape(-1).view(np.int64) for array in arrays])
    views, first = [], 0
    for array in arrays:
        end = first + array.nbytes // 8
        views.append(piece[first:end].view(array.dtype).reshape(array.shape))
        first = end
    return piece, views


def _listed(plan: Plan, board: Board) -> Ints:
    """Give the stage-1 rank of every slot where candidates are as listed."""
    slots = board.slots.tolist()
    ranks = [[plan.strategies[k].symbols.index(plan.instruments[index].symbol) for k, index, _, _ in slots]]
    return np.array(ranks, np.int64)


def _ranks(plan: Plan, board: Board, sessions: Int64Array, select: SelectCandidates) -> Ints:
    """Give the stage-1 rank of every slot by session, -1 for one that is no candidate."""
    slots = board.slots.tolist()
    ranks = []
    for session in sessions.tolist():
        places = {strategy: {s: r for r, s in enumerate(symbols)} for strategy, symbols in select(session).items()}
        ranks.append([places[plan.strategies[k].id].get(plan.instruments[i].symbol, -1) for k, i, _, _ in slots])
    return np.array(ranks, np.int64).reshape(len(sessions), len(slots))


def _rules(plan: Plan) -> Records:
    levels = [_LEVELS[plan.levels.get(guard, "halt")] for guard in ("MaxDailyLoss", "MaxDrawdown", "ConsecutiveLosses")]
    return np.array([(plan.flatten_us, plan.skips_ambiguous, plan.resumes, 0, 0, *levels)], kernel.RULES)


def _doubled(rows: Ints) -> Ints:
    return np.concatenate([rows, np.empty_like(rows)])
