"""The figures of metrics.json, each against a number worked out by hand."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts.fills import Trade
from axiomd.contracts.orders import Order
from axiomd.contracts.outcome import Activity, OrderOutcome, RunRecord, Status
from axiomd.contracts.runs import StrategyMetrics
from axiomd.contracts.units import MINUTE_US, PRICE_SCALE
from axiomd.core.metrics import (
    NOT_TRADED,
    Basis,
    figure_values,
    metrics_of,
    percent_of_peak,
    session_returns,
    sharpe_of,
)

CASH = 100_000 * PRICE_SCALE


def trade(
    net: int, *, at: int = 0, costs: int = 0, r: float | None = None, strategy: str = "a", ambiguous: bool = False
) -> Trade:
    return Trade(
        trade_id=f"T-{at}", idempotency_key=f"k{at}", symbol="SPY", side="BUY", qty=100, entry_ts_us=at * MINUTE_US,
        entry_price=100 * PRICE_SCALE, exit_ts_us=(at + 5) * MINUTE_US, exit_price=101 * PRICE_SCALE,
        exit_reason="TP", gross_pnl=(net + costs) * PRICE_SCALE, costs=costs * PRICE_SCALE, net_pnl=net * PRICE_SCALE,
        r_multiple=r, currency="USD", bars_held=5, mae=0, mfe=0, ambiguous=ambiguous, strategy=strategy,
    )  # fmt: skip


def outcome(status: Status, *, sent: bool = True, filled: bool = False, strategy: str = "a") -> OrderOutcome:
    order = Order(
        order_id="1", idempotency_key="1", oco_id="g", run_id="r", symbol="SPY", side="BUY", qty=100, valid_from_us=0,
        valid_to_us=1, session="2024-03-05", source="replay", strategy=strategy, strategy_version="1.0.0",
        entry_type="stop", signal_id="s", currency="USD", tick_size=100, created_at_us=0,
    )  # fmt: skip
    return OrderOutcome(order, status, was_sent=sent, fill_qty=100 if filled else 0)


def test_a_run_without_trades_has_null_where_a_figure_has_no_meaning() -> None:
    metrics = metrics_of(RunRecord(CASH, "USD", final_cash=CASH))

    assert (0, 0.0, 0.0) == (metrics.num_trades, metrics.net_pnl, metrics.max_drawdown)
    nulls = {name for name, value in metrics.model_dump().items() if value is None}
    assert {
        "win_rate", "avg_trade", "pnl_per_trade", "sharpe", "profit_factor", "expectancy_r", "fill_rate",
    } == nulls  # fmt: skip


def test_figures_of_three_trades() -> None:
    trades = [trade(200, at=0, costs=2, r=2.0), trade(-100, at=10, r=-1.0, ambiguous=True), trade(-25, at=20, r=-0.25)]
    record = RunRecord(
        CASH, "USD", trades=trades, final_cash=CASH + 75 * PRICE_SCALE, max_drawdown=-125 * PRICE_SCALE,
        max_drawdown_pct=-0.125, moments=60, moments_exposed=15,
        by_strategy={"a": Activity(CASH // 2, 15, 2)}, ambiguous_bars=1, operator_resumes=1, counts={"warm_up": 3},
        orders=[outcome("filled", filled=True), outcome("cancelled"), outcome("rejected", sent=False)],
    )  # fmt: skip
    metrics = metrics_of(record)

    assert (75.0, 25.0, 25.0) == (metrics.net_pnl, metrics.avg_trade, metrics.pnl_per_trade)
    assert (1 / 3, 200 / 125, 0.25) == (metrics.win_rate, metrics.profit_factor, metrics.expectancy_r)
    assert (-125.0, -0.125) == (metrics.max_drawdown, metrics.max_drawdown_pct)
    assert (25.0, 0.5, 2.0) == (metrics.exposure_pct, metrics.turnover, metrics.total_costs)
    assert (2, 0.5) == (metrics.num_orders, metrics.fill_rate)
    assert (1, 2, 1, {"warm_up": 3}) == (
        metrics.ambiguous_bars, metrics.fills_beyond_volume, metrics.operator_resumes, metrics.counts,
    )  # fmt: skip


def test_one_strategy_has_the_figures_of_the_run() -> None:
    record = RunRecord(
        CASH, "USD", trades=[trade(10)], final_cash=CASH + 10 * PRICE_SCALE, moments=10, moments_exposed=5
    )
    metrics = metrics_of(record, ["a"])

    assert {"a"} == set(metrics.by_strategy)
    own = metrics.by_strategy["a"].model_dump()
    assert own == {name: value for name, value in metrics.model_dump().items() if name in own}


def test_two_strategies_share_the_run() -> None:
    trades = [trade(30, at=0, strategy="a"), trade(-10, at=5, strategy="b", ambiguous=True)]
    record = RunRecord(
        CASH, "USD", trades=trades, final_cash=CASH + 20 * PRICE_SCALE, moments=20, moments_exposed=10,
        by_strategy={"a": Activity(CASH // 4, 6, 3), "b": Activity(CASH // 2, 5, 1)}, ambiguous_bars=1,
    )  # fmt: skip
    metrics = metrics_of(record, ["a", "b", "idle"])

    parts = metrics.by_strategy
    assert ["a", "b", "idle"] == list(parts)
    assert (30.0, -10.0, 0.0) == tuple(part.net_pnl for part in parts.values())
    assert (0.0, -10.0, 0.0) == tuple(part.max_drawdown for part in parts.values())
    assert (0.0, pytest.approx(-0.01), 0.0) == tuple(part.max_drawdown_pct for part in parts.values())
    assert (30.0, 25.0, 0.0) == tuple(part.exposure_pct for part in parts.values())
    assert (0.25, 0.5, 0.0) == tuple(part.turnover for part in parts.values())
    assert (3, 1, 0) == tuple(part.fills_beyond_volume for part in parts.values())
    assert (0.75, 4) == (metrics.turnover, metrics.fills_beyond_volume)
    assert (0, 1, 0) == tuple(part.ambiguous_bars for part in parts.values())


def test_a_fall_is_a_part_of_the_peak_it_was_from_if_there_was_one() -> None:
    assert -2.5 == percent_of_peak(-25, 1000)
    assert [0.0, 0.0, 0.0] == [percent_of_peak(0, 1000), percent_of_peak(-25, 0), percent_of_peak(-25, -1000)]


def test_sharpe_is_that_of_the_sessions_returns() -> None:
    record = RunRecord(CASH, "USD", session_closes=[(1, 101_000 * PRICE_SCALE), (2, 100_000 * PRICE_SCALE)])
    returns = [0.01, 100 / 101 - 1]

    expected = statistics.mean(returns) / statistics.stdev(returns) * math.sqrt(252)
    metrics = metrics_of(record)
    assert (pytest.approx(expected), 2) == (metrics.sharpe, metrics.sharpe_periods)


@pytest.mark.parametrize("closes", [[], [CASH + 1], [CASH, CASH, CASH]])
def test_no_sharpe_below_two_days_or_without_variation(closes: list[int]) -> None:
    assert sharpe_of(session_returns(CASH, closes)) is None


def test_equal_returns_have_no_variation_however_they_round() -> None:
    assert sharpe_of([(number, 3 * number) for number in range(1, 8)]) is None


@given(st.lists(st.integers(-2_000, 2_000), max_size=40), st.lists(st.sampled_from("abc"), min_size=40, max_size=40))
def test_parts_add_up_to_the_whole(nets: list[int], owners: list[str]) -> None:
    trades = [trade(net, at=10 * number, strategy=owners[number]) for number, net in enumerate(nets)]
    closes = [(10 * 20 * MINUTE_US, CASH + 10), (10 * 50 * MINUTE_US, CASH - 10)]
    metrics = metrics_of(RunRecord(CASH, "USD", trades=trades, session_closes=closes), ["a", "b", "c"])

    parts = metrics.by_strategy.values()
    assert metrics.net_pnl == sum(part.net_pnl for part in parts)
    assert metrics.num_trades == sum(part.num_trades for part in parts)
    assert all(part.max_drawdown <= 0 for part in parts)
    assert "NaN" not in metrics.model_dump_json()


def test_figures_come_in_the_order_of_their_model() -> None:
    basis = Basis(np.zeros(0, np.int64), np.zeros(0), 0, 0, 0, 0, np.zeros((0, 2), np.int64), 0, 0.0, (0, 1), 0, 0, 0)

    assert list(StrategyMetrics.model_fields) == list(figure_values(basis, CASH))


def test_a_session_that_was_not_traded_has_no_return() -> None:
    assert session_returns(CASH, [CASH + 5, CASH + 3]).tolist() == (
        session_returns(CASH, [NOT_TRADED, CASH + 5, NOT_TRADED, CASH + 3]).tolist()
    )


def test_returns_end_with_the_equity() -> None:
    assert [[-CASH, CASH]] == session_returns(CASH, [0, 7, 9]).tolist()
