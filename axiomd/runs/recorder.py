"""The record of a run, folded from its events as they pass.

It takes each event once, in order; it decides nothing and asks nobody. What it cannot see in an event (the equity
curve, drawdown at every close, exposure) is put on the record by whoever does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from axiomd.contracts import events as e
from axiomd.contracts.outcome import OrderOutcome, RunRecord

_REASONS: Final = {"ambiguous": "ambiguous", "oco_cancelled": "oco_cancelled"}


class Recorder:
    """Fold events into a `RunRecord`."""

    def __init__(self, initial_cash: int, currency: str) -> None:
        self.record = RunRecord(initial_cash, currency)
        self._outcomes: dict[str, OrderOutcome] = {}
        self._ambiguous: set[tuple[str, int]] = set()
        self.stations: Mapping[type[e.Event], Callable[[Any], None]] = {
            e.SignalEmitted: self._signal,
            e.OrderIntent: self._intend,
            e.OrderBlocked: self._block,
            e.OrderCancelled: self._cancel,
            e.OrderExpired: lambda event: self._end(event.key, "expired", event.reason),
            e.OrderRejected: self._reject,
            e.FillReceived: self._fill,
            e.PositionChanged: self._trade,
        }
        """What takes in the events of a kind; the others leave no mark on the record."""

    def take(self, event: e.Event) -> None:
        """Take one event in."""
        station = self.stations.get(type(event))
        if station:
            station(event)

    def take_all(self, events: Iterable[e.Event]) -> None:
        """Take events in, in order, of kinds that `stations` names."""
        stations = self.stations
        for event in events:
            stations[type(event)](event)

    def close_session(self, close_us: int, equity: int) -> None:
        """Take the equity at a traded session's close in."""
        self.record.session_closes.append((close_us, equity))

    def _signal(self, event: e.SignalEmitted) -> None:
        self.record.signals.append(event.signal)

    def _intend(self, event: e.OrderIntent) -> None:
        order = event.order
        if not order.parent_key:
            outcome = self._outcomes[order.idempotency_key] = OrderOutcome(order, "working")
            self.record.orders.append(outcome)

    def _block(self, event: e.OrderBlocked) -> None:
        order = event.order
        outcome = OrderOutcome(order, "rejected", f"rejected:{event.guard}", was_sent=False)
        self._outcomes[order.idempotency_key] = outcome
        self.record.orders.append(outcome)

    def _end(self, key: str, status: Any, reason: str) -> None:
        outcome = self._outcomes.get(key)
        if outcome is not None and outcome.status == "working":
            outcome.status = status
            outcome.reason = reason

    def _cancel(self, event: e.OrderCancelled) -> None:
        self._end(event.key, "cancelled", event.reason)
        if event.reason == "ambiguous":
            outcome = self._outcomes.get(event.key)
            if outcome is not None:
                self._note_ambiguous(outcome.order.symbol, event.ts_us)

    def _reject(self, event: e.OrderRejected) -> None:
        reason = "netting" if event.reason == "netting" else "broker"
        self._end(event.key, "rejected", f"rejected:{reason}")

    def _fill(self, event: e.FillReceived) -> None:
        fill = event.fill
        if fill.ambiguous:
            self._note_ambiguous(fill.symbol, event.ts_us)
        # an exit's reference is no entry's key
        outcome = self._outcomes.get(fill.reference)
        if outcome is None:
            return
        outcome.status = "filled"
        outcome.fill_ts_us = fill.bar_ts_us
        outcome.fill_price = fill.price
        outcome.fill_qty += fill.qty
        outcome.commission += fill.commission
        outcome.slippage_ticks = fill.slippage_ticks

    def _note_ambiguous(self, symbol: str, closes_us: int) -> None:
        self._ambiguous.add((symbol, closes_us))
        self.record.ambiguous_bars = len(self._ambiguous)

    def _trade(self, event: e.PositionChanged) -> None:
        if event.trade is not None:
            self.record.trades.append(event.trade)
