"""The engine: what happened in, what to do out.

`Engine.handle(event)` is the walk of the house: bars are marked and looked at by strategies, setups are sized, judged
and become orders; reports of the broker move orders and positions. It reads no clock, opens no file, awaits nothing
and draws no random number, so live, paper, replay and recovery are drivers of this one class. Its state is a fold over
the events it was given. One short method a station, in the order of the walk.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np

from axiomd.contracts import events as e
from axiomd.contracts.commands import (
    Approved,
    CancelEntry,
    Command,
    MarkEquity,
    Record,
    SendEntries,
    TripLatch,
)
from axiomd.contracts.fills import ExitReason, Fill
from axiomd.contracts.orders import Order, role_kind, split_reference
from axiomd.contracts.units import SIDES, Side, side_of
from axiomd.core import board as b
from axiomd.core.board import Board, Ints, column
from axiomd.core.compiled import Row, plain
from axiomd.core.frame import Frame
from axiomd.core.guards import loss
from axiomd.core.guards.api import OFF
from axiomd.core.guards.price import is_beyond
from axiomd.core.judging import Chain
from axiomd.core.orders.book import Book, Leg
from axiomd.core.orders.bracket import group_of, order_of, signal_of
from axiomd.core.orders.closing import closing_order, is_manual, kill_reference, manual_reference, request_of
from axiomd.core.orders.lifecycle import Happening
from axiomd.core.pauses import Pauses
from axiomd.core.plan import Plan, StrategyPlan, board_of, set_limits
from axiomd.core.portfolio import Holding
from axiomd.core.scan import LOSS, SETUPS, STALE
from axiomd.core.strategies import api

_LEVELS: Final = {"": 0, "halt": 1, "flatten": 2}
_EXITS: Final[dict[str, ExitReason]] = {"SL": "SL", "TP": "TP", "EOD": "EOD", "KILL": "KILL"}
_NO_COMMANDS: Final[list[Command]] = []
_NOW, _CURSOR, _TOUCHED, _EQUITY, _CASH, _PEAK = (
    column(b.ACCOUNT, name) for name in ("now_us", "cursor", "touched_us", "equity", "cash", "peak")
)
_OPEN, _CLOSE, _FLATTEN, _TRADING, _SETUPS = (
    column(b.ACCOUNT, name) for name in ("open_us", "close_us", "flatten_us", "is_trading", "setups")
)
_SNAP_US, _SNAP_EQUITY, _SNAP_CASH, _SNAP_GROSS, _SNAP_DRAWDOWN = (
    column(b.ACCOUNT, f"snap_{name}") for name in ("us", "equity", "cash", "gross", "drawdown")
)
_SYMBOL_SIZE: Final = b.SYMBOL.itemsize // 8
_POSITION, _LAST_CLOSE = column(b.SYMBOL, "position"), column(b.SYMBOL, "close")
_is_beyond = plain(is_beyond)


class Engine:
    """Decide one account's run. The only owner of its state; nothing else writes to its board, book or holdings."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.board: Board = board_of(plan)
        self.account: Row = self.board.account[0]
        self.frame = Frame(self.board, np.concatenate([own.sizing for own in plan.strategies]))
        self._now = self.frame.account
        self._symbols = self.frame.symbols
        self.book = Book()
        self.holdings: dict[int, Holding] = {}
        self.pauses = Pauses()
        self.foreign: dict[str, int] = {}
        """Shares at the broker that an operator adopted: they are his, known and never touched."""
        self.foreign_keys: set[str] = set()
        self.session = ""
        self.run_id = plan.run_id
        self.level = ""
        self.trip_id = ""
        self.cursor = 0
        """Row of the tape that the scan has come to."""
        self.is_connected = False
        self.is_reconciled = False
        self.is_journal_ok = True
        self.has_setups_left = False
        self._signal_age_us_max = 0
        self._index_of = {symbol: index for index, symbol in enumerate(plan.symbols)}
        self._slots: list[tuple[int, int, int, int]] = self.board.slots.tolist()
        self._deadlines: dict[int, int] = {}
        self._early: dict[str, list[e.FillReceived]] = {}
        self._executions: set[str] = set()
        self._executions_before: set[str] = set()
        self._sends: deque[int] = deque()
        self._losses_in_a_row = 0
        self._streak_has_tripped = False
        self._is_late = False
        self._bars_until_us = -1
        self._filled_us = -1
        self._curve_has_begun = False
        self._repeats = {(index, side): loss.Burst() for index in range(len(plan.instruments)) for side in SIDES}
        self._rejects = loss.Burst()
        self._limit(plan)
        self._stations: dict[type[e.Event], Callable[[Any], list[Command]]] = {
            e.RunStarted: self._begin,
            e.SessionOpened: self._open_session,
            e.CandidatesSelected: self._select,
            e.BarsClosed: self._take_bars,
            e.SessionClosed: self._close_session,
            e.OrderIntent: self._adopt,
            e.OrderSent: self._sent,
            e.OrderAcked: self._acked,
            e.OrderCancelled: lambda event: self._end(event, Happening.CANCELLED),
            e.OrderExpired: lambda event: self._end(event, Happening.EXPIRED),
            e.OrderRejected: self._reject,
            e.FillReceived: self._fill,
            e.BrokerConnected: self._connect,
            e.BrokerLost: self._lose,
            e.ReconDrift: self._differ,
            e.ReconCompleted: self._reconcile,
            e.ReconAdopted: self._take_over,
            e.KillTripped: self._trip,
            e.KillReset: self._reset,
            e.OperatorCommand: self._obey,
        }

    def _limit(self, plan: Plan) -> None:
        limits = plan.limits[0]
        self._chain = Chain(self.frame, plan.guards)
        self._rate_us = int(limits["rate_us"])
        self._fill_ppm = int(limits["fill_ppm"])
        self._streak_max = int(limits["consecutive_losses"])
        self._rejects.limit(int(limits["rejects"]), int(limits["rejects_us"]))
        for burst in self._repeats.values():
            burst.limit(int(limits["execution_fills"]), int(limits["execution_us"]))

    def take_limits(self, plan: Plan) -> None:
        """Go on under the limits and guards of a plan that differs from ours in nothing else."""
        set_limits(self.board, plan)
        self.plan = plan
        self._limit(plan)

    # --- the door ---

    def handle(self, event: e.Event) -> list[Command]:
        """Take one event in and say what to do about it, in order."""
        station = self._stations.get(type(event))
        return station(event) if station else _NO_COMMANDS

    def watch(self, bars: Ints) -> None:
        """Name the tape that ranges of bars refer to; `int64[N, 7]`: start, symbol, O, H, L, C, V."""
        self.frame.watch(bars)

    def advance(
        self, first: int, last: int, horizon_us: int, matched_us: int
    ) -> tuple[int, e.BarsClosed | None, list[Command]]:
        """Scan the tape from row `first` up to `last` to the next moment that concerns us, and decide it.

        Gives (flags, the event that stands for what was taken in, the commands). It does what `handle` would do with
        each moment's event in turn; that the two agree is tested.
        """
        account = self._now
        account[_CURSOR] = first
        before_us = account[_NOW]
        flags = self.frame.advance(last, horizon_us, matched_us, self._filled_us, True)
        cursor, now_us = account[_CURSOR], account[_NOW]
        self.cursor = cursor
        if cursor == first and now_us == before_us:
            return flags, None, _NO_COMMANDS
        event = e.BarsClosed(ts_us=now_us, first=first, last=cursor)
        return flags, event, self._decide(flags)

    def fold(self, event: e.Event) -> list[MarkEquity]:
        """Take an event of the journal in without deciding again: what was decided then stands in it too.

        Gives the points of the equity curve, which are no events. A moment whose setups were never decided leaves
        `has_setups_left`.
        """
        if isinstance(event, e.BarsClosed):
            flags = self._commit(event)
            self.has_setups_left = bool(flags & SETUPS)
            out: list[Command] = []
            self._draw_curve(out)
        elif isinstance(event, e.SignalEmitted):
            self.has_setups_left = False
            out = []
        elif isinstance(event, e.OrderBlocked):
            self.book.know(event.order)
            out = []
        elif isinstance(event, e.GuardTripped):
            self._note_trip(event)
            out = []
        elif isinstance(event, e.KillTripped):
            # what it led to stands in the journal, as far as it was written; `forget_requests` asks for the rest
            self._note_kill(event)
            out = []
        elif isinstance(event, e.OperatorCommand):
            # what a close led to stands behind it
            self._note_pause(event)
            out = []
        else:
            out = self._fold_quietly(event)
        return [command for command in out if isinstance(command, MarkEquity)]

    def _fold_quietly(self, event: e.Event) -> list[Command]:
        """Take it in without a guard tripping on it: a trip is an event of its own, judged by the limits of its day."""
        level, has_tripped = self.level, self._streak_has_tripped
        out = self.handle(event)
        if not isinstance(event, e.KillReset):
            self.level, self._streak_has_tripped = level, has_tripped
        return out

    def forget_requests(self) -> list[Command]:
        """After a fold: whatever was asked of the broker and never answered is asked anew."""
        for legs in self.book.open.values():
            for leg in legs:
                leg.cancelling = ""
        out: list[Command] = []
        for holding in self.holdings.values():
            if holding.closing and not is_manual(holding.closing):
                holding.closing_qty = holding.qty
                out.append(request_of(holding, is_urgent=False))
        if self.level:
            out.extend(self._obey_level(int(self.account["now_us"]), is_urgent=False))
        return out

    def settle_unsure(self, keys: Sequence[str], now_us: int, age_us_max: int) -> tuple[list[Command], list[str]]:
        """Decide intents that the broker does not know (04): send under the same key, or give them up.

        One is sent again only if nothing has happened since (no bar in its symbol, no sibling filled, still valid,
        young enough, not latched) and the whole chain lets it pass once more. Gives commands and keys to expire.
        """
        groups: dict[str, list[Leg]] = {}
        for key in keys:
            leg = self.book.legs[key]
            groups.setdefault(leg.order.oco_id, []).append(leg)
        commands: list[Command] = []
        given_up: list[str] = []
        for oco, legs in groups.items():
            passed = [approved for leg in legs if (approved := self._send_again(leg, now_us, age_us_max)) is not None]
            if len(passed) == len(legs):
                commands.append(SendEntries(oco_id=oco, legs=tuple(passed)))
            else:
                given_up.extend(leg.order.idempotency_key for leg in legs)
        return commands, given_up

    def _send_again(self, leg: Leg, now_us: int, age_us_max: int) -> Approved[Order] | None:
        order, symbol = leg.order, self.board.symbols[leg.index]
        is_untouched = int(symbol["last_ts_us"]) + self.plan.bar_us <= order.created_at_us
        is_young = now_us - order.created_at_us <= age_us_max and now_us < order.valid_to_us
        if not (is_untouched and is_young) or leg.index in self.holdings or leg.filled:
            return None
        approved, _ = self._chain.judge(
            order,
            leg.index,
            is_latched=self.level != "",
            is_ready=self.is_connected,
            is_journal_ok=self.is_journal_ok,
            is_known=False,
            sends=max(0, self._sends_until(now_us) - 1),
        )
        return approved

    @property
    def now_us(self) -> int:
        """Give market time: the moment of the newest thing that happened."""
        return int(self._now[_NOW])

    @property
    def touched_us(self) -> int:
        """Give the moment that touches a level or passes a deadline, after a scan that stopped for it."""
        return int(self._now[_TOUCHED])

    @property
    def session_open_us(self) -> int:
        """Give when the session under way, or the last one, opened."""
        return int(self.account["open_us"])

    # --- the session ---

    def _begin(self, event: e.RunStarted) -> list[Command]:
        """Market time is at least that of the start."""
        self.account["now_us"] = max(int(self.account["now_us"]), event.ts_us)
        self._signal_age_us_max = event.signal_age_us_max
        return _NO_COMMANDS

    def _open_session(self, event: e.SessionOpened) -> list[Command]:
        """A new day: its bounds, its equity, no candidate yet."""
        self.session, self.run_id = event.session, event.run_id
        self._executions_before, self._executions = self._executions, set()
        self.book.forget_ended({holding.order.idempotency_key for holding in self.holdings.values()})
        self.frame.begin_session(event.open_us, event.close_us, event.close_us - self.plan.flatten_us)
        return _NO_COMMANDS

    def _select(self, event: e.CandidatesSelected) -> list[Command]:
        """Stage 1 has chosen: from here on Stage 2 of that strategy is handed these symbols and no other."""
        own = next(k for k, strategy in enumerate(self.plan.strategies) if strategy.id == event.strategy)
        ranks = {self._index_of[symbol]: rank for rank, symbol in enumerate(event.symbols)}
        slots = self.board.slots
        for position, (k, index, _, _) in enumerate(self._slots):
            if k == own:
                slots[position]["is_candidate"] = index in ranks
                slots[position]["rank"] = ranks.get(index, 0)
        self._slots = slots.tolist()
        self.account["is_trading"] = 1
        if self._curve_has_begun:
            return _NO_COMMANDS
        self._curve_has_begun = True
        return [self._curve_point(int(self.account["now_us"]))]

    def _close_session(self, event: e.SessionClosed) -> list[Command]:
        """The day is over: its last mark, what that trips, its point of the curve."""
        account = self.account
        account["now_us"] = event.ts_us
        self.frame.settle()
        out: list[Command] = []
        self._trip_on_loss(out)
        if account["is_trading"]:
            out.append(self._curve_point(event.ts_us))
        account["is_trading"] = 0
        self._filled_us = -1
        return out

    # --- bars ---

    def _take_bars(self, event: e.BarsClosed) -> list[Command]:
        """All bars up to a moment: mark, then decide what the last moment of them asks for."""
        flags = self._commit(event)
        self._is_late = event.heard_us > event.ts_us + self._signal_age_us_max
        return self._decide(flags)

    def _commit(self, event: e.BarsClosed) -> int:
        if event.rows:
            bars = self._in_time(event)
            self.frame.watch(bars)
            first, last = 0, len(bars)
        else:
            first, last = event.first, event.last
        self._now[_CURSOR] = first
        return self.frame.advance(last, event.ts_us, event.ts_us, self._filled_us, False)

    def _in_time(self, event: e.BarsClosed) -> Ints:
        """Give the bars that close at this very moment, each symbol's once: late, repeated and future ones are dropped.

        A feed may say anything; event time never goes back, and a bar that was decided without stays so.
        """
        start_us = event.ts_us - self.plan.bar_us
        bars = bars_of(event.rows)
        if event.ts_us <= self._bars_until_us:
            return bars[:0]
        self._bars_until_us = event.ts_us
        if (bars[:, 0] == start_us).all() and (bars[1:, 1] > bars[:-1, 1]).all():
            return bars
        _, places = np.unique(bars[bars[:, 0] == start_us, 1], return_index=True)
        return np.ascontiguousarray(bars[bars[:, 0] == start_us][places])

    def _decide(self, flags: int) -> list[Command]:
        """What a moment asks for once its bars are in: curve, losses, stale data, setups."""
        out: list[Command] = []
        self._draw_curve(out)
        if flags & LOSS:
            self._trip_on_loss(out)
        if flags & STALE:
            self._cancel_stale(out)
        if flags & SETUPS:
            if flags & (LOSS | STALE):
                self.has_setups_left = True
            else:
                self._take_setups(out)
        return out

    def _draw_curve(self, out: list[Command]) -> None:
        account = self._now
        if self._filled_us >= 0 and account[_SNAP_US] == self._filled_us:
            out.append(
                MarkEquity(
                    ts_us=self._filled_us,
                    equity_units=account[_SNAP_EQUITY],
                    cash_units=account[_SNAP_CASH],
                    gross_units=account[_SNAP_GROSS],
                    drawdown_units=account[_SNAP_DRAWDOWN],
                )
            )
            self._filled_us = -1

    def try_rules(self, order: Order) -> None:
        """Size and judge an order without consequence, so that the rules are compiled before they are needed."""
        row = [0] * b.SETUP_SIZE
        row[api.LONG_ENTRY], row[api.LONG_STOP] = order.entry_level, order.stop_loss_price or 0
        self._size(0, 0, row)
        self._chain.judge(order, 0, is_latched=True, is_ready=False, is_journal_ok=True, is_known=False, sends=0)
        self.frame.is_stale(0)
        self.frame.floor_broken()

    def take_setups(self) -> list[Command]:
        """Decide the setups of a moment whose trips and cancellations had to go out, and be answered, first."""
        out: list[Command] = []
        self.has_setups_left = False
        self._take_setups(out)
        return out

    def _trip_on_loss(self, out: list[Command]) -> None:
        account, limits = self.account, self.plan.limits[0]
        while broken := self.frame.floor_broken():
            account["losses_judged"] &= ~broken
            base, name = (
                ("loss_base", "max_daily_loss") if broken == loss.DAILY_LOSS else ("drawdown_peak", "max_drawdown")
            )
            self._trip_guard(out, loss.NAMES[broken], int(account[base] - account["equity"]), int(limits[name]))

    def _cancel_stale(self, out: list[Command]) -> None:
        for index, legs in self.book.open.items():
            if self.frame.is_stale(index):
                self._cancel(out, legs, "stale")

    # --- setups ---

    def _take_setups(self, out: list[Command]) -> None:
        """Every setup of the moment: strategy as listed, rank, symbol; each sees the orders placed just before."""
        rows: list[list[int]] = self.frame.setups[: self._now[_SETUPS]].tolist()
        if len(rows) > 1:
            rows.sort(key=self._precedence)
        for row in rows:
            k, index, _, rank = self._slots[row[api.SLOT]]
            self._take_setup(out, self.plan.strategies[k], k, index, rank, row)

    def _precedence(self, row: Sequence[int]) -> tuple[int, int, int]:
        k, index, _, rank = self._slots[row[api.SLOT]]
        return k, rank, index

    def _take_setup(
        self, out: list[Command], own: StrategyPlan, k: int, index: int, rank: int, row: Sequence[int]
    ) -> None:
        """One setup: netting, size of each leg, guards, intents, one send."""
        symbol = self.plan.instruments[index].symbol
        sized: list[tuple[Side, int]] = []
        if index in self.holdings or index in self.book.open or self.foreign.get(symbol):
            outcome = "blocked:netting"
        elif self.board.strategies[k]["is_paused"] or self.pauses.holds(own.id, symbol, row[api.MOMENT]):
            outcome = "blocked:paused"
        elif self._is_late:
            outcome = "missed"
        else:
            sized = self._size(k, index, row)
            outcome = "" if any(qty for _, qty in sized) else "below_min_qty"
        signal = signal_of(own, self.run_id, symbol, row, rank, outcome)
        now_us = row[api.MOMENT]
        out.append(Record(event=e.SignalEmitted(ts_us=now_us, signal=signal)))
        approved: list[Approved[Order]] = []
        equity, flatten_us = self._now[_EQUITY], self._now[_FLATTEN]
        group = group_of(signal, self.session) if sized else ""
        for side, qty in sized:
            order = order_of(self.plan, signal, index, side, qty, self.session, flatten_us, group)
            key = order.idempotency_key
            out.append(
                Record(
                    event=e.OrderSized(
                        ts_us=now_us,
                        key=key,
                        symbol=symbol,
                        side=side,
                        qty=qty,
                        equity_units=equity,
                        reason="" if qty else "below_min_qty",
                    )
                )
            )
            if qty:
                self._judge(out, approved, order, index, now_us)
        if approved:
            self._intend(out, approved, index, k, now_us)

    def _size(self, k: int, index: int, row: Sequence[int]) -> list[tuple[Side, int]]:
        sized: list[tuple[Side, int]] = []
        legs: tuple[tuple[Side, int, int], ...] = (
            ("BUY", row[api.LONG_ENTRY], row[api.LONG_STOP]),
            ("SELL", row[api.SHORT_ENTRY], row[api.SHORT_STOP]),
        )
        for side, entry, stop in legs:
            if entry:
                sized.append((side, self.frame.size(k, index, entry, stop, row[api.VOLUME])))
        return sized

    def _judge(
        self, out: list[Command], approved: list[Approved[Order]], order: Order, index: int, now_us: int
    ) -> None:
        passed, verdicts = self._chain.judge(
            order,
            index,
            is_latched=self.level != "",
            is_ready=self.is_connected and self.is_reconciled,
            is_journal_ok=self.is_journal_ok,
            is_known=self.book.is_known(order),
            sends=self._sends_until(now_us) + len(approved),
        )
        if passed is None:
            self.book.know(order)
            out.append(
                Record(event=e.OrderBlocked(ts_us=now_us, order=order, guard=verdicts[-1][0], verdicts=verdicts))
            )
        else:
            approved.append(passed)
            out.append(Record(event=e.OrderIntent(ts_us=now_us, order=order, verdicts=verdicts)))

    def _sends_until(self, now_us: int) -> int:
        while self._sends and self._sends[0] < now_us - self._rate_us:
            self._sends.popleft()
        return len(self._sends)

    def _intend(self, out: list[Command], approved: list[Approved[Order]], index: int, k: int, now_us: int) -> None:
        for leg in approved:
            self.book.intend(leg.value, index, k)
            self._sends.append(now_us)
        self._post(index)
        out.append(SendEntries(oco_id=approved[0].value.oco_id, legs=tuple(approved)))

    def _adopt(self, event: e.OrderIntent) -> list[Command]:
        """An intent that was decided before: of a journal that is folded, or of a file of orders."""
        order = event.order
        if order.parent_key:
            holding = next((h for h in self.holdings.values() if h.order.idempotency_key == order.parent_key), None)
            if holding is not None:
                reference = order.idempotency_key
                if reference != holding.closing:
                    holding.close(reference, order.qty, is_manual=is_manual(reference))
                self._post(holding.index)
            return _NO_COMMANDS
        k = next(k for k, strategy in enumerate(self.plan.strategies) if strategy.id == order.strategy)
        index = self._index_of[order.symbol]
        self.book.intend(order, index, k)
        self._sends.append(event.ts_us)
        self._post(index)
        return _NO_COMMANDS

    # --- reports ---

    def _move(self, key: str, happening: Happening) -> list[Command]:
        """The broker said what became of an entry; of children only fills matter to the books."""
        leg = self.book.legs.get(key)
        if leg is None:
            return _NO_COMMANDS
        was_open = leg.is_open
        if not self.book.happen(leg, happening):
            return self._contradict(f"order {key} is {leg.state.value} and was reported {happening.value}")
        if leg.is_open != was_open:
            self._post(leg.index)
        return _NO_COMMANDS

    def _sent(self, event: e.OrderSent) -> list[Command]:
        return self._move(event.key, Happening.SENT)

    def _acked(self, event: e.OrderAcked) -> list[Command]:
        return self._move(event.key, Happening.ACKED)

    def _end(self, event: e.OrderCancelled | e.OrderExpired, happening: Happening) -> list[Command]:
        """An entry is over; one whose fills are not all told yet counts as open until they are."""
        leg = self.book.legs.get(event.key)
        if leg is None:
            self._end_closing(event.key)
            return _NO_COMMANDS
        if event.filled > leg.filled:
            leg.end_at(event.filled, happening)
            return _NO_COMMANDS
        return self._move(event.key, happening)

    def _end_closing(self, reference: str) -> None:
        """A close that will not come: the position goes on under its own exits."""
        for holding in self.holdings.values():
            if holding.closing == reference:
                holding.keep()
                self._post(holding.index)

    def _contradict(self, reason: str) -> list[Command]:
        """The broker says what our books cannot explain: nothing opens until both truths agree, and the latch trips."""
        self.is_reconciled = False
        self._raise_level("halt")
        return [TripLatch(level="halt", reason=f"ReconDrift: {reason}")]

    def _reject(self, event: e.OrderRejected) -> list[Command]:
        out = list(self._move(event.key, Happening.REJECTED))
        count = self._rejects.add(event.ts_us, event.key)
        if self._rejects.is_over(count):
            self._trip_guard(out, "RejectStorm", count, self._rejects.count_max)
        return out

    def _fill(self, event: e.FillReceived) -> list[Command]:
        """An execution: money, position, the trade it closes, and the guards that look at fills."""
        fill = event.fill
        if self.knows_execution(fill.exec_id):
            return _NO_COMMANDS
        key, role = split_reference(fill.reference)
        leg = self.book.legs.get(key)
        if key in self.foreign_keys:
            return self._note_foreign(fill)
        if leg is None:
            return self._contradict(f"execution {fill.exec_id} of {fill.reference} is of no order that we know")
        self._executions.add(fill.exec_id)
        out: list[Command] = []
        if role and not self._can_leave(leg, fill):
            # told before its entry was: it waits, for what leaves must have come in
            self._early.setdefault(key, []).append(event)
            return out
        self._book_fill(out, event, leg, role)
        while not role and (early := self._next_early(leg)) is not None:
            self._book_fill(out, early, leg, split_reference(early.fill.reference).role)
        return out

    def _can_leave(self, leg: Leg, fill: Fill) -> bool:
        holding = self.holdings.get(leg.index)
        return holding is not None and holding.order is leg.order and fill.qty <= holding.qty

    def _next_early(self, leg: Leg) -> e.FillReceived | None:
        waiting = self._early.get(leg.order.idempotency_key)
        if not waiting or not self._can_leave(leg, waiting[0].fill):
            return None
        early = waiting.pop(0)
        if not waiting:
            del self._early[leg.order.idempotency_key]
        return early

    def _book_fill(self, out: list[Command], event: e.FillReceived, leg: Leg, role: str) -> None:
        fill, index = event.fill, leg.index
        self._filled_us = event.ts_us
        signed_qty = fill.qty if fill.side == "BUY" else -fill.qty
        flow, charge = self.frame.book_fill(index, leg.strategy, signed_qty, fill.price, fill.commission)
        holding = self.holdings.get(index)
        trade = None
        if not role:
            if holding is None:
                holding = self.holdings[index] = Holding(leg.order, index, leg.strategy, leg.sign, fill.bar_ts_us)
            holding.enter(fill, flow, charge)
            leg.filled += fill.qty
            self.book.happen(leg, Happening.FILLED if leg.filled >= leg.order.qty else Happening.PARTLY_FILLED)
            if leg.ending is not None and leg.filled >= leg.ends_at:
                self.book.happen(leg, leg.ending)
        elif holding is not None:
            holding.leave(fill, flow, charge)
            if not holding.qty:
                reason: ExitReason = _EXITS.get(role_kind(role), "MANUAL")
                trade = holding.trade(fill, reason, self.frame.symbol(index), self.plan.currency)
                del self.holdings[index]
        self._post(index)
        out.append(
            Record(
                event=e.PositionChanged(
                    ts_us=event.ts_us,
                    symbol=fill.symbol,
                    qty=self._symbols[index * _SYMBOL_SIZE + _POSITION],
                    cash_units=self._now[_CASH],
                    trade=trade,
                )
            )
        )
        self._look_at_fill(out, event.ts_us, fill, leg, role)
        if trade is not None:
            self._count_loss(out, trade.net_pnl)

    def knows_execution(self, exec_id: str) -> bool:
        """Say whether an execution of this session or the one before was counted."""
        return exec_id in self._executions or exec_id in self._executions_before

    def _look_at_fill(self, out: list[Command], ts_us: int, fill: Fill, leg: Leg, role: str) -> None:
        """SlippageSanity after the fill, RepeatedExecution."""
        kind = role_kind(role)
        level = (
            (leg.order.limit_price if fill.is_rested else leg.order.entry_level)
            if not role
            else leg.order.stop_loss_price
            if kind == "SL"
            else leg.order.take_profit_price
            if kind == "TP"
            else None
        )
        if level:
            beyond, figure, limit = _is_beyond(fill.price, level, self._fill_ppm)
            if beyond:
                self._trip_guard(out, "SlippageSanity", figure, limit)
        burst = self._repeats[leg.index, fill.side]
        if burst.count_max != OFF:
            count = burst.add(ts_us, fill.reference)
            if burst.is_over(count):
                self._trip_guard(out, "RepeatedExecution", count, burst.count_max)

    def _count_loss(self, out: list[Command], net_pnl: int) -> None:
        self._losses_in_a_row = self._losses_in_a_row + 1 if net_pnl < 0 else 0
        if self._streak_max != OFF and self._losses_in_a_row >= self._streak_max and not self._streak_has_tripped:
            self._streak_has_tripped = True
            self._trip_guard(out, "ConsecutiveLosses", self._losses_in_a_row, self._streak_max)

    # --- the broker's link ---

    def _connect(self, event: e.BrokerConnected) -> list[Command]:
        del event
        self.is_connected, self.is_reconciled = True, False
        return _NO_COMMANDS

    def _lose(self, event: e.BrokerLost) -> list[Command]:
        del event
        self.is_connected = self.is_reconciled = False
        return _NO_COMMANDS

    def _differ(self, event: e.ReconDrift) -> list[Command]:
        del event
        self.is_reconciled = False
        return _NO_COMMANDS

    def _reconcile(self, event: e.ReconCompleted) -> list[Command]:
        del event
        self.is_reconciled = True
        return _NO_COMMANDS

    def _take_over(self, event: e.ReconAdopted) -> list[Command]:
        """The broker's truth is ours: what only we held is written off at its last CLOSE, what only it has is left."""
        self.foreign = dict(event.foreign)
        self.foreign_keys.update(event.references)
        self._executions.update(event.executions)
        out: list[Command] = []
        for symbol, signed_qty in event.dropped.items():
            holding = self.holdings[self._index_of[symbol]]
            self._write_off(out, event, holding, abs(signed_qty))
        return out

    def _write_off(self, out: list[Command], event: e.ReconAdopted, holding: Holding, qty: int) -> None:
        symbol = self.board.symbols[holding.index]
        close = int(symbol["close"])
        fill = Fill(
            exec_id="", reference=manual_reference(holding), symbol=holding.order.symbol, side=side_of(-holding.sign),
            qty=qty, price=close, commission=0, bar_ts_us=int(symbol["last_ts_us"]), slippage_ticks=0,
        )  # fmt: skip
        leg = self.book.legs[holding.order.idempotency_key]
        self._book_fill(out, e.FillReceived(ts_us=event.ts_us, fill=fill), leg, "MANUAL")

    def _note_foreign(self, fill: Fill) -> list[Command]:
        self._executions.add(fill.exec_id)
        signed_qty = fill.qty if fill.side == "BUY" else -fill.qty
        self.foreign[fill.symbol] = self.foreign.get(fill.symbol, 0) + signed_qty
        return _NO_COMMANDS

    # --- the kill switch ---

    def _trip_guard(self, out: list[Command], guard: str, figure: int, limit: int) -> None:
        """Ask for the latch and refuse from this instant on, without waiting for it."""
        level = self.plan.levels.get(guard, "halt")
        out.append(
            Record(
                event=e.GuardTripped(
                    ts_us=int(self.account["now_us"]), guard=guard, figure=figure, limit=limit, level=level
                )
            )
        )
        self._raise_level(level)
        out.append(TripLatch(level=level, reason=guard))

    def _note_trip(self, event: e.GuardTripped) -> None:
        self._raise_level(event.level)
        for bit, name in enumerate(loss.NAMES[1:]):
            if event.guard == name:
                self.account["losses_judged"] &= ~(1 << bit)

    def _raise_level(self, level: str) -> None:
        if _LEVELS[level] > _LEVELS[self.level]:
            self.level = level

    def _trip(self, event: e.KillTripped) -> list[Command]:
        """Latched: working entries go; at flatten positions are closed; protection stays until then."""
        self._note_kill(event)
        return self._obey_level(event.ts_us, is_urgent=event.source != "guard")

    def _note_kill(self, event: e.KillTripped) -> None:
        self._raise_level(event.level)
        self.trip_id = event.trip_id

    def _obey_level(self, ts_us: int, *, is_urgent: bool) -> list[Command]:
        out: list[Command] = []
        for legs in list(self.book.open.values()):
            self._cancel(out, legs, "killed")
        if self.level == "flatten":
            for holding in list(self.holdings.values()):
                self._close(out, holding, ts_us, is_urgent=is_urgent)
        return out

    def _close(self, out: list[Command], holding: Holding, ts_us: int, *, is_urgent: bool) -> None:
        """Close a position with one marketable order; its exits go first. One that is being closed is left alone."""
        if holding.closing and not is_manual(holding.closing):
            return
        self._send_close(out, holding, kill_reference(holding), holding.qty, ts_us, is_urgent=is_urgent)

    def _send_close(
        self, out: list[Command], holding: Holding, reference: str, qty: int, ts_us: int, *, is_urgent: bool
    ) -> None:
        holding.close(reference, qty, is_manual=is_manual(reference))
        order = closing_order(holding.order, reference, qty, ts_us, int(self.account["close_us"]))
        out.append(Record(event=e.OrderIntent(ts_us=ts_us, order=order, verdicts=())))
        out.append(request_of(holding, is_urgent=is_urgent))
        self._post(holding.index)

    def _cancel(self, out: list[Command], legs: Sequence[Leg], reason: str) -> None:
        for leg in legs:
            if not leg.cancelling:
                leg.cancelling = reason
                out.append(CancelEntry(key=leg.order.idempotency_key, reason=reason))

    def _reset(self, event: e.KillReset) -> list[Command]:
        """An operator released the latch: counts begin anew, losses are measured from here."""
        account = self.account
        self.level = self.trip_id = ""
        self._losses_in_a_row = 0
        self._streak_has_tripped = False
        account["loss_base"] = account["equity"]
        account["losses_judged"] = loss.ALL_LOSSES
        if event.new_peak:
            account["drawdown_peak"] = account["equity"]
        return _NO_COMMANDS

    # --- what a person asks for ---

    def _obey(self, event: e.OperatorCommand) -> list[Command]:
        """Pause, or close a position by hand; what cannot be done leaves everything as it is."""
        self._note_pause(event)
        if event.name != "close" or self.why_not_close(event):
            return _NO_COMMANDS
        holding = self.holdings[self._index_of[event.args["symbol"]]]
        out: list[Command] = []
        qty = event.args.get("qty") or holding.qty
        self._send_close(out, holding, manual_reference(holding), qty, event.ts_us, is_urgent=True)
        return out

    def _note_pause(self, event: e.OperatorCommand) -> None:
        if event.name == "pause":
            self.pauses.begin(event.args)
        elif event.name == "unpause":
            self.pauses.end(event.args)

    def why_not_close(self, event: e.OperatorCommand) -> str:
        """Say why a position cannot be closed by hand as a command asks, nothing where it can."""
        symbol, qty = event.args.get("symbol"), event.args.get("qty")
        index = self._index_of.get(str(symbol))
        holding = None if index is None else self.holdings.get(index)
        if index is None or holding is None:
            return f"nothing is held in {symbol}"
        if holding.closing:
            return f"{symbol} is being closed already"
        lot = self.plan.instruments[index].lot
        if qty is not None and (not 0 < qty <= holding.qty or (qty < holding.qty and qty % lot)):
            return f"{symbol}: {holding.qty} are held, in lots of {lot}: {qty} cannot be cut off"
        if not (self.is_connected and self.is_reconciled):
            return "the broker is out of reach or not reconciled: its resting exits stand"
        if not int(self.account["open_us"]) <= event.ts_us < int(self.account["close_us"]):
            return "outside the session nothing can be closed: protection stays"
        return ""

    # --- what the board must know ---

    def _post(self, index: int) -> None:
        """Tell the board what works in a symbol, and which prices and deadline concern us there."""
        num, den = self.plan.rates[index]
        long = short = 0
        high, low, deadline_us = b.ABOVE_ALL, b.BELOW_ALL, b.NEVER_US
        legs = self.book.open.get(index, ())
        for leg in legs:
            order = leg.order
            value = leg.open_qty * (order.entry_level or self._symbols[index * _SYMBOL_SIZE + _LAST_CLOSE]) * num // den
            if leg.sign > 0:
                long += value
            else:
                short += value
            deadline_us = min(deadline_us, order.valid_to_us)
            stop, limit = order.stop_price, order.limit_price
            if stop is None and limit is None:
                high = b.BELOW_ALL
            if stop is not None:
                high, low = (min(high, stop), low) if leg.sign > 0 else (high, max(low, stop))
            if limit is not None:
                high, low = (high, max(low, limit)) if leg.sign > 0 else (min(high, limit), low)
        holding = self.holdings.get(index)
        if holding is not None:
            order = holding.order
            if order.flatten_at_us:
                deadline_us = min(deadline_us, order.flatten_at_us + self.plan.bar_us)
            stop, target = order.stop_loss_price, order.take_profit_price
            if holding.sign > 0:
                high, low = min(high, target or high), max(low, stop or low)
            else:
                high, low = min(high, stop or high), max(low, target or low)
            if holding.closing:
                high = b.BELOW_ALL
        deadlines = self._deadlines
        if deadline_us == b.NEVER_US:
            deadlines.pop(index, None)
        else:
            deadlines[index] = deadline_us
        self.frame.post(index, long, short, len(legs), high, low, min(deadlines.values(), default=b.NEVER_US))

    def _curve_point(self, ts_us: int) -> MarkEquity:
        account = self._now
        return MarkEquity(
            ts_us=ts_us,
            equity_units=account[_EQUITY],
            cash_units=account[_CASH],
            gross_units=self.frame.gross_exposure(),
            drawdown_units=account[_EQUITY] - account[_PEAK],
        )


def bars_of(rows: Sequence[tuple[int, int, int, int, int, int, int]]) -> Ints:
    """Give rows of bars as int64[n, 7]; packing them is three times as fast as having numpy look at each."""
    packed = struct.pack(f"={7 * len(rows)}q", *chain.from_iterable(rows))
    return np.frombuffer(packed, np.int64).reshape(-1, 7)
