"""Cash, positions and trades: a fold over fills, exact to 1/10,000.

Money moves on the board in one compiled function, which the compiled backtest calls too; what a trade was is kept here.
It knows nothing of orders but their key, level and stop, and asks nobody for a price.
"""

from __future__ import annotations

from typing import Final

import msgspec

from axiomd.contracts.fills import ExitReason, Fill, Trade
from axiomd.contracts.orders import Order
from axiomd.core.board import SYMBOL, Records, column
from axiomd.core.compiled import njit, plain
from axiomd.core.sizing import fraction, nearest

_SYMBOL_SIZE: Final = SYMBOL.itemsize // 8
_WORST, _BEST, _BARS_HELD, _LAST_TS = (column(SYMBOL, name) for name in ("worst", "best", "bars_held", "last_ts_us"))


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
    is_beyond_volume: bool,
) -> tuple[int, int]:
    """Book one execution on the board and give (money in, commission) in account units.

    `price` and `commission` are in the instrument's currency. The position is valued at its last CLOSE until the next
    mark; a symbol that has none yet at the price paid. What a position took and cost so far is converted as one sum,
    so that a trade of several executions is as exact as 1/10,000 allows and still adds up to the cash it moved.
    """
    a = account[0]
    symbol = symbols[index]
    if symbol.close == 0:
        symbol.close = price
    before = fraction(symbol.position * symbol.close, symbol.fx_num, symbol.fx_den)
    if symbol.position == 0:
        symbol.taken = 0
        symbol.paid = 0
        symbol.owner = owner
        symbol.worst = price
        symbol.best = price
        symbol.bars_held = 0
        a.positions += 1
    flow = -nearest(symbol.taken, symbol.fx_num, symbol.fx_den)
    charge = -nearest(symbol.paid, symbol.fx_num, symbol.fx_den)
    symbol.taken -= signed_qty * price
    symbol.paid += commission
    flow += nearest(symbol.taken, symbol.fx_num, symbol.fx_den)
    charge += nearest(symbol.paid, symbol.fx_num, symbol.fx_den)
    symbol.position += signed_qty
    if symbol.position == 0:
        a.positions -= 1
    after = fraction(symbol.position * symbol.close, symbol.fx_num, symbol.fx_den)
    a.cash += flow - charge
    a.equity += flow - charge + after - before
    strategies[owner].cash += flow - charge
    strategies[owner].beyond_volume += is_beyond_volume
    strategies[owner].turnover += fraction(abs(signed_qty) * price, symbol.fx_num, symbol.fx_den)
    return flow, charge


class Holding(msgspec.Struct, eq=False, gc=False):
    """An open position and what it took so far; money in account units, `value` sums quantity * price in units."""

    order: Order
    index: int
    strategy: int
    sign: int
    entry_ts_us: int
    entered: int = 0
    exited: int = 0
    entry_value: int = 0
    exit_value: int = 0
    entry_flow: int = 0
    exit_flow: int = 0
    commission: int = 0
    is_ambiguous: bool = False
    closing: str = ""
    """The reference of the order that closes it, or a part of it, right now."""
    closing_qty: int = 0
    closed_under: tuple[str, ...] = ()
    """References of closes that were carried out and left something: none is sent twice."""
    cuts: int = 0
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
        """Add an entry execution to the first."""
        self.entered += fill.qty
        self.entry_value += fill.qty * fill.price
        self.entry_flow += flow
        self.commission += charge
        if fill.ambiguous:
            self.is_ambiguous = True

    def leave(self, fill: Fill) -> bool:
        """Add an exit execution but for its money; says whether nothing is left."""
        self.exited += fill.qty
        if fill.reference == self.closing:
            self.closing_qty -= fill.qty
            if self.closing_qty <= 0 and self.qty:
                self.closed_under = (*self.closed_under, self.closing)
                self.keep()
        self.exit_value += fill.qty * fill.price
        if fill.ambiguous:
            self.is_ambiguous = True
        return self.exited == self.entered

    def trade(
        self, fill: Fill, reason: ExitReason, symbols: memoryview[int], rate: tuple[int, int], currency: str
    ) -> Trade:
        """Give the closed trade; `symbols` are the columns of the board's records, for its extremes."""
        at = self.index * _SYMBOL_SIZE
        # the CLOSE of a bar that is marked already: it was counted as held
        bars_held = symbols[at + _BARS_HELD] - (fill.bar_ts_us == symbols[at + _LAST_TS])
        return trade_of(
            self.order, self.entered, self.entry_ts_us, _average(self.entry_value, self.entered), fill.bar_ts_us,
            _average(self.exit_value, self.exited), reason, self.entry_flow + self.exit_flow, self.commission,
            symbols[at + _WORST], symbols[at + _BEST], rate, bars_held, self.is_ambiguous, currency,
        )  # fmt: skip


def held_by(order: Order, index: int, strategy: int, sign: int, fill: Fill, flow: int, charge: int) -> Holding:
    """Give the position that an entry's first execution opens."""
    # by place, in the order of the record's fields: it takes a fifth of the time that names take
    return Holding(
        order, index, strategy, sign, fill.bar_ts_us, fill.qty, 0, fill.qty * fill.price, 0, flow, 0, charge,
        fill.ambiguous,
    )  # fmt: skip


def trade_of(
    order: Order, qty: int, entry_us: int, entry_price: int, exit_us: int, exit_price: int, reason: ExitReason,
    gross: int, costs: int, worst: int, best: int, rate: tuple[int, int], bars_held: int, is_ambiguous: bool,
    currency: str,
) -> Trade:  # fmt: skip
    """Put a closed trade together: entry and exit are the start of their bar and the average price in units.

    `worst` and `best` are the extreme prices of the bars at whose close the position was open; entry and exit count
    as well. Money is in account units.
    """
    num, den = rate
    if order.side == "BUY":
        loss = (worst if worst < exit_price else exit_price) - entry_price
        gain = (best if best > exit_price else exit_price) - entry_price
    else:
        loss = entry_price - (worst if worst > exit_price else exit_price)
        gain = entry_price - (best if best < exit_price else exit_price)
    stop, level = order.stop_loss_price, order.entry_level or entry_price
    risked = 0 if stop is None else abs(level - stop) * qty
    net = gross - costs
    multiple = _multiple_of(net, risked, num, den) if risked else None
    # by place, in the order of the record's fields: it takes a fifth of the time that names take
    return Trade(
        "T-" + order.idempotency_key, order.idempotency_key, order.symbol, order.side, qty, entry_us, entry_price,
        exit_us, exit_price, reason, gross, costs, net, multiple, currency, bars_held,
        _nearest(loss * qty, num, den) if loss < 0 else 0, _nearest(gain * qty, num, den) if gain > 0 else 0,
        is_ambiguous, order.strategy,
    )  # fmt: skip


@njit
def multiple_of(net: int, risked: int, num: int, den: int) -> float:
    """Give by how many times its risk a trade won or lost.

    `net` is in account units, `risked` in the instrument's, `num / den` is account currency for one of its.
    """
    return net / risked * den / num


_multiple_of = plain(multiple_of)
_nearest = plain(nearest)


def _average(value: int, qty: int) -> int:
    """Give the average price in units, half up: exact wherever one price was paid."""
    return (2 * value + qty) // (2 * qty)
