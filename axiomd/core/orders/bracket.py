"""From a setup to a signal, and from a signal to the canonical orders of one OCO group.

Names and ids come from what the setup is. Nothing here knows equity, positions or guards: quantities are handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from axiomd.contracts.orders import Order, idempotency_key, oco_id
from axiomd.contracts.signals import EntryType, Signal, signal_id
from axiomd.contracts.units import PPM, Side
from axiomd.core.compiled import plain
from axiomd.core.fills import KINDS, resting_prices
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
_LEGS: Final = {"BUY": "-B", "SELL": "-S"}
_resting_prices = plain(resting_prices)


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


def names_of(signal: Signal, side: Side, group: str) -> tuple[str, str]:
    """Name the leg of a signal on a side: (order id, key); `group` is its `group_of`."""
    key = idempotency_key(signal.run_id, signal.strategy, signal.strategy_version, signal.symbol, side, group)
    return group + _LEGS[side], key


def order_of(
    plan: Plan, signal: Signal, index: int, side: Side, qty: int, session: str, flatten_us: int, group: str,
    names: tuple[str, str],
) -> Order:  # fmt: skip
    """Write the order of one leg of a signal, called by its `names_of`; `group` is its `group_of`."""
    if side == "BUY":
        entry, bound, stop, target = signal.long_entry, signal.limit_long, signal.sl_long, signal.tp_long
    else:
        entry, bound, stop, target = signal.short_entry, signal.limit_short, signal.sl_short, signal.tp_short
    trigger, limit = _resting_prices(KINDS[signal.entry_type], entry or 0, bound or 0)
    instrument, (order_id, key) = plan.instruments[index], names
    # by place, in the order of the record's fields: it takes a fifth of the time that names take
    return Order(
        order_id, key, group, signal.run_id, signal.symbol, side, qty, signal.valid_from_us,
        signal.valid_to_us, session, plan.source, signal.strategy, signal.strategy_version, signal.entry_type,
        signal.signal_id, instrument.currency, instrument.tick_size, signal.ts_us, flatten_us,
        limit or None, trigger or None, target, stop,
    )  # fmt: skip
