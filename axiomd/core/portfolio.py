"""Cash, positions and trades: a fold over fills, exact to 1/10,000.

Money moves on the board in compiled functions, which the compiled backtest calls too; what a trade was is kept here.
It knows nothing of orders but their key, level and stop, and asks nobody for a price.
"""

from __future__ import annotations

import msgspec

from axiomd.contracts.fills import ExitReason, Fill, Trade
from axiomd.contracts.orders import Order
from axiomd.core.board import Records
from axiomd.core.compiled import njit
from axiomd.core.sizing import fraction, nearest


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
        symbol.lowest = price
        symbol.highest = price
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


@njit
def result_of(
    side: int, qty: int, entry_price: int, exit_price: int, net: int, lowest: int, highest: int, level: int, stop: int,
    num: int, den: int,
) -> tuple[bool, float, int, int]:  # fmt: skip
    """Give what a closed trade came to: whether it had a risk, by how many times that it won or lost, and mae and mfe.

    `lowest` and `highest` are the extreme prices of the bars at whose close the position was open; entry and exit count
    as well. `level` is what its entry was judged by, 0 for its price; `stop` 0 is none. Money is in account units,
    `num / den` account currency for one of the instrument's.
    """
    loss = gain = 0
    if side > 0:
        loss, gain = min(lowest, exit_price) - entry_price, max(highest, exit_price) - entry_price
    else:
        loss, gain = entry_price - max(highest, exit_price), entry_price - min(lowest, exit_price)
    mae = nearest(loss * qty, num, den) if loss < 0 else 0
    mfe = nearest(gain * qty, num, den) if gain > 0 else 0
    risked = risk_of(qty, entry_price, level, stop)
    if risked == 0:
        return False, 0.0, mae, mfe
    return True, multiple_of(net, risked, num, den), mae, mfe


@njit
def risk_of(qty: int, entry_price: int, level: int, stop: int) -> int:
    """Give what a trade had at risk in the instrument's units, nothing without a stop: as `result_of`."""
    return abs((level if level > 0 else entry_price) - stop) * qty if stop > 0 else 0


@njit
def multiple_of(net: int, risked: int, num: int, den: int) -> float:
    """Give by how many times its risk a trade won or lost.

    `net` is in account units, `risked` in the instrument's, `num / den` is account currency for one of its.
    """
    return net / risked * den / num


@njit
def average(value: int, qty: int) -> int:
    """Give the average price in units, half up: exact wherever one price was paid."""
    return (2 * value + qty) // (2 * qty)


class Holding(msgspec.Struct, eq=False, gc=False):
    """An open position but for its money, which the board keeps; `entry_value` sums quantity * price in units."""

    order: Order
    index: int
    strategy: int
    sign: int
    entry_ts_us: int
    entered: int = 0
    entry_value: int = 0
    is_ambiguous: bool = False
    exited: int = 0
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

    def enter(self, fill: Fill) -> None:
        """Add an entry execution to the first."""
        self.entered += fill.qty
        self.entry_value += fill.qty * fill.price
        if fill.ambiguous:
            self.is_ambiguous = True

    def leave(self, fill: Fill) -> bool:
        """Add an exit execution; says whether nothing is left."""
        self.exited += fill.qty
        if fill.reference == self.closing:
            self.closing_qty -= fill.qty
            if self.closing_qty <= 0 and self.qty:
                self.closed_under = (*self.closed_under, self.closing)
                self.keep()
        if fill.ambiguous:
            self.is_ambiguous = True
        return self.exited == self.entered


def trade_of(
    order: Order, qty: int, entry_us: int, entry_price: int, exit_us: int, exit_price: int, reason: ExitReason,
    gross: int, costs: int, multiple: float | None, mae: int, mfe: int, bars_held: int, is_ambiguous: bool,
    currency: str,
) -> Trade:  # fmt: skip
    """Put a closed trade together: entry and exit are the start of their bar and the average price in units.

    Money is in account units; what it came to is `result_of`'s.
    """
    key = order.idempotency_key
    # by place, in the order of the record's fields: it takes a fifth of the time that names take
    return Trade(
        "T-" + key, key, order.symbol, order.side, qty, entry_us, entry_price, exit_us, exit_price, reason, gross,
        costs, gross - costs, multiple, currency, bars_held, mae, mfe, is_ambiguous, order.strategy,
    )  # fmt: skip
