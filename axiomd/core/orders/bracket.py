"""From a setup to a signal, and from a signal to the canonical orders of one OCO group.

Names and ids come from what the setup is. Nothing here knows equity, positions or guards: quantities are handed in.
"""

from __future__ import annotations

from collections.abc import Sequence

from axiomd.contracts.orders import Order, idempotency_key, oco_id
from axiomd.contracts.signals import EntryType, Signal, signal_id
from axiomd.contracts.units import PPM, Side
from axiomd.core.plan import Plan, StrategyPlan
from axiomd.core.strategies.api import (
    ENTRY_KIND,
    LONG_ENTRY,
    LONG_LIMIT,
    LONG_STOP,
    LONG_TARGET,
    SCORE_PPM,
    SHORT_ENTRY,
    SHORT_LIMIT,
    SHORT_STOP,
    SHORT_TARGET,
    VALID_FROM,
    VALID_TO,
)

_ENTRY_TYPES: tuple[EntryType, ...] = ("stop", "limit", "market")


def signal_of(own: StrategyPlan, run_id: str, symbol: str, row: Sequence[int], rank: int, outcome: str) -> Signal:
    """Turn a setup row of the scan into a signal."""
    strategy, ts_us = own.strategy, row[VALID_FROM]
    version, setup = strategy.version, strategy.setup
    name, score, entry_type = signal_id(own.id, version, symbol, setup, ts_us), row[SCORE_PPM], row[ENTRY_KIND]
    # by place, in the order of the record's fields: it takes a fifth of the time that names take
    return Signal(
        name, run_id, symbol, ts_us, strategy.timeframe, setup, score / PPM, own.id, version,
        ts_us, row[VALID_TO], _ENTRY_TYPES[entry_type], rank + 1,
        row[LONG_ENTRY] or None, row[SHORT_ENTRY] or None, row[LONG_STOP] or None,
        row[SHORT_STOP] or None, row[LONG_TARGET] or None, row[SHORT_TARGET] or None,
        row[LONG_LIMIT] or None, row[SHORT_LIMIT] or None, outcome,
    )  # fmt: skip


def group_of(signal: Signal, session: str) -> str:
    """Name the OCO group of a signal's legs."""
    return oco_id(signal.strategy, signal.symbol, session, signal.setup, signal.valid_from_us)


def order_of(
    plan: Plan, signal: Signal, index: int, side: Side, qty: int, session: str, flatten_us: int, group: str = ""
) -> Order:
    """Write the order of one leg of a signal; `group` is its `group_of`, where that is known already."""
    group = group or group_of(signal, session)
    key = idempotency_key(signal.run_id, signal.strategy, signal.strategy_version, signal.symbol, side, group)
    if side == "BUY":
        entry, limit, stop, target = signal.long_entry, signal.limit_long, signal.sl_long, signal.tp_long
    else:
        entry, limit, stop, target = signal.short_entry, signal.limit_short, signal.sl_short, signal.tp_short
    trigger = None
    if signal.entry_type == "stop":
        trigger = entry
    else:
        limit = entry if signal.entry_type == "limit" else None
    instrument = plan.instruments[index]
    # by place, in the order of the record's fields: it takes a fifth of the time that names take
    return Order(
        f"{group}-{side[0]}", key, group, signal.run_id, signal.symbol, side, qty, signal.valid_from_us,
        signal.valid_to_us, session, plan.source, signal.strategy, signal.strategy_version, signal.entry_type,
        signal.signal_id, instrument.currency, instrument.tick_size, signal.ts_us, flatten_us,
        limit, trigger, target, stop,
    )  # fmt: skip
