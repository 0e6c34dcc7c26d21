"""The books: what works, what is held, and the money; the board is told what concerns us after every change.

A fold over reports of the broker. It asks no guard and decides nothing: what a fill trips is `tripwires`', what a trip
leads to `kill_switch`'s.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Final

from axiomd.contracts import events as e
from axiomd.contracts.fills import ExitReason, Fill, Trade
from axiomd.contracts.orders import Order, exit_reason
from axiomd.contracts.units import NEVER_US, side_of
from axiomd.core import board as b
from axiomd.core.board import column
from axiomd.core.frame import Frame
from axiomd.core.market.rates import Rate, columns_of
from axiomd.core.orders.book import Book, Leg
from axiomd.core.orders.closing import manual_reference
from axiomd.core.orders.lifecycle import Happening
from axiomd.core.plan import Plan
from axiomd.core.portfolio import Holding, trade_of

_SYMBOL_SIZE: Final = b.SYMBOL.itemsize // 8
assert b.SYMBOL.names is not None
assert b.SYMBOL.names[2:5] == ("fx_num", "fx_den", "is_unpriced")
_FX_NUM: Final = column(b.SYMBOL, "fx_num")
_HELD, _LAST_CLOSE, _LAST_TS = (column(b.SYMBOL, name) for name in ("position", "close", "last_ts_us"))
_POSITION_SIZE: Final = b.POSITION.itemsize // 8
_POSITION: Final = struct.Struct(f"{_POSITION_SIZE}q")
"""A position on the board, in the order of the record's fields."""
_SIDE, _IS_CLOSING = column(b.POSITION, "side"), column(b.POSITION, "is_closing")


class Books:
    """Entry legs, positions and executions of one account."""

    def __init__(self, plan: Plan, frame: Frame) -> None:
        self.book = Book(frame)
        self.holdings: dict[int, Holding] = {}
        self.foreign: dict[str, int] = {}
        """Shares at the broker that an operator adopted: they are his, known and never touched."""
        self.foreign_keys: set[str] = set()
        self.index_of = {symbol: index for index, symbol in enumerate(plan.symbols)}
        self.filled_us = -1
        """The moment whose books the equity curve waits for; -1 where it waits for none."""
        self.rates = {symbol: columns_of(rate)[:2] for symbol, rate in zip(plan.symbols, plan.rates, strict=True)}
        """What the instrument's currency is worth, by symbol; where that is not known nothing is bought."""
        self._instruments = plan.instruments
        self._bar_us, self._currency = plan.bar_us, plan.currency
        self._frame = frame
        self._symbols = frame.symbols
        self.early: dict[str, list[e.FillReceived]] = {}
        """Exits that were told before their entry was, by its key."""
        self.executions: set[str] = set()
        """Ids of the executions of this session and the one before that were counted: told again they are no news."""
        self._executions_before: set[str] = set()

    def begin_session(self) -> None:
        """A new day: what ended is history, executions of the day before yesterday are nobody's business any more."""
        self.executions -= self._executions_before
        self._executions_before = self.executions.copy()
        self.book.forget_ended({holding.order.idempotency_key for holding in self.holdings.values()})

    def price(self, rates: Mapping[str, Rate]) -> None:
        """Take the day's rates. What is held keeps the one it was bought at, so that its trade adds up."""
        for index, instrument in enumerate(self._instruments):
            rate = rates.get(instrument.currency)
            if rate is not None and index not in self.holdings:
                at = index * _SYMBOL_SIZE + _FX_NUM
                num, den, is_unpriced = columns_of(rate)
                self._symbols[at], self._symbols[at + 1], self._symbols[at + 2] = num, den, is_unpriced
                self.rates[instrument.symbol] = num, den

    def position(self, index: int) -> int:
        """Give the signed shares held in a symbol."""
        return self._symbols[index * _SYMBOL_SIZE + _HELD]

    # --- executions ---

    def knows(self, exec_id: str) -> bool:
        """Say whether an execution of this session or the one before was counted."""
        return exec_id in self.executions

    def can_leave(self, leg: Leg, fill: Fill) -> bool:
        """Say whether what an exit sells has come in already."""
        holding = self.holdings.get(leg.index)
        return holding is not None and holding.order is leg.order and fill.qty <= holding.entered - holding.exited

    def wait(self, leg: Leg, event: e.FillReceived) -> None:
        """Keep an exit that was told before its entry was."""
        self.early.setdefault(leg.order.idempotency_key, []).append(event)

    def next_early(self, leg: Leg) -> e.FillReceived | None:
        """Give the next exit that waited for this entry, where it can leave now."""
        waiting = self.early.get(leg.order.idempotency_key)
        if not waiting or not self.can_leave(leg, waiting[0].fill):
            return None
        early = waiting.pop(0)
        if not waiting:
            del self.early[leg.order.idempotency_key]
        return early

    def enter(self, fill: Fill, leg: Leg, ts_us: int) -> None:
        """Book an execution of an entry: money and position."""
        index, qty = leg.index, fill.qty
        self.filled_us = ts_us
        holding = self.holdings.get(index)
        if holding is None:
            self._hold(leg, fill)
        else:
            holding.enter(fill)
        self.book.fill(leg, qty)
        self._frame.book_fill(
            index, leg.strategy, qty if fill.side == "BUY" else -qty, fill.price, fill.commission, fill.beyond_volume,
            False,
        )  # fmt: skip

    def leave(self, fill: Fill, leg: Leg, role: str, ts_us: int) -> Trade | None:
        """Book an execution of an exit, what comes in having come: money, position, and the trade that it closes."""
        index, qty = leg.index, fill.qty
        self.filled_us = ts_us
        holding = self.holdings[index]
        is_over = holding.leave(fill)
        self._show_position(holding, is_over)
        self._frame.book_fill(
            index, leg.strategy, qty if fill.side == "BUY" else -qty, fill.price, fill.commission, fill.beyond_volume,
            True,
        )  # fmt: skip
        if not is_over:
            return None
        del self.holdings[index]
        return self._trade(holding, fill, exit_reason(role))

    def _trade(self, holding: Holding, fill: Fill, reason: ExitReason) -> Trade:
        """Give the trade that an execution closed."""
        order, qty, exit_us = holding.order, holding.entered, fill.bar_ts_us
        entry_price, exit_price, gross, costs, has_risk, multiple, mae, mfe, bars_held = self._frame.close_position(
            holding.index, holding.sign, qty, holding.entry_value, exit_us, order.entry_level,
            order.stop_loss_price or 0,
        )  # fmt: skip
        return trade_of(
            order, qty, holding.entry_ts_us, entry_price, exit_us, exit_price, reason, gross, costs,
            multiple if has_risk else None, mae, mfe, bars_held, holding.is_ambiguous, self._currency,
        )  # fmt: skip

    # --- entries ---

    def intend(self, orders: Iterable[Order], index: int, strategy: int) -> None:
        """Take the intents of one group in."""
        self.book.intend(orders, index, strategy)

    def move(self, leg: Leg, happening: Happening) -> bool:
        """Move an entry on; False where that cannot happen to it, and then nothing has changed."""
        was_open = leg.is_open
        can_be = self.book.happen(leg, happening)
        if leg.is_open is not was_open:
            self._frame.post(leg.index)
        return can_be

    def end_closing(self, reference: str) -> None:
        """A close that will not come: the position goes on under its own exits."""
        for holding in self.holdings.values():
            if holding.closing == reference:
                holding.keep()
                self.post(holding.index)

    # --- what is not ours ---

    def adopt(self, event: e.ReconAdopted) -> None:
        """Take shares and orders at the broker for an operator's."""
        self.foreign.clear()
        self.foreign.update(event.foreign)
        self.foreign_keys.update(event.references)
        self.executions.update(event.executions)

    def note_foreign(self, fill: Fill) -> None:
        """An execution of an adopted order moves what is not ours."""
        self.executions.add(fill.exec_id)
        signed_qty = fill.qty if fill.side == "BUY" else -fill.qty
        self.foreign[fill.symbol] = self.foreign.get(fill.symbol, 0) + signed_qty

    def write_off(self, holding: Holding, qty: int) -> Fill:
        """Give the execution, at the last CLOSE, that books off what only we held."""
        symbol = self._frame.symbol(holding.index)
        return Fill(
            exec_id="", reference=manual_reference(holding), symbol=holding.order.symbol, side=side_of(-holding.sign),
            qty=qty, price=symbol[_LAST_CLOSE], commission=0, bar_ts_us=symbol[_LAST_TS], slippage_ticks=0,
        )  # fmt: skip

    # --- what the board must know ---

    def post(self, index: int) -> None:
        """Tell the board whether a position is being closed."""
        self._show_position(self.holdings[index], is_over=False)
        self._frame.post(index)

    def _hold(self, leg: Leg, fill: Fill) -> None:
        """An entry opens a position; at the latest the bar of its flatten time ends it."""
        order, index, sign, qty = leg.order, leg.index, leg.sign, fill.qty
        self.holdings[index] = Holding(
            order, index, leg.strategy, sign, fill.bar_ts_us, qty, qty * fill.price, fill.ambiguous
        )
        ends_us = order.flatten_at_us + self._bar_us if order.flatten_at_us else NEVER_US
        _POSITION.pack_into(
            self._frame.positions, index * _POSITION.size, sign, order.stop_loss_price or 0,
            order.take_profit_price or 0, ends_us, 0, 0, 0, 0,
        )  # fmt: skip

    def _show_position(self, holding: Holding, is_over: bool) -> None:
        at, positions = holding.index * _POSITION_SIZE, self._frame.positions
        if is_over:
            positions[at + _SIDE] = 0
        else:
            positions[at + _IS_CLOSING] = 1 if holding.closing else 0
