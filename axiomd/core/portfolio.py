"""Cash, positions and trades: a fold over fills, exact to 1/10,000.

Money moves on the board in one compiled function, which the compiled backtest calls too; what a trade was is kept here.
It knows nothing of orders but their key, level and stop, and asks nobody for a price.
"""

from __future__ import annotations

from axiomd.contracts.fills import ExitReason, Fill, Trade
from axiomd.contracts.orders import Order
from axiomd.core.board import Records
from axiomd.core.compiled import Row, njit
from axiomd.core.sizing import fraction


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
        "closing", "commission", "entered", "entry_flow", "entry_ts_us", "entry_value", "exit_flow", "exit_value",
        "exited", "index", "is_ambiguous", "order", "sign", "strategy",
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
        self.closing = 0

    @property
    def qty(self) -> int:
        """Give the shares still held, not signed."""
        return self.entered - self.exited

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
        self.exit_value += fill.qty * fill.price
        self.exit_flow += flow
        self.commission += charge
        self.is_ambiguous |= fill.ambiguous

    def trade(self, fill: Fill, reason: ExitReason, symbol: Row, currency: str) -> Trade:
        """Give the closed trade; `symbol` is the board's record, for its extremes."""
        entry_price = _average(self.entry_value, self.entered)
        exit_price = _average(self.exit_value, self.exited)
        gross = self.entry_flow + self.exit_flow
        num, den = int(symbol["fx_num"]), int(symbol["fx_den"])
        worst, best = int(symbol["worst"]), int(symbol["best"])
        if self.sign > 0:
            worst, best = min(worst, exit_price), max(best, exit_price)
        else:
            worst, best = max(worst, exit_price), min(best, exit_price)
        stop, level = self.order.stop_loss_price, self.order.entry_level or entry_price
        risk = 0 if stop is None else abs(level - stop) * self.entered * num // den
        return Trade(
            trade_id=f"T-{self.order.idempotency_key}",
            idempotency_key=self.order.idempotency_key,
            symbol=self.order.symbol,
            side=self.order.side,
            qty=self.entered,
            entry_ts_us=self.entry_ts_us,
            entry_price=entry_price,
            exit_ts_us=fill.bar_ts_us,
            exit_price=exit_price,
            exit_reason=reason,
            gross_pnl=gross,
            costs=self.commission,
            net_pnl=gross - self.commission,
            r_multiple=(gross - self.commission) / risk if risk else None,
            currency=currency,
            # the CLOSE of a bar that is marked already: it was counted as held
            bars_held=int(symbol["bars_held"]) - int(fill.bar_ts_us == int(symbol["last_ts_us"])),
            mae=min(0, (worst - entry_price) * self.sign * self.entered * num // den),
            mfe=max(0, (best - entry_price) * self.sign * self.entered * num // den),
            ambiguous=self.is_ambiguous,
            strategy=self.order.strategy,
        )


def _average(value: int, qty: int) -> int:
    """Give the average price in units, half up: exact wherever one price was paid."""
    return (2 * value + qty) // (2 * qty)
