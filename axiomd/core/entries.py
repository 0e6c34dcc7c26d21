"""Entries: setups sized, put through the guards, and made the intents of one OCO group.

The decisions of a moment go by strategy as listed, then rank, then symbol, and each sees the orders placed just before.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from axiomd.contracts.commands import Approved, Command, SendEntries
from axiomd.contracts.events import OrderBlocked, OrderIntent, OrderSized, SignalEmitted
from axiomd.contracts.orders import Order
from axiomd.contracts.signals import Signal
from axiomd.core import board as b
from axiomd.core.board import Board, column
from axiomd.core.books import Books
from axiomd.core.frame import Frame
from axiomd.core.guards.chain import PASSED
from axiomd.core.judging import Chain
from axiomd.core.kill_switch import KillSwitch
from axiomd.core.orders.book import Leg
from axiomd.core.orders.bracket import Bracket
from axiomd.core.pauses import Pauses
from axiomd.core.plan import Plan
from axiomd.core.strategies.api import MOMENT, SLOT

_EQUITY, _FLATTEN, _SETUPS = (column(b.ACCOUNT, name) for name in ("equity", "flatten_us", "setups"))
_STRATEGY_SIZE, _SLOT_SIZE = b.STRATEGY.itemsize // 8, b.SLOT.itemsize // 8
_SETUP = struct.Struct(f"{b.SETUP_SIZE}q")
_SYMBOL_SIZE, _IS_UNPRICED = b.SYMBOL.itemsize // 8, column(b.SYMBOL, "is_unpriced")
_IS_PAUSED = column(b.STRATEGY, "is_paused")
_IS_CANDIDATE, _RANK = (column(b.SLOT, name) for name in ("is_candidate", "rank"))


_Setup = tuple[tuple[int, int, int], tuple[int, ...], int]
"""Its precedence, its row of the scan's, and that row's place."""


@dataclass(slots=True)
class Footing:
    """What a decision stands on besides the board: the session, the line to the broker, the journal."""

    session: str = ""
    is_connected: bool = False
    is_reconciled: bool = False
    is_journal_ok: bool = True
    is_late: bool = False
    """The moment was heard of too late for a setup of it to be placed."""


class Entries:
    """Decide setups. `pauses` and `footing` are read as they stand when a setup is decided."""

    def __init__(
        self,
        plan: Plan,
        board: Board,
        frame: Frame,
        *,
        books: Books,
        kill: KillSwitch,
        pauses: Pauses,
        footing: Footing,
        explains: bool,
    ) -> None:
        self._plan = plan
        self._board = board
        self._frame = frame
        self._books = books
        self._kill = kill
        self._pauses = pauses
        self._footing = footing
        self._explains = explains
        self._precedence = [(k, rank, index) for k, index, _, rank in board.slots.tolist()]
        """What the decisions of a moment go by, of each slot: strategy as listed, rank, symbol."""
        self._slots_of: dict[str, list[tuple[int, int, int]]] = {own.id: [] for own in plan.strategies}
        for slot, (k, _, index) in enumerate(self._precedence):
            self._slots_of[plan.strategies[k].id].append((slot, k, index))
        self.run_id = plan.run_id
        """The run that orders are named by."""
        self._brackets: dict[int, Bracket] = {}
        """What setups become, by slot, once one had a setup."""
        self._chosen: dict[str, tuple[Sequence[str], list[int]]] = {own.id: ((), []) for own in plan.strategies}
        """What each strategy was handed last, and the places of the board that say so."""
        self._sends: deque[int] = deque()
        self.limit(plan)

    def limit(self, plan: Plan) -> None:
        """Judge by a plan's limits and guards from here on."""
        self._plan = plan
        self._chain = Chain(self._frame, plan.guards, explains=self._explains)
        self._rate_us = int(plan.limits[0]["rate_us"])
        self._brackets.clear()

    def begin_run(self, run_id: str) -> None:
        """Name orders by a run from here on."""
        if run_id != self.run_id:
            self.run_id = run_id
            self._brackets.clear()

    def select(self, strategy: str, symbols: Sequence[str]) -> None:
        """Hand Stage 2 of a strategy these symbols, best first, and no other."""
        known, marks = self._chosen[strategy]
        if symbols != known:
            marks = self._rank(strategy, symbols)
            self._chosen[strategy] = symbols, marks
        slots = self._frame.slots
        for mark in marks:
            slots[mark] = 1

    def _rank(self, strategy: str, symbols: Sequence[str]) -> list[int]:
        """Rank a strategy's symbols, none of them a candidate yet; gives the places that make those named some.

        A day that begins takes all candidates away, and leaves ranks as they are.
        """
        index_of, slots, marks = self._books.index_of, self._frame.slots, []
        ranks = {index_of[symbol]: rank for rank, symbol in enumerate(symbols)}
        for slot, k, index in self._slots_of[strategy]:
            rank = ranks.get(index)
            mark = slot * _SLOT_SIZE + _IS_CANDIDATE
            if rank is not None:
                marks.append(mark)
            slots[mark] = 0
            slots[slot * _SLOT_SIZE + _RANK] = rank = rank or 0
            self._precedence[slot] = k, rank, index
        return marks

    def try_rules(self, order: Order) -> None:
        """Size and judge an order without consequence, so that the rules are compiled before they are needed."""
        self._frame.weigh(0, 0, 0, True, False, True, False, False, 0)
        self._frame.take_stock(True)
        self._frame.add_to_stock(0)
        self._frame.take_stock(False)
        self._chain.judge(order, 0, is_latched=True, is_ready=False, is_journal_ok=True, is_known=False, sends=0)

    def take(self, out: list[Command]) -> None:
        """Every setup of the moment: strategy as listed, rank, symbol; each sees the orders placed just before."""
        if self._frame.account[_SETUPS] == 1:
            self._take_setup(out, _SETUP.unpack_from(self._frame.setups), 0)
        else:
            self._take_rows(out, self._rows())

    def take_some(self, count: int) -> Iterator[list[Command]]:
        """Do as `take` does, `count` setups at a time: gives what each part asks for as soon as it is decided."""
        rows = self._rows()
        for first in range(0, len(rows), count):
            out: list[Command] = []
            self._take_rows(out, rows[first : first + count])
            yield out

    def _rows(self) -> list[_Setup]:
        """Give the setups of the moment in the order of decisions."""
        setups, precedence, count = self._frame.setups, self._precedence, self._frame.account[_SETUPS]
        read, size = _SETUP.unpack_from, _SETUP.size
        return sorted((precedence[(row := read(setups, at * size))[SLOT]], row, at) for at in range(count))

    def _take_rows(self, out: list[Command], rows: Sequence[_Setup]) -> None:
        self._frame.take_stock(True)
        try:
            for (_, _, index), row, at in rows:
                if self._take_setup(out, row, at):
                    self._frame.add_to_stock(index)
        finally:
            self._frame.take_stock(False)

    def _take_setup(self, out: list[Command], row: Sequence[int], at: int) -> bool:
        """One setup, of the scan's row `at`: netting, pauses, then its legs. Says whether an order came of it."""
        books, footing, now_us = self._books, self._footing, row[MOMENT]
        slot = row[SLOT]
        k, rank, index = self._precedence[slot]
        bracket = self._brackets.get(slot) or self._bracket(slot, k, index)
        if index in books.holdings or index in books.book.open or (books.foreign and books.foreign.get(bracket.symbol)):
            outcome = "blocked:netting"
        elif self._frame.strategies[k * _STRATEGY_SIZE + _IS_PAUSED] or (
            self._pauses.until_us and self._pauses.holds(bracket.strategy, bracket.symbol, now_us)
        ):
            outcome = "blocked:paused"
        elif self._frame.symbols[index * _SYMBOL_SIZE + _IS_UNPRICED]:
            outcome = "blocked:fx_rate"
        elif footing.is_late:
            outcome = "missed"
        else:
            outcome = ""
        signal = bracket.signal(row, rank, outcome)
        if not outcome:
            return self._take_legs(out, bracket, signal, at, k, index, now_us)
        out.append(SignalEmitted(ts_us=now_us, signal=signal))
        return False

    def _bracket(self, slot: int, k: int, index: int) -> Bracket:
        """The first setup of a slot."""
        bracket = self._brackets[slot] = Bracket(self._plan, k, index, self.run_id)
        return bracket

    def _take_legs(
        self, out: list[Command], bracket: Bracket, signal: Signal, at: int, k: int, index: int, now_us: int
    ) -> bool:
        """The legs of a setup: sized, through the guards, an intent or a refusal of each, and one send."""
        footing, frame, books, session = self._footing, self._frame, self._books, self._footing.session
        group, flatten_us = bracket.group(signal, session), frame.account[_FLATTEN]
        long = short = None
        if signal.long_entry is not None:
            long = bracket.names("BUY", group)
        if signal.short_entry is not None:
            short = bracket.names("SELL", group)
        is_latched, is_ready = self._kill.level != "", footing.is_connected and footing.is_reconciled
        is_journal_ok = footing.is_journal_ok
        is_long_known = long is not None and books.book.is_known(long)
        is_short_known = short is not None and books.book.is_known(short)
        sends = self._sends_until(now_us)
        long_qty, short_qty, long_end, short_end = frame.weigh(
            at, k, index, is_latched, is_ready, is_journal_ok, is_long_known, is_short_known, sends
        )
        if not (long_qty or short_qty):
            signal = msgspec.structs.replace(signal, outcome="below_min_qty")
        out.append(SignalEmitted(ts_us=now_us, signal=signal))
        approved: list[Approved[Order]] = []
        if long is not None:
            order = bracket.order(signal, "BUY", long_qty, session, flatten_us, group, long)
            if not self._settle(out, approved, order, 0, long_end, now_us) and long_qty and long_end == PASSED:
                # a guard of another package refused what ours let pass: known now, it is no send beside the other leg
                *_, short_end = frame.weigh(
                    at, k, index, is_latched, is_ready, is_journal_ok, True, is_short_known, sends
                )
        if short is not None:
            order = bracket.order(signal, "SELL", short_qty, session, flatten_us, group, short)
            self._settle(out, approved, order, 1, short_end, now_us)
        if not approved:
            return False
        books.intend([leg.value for leg in approved], index, k)
        self._sends.extend([now_us] * len(approved))
        out.append(SendEntries(oco_id=group, legs=tuple(approved)))
        return True

    def _settle(
        self, out: list[Command], approved: list[Approved[Order]], order: Order, place: int, end: int, now_us: int
    ) -> bool:
        """Tell what came of a leg that was judged at a place; True where it is approved."""
        if self._explains:
            out.append(self._sized(order, now_us))
        if not order.qty:
            return False
        passed, guard, told = self._chain.end(order, place, end)
        if passed is None:
            self._books.book.know(order)
            out.append(OrderBlocked(ts_us=now_us, order=order, guard=guard, told=told))
            return False
        approved.append(passed)
        out.append(OrderIntent(ts_us=now_us, order=order, told=told))
        return True

    def _sized(self, order: Order, now_us: int) -> OrderSized:
        return OrderSized(
            ts_us=now_us, key=order.idempotency_key, symbol=order.symbol, side=order.side, qty=order.qty,
            equity_units=self._frame.account[_EQUITY], reason="" if order.qty else "below_min_qty",
        )  # fmt: skip

    def _sends_until(self, now_us: int) -> int:
        sends, since_us = self._sends, now_us - self._rate_us
        while sends and sends[0] < since_us:
            sends.popleft()
        return len(sends)

    def settle_unsure(self, keys: Sequence[str], now_us: int, age_us_max: int) -> tuple[list[Command], list[str]]:
        """Decide intents that the broker does not know (04): send under the same key, or give them up.

        One is sent again only if nothing has happened since (no bar in its symbol, no sibling filled, still valid,
        young enough, not latched) and the whole chain lets it pass once more. Gives commands and keys to expire.
        """
        groups: dict[str, list[Leg]] = {}
        for key in keys:
            leg = self._books.book.legs[key]
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
        order, symbol = leg.order, self._board.symbols[leg.index]
        is_untouched = int(symbol["last_ts_us"]) + self._plan.bar_us <= order.created_at_us
        is_young = now_us - order.created_at_us <= age_us_max and now_us < order.valid_to_us
        if not (is_untouched and is_young) or leg.index in self._books.holdings or leg.filled:
            return None
        approved, *_ = self._chain.judge(
            order,
            leg.index,
            is_latched=self._kill.level != "",
            is_ready=self._footing.is_connected,
            is_journal_ok=self._footing.is_journal_ok,
            is_known=False,
            sends=max(0, self._sends_until(now_us) - 1),
        )
        return approved

    def adopt(self, event: OrderIntent) -> None:
        """An entry that was decided before: of a journal that is folded, or of a file of orders."""
        order = event.order
        k = next(k for k, strategy in enumerate(self._plan.strategies) if strategy.id == order.strategy)
        index = self._books.index_of[order.symbol]
        self._books.intend((order,), index, k)
        self._sends.append(event.ts_us)
