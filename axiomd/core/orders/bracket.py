"""From a setup to a signal, and from a signal to the canonical orders of one OCO group.

Names and ids come from what the setup is. Nothing here knows equity, positions or guards: quantities are handed in.
"""

from __future__ import annotations

from collections.abc import Sequence

from axiomd.contracts.orders import Order, idempotency_key, oco_id
from axiomd.contracts.signals import EntryType, Signal, signal_id
from axiomd.contracts.units import PPM, Side
from axiomd.core.plan import Plan, StrategyPlan
from axiomd.core.strategies import api

_ENTRY_TYPES: tuple[EntryType, ...] = ("stop", "limit", "market")


def signal_of(own: StrategyPlan, run_id: str, symbol: str, row: Sequence[int], rank: int, outcome: str) -> Signal:
    """Turn a setup row of the scan into a signal."""
    version, setup, ts_us = own.strategy.version, own.strategy.setup, row[api.VALID_FROM]
    return Signal(
        signal_id=signal_id(own.id, version, symbol, setup, ts_us),
        run_id=run_id,
        symbol=symbol,
        ts_us=ts_us,
        timeframe=own.strategy.timeframe,
        setup=setup,
        score=row[api.SCORE_PPM] / PPM,
        strategy=own.id,
        strategy_version=version,
        valid_from_us=ts_us,
        valid_to_us=row[api.VALID_TO],
        entry_type=_ENTRY_TYPES[row[api.ENTRY_KIND]],
        stage1_rank=rank + 1,
        long_entry=row[api.LONG_ENTRY] or None,
        short_entry=row[api.SHORT_ENTRY] or None,
        sl_long=row[api.LONG_STOP] or None,
        sl_short=row[api.SHORT_STOP] or None,
        tp_long=row[api.LONG_TARGET] or None,
        tp_short=row[api.SHORT_TARGET] or None,
        limit_long=row[api.LONG_LIMIT] or None,
        limit_short=row[api.SHORT_LIMIT] or None,
        outcome=outcome,
    )


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
    is_stop = signal.entry_type == "stop"
    instrument = plan.instruments[index]
    return Order(
        order_id=f"{group}-{side[0]}",
        idempotency_key=key,
        oco_id=group,
        run_id=signal.run_id,
        symbol=signal.symbol,
        side=side,
        qty=qty,
        valid_from_us=signal.valid_from_us,
        valid_to_us=signal.valid_to_us,
        session=session,
        source=plan.source,
        strategy=signal.strategy,
        strategy_version=signal.strategy_version,
        entry_type=signal.entry_type,
        signal_id=signal.signal_id,
        currency=instrument.currency,
        tick_size=instrument.tick_size,
        created_at_us=signal.ts_us,
        flatten_at_us=flatten_us,
        limit_price=limit if is_stop else entry if signal.entry_type == "limit" else None,
        stop_price=entry if is_stop else None,
        take_profit_price=target,
        stop_loss_price=stop,
    )
