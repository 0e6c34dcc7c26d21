"""The books again, from fills alone: what a journal must say of each position, of cash and of trades (I11).

Positions are always counted; money where the journal has all that it was converted by. What it has not (a rate that
changed between two starts, the price at which an adoption wrote shares off) leaves money unjudged from there on: a
false alarm would be worse. The arithmetic is the core's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from axiomd.contracts import events as e
from axiomd.contracts.fills import Fill, Trade
from axiomd.contracts.orders import Order, exit_reason, split_reference
from axiomd.contracts.units import exact_units, rate_ratio
from axiomd.core.compiled import plain
from axiomd.core.market.rates import UNKNOWN, Rate
from axiomd.core.portfolio import average, multiple_of, risk_of, trade_of
from axiomd.core.sizing import nearest

_OF_BARS: Final = ("mae", "mfe", "bars_held")
_OF_BARS_AND_MONEY: Final = (*_OF_BARS, "gross_pnl", "costs", "net_pnl", "r_multiple", "currency")
_nearest, _average, _risk, _multiple = plain(nearest), plain(average), plain(risk_of), plain(multiple_of)


class _Line(msgspec.Struct):
    """One symbol: shares, and what the position took and cost so far in its own currency, worth `rate` each."""

    currency: str
    rate: Rate
    position: int = 0
    taken: int = 0
    paid: int = 0

    def book(self, signed_qty: int, price: int, commission: int) -> tuple[int, int]:
        """Book an execution and give (money in, commission) in account units: of an unknown rate, nothing."""
        if not self.position:
            self.taken = self.paid = 0
        before = self._worth()
        self.taken -= signed_qty * price
        self.paid += commission
        self.position += signed_qty
        flow, charge = self._worth()
        return flow - before[0], charge - before[1]

    def _worth(self) -> tuple[int, int]:
        if self.rate == UNKNOWN:
            return 0, 0
        return _nearest(self.taken, *self.rate), _nearest(self.paid, *self.rate)


class _Holding(msgspec.Struct):
    """An open position from its first execution on; `key` is that of the entry whose exits close it."""

    key: str
    order: Order | None
    entry_ts_us: int
    entered: int = 0
    exited: int = 0
    entry_value: int = 0
    exit_value: int = 0
    gross: int = 0
    costs: int = 0
    is_ambiguous: bool = False

    def take(self, fill: Fill, flow: int, charge: int, *, is_exit: bool) -> None:
        """Add an execution and its money."""
        if is_exit:
            self.exited += fill.qty
            self.exit_value += fill.qty * fill.price
        else:
            self.entered += fill.qty
            self.entry_value += fill.qty * fill.price
        self.gross += flow
        self.costs += charge
        self.is_ambiguous |= fill.ambiguous

    def trade(self, fill: Fill, role: str, rate: Rate, currency: str) -> Trade | None:
        """Give the trade that its last execution closes, but for what bars say of it."""
        if self.order is None:
            return None
        order, qty = self.order, self.entered
        entry_price, exit_price = _average(self.entry_value, qty), _average(self.exit_value, self.exited)
        risked = _risk(qty, entry_price, order.entry_level, order.stop_loss_price or 0)
        num, den = (1, 1) if rate == UNKNOWN else rate
        multiple = _multiple(self.gross - self.costs, risked, num, den) if risked else None
        return trade_of(
            order, qty, self.entry_ts_us, entry_price, fill.bar_ts_us, exit_price,
            exit_reason(role), self.gross, self.costs, multiple, 0, 0, 0, self.is_ambiguous,
            currency,
        )  # fmt: skip


class _Due(msgspec.Struct, eq=False):
    """What is to be told of an execution: `cash` and `trade` are None, and money left open, where nobody knows."""

    ts_us: int
    symbol: str
    qty: int
    cash: int | None
    is_over: bool
    knows_money: bool
    trade: Trade | None = None

    def differences(self, told: e.PositionChanged, *, needs_trade: bool) -> Iterator[str]:
        """Say what was told otherwise."""
        if told.ts_us != self.ts_us:
            yield f"it is told at {told.ts_us}, its fill came at {self.ts_us}"
        if told.qty != self.qty:
            yield f"it is told as {told.qty}, its fills say {self.qty}"
        if self.cash is not None and told.cash_units != self.cash:
            yield f"cash is told as {told.cash_units} units, fills say {self.cash}"
        if told.trade is None:
            if self.is_over and needs_trade:
                yield "its trade is not told"
        elif not self.is_over:
            yield "a trade is told of a position that is not closed"
        elif self.trade is not None:
            left_open = _OF_BARS if self.knows_money else _OF_BARS_AND_MONEY
            ours, theirs = asdict(self.trade), asdict(told.trade)
            for name in ours:
                if name not in left_open and ours[name] != theirs[name]:
                    yield f"{name} of its trade is told as {theirs[name]}, its fills say {ours[name]}"


class Accounts:
    """Fold fills and hold what is told against them. An execution may be taken in once."""

    def __init__(self) -> None:
        self._orders: dict[str, Order | None] = {}
        """Entries by key; None for one that ended without a fill, whose order nothing needs any more."""
        self._lines: dict[str, _Line] = {}
        self._holdings: dict[str, _Holding] = {}
        self._early: dict[str, list[e.FillReceived]] = {}
        """Exits that were told before their entry was: they are booked behind it."""
        self._foreign: set[str] = set()
        self._due: list[_Due] = []
        self._money: tuple[object, ...] = ()
        self._currency = ""
        self._cash: int | None = None
        """None while it is not known, and for good once something moved it by what the journal does not say."""
        self._fixed: dict[str, Rate] = {}
        self._daily: dict[str, Rate] = {}

    def look(self, event: e.Event) -> Iterator[str]:
        """Take the next event in and say what of it contradicts the fills so far."""
        match event:
            case e.ConfigLoaded(config=config):
                self._load(config)
            case e.SessionOpened(rates=rates):
                self._price(rates)
            case e.OrderIntent(order=order) if not order.parent_key:
                self._orders[order.idempotency_key] = order
            case e.OrderCancelled(key=key, filled=0) | e.OrderExpired(key=key, filled=0) | e.OrderRejected(key=key):
                if key in self._orders:
                    self._orders[key] = None
            case e.FillReceived():
                self._fill(event)
            case e.ReconAdopted():
                self._adopt(event)
            case e.PositionChanged():
                yield from self._hear(event)
            case e.SessionClosed():
                self._due.clear()

    # --- money ---

    def _load(self, document: Mapping[str, Any]) -> None:
        """A configuration holds. With other money than before, all that was traded is counted anew and not told."""
        fx = document.get("fx")
        fixed = (
            {} if not isinstance(fx, dict) else {pair: rate for pair, rate in fx.items() if not isinstance(rate, str)}
        )
        money = (document.get("currency"), document.get("initial_cash"), fixed)
        if money == self._money:
            return
        self._money, self._fixed, self._daily = money, {}, {}
        self._currency, self._cash = str(money[0] or ""), None
        for line in self._lines.values():
            line.rate = UNKNOWN
        if self._lines:
            return
        try:
            self._cash = exact_units(Decimal(str(money[1])))
            self._fixed = {pair: rate_ratio(Decimal(str(rate))) for pair, rate in fixed.items()}
        except (ValueError, ArithmeticError):  # no configuration of ours
            self._cash = None

    def _price(self, rates: Mapping[str, Rate]) -> None:
        """A session's rates hold for all that is not held: what is keeps the rate it was bought at."""
        self._daily.update(rates)
        for symbol, line in self._lines.items():
            if symbol not in self._holdings:
                line.rate = self._rate(line.currency)

    def _rate(self, currency: str) -> Rate:
        """Give what one of a currency is in the account's, `UNKNOWN` where the journal does not say."""
        ours, fixed = self._currency, self._fixed
        if currency == ours:
            return 1, 1
        if currency in self._daily:
            return self._daily[currency]
        if currency + ours in fixed:
            return fixed[currency + ours]
        numerator, denominator = fixed.get(ours + currency, UNKNOWN)
        return denominator, numerator

    # --- executions ---

    def _fill(self, event: e.FillReceived) -> None:
        key, role = split_reference(event.fill.reference)
        if key not in self._orders or key in self._foreign:
            return
        if role and not self._can_leave(key, event.fill):
            self._early.setdefault(key, []).append(event)
            return
        self._book(event, key, role)
        waiting = () if role else self._early.get(key, ())
        while waiting and self._can_leave(key, waiting[0].fill):
            early = self._early[key].pop(0)
            self._book(early, key, split_reference(early.fill.reference).role)

    def _can_leave(self, key: str, fill: Fill) -> bool:
        holding = self._holdings.get(fill.symbol)
        return holding is not None and holding.key == key and fill.qty <= holding.entered - holding.exited

    def _book(self, event: e.FillReceived, key: str, role: str) -> None:
        fill = event.fill
        line = self._line(fill.symbol, self._orders[key])
        flow, charge = line.book(fill.qty if fill.side == "BUY" else -fill.qty, fill.price, fill.commission)
        if line.rate == UNKNOWN:
            self._cash = None
        if self._cash is not None:
            self._cash += flow - charge
        holding = self._holdings.get(fill.symbol)
        if holding is None:
            holding = self._holdings[fill.symbol] = _Holding(key, self._orders[key], fill.bar_ts_us)
        holding.take(fill, flow, charge, is_exit=bool(role))
        is_over = holding.exited == holding.entered
        due = _Due(event.ts_us, fill.symbol, line.position, self._cash, is_over, line.rate != UNKNOWN)
        if is_over:
            del self._holdings[fill.symbol]
            due.trade = holding.trade(fill, role, line.rate, self._currency)
        self._due.append(due)

    def _line(self, symbol: str, order: Order | None) -> _Line:
        line = self._lines.get(symbol)
        if line is None:
            currency = "" if order is None else order.currency
            rate = self._rate(currency) if currency else UNKNOWN
            line = self._lines[symbol] = _Line(currency, rate)
        return line

    def _adopt(self, event: e.ReconAdopted) -> None:
        """Shares were written off at a price that is not told, and with them goes what we know of money."""
        self._foreign.update(event.references)
        for symbol, signed_qty in event.dropped.items():
            line, holding = self._lines.get(symbol), self._holdings.get(symbol)
            if line is None or holding is None:
                continue
            line.rate, self._cash = UNKNOWN, None
            line.position -= signed_qty
            holding.exited += abs(signed_qty)
            is_over = holding.exited == holding.entered
            if is_over:
                del self._holdings[symbol]
            self._due.append(_Due(event.ts_us, symbol, line.position, None, is_over, knows_money=False))

    # --- what is told ---

    def _hear(self, told: e.PositionChanged) -> Iterator[str]:
        """Find the execution that is told of. Behind an exit that came early they stand in no fixed order."""
        own = [due for due in self._due if due.symbol == told.symbol]
        if not own:
            yield f"I11: {told.symbol} is told to have moved, and no fill moved it"
            return
        found = [list(due.differences(told, needs_trade=bool(self._currency))) for due in own]
        best = min(range(len(own)), key=lambda place: len(found[place]))
        self._due.remove(own[best])
        yield from (f"I11: {told.symbol}: {difference}" for difference in found[best])
