"""Cash, positions and trades: a fold over fills, exact to 1/10,000.

Money moves on the board in one compiled function, which the compiled backtest calls too; what a trade was is kept here.
It knows nothing of orders but their key, level and stop, and asks nobody for a price.
"""

from __future__ import annotations

from collections.abc import Sequence

from axiomd.contracts.fills import ExitReason, Fill, Trade
from axiomd.contracts.orders import Order
from axiomd.core.board import SYMBOL, Records, column
from axiomd.core.compiled import njit, plain
from axiomd.core.sizing import fraction

_WORST, _BEST, _BARS_HELD, _LAST_TS, _FX_NUM, _FX_DEN = (
    column(SYMBOL, name) for name in ("worst", "best", "bars_held", "last_ts_us", "fx_num", "fx_den")
)


@njit
def book_fill(
    account: Records,
    symbols: Records,
    strategies: Records,
    index: int,
    owner: int,
    signed_qty: int,
    price: int,
    commission: int,
) -> tuple[int, int]:
    """Book one execution on the board and give (money in, commission) in account units.

    `price` and `commission` are in the instrument's currency. The position is valued at its last CLOSE until the next
    mark; a symbol that has none yet at the price paid.
    """
    a = account[0]
    symbol = symbols[index]
    if symbol.close == 0:
        symbol.close = price
    before = fraction(symbol.position * symbol.close, symbol.fx_num, symbol.fx_den)
    flow = fraction(-signed_qty * price, symbol.fx_num, symbol.fx_den)
    charge = fraction(commission, symbol.fx_num, symbol.fx_den)
    if symbol.position == 0:
        a.positions += 1
        symbol.owner = owner
        symbol.worst = price
        symbol.best = price
        symbol.bars_held = 0
    symbol.position += signed_qty
    if symbol.position == 0:
        a.positions -= 1
    after = fraction(symbol.position * symbol.close, symbol.fx_num, symbol.fx_den)
    a.cash += flow - charge
    a.equity += flow - charge + after - before
    strategies[owner].cash += flow - charge
    return flow, charge


class Holding:
    """An open position and what it took so far; money in account units, `value` sums quantity * price in units."""

    __slots__ = (
        "closed_under", "closing", "closing_qty", "commission", "cuts", "entered", "entry_flow", "entry_ts_us",
        "entry_value", "exit_flow", "exit_value", "exited", "index", "is_ambiguous", "order", "sign", "strategy",
    )  # fmt: skip

    def __init__(self, order: Order, index: int, strategy: int, sign: int, entry_ts_us: int) -> None:
        self.order = order
        self.index = index
        self.strategy = strategy
        self.sign = sign
        self.entry_ts_us = entry_ts_us
        self.entered = 0
        self.exited = 0
        self.entry_value = 0
        self.exit_value = 0
        self.entry_flow = 0
        self.exit_flow = 0
        self.commission = 0
        self.is_ambiguous = False
        self.closing = ""
        """The reference of the order that closes it, or a part of it, right now."""
        self.closing_qty = 0
        self.closed_under: tuple[str, ...] = ()
        """References of closes that were carried out and left something: none is sent twice."""
        self.cuts = 0
        """How often a person closed a part of it."""

    @property
    def qty(self) -> int:
        """Give the shares still held, not signed."""
        return self.entered - self.exited

    def close(self, reference: str, qty: int, *, is_manual: bool) -> None:
        """An order to close `qty` of it is on its way."""
        self.closing, self.closing_qty = reference, qty
        self.cuts += is_manual

    def keep(self) -> None:
        """The order that closes it is over; what is left of it goes on."""
        self.closing, self.closing_qty = "", 0

    def enter(self, fill: Fill, flow: int, charge: int) -> None:
        """Add an entry execution."""
        self.entered += fill.qty
        self.entry_value += fill.qty * fill.price
        self.entry_flow += flow
        self.commission += charge
        self.is_ambiguous |= fill.ambiguous

    def leave(self, fill: Fill, flow: int, charge: int) -> None:
        """Add an exit execution."""
        self.exited += fill.qty
        if fill.reference == self.closing:
            self.closing_qty -= fill.qty
            if self.closing_qty <= 0 and self.qty:
                self.closed_under = (*self.closed_under, self.closing)
                self.keep()
        self.exit_value += fill.qty * fill.price
        self.exit_flow += flow
        self.commission += charge
        self.is_ambiguous |= fill.ambiguous

    def trade(self, fill: Fill, reason: ExitReason, symbol: Sequence[int], currency: str) -> Trade:
        """Give the closed trade; `symbol` are the columns of the board's record, for its extremes."""
        return trade_of(
            self.order,
            qty=self.entered,
            entry=(self.entry_ts_us, _average(self.entry_value, self.entered)),
            exit_=(fill.bar_ts_us, _average(self.exit_value, self.exited)),
            reason=reason,
            gross=self.entry_flow + self.exit_flow,
            costs=self.commission,
            extremes=(symbol[_WORST], symbol[_BEST]),
            rate=(symbol[_FX_NUM], symbol[_FX_DEN]),
            # the CLOSE of a bar that is marked already: it was counted as held
            bars_held=symbol[_BARS_HELD] - (fill.bar_ts_us == symbol[_LAST_TS]),
            is_ambiguous=self.is_ambiguous,
            currency=currency,
        )


def trade_of(
    order: Order,
    *,
    qty: int,
    entry: tuple[int, int],
    exit_: tuple[int, int],
    reason: ExitReason,
    gross: int,
    costs: int,
    extremes: tuple[int, int],
    rate: tuple[int, int],
    bars_held: int,
    is_ambiguous: bool,
    currency: str,
) -> Trade:
    """Put a closed trade together: `entry` and `exit_` are (start of the bar in us, average price in units).

    `extremes` are the worst and the best price of the bars at whose close the position was open; entry and exit count
    as well. Money is in account units.
    """
    sign, (entry_price, exit_price) = (1 if order.side == "BUY" else -1), (entry[1], exit_[1])
    num, den = rate
    worst = min(sign * extremes[0], sign * exit_price) - sign * entry_price
    best = max(sign * extremes[1], sign * exit_price) - sign * entry_price
    stop, level = order.stop_loss_price, order.entry_level or entry_price
    risk = 0 if stop is None else _risk_of(level, stop, qty, num, den)
    net = gross - costs
    # by place, in the order of the record's fields: it takes a fifth of the time that names take
    return Trade(
        f"T-{order.idempotency_key}", order.idempotency_key, order.symbol, order.side, qty, entry[0], entry_price,
        exit_[0], exit_price, reason, gross, costs, net, net / risk if risk else None, currency, bars_held,
        min(0, worst * qty * num // den), max(0, best * qty * num // den), is_ambiguous, order.strategy,
    )  # fmt: skip


@njit
def risk_of(level: int, stop: int, qty: int, num: int, den: int) -> int:
    """Give what is at risk from an entry level to a stop, in account units.

    Prices are the instrument's, `num / den` is account currency for one of its.
    """
    return abs(level - stop) * qty * num // den


_risk_of = plain(risk_of)


def _average(value: int, qty: int) -> int:
    """Give the average price in units, half up: exact wherever one price was paid."""
    return (2 * value + qty) // (2 * qty)
