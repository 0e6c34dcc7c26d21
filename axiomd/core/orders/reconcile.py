"""Two truths compared: what the journal folded to, and what the broker says.

Pure: it names what was not heard, what is unsure and where the two differ, and leaves what to do about it to the
daemon. The broker's word wins; an execution counts by its id, once.
"""

from __future__ import annotations

from dataclasses import dataclass

from axiomd.contracts import events as e
from axiomd.contracts.orders import role_kind, split_reference
from axiomd.contracts.truth import Report, Truth
from axiomd.core.engine import Engine
from axiomd.core.orders.closing import is_manual
from axiomd.core.orders.lifecycle import State


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a comparison found.

    `unheard` are reports to be journaled, in the broker's order; `unsure` the keys of open entries that the broker does
    not work and says nothing of; `differences` one line each, both sides in it; `foreign` those that mean another
    daemon or an old journal; `unanswered` are a person's closes that the broker does not know: none outlives a
    disconnect.
    """

    unheard: tuple[Report, ...]
    unsure: tuple[str, ...]
    differences: tuple[str, ...]
    foreign: tuple[str, ...]
    unanswered: tuple[str, ...] = ()


def unheard_reports(engine: Engine, truth: Truth, since_us: int) -> tuple[Report, ...]:
    """Give the broker's reports after `since_us` that the journal lacks; older ones are of closed sessions."""
    unheard: list[Report] = []
    ended: set[str] = set()
    for report in truth.reports:
        if report.ts_us <= since_us:
            continue
        if isinstance(report, e.FillReceived):
            if not engine.knows_execution(report.fill.exec_id) and _explains(engine, report.fill.reference):
                unheard.append(report)
            continue
        leg = engine.book.legs.get(report.key)
        if leg is None:
            continue
        if isinstance(report, e.OrderSent):
            if leg.state is State.INTENT:
                unheard.append(report)
        elif isinstance(report, e.OrderAcked):
            if leg.state in (State.INTENT, State.SENT):
                unheard.append(report)
        elif leg.is_open and report.key not in ended:
            ended.add(report.key)
            unheard.append(report)
    return tuple(unheard)


def reconcile(engine: Engine, truth: Truth, since_us: int) -> Reconciliation:
    """Compare after all unheard reports were taken in."""
    working = {order.reference for order in truth.orders}
    unsure = tuple(
        leg.order.idempotency_key
        for legs in engine.book.open.values()
        for leg in legs
        if leg.order.idempotency_key not in working
    )
    foreign = [
        f"order {order.reference} ({order.side} {order.qty} {order.symbol}): unknown to the journal"
        for order in truth.orders
        if not _explains(engine, order.reference)
    ]
    foreign += [
        f"execution {report.fill.exec_id} of {report.fill.reference}: unknown to the journal"
        for report in truth.reports
        if isinstance(report, e.FillReceived)
        and report.ts_us > since_us
        and not engine.knows_execution(report.fill.exec_id)
        and not _explains(engine, report.fill.reference)
    ]
    return Reconciliation(
        unheard=unheard_reports(engine, truth, since_us),
        unsure=unsure,
        differences=(*_positions(engine, truth), *_protection(engine, truth)),
        foreign=tuple(foreign),
        unanswered=tuple(
            holding.closing
            for holding in engine.holdings.values()
            if is_manual(holding.closing) and holding.closing not in working
        ),
    )


def _explains(engine: Engine, reference: str) -> bool:
    key = split_reference(reference).key
    return key in engine.book.legs or key in engine.foreign_keys


def _positions(engine: Engine, truth: Truth) -> list[str]:
    ours = {symbol: qty for symbol, qty in engine.foreign.items() if qty}
    for holding in engine.holdings.values():
        symbol = holding.order.symbol
        ours[symbol] = ours.get(symbol, 0) + holding.sign * holding.qty
    theirs = {symbol: qty for symbol, qty in truth.positions.items() if qty}
    return [
        f"{symbol}: the journal holds {ours.get(symbol, 0)}, the broker {theirs.get(symbol, 0)}"
        for symbol in sorted(ours.keys() | theirs.keys())
        if ours.get(symbol, 0) != theirs.get(symbol, 0)
    ]


def _protection(engine: Engine, truth: Truth) -> list[str]:
    """I4: an open position has a working stop at the broker, or is being closed."""
    stops: dict[str, int] = {}
    for order in truth.orders:
        reference = split_reference(order.reference)
        if role_kind(reference.role) in ("SL", "KILL", "MANUAL"):
            stops[reference.key] = stops.get(reference.key, 0) + order.qty
    found = []
    for holding in engine.holdings.values():
        key = holding.order.idempotency_key
        if holding.order.stop_loss_price is not None and stops.get(key) != holding.qty:
            found.append(f"{holding.order.symbol}: {holding.qty} held, {stops.get(key, 0)} protected at the broker")
    return found
