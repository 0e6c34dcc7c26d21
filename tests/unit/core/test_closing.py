"""The names of closes: none goes to a broker twice."""

from __future__ import annotations

from axiomd.contracts.fills import Fill
from axiomd.contracts.orders import Order
from axiomd.core.orders.closing import kill_reference
from axiomd.core.portfolio import Holding

ORDER = Order(
    order_id="g-B", idempotency_key="ab12", oco_id="g", run_id="r", symbol="SPY", side="BUY", qty=100, valid_from_us=1,
    valid_to_us=2, session="2020-01-02", source="paper", strategy="s", strategy_version="1", entry_type="stop",
    signal_id="x", currency="USD", tick_size=100, created_at_us=1, stop_price=10_000,
)  # fmt: skip


def executed(reference: str, side: str, qty: int) -> Fill:
    return Fill(
        exec_id="1", reference=reference, symbol="SPY", side="BUY" if side == "BUY" else "SELL", qty=qty, price=10_000,
        commission=0, bar_ts_us=1,
    )  # fmt: skip


def test_what_fills_behind_a_close_is_closed_under_a_further_name() -> None:
    holding = Holding(ORDER, 0, 0, 1, 1)
    holding.enter(executed("ab12", "BUY", 50))
    holding.close(kill_reference(holding), 50, is_manual=False)
    holding.enter(executed("ab12", "BUY", 50))
    assert kill_reference(holding) == "ab12-KILL"

    holding.leave(executed("ab12-KILL", "SELL", 50))

    assert (kill_reference(holding), holding.closing, holding.qty) == ("ab12-KILL2", "", 50)
