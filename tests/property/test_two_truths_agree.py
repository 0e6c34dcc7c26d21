"""The engine's books and the broker's own truth, kept apart by design, say the same at every moment of drawn days."""

from __future__ import annotations

import pytest

from axiomd.contracts import events as e
from axiomd.contracts.orders import split_reference
from tests.parity import random_case
from tests.property.drives import EveryMoment, drive


class Compared(EveryMoment):
    """Hold both truths against each other whenever a moment's reports are all in."""

    moments = 0

    def _take(self, event: e.Event, cause: int = 0) -> None:
        if isinstance(event, e.BarsClosed):
            self._compare(event.ts_us)
        super()._take(event, cause)

    def _compare(self, ts_us: int) -> None:
        engine, truth = self.engine, self.broker.truth()
        Compared.moments += 1
        ours = {
            self.plan.symbols[index]: holding.sign * holding.qty for index, holding in engine.holdings.items()
        }  # fmt: skip
        positions = engine.board.symbols["position"].tolist()
        board = {symbol: qty for symbol, qty in zip(self.plan.symbols, positions, strict=True) if qty}
        working = {leg.order.idempotency_key for legs in engine.book.open.values() for leg in legs}
        entries = {order.reference for order in truth.orders if not split_reference(order.reference).role}
        assert (truth.positions, truth.positions, entries) == (ours, board, working), ts_us
        for order in truth.orders:
            if split_reference(order.reference).role:
                assert order.qty == abs(ours[order.symbol]), (ts_us, order)
                assert (order.side == "SELL") == (ours[order.symbol] > 0), (ts_us, order)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(800, 810), 156, 1177, 20033, 30020])
def test_positions_and_working_orders_are_the_brokers_at_every_moment(seed: int) -> None:
    config, _, tape = random_case(seed)
    Compared.moments = 0

    replay = drive(config, tape, kind=Compared)

    assert Compared.moments > 50
    assert ({}, ()) == (replay.broker.truth().positions, replay.broker.truth().orders)
