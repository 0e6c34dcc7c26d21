"""Every compiled rule called once before anything depends on how long it takes.

A rule is compiled, or loaded from the cache, at its first call; in a live daemon that call must not be the first bar or
the first fill. It works on a throwaway engine of the very plan, so that the types are the ones that will come.
"""

from __future__ import annotations

from axiomd.contracts import events as e
from axiomd.contracts.fills import Fill
from axiomd.contracts.orders import Order
from axiomd.contracts.verdicts import NO_VERDICTS
from axiomd.core.engine import Engine
from axiomd.core.plan import Plan

_OPEN_US = 1_000_000_000_000
_PRICE = 1_000_000


def warm_up(plan: Plan) -> None:
    """Call every compiled rule of a plan once; leaves nothing behind but compiled code."""
    engine = Engine(plan)
    close_us = _OPEN_US + 100 * plan.bar_us
    engine.handle(
        e.SessionOpened(ts_us=_OPEN_US, session="1970-01-12", run_id="warm-up", open_us=_OPEN_US, close_us=close_us)
    )
    for own in plan.strategies:
        engine.handle(e.CandidatesSelected(ts_us=_OPEN_US, strategy=own.id, symbols=own.symbols))
    bar = (_OPEN_US, 0, _PRICE, _PRICE, _PRICE, _PRICE, 1)
    engine.handle(e.BarsClosed(ts_us=_OPEN_US + plan.bar_us, rows=(bar,)))
    order = _order(plan)
    engine.try_rules(order)
    engine.handle(e.OrderIntent(ts_us=_OPEN_US, order=order, told=NO_VERDICTS))
    fill = Fill(
        exec_id="warm-up",
        reference=order.idempotency_key,
        symbol=order.symbol,
        side="BUY",
        qty=order.qty,
        price=_PRICE,
        commission=0,
        bar_ts_us=_OPEN_US,
    )
    engine.handle(e.FillReceived(ts_us=_OPEN_US + plan.bar_us, fill=fill))
    engine.handle(e.BarsClosed(ts_us=_OPEN_US + 2 * plan.bar_us, rows=((_OPEN_US + plan.bar_us, *bar[1:]),)))
    engine.handle(e.SessionClosed(ts_us=close_us, session="1970-01-12"))


def _order(plan: Plan) -> Order:
    instrument = plan.instruments[0]
    return Order(
        order_id="warm-up",
        idempotency_key="warm",
        oco_id="warm",
        run_id="warm-up",
        symbol=instrument.symbol,
        side="BUY",
        qty=instrument.lot,
        valid_from_us=_OPEN_US,
        valid_to_us=_OPEN_US + plan.bar_us,
        session="1970-01-12",
        source=plan.source,
        strategy=next(own.id for own in plan.strategies if instrument.symbol in own.symbols),
        strategy_version="0",
        entry_type="stop",
        signal_id="warm-up",
        currency=instrument.currency,
        tick_size=instrument.tick_size,
        created_at_us=_OPEN_US,
        stop_price=_PRICE,
        stop_loss_price=_PRICE - instrument.tick_size,
    )
