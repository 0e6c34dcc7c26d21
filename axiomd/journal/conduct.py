"""What may follow what in a journal: time, the causes of orders, the latch, the candidates of a session.

Each rule is one that a journal alone can be held against and that every sound one keeps, whatever died while it was
written: what is decided in the very moment of a trip may stand behind it, and what a broker reports comes late.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from axiomd.contracts import events as e
from axiomd.contracts.orders import Order

_MARKET: Final = (e.SessionOpened, e.BarsClosed, e.SessionClosed)
"""What says how far the market is. Much else may lie behind: a report has the time at which it happened at the broker,
and what is asked for between two bars that of the last one that was counted."""


class Conduct:
    """Follow a journal from its first row on."""

    def __init__(self) -> None:
        self._market_us = -1
        self._tripped_us: int | None = None
        self._candidates: dict[str, tuple[str, ...]] = {}
        self._signals: dict[int, e.SignalEmitted] = {}
        """What was signalled in this session, by row. An order is decided in the moment of its signal."""
        self._signalled: set[str] = set()

    def look(self, seq: int, cause: int, event: e.Event) -> Iterator[str]:
        """Take the next event in and say what it breaks."""
        if isinstance(event, (*_MARKET, e.SignalEmitted)):
            if event.ts_us < self._market_us:
                yield f"its time {event.ts_us} lies before {self._market_us}, where the market was already"
            elif not isinstance(event, e.SignalEmitted):
                self._market_us = event.ts_us
        match event:
            case e.SessionOpened():
                self._candidates.clear()
                self._signals.clear()
                self._signalled.clear()
            case e.CandidatesSelected(strategy=strategy, symbols=symbols):
                self._candidates[strategy] = symbols
            case e.SignalEmitted(signal=signal):
                self._signals[seq] = event
                self._signalled.add(signal.signal_id)
                if signal.symbol not in self._candidates.get(signal.strategy, ()):
                    yield f"I8: {signal.symbol} is no candidate of {signal.strategy} in its session"
            case e.OrderIntent(order=order) if not order.parent_key:
                yield from self._caused(cause, event.ts_us, order)
                if self._tripped_us is not None and event.ts_us > self._tripped_us:
                    yield f"I5: {order.idempotency_key} opens a position while the kill switch is tripped"
            case e.OrderBlocked(order=order):
                yield from self._caused(cause, event.ts_us, order)
            case e.KillTripped() if self._tripped_us is None:
                self._tripped_us = event.ts_us
            case e.KillReset():
                self._tripped_us = None

    def _caused(self, cause: int, ts_us: int, order: Order) -> Iterator[str]:
        """Hold what became of an order against its signal, where that stands in the journal."""
        if order.signal_id not in self._signalled:
            return
        signalled = self._signals.get(cause)
        if signalled is None or signalled.signal.signal_id != order.signal_id:
            yield f"its cause {cause} is not the signal {order.signal_id} that {order.idempotency_key} is of"
        elif ts_us != signalled.ts_us:
            yield f"its time {ts_us} is not that of its signal, {signalled.ts_us}"
