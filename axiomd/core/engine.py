"""The engine: what happened in, what to do out.

`Engine.handle(event)` is the walk of the house: bars are marked and looked at by strategies, setups are sized, judged
and become orders; reports of the broker move orders and positions. It reads no clock, opens no file, awaits nothing
and draws no random number, so live, paper, replay and recovery are drivers of this one class. Its state is a fold over
the events it was given. One short method a station, in the order of the walk; what a station needs lives in `entries`,
`reports`, `books`, `tripwires` and `kill_switch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from axiomd.contracts import events as e
from axiomd.contracts.commands import Command
from axiomd.contracts.orders import Order
from axiomd.core import board as b
from axiomd.core.board import Board, Ints, column
from axiomd.core.books import Books
from axiomd.core.compiled import Row
from axiomd.core.curve import Curve
from axiomd.core.entries import Entries, Footing
from axiomd.core.frame import Frame, bars_of
from axiomd.core.frame_rules import MARKED_FILLS
from axiomd.core.kill_switch import KillSwitch
from axiomd.core.orders.closing import is_manual
from axiomd.core.orders.lifecycle import Happening
from axiomd.core.pauses import Pauses
from axiomd.core.plan import Plan, board_without_steps, put_steps, set_limits
from axiomd.core.reports import NO_COMMANDS, Reports
from axiomd.core.scan import LOSS, SETUPS, STALE, TOUCHED
from axiomd.core.tripwires import Tripwires

_NOW, _EQUITY, _TRADING = (column(b.ACCOUNT, name) for name in ("now_us", "equity", "is_trading"))


class Engine:
    """Decide one account's run. The only owner of its state; nothing else writes to its board, book or holdings.

    `explains`: decisions are told with what only a journal keeps of them: quantities, verdicts of orders that passed,
    positions that moved and are not closed. They are the same without.
    """

    def __init__(self, plan: Plan, *, explains: bool = True) -> None:
        self.plan = plan
        self.board: Board = board_without_steps(plan)
        self.account: Row = self.board.account[0]
        self.frame = Frame(self.board, np.concatenate([own.sizing for own in plan.strategies]))
        self.books = Books(plan, self.frame)
        self.book, self.holdings = self.books.book, self.books.holdings
        self.kill = KillSwitch(self.books, self.account, plan.levels)
        self.tripwires = Tripwires(plan, self.frame, self.account)
        self.curve = Curve(self.frame, self.books)
        self.pauses = Pauses()
        self.footing = Footing()
        self.entries = Entries(
            plan, self.board, self.frame, books=self.books, kill=self.kill, pauses=self.pauses, footing=self.footing,
            explains=explains,
        )  # fmt: skip
        self.has_setups_left = False
        reports = Reports(
            self.frame, self.books, self.kill, self.tripwires, self.footing, tells_all_moves=explains
        )  # fmt: skip
        self._now = self.frame.account
        self._scan: Callable[[int, int, int, int, int, bool], tuple[int, int, int, int, int]] = self._scan_first
        self._signal_age_us_max = 0
        self._bars_until_us = -1
        self.stations: dict[type[e.Event], Callable[[Any], list[Command]]] = dict.fromkeys(e.EVENTS, _pass_by)
        """What takes in the events of a kind: `handle`, for a driver that looks each up by itself."""
        self.stations |= {
            e.RunStarted: self._begin,
            e.SessionOpened: self._open_session,
            e.CandidatesSelected: self._select,
            e.BarsClosed: self._take_bars,
            e.SessionClosed: self._close_session,
            e.OrderIntent: self._adopt,
            e.OrderSent: reports.noting(Happening.SENT),
            e.OrderAcked: reports.noting(Happening.ACKED),
            e.OrderCancelled: reports.ending(Happening.CANCELLED),
            e.OrderExpired: reports.ending(Happening.EXPIRED),
            e.OrderRejected: reports.reject,
            e.FillReceived: reports.fill,
            e.BrokerConnected: self._connect,
            e.BrokerLost: self._lose,
            e.ReconDrift: self._differ,
            e.ReconCompleted: self._reconcile,
            e.ReconAdopted: reports.take_over,
            e.KillTripped: self._trip,
            e.KillReset: self._reset,
            e.OperatorCommand: self._obey,
        }

    def take_limits(self, plan: Plan) -> None:
        """Go on under the limits and guards of a plan that differs from ours in nothing else."""
        set_limits(self.board, plan)
        self.plan = plan
        self.entries.limit(plan)
        self.tripwires.limit(plan)
        self.kill.levels = plan.levels

    # --- the door ---

    def handle(self, event: e.Event) -> list[Command]:
        """Take one event in and say what to do about it, in order."""
        return self.stations[type(event)](event)

    def watch(self, bars: Ints) -> None:
        """Name the tape that ranges of bars refer to; `int64[N, 7]`: start, symbol, O, H, L, C, V."""
        self.frame.watch(bars)

    def advance(
        self, first: int, last: int, horizon_us: int, matched_us: int
    ) -> tuple[int, int, int, int, list[Command] | None]:
        """Scan the tape from row `first` up to `last` to the next moment that concerns us, and decide it.

        Gives (flags, the row come to, the moment that is touched, how many of its bars are for `Frame.touched`, the
        commands; None where nothing was taken in). It does what `handle` would do with each moment's event in turn;
        that the two agree is tested.
        """
        filled_us = self.books.filled_us
        flags, cursor, touched_us, count, moved = self._scan(first, last, horizon_us, matched_us, filled_us, True)
        commands = None
        if moved:
            if moved == MARKED_FILLS:
                self.curve.draw_fills()
            commands = NO_COMMANDS if flags <= TOUCHED else self._decide(flags)
        return flags, cursor, touched_us, count, commands

    def fold(self, event: e.Event) -> None:
        """Take an event of the journal in without deciding again: what was decided then stands in it too.

        A moment whose setups were never decided leaves `has_setups_left`.
        """
        if isinstance(event, e.BarsClosed):
            self.has_setups_left = bool(self._commit(event) & SETUPS)
        elif isinstance(event, e.SignalEmitted):
            self.has_setups_left = False
        elif isinstance(event, e.OrderBlocked):
            self.book.know(event.order)
        elif isinstance(event, e.GuardTripped):
            self.kill.note_guard(event)
            self.tripwires.note(event)
        elif isinstance(event, e.KillTripped):
            # what it led to stands in the journal, as far as it was written; `forget_requests` asks for the rest
            self.kill.note(event)
        elif isinstance(event, e.OperatorCommand):
            # what a close led to stands behind it
            self._note_pause(event)
        else:
            self._fold_quietly(event)

    def _fold_quietly(self, event: e.Event) -> None:
        """Take it in without a guard tripping on it: a trip is an event of its own, judged by the limits of its day."""
        level, has_tripped, judged = self.kill.level, self.tripwires.has_streak_tripped, self.account["losses_judged"]
        self.kill.is_folding = True
        try:
            self.handle(event)
        finally:
            self.kill.is_folding = False
        if not isinstance(event, e.KillReset):
            self.kill.level, self.tripwires.has_streak_tripped = level, has_tripped
            self.account["losses_judged"] = judged

    def forget_requests(self) -> list[Command]:
        """After a fold: whatever was asked of the broker and never answered is asked anew."""
        return self.kill.ask_again()

    def settle_unsure(self, keys: Sequence[str], now_us: int, age_us_max: int) -> tuple[list[Command], list[str]]:
        """Decide intents that the broker does not know: `Entries.settle_unsure`."""
        return self.entries.settle_unsure(keys, now_us, age_us_max)

    def knows_execution(self, exec_id: str) -> bool:
        """Say whether an execution of this session or the one before was counted."""
        return self.books.knows(exec_id)

    def try_rules(self, order: Order) -> None:
        """Call the rules without consequence, so that they are compiled before they are needed."""
        self.entries.try_rules(order)
        self.frame.strategy_equity(0)
        self.frame.close_position(0, 1, 1, 1, 0, 0, 0)
        self.frame.is_stale(0)
        self.frame.floor_broken()

    @property
    def now_us(self) -> int:
        """Give market time: the moment of the newest thing that happened."""
        return self._now[_NOW]

    @property
    def equity(self) -> int:
        """Give the account's equity as of the last mark."""
        return self._now[_EQUITY]

    @property
    def session_open_us(self) -> int:
        """Give when the session under way, or the last one, opened."""
        return int(self.account["open_us"])

    @property
    def is_in_session(self) -> bool:
        """Say whether a session is under way."""
        return int(self.account["open_us"]) <= self.now_us < int(self.account["close_us"])

    @property
    def session(self) -> str:
        """Give the date of the session under way, or of the last one."""
        return self.footing.session

    @property
    def run_id(self) -> str:
        """Give the run that orders are named by."""
        return self.entries.run_id

    @property
    def level(self) -> str:
        """Give the kill switch's level, empty while armed."""
        return self.kill.level

    @property
    def trip_id(self) -> str:
        """Give the trip that was taken in, empty while armed."""
        return self.kill.trip_id

    @property
    def is_connected(self) -> bool:
        """Say whether the line to the broker is up."""
        return self.footing.is_connected

    @property
    def is_reconciled(self) -> bool:
        """Say whether both truths agreed when they were compared last."""
        return self.footing.is_reconciled

    @property
    def foreign(self) -> dict[str, int]:
        """Give the shares at the broker that an operator adopted."""
        return self.books.foreign

    @property
    def foreign_keys(self) -> set[str]:
        """Give the keys of orders that an operator adopted."""
        return self.books.foreign_keys

    def lose_journal(self) -> None:
        """The journal cannot be written: nothing opens any more."""
        self.footing.is_journal_ok = False

    # --- the session ---

    def _begin(self, event: e.RunStarted) -> list[Command]:
        """Market time is at least that of the start."""
        self.account["now_us"] = max(int(self.account["now_us"]), event.ts_us)
        self._signal_age_us_max = event.signal_age_us_max
        return NO_COMMANDS

    def _open_session(self, event: e.SessionOpened) -> list[Command]:
        """A new day: its bounds, its equity, no candidate yet."""
        self.footing.session = event.session
        self.entries.begin_run(event.run_id)
        self.books.begin_session()
        if event.rates:
            self.books.price(event.rates)
        self.frame.begin_session(event.open_us, event.close_us, event.close_us - self.plan.flatten_us)
        return self.kill.close_left_over(event.open_us) if self.holdings else NO_COMMANDS

    def _select(self, event: e.CandidatesSelected) -> list[Command]:
        """Stage 1 has chosen: from here on Stage 2 of that strategy is handed these symbols and no other."""
        self.entries.select(event.strategy, event.symbols)
        self._now[_TRADING] = 1
        self.curve.begin()
        return NO_COMMANDS

    def _close_session(self, event: e.SessionClosed) -> list[Command]:
        """The day is over: its last mark, what that trips, its point of the curve."""
        account = self._now
        out: list[Command] = []
        if self.frame.close_session(event.ts_us):
            self._trip_on_loss(out)
        if account[_TRADING]:
            self.curve.draw()
        account[_TRADING] = 0
        self.books.filled_us = -1
        return out

    # --- bars ---

    def mark(self, event: e.BarsClosed) -> list[Command]:
        """Do as `handle` does with bars, and leave all of their setups for `take_setups` or `take_some_setups`."""
        flags = self._take_in(event)
        self.has_setups_left = bool(flags & SETUPS)
        return self._decide(flags & ~SETUPS)

    def _take_bars(self, event: e.BarsClosed) -> list[Command]:
        """All bars up to a moment: mark, then decide what the last moment of them asks for."""
        return self._decide(self._take_in(event))

    def _take_in(self, event: e.BarsClosed) -> int:
        flags = self._commit(event)
        self.footing.is_late = event.heard_us > event.ts_us + self._signal_age_us_max
        return flags

    def _commit(self, event: e.BarsClosed) -> int:
        if event.rows:
            bars = self._in_time(event)
            self.frame.watch(bars)
            first, last = 0, len(bars)
        else:
            first, last = event.first, event.last
        flags, *_ = self._scan(first, last, event.ts_us, event.ts_us, self.books.filled_us, False)
        self.curve.draw_marked()
        return flags

    def _scan_first(
        self, first: int, last: int, horizon_us: int, matched_us: int, filled_us: int, is_watched: bool
    ) -> tuple[int, int, int, int, int]:
        """Scan on for the first time: with the first bar steps are asked for, until then nothing needs the compiler."""
        put_steps(self.board, self.plan)
        scanned = self.frame.advance(first, last, horizon_us, matched_us, filled_us, is_watched)
        self._scan = self.frame.advance
        return scanned

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
        """What a moment asks for once its bars are in: losses, stale data, setups."""
        out: list[Command] = []
        if flags == SETUPS:
            self.entries.take(out)
        elif flags > SETUPS:
            if flags & LOSS:
                self._trip_on_loss(out)
            if flags & STALE and not self.kill.level:
                # latched, be it by the loss of this very moment, all that works goes as killed
                self._cancel_stale(out)
            if flags & SETUPS:
                # what those lead to is heard of first
                self.has_setups_left = True
        return out

    def take_setups(self) -> list[Command]:
        """Decide the setups of a moment whose trips and cancellations had to go out, and be answered, first."""
        out: list[Command] = []
        self.has_setups_left = False
        self.entries.take(out)
        return out

    def take_some_setups(self, count: int) -> Iterator[list[Command]]:
        """Decide them `count` at a time, so that what is decided can be written down beside what is not yet.

        Nothing else may happen to the engine before the last of them.
        """
        self.has_setups_left = False
        return self.entries.take_some(count)

    def _trip_on_loss(self, out: list[Command]) -> None:
        for trip in self.tripwires.losses():
            self.kill.trip(out, trip)

    def _cancel_stale(self, out: list[Command]) -> None:
        for index, legs in self.book.open.items():
            if self.frame.is_stale(index):
                self.kill.cancel(out, legs, "stale")

    # --- orders ---

    def _adopt(self, event: e.OrderIntent) -> list[Command]:
        """An intent that was decided before: of a journal that is folded, or of a file of orders."""
        order = event.order
        if not order.parent_key:
            self.entries.adopt(event)
            return NO_COMMANDS
        for holding in self.holdings.values():
            if holding.order.idempotency_key == order.parent_key:
                reference = order.idempotency_key
                if reference != holding.closing:
                    holding.close(reference, order.qty, is_manual=is_manual(reference))
                self.books.post(holding.index)
        return NO_COMMANDS

    # --- the broker's link ---

    def _connect(self, event: e.BrokerConnected) -> list[Command]:
        del event
        self.footing.is_connected, self.footing.is_reconciled = True, False
        return NO_COMMANDS

    def _lose(self, event: e.BrokerLost) -> list[Command]:
        del event
        self.footing.is_connected = self.footing.is_reconciled = False
        return NO_COMMANDS

    def _differ(self, event: e.ReconDrift) -> list[Command]:
        del event
        self.footing.is_reconciled = False
        return NO_COMMANDS

    def _reconcile(self, event: e.ReconCompleted) -> list[Command]:
        del event
        self.footing.is_reconciled = True
        return NO_COMMANDS

    # --- the kill switch ---

    def _trip(self, event: e.KillTripped) -> list[Command]:
        """Latched: working entries go; at flatten positions are closed; protection stays until then."""
        self.kill.note(event)
        return self.kill.obey(event.ts_us, is_urgent=event.source != "guard")

    def _reset(self, event: e.KillReset) -> list[Command]:
        """An operator released the latch: counts begin anew, losses are measured from here."""
        self.kill.release()
        self.tripwires.reset(new_peak=event.new_peak)
        return NO_COMMANDS

    # --- what a person asks for ---

    def _obey(self, event: e.OperatorCommand) -> list[Command]:
        """Pause, or close a position by hand; what cannot be done leaves everything as it is."""
        self._note_pause(event)
        if event.name != "close" or self.why_not_close(event):
            return NO_COMMANDS
        holding = self.holdings[self.books.index_of[event.args["symbol"]]]
        return self.kill.close_by_hand(holding, event.args.get("qty") or holding.qty, event.ts_us)

    def _note_pause(self, event: e.OperatorCommand) -> None:
        if event.name == "pause":
            self.pauses.begin(event.args)
        elif event.name == "unpause":
            self.pauses.end(event.args)

    def why_not_close(self, event: e.OperatorCommand) -> str:
        """Say why a position cannot be closed by hand as a command asks, nothing where it can."""
        symbol, qty = event.args.get("symbol"), event.args.get("qty")
        index = self.books.index_of.get(str(symbol))
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


def _pass_by(event: e.Event) -> list[Command]:
    """What a journal tells and no decision looks at."""
    del event
    return NO_COMMANDS
