"""What a broker says of executions, and the closed trades that follow from them.

A fill is keyed by its execution id and counted once, however often a broker repeats it. A trade is one position from
its first share to its last, with the money exact to 1/10,000.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from axiomd.contracts.units import Side

ExitReason = Literal["SL", "TP", "EOD", "KILL", "MANUAL"]

TRADE_COLUMNS: Final = (
    "trade_id", "idempotency_key", "symbol", "side", "qty", "entry_ts", "entry_price", "exit_ts", "exit_price",
    "exit_reason", "gross_pnl", "costs", "net_pnl", "r_multiple", "currency", "bars_held", "mae", "mfe", "ambiguous",
    "strategy",
)  # fmt: skip


class Fill(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One execution. `price` is what was paid, slippage in it, in 1/10,000 units; `bar_ts_us` the start of its bar."""

    exec_id: str
    reference: str
    symbol: str
    side: Side
    qty: int
    price: int
    commission: int
    bar_ts_us: int
    slippage_ticks: int = 0
    ambiguous: bool = False
    is_rested: bool = False
    """A stop entry that opened beyond its limit and filled as a limit order in a later bar."""
    beyond_volume: bool = False
    """The fill is larger than a tenth of its bar's VOLUME."""


class Trade(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A closed position. Prices are averages over its fills in units; money in account currency units.

    `mae` and `mfe` are the worst and the best open result in account currency units, at the bars' extremes;
    `r_multiple` is net_pnl over the money between entry level and stop-loss, None without a stop.
    """

    trade_id: str
    idempotency_key: str
    symbol: str
    side: Side
    qty: int
    entry_ts_us: int
    entry_price: int
    exit_ts_us: int
    exit_price: int
    exit_reason: ExitReason
    gross_pnl: int
    costs: int
    net_pnl: int
    r_multiple: float | None
    currency: str
    bars_held: int
    mae: int
    mfe: int
    ambiguous: bool
    strategy: str
