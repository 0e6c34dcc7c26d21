"""The one map from events to series: every name that is promised, every count that is true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from axiomd.contracts import events as e
from axiomd.contracts.fills import Trade
from axiomd.core.view import AlarmFact, LatchFact, snapshot
from axiomd.observe.metrics import SERIES, Metrics, Stage, reference
from tests.unit.core.test_view import facts, unlooked, watched

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/reference/metrics.md"


def samples(metrics: Metrics) -> dict[str, float]:
    """Give every sample as scraped: name and labels to value."""
    return {
        sample.name + "".join(f"{{{name}={value}}}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def trade(strategy: str, net_pnl: int) -> Trade:
    return Trade(
        trade_id="T", idempotency_key="k", symbol="SPY", side="BUY", qty=1, entry_ts_us=1, entry_price=1, exit_ts_us=2,
        exit_price=1, exit_reason="SL", gross_pnl=net_pnl, costs=0, net_pnl=net_pnl, r_multiple=None, currency="USD",
        bars_held=1, mae=0, mfe=0, ambiguous=False, strategy=strategy,
    )  # fmt: skip


def test_promised_names_are_there_before_anything_happened() -> None:
    found = samples(Metrics(["inside_bar"]))

    assert (0, 0, 0, 0) == (
        found["orders_sent_total"], found["fills_total"], found["rejects_total"],
        found["strategy_pnl{strategy=inside_bar}"],
    )  # fmt: skip
    assert 0 == found["order_latency_seconds_count"]


def test_orders_that_close_are_none_of_those_sent_to_open() -> None:
    metrics = Metrics()
    for key in ("a", "a-MANUAL", "b-KILL2"):
        metrics.take(e.OrderSent(ts_us=1, key=key))
    found = samples(metrics)

    assert (1, 3) == (found["orders_sent_total"], found["events_total{kind=order.sent}"])


def test_events_are_counted_by_their_kind() -> None:
    metrics = Metrics()
    for event in (
        e.OrderSent(ts_us=1, key="a"), e.OrderSent(ts_us=1, key="b"), e.OrderRejected(ts_us=1, key="a", reason="no"),
        e.GuardTripped(ts_us=1, guard="MaxDailyLoss", figure=1, limit=1, level="halt"),
        e.BarsClosed(ts_us=1, first=10, last=25),
    ):  # fmt: skip
        metrics.take(event)
    found = samples(metrics)

    assert (2, 1, 15) == (found["orders_sent_total"], found["rejects_total"], found["bars_total"])
    assert 1 == found["guard_trips_total{guard=MaxDailyLoss}"]
    assert 2 == found["events_total{kind=order.sent}"]


@pytest.mark.parametrize("kind", sorted(e.BY_KIND))
def test_every_kind_is_counted(kind: str) -> None:
    assert 0 == samples(Metrics())[f"events_total{{kind={kind}}}"]


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(-(10**10), 10**10)), max_size=8))
def test_strategy_pnl_is_the_sum_of_its_trades_to_the_cent(trades: list[tuple[str, int]]) -> None:
    metrics = Metrics(["a", "b"])
    for strategy, net in trades:
        metrics.take(e.PositionChanged(ts_us=1, symbol="SPY", qty=0, cash_units=0, trade=trade(strategy, net)))
    found = samples(metrics)

    for own in ("a", "b"):
        assert (
            sum(net for strategy, net in trades if strategy == own) / 10_000 == found[f"strategy_pnl{{strategy={own}}}"]
        )


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("signal", "signal_latency_seconds"),
        ("intent", "intent_latency_seconds"),
        ("sent", "order_latency_seconds"),
        ("acked", "ack_latency_seconds"),
        ("pipeline", "pipeline_latency_seconds"),
    ],
)
def test_latency_of_every_stage_has_its_histogram_with_the_slo_among_its_bounds(stage: Stage, name: str) -> None:
    metrics = Metrics()
    metrics.latency(stage, 0.3)
    found = samples(metrics)

    assert 1 == found[f"{name}_count"]
    assert 0 == found[f"{name}_bucket{{le=0.25}}"]
    assert 1 == found[f"{name}_bucket{{le=0.6}}"]
    assert f"{name}_bucket{{le=0.2}}" in found


def test_commits_fetches_tasks_and_restarts_are_shown() -> None:
    metrics = Metrics()
    metrics.commit(0.001)
    metrics.fetch("ib", 2.0)
    metrics.restarted("feed")
    metrics.task("feed", heartbeat_age_s=1.5, depth=3, depth_max=512)
    metrics.task("clock", heartbeat_age_s=0.5)
    found = samples(metrics)

    assert (1, 1, 1) == (
        found["journal_commit_seconds_count"], found["data_fetch_latency_seconds_count{feed=ib}"],
        found["task_restarts_total{task=feed}"],
    )  # fmt: skip
    assert (1.5, 3, 512) == (
        found["task_heartbeat_age_seconds{task=feed}"], found["queue_depth{task=feed}"],
        found["queue_limit{task=feed}"],
    )  # fmt: skip
    assert "queue_depth{task=clock}" not in found


def test_state_is_shown_in_figures() -> None:
    engine, recent = watched(1, unlooked)
    metrics = Metrics()
    latch = LatchFact(level="flatten", trip_id="ab")
    state: Any = snapshot(
        engine, recent, facts(latch=latch, alarms={"a": AlarmFact(priority="warn", text="x", since_us=1)})
    )
    metrics.show(state)
    found = samples(metrics)

    assert int(engine.account["equity"]) / 10_000 == found["equity"]
    assert (2, 1, 1) == (found["kill_state"], found["alarms"], found["journal_ok"])
    assert len(engine.holdings) == found["positions"]


def test_series_are_named_once_and_labels_come_from_code_or_configuration() -> None:
    names = [each.name for each in SERIES]

    assert sorted(set(names)) == sorted(names)
    assert {"guard", "strategy", "kind", "task", "feed"} == {label for each in SERIES for label in each.labels}
    assert [] == [each.name for each in SERIES if (each.kind == "counter") != each.name.endswith("_total")]


def test_document_is_the_map() -> None:
    assert reference() == DOCUMENT.read_text(), "write reference() of axiomd.observe.metrics into it anew"
