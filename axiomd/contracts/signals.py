"""Signal, schema version 1: what any strategy says, the same for all of them.

A signal is a decision's reason, not an order: levels in price units, a validity, a score. It is made once, journaled,
and never changed; what became of it stands in the orders and in `meta` of signals.csv.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from axiomd.contracts.errors import DataContractError
from axiomd.contracts.names import Naming, naming

SCHEMA_VERSION: Final = 1
EntryType = Literal["stop", "limit", "market", "moc"]

COLUMNS: Final = (
    "signal_id", "schema_version", "run_id", "symbol", "ts", "timeframe", "long_entry", "short_entry", "sl_long",
    "sl_short", "tp_long", "tp_short", "setup", "score", "strategy", "strategy_version", "valid_from", "valid_to",
    "entry_type", "stage1_rank", "meta",
)  # fmt: skip


class Signal(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One setup. Prices in 1/10,000 units, `ts_us` the close of the bar that completed it, times UTC microseconds."""

    signal_id: str
    run_id: str
    symbol: str
    ts_us: int
    timeframe: str
    setup: str
    score: float
    strategy: str
    strategy_version: str
    valid_from_us: int
    valid_to_us: int
    entry_type: EntryType
    stage1_rank: int
    long_entry: int | None = None
    short_entry: int | None = None
    sl_long: int | None = None
    sl_short: int | None = None
    tp_long: int | None = None
    tp_short: int | None = None
    limit_long: int | None = None
    limit_short: int | None = None
    outcome: str = ""
    """Why no order came of it: `blocked:netting`, `below_min_qty`, or empty."""


def naming_signals(strategy: str, version: str, symbol: str, setup: str) -> Naming:
    """Name signals by what they are; the rest is the microseconds they are made at."""
    return naming(16, strategy, version, symbol, setup)


def check_signal(signal: Signal) -> None:
    """Raise `DataContractError` where a signal breaks the schema's rules (levels in order, a leg, a validity)."""
    problem = _problem(signal)
    if problem:
        raise DataContractError(
            problem, f"signal {signal.signal_id} of {signal.strategy} in {signal.symbol}", "mend the strategy"
        )


def _problem(signal: Signal) -> str:
    if signal.long_entry is None and signal.short_entry is None:
        return "neither long_entry nor short_entry is set"
    if not 0.0 <= signal.score <= 1.0:
        return f"score {signal.score} is outside 0 to 1"
    if signal.valid_from_us >= signal.valid_to_us or signal.valid_from_us < signal.ts_us:
        return "the validity is empty or begins before the decision"
    if signal.long_entry is not None:
        stop, target = signal.sl_long, signal.tp_long
        if stop is None or stop >= signal.long_entry:
            return "sl_long is not below long_entry"
        if target is not None and target <= signal.long_entry:
            return "tp_long is not above long_entry"
    if signal.short_entry is not None:
        stop, target = signal.sl_short, signal.tp_short
        if stop is None or stop <= signal.short_entry:
            return "sl_short is not above short_entry"
        if target is not None and target >= signal.short_entry:
            return "tp_short is not below short_entry"
    return ""
