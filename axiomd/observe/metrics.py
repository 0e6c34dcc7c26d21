"""The one map from what happens to Prometheus series, and the only place that names a series.

It counts events by their kind, takes latencies that the daemon measured on its monotonic clock, and shows the state's
figures once a beat. It decides nothing, and a label never takes a value that a market or a client could make up: only
names that stand in the configuration or in the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from axiomd.contracts import events as e
from axiomd.contracts.orders import split_reference
from axiomd.contracts.patch import State
from axiomd.contracts.units import PRICE_SCALE

Kind = Literal["counter", "gauge", "histogram"]
Stage = Literal["signal", "intent", "sent", "acked", "pipeline"]

FAST_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.4, 0.6, 1.0, 2.5, 5.0)
"""Bounds around the SLOs: pipeline p95 0.2 s, order latency p50 0.25 s and p95 0.6 s."""
FETCH_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
KILL_LEVELS: Final = {"": 0, "halt": 1, "flatten": 2}


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its name as scraped, what it means, where it comes from."""

    name: str
    kind: Kind
    meaning: str
    source: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


SERIES: Final = (
    Series("orders_sent_total", "counter", "opening orders that left for the broker", e.OrderSent.KIND),
    Series("fills_total", "counter", "executions", e.FillReceived.KIND),
    Series("rejects_total", "counter", "orders the broker refused", e.OrderRejected.KIND),
    Series("orders_blocked_total", "counter", "orders a guard refused", e.OrderBlocked.KIND, ("guard",)),
    Series("orders_cancelled_total", "counter", "orders taken off", e.OrderCancelled.KIND),
    Series("orders_expired_total", "counter", "orders that ended unfilled or were missed", e.OrderExpired.KIND),
    Series("signals_total", "counter", "setups", e.SignalEmitted.KIND, ("strategy",)),
    Series("trades_total", "counter", "closed trades", e.PositionChanged.KIND, ("strategy",)),
    Series("strategy_pnl", "gauge", "realised net result since the start, account currency", e.PositionChanged.KIND,
           ("strategy",)),
    Series("bars_total", "counter", "closed bars taken in", e.BarsClosed.KIND),
    Series("guard_trips_total", "counter", "times a guard asked for the kill switch", e.GuardTripped.KIND, ("guard",)),
    Series("kill_trips_total", "counter", "times the kill switch was latched", e.KillTripped.KIND),
    Series("broker_losses_total", "counter", "times the link to the broker broke", e.BrokerLost.KIND),
    Series("recon_drifts_total", "counter", "looks at which journal and broker differed", e.ReconDrift.KIND),
    Series("feed_stale_total", "counter", "times a symbol's bars were late", e.FeedStale.KIND),
    Series("clock_skews_total", "counter", "times clocks strayed from each other", e.ClockSkewed.KIND),
    Series("events_total", "counter", "journaled events", "every event", ("kind",)),
    Series("signal_latency_seconds", "histogram", "bar in to signal", "latency signal", (), FAST_S),
    Series("intent_latency_seconds", "histogram", "signal to durable intent", "latency intent", (), FAST_S),
    Series("order_latency_seconds", "histogram", "durable intent to bytes to the broker", "latency sent", (), FAST_S),
    Series("ack_latency_seconds", "histogram", "bytes to the broker to its acknowledgement", "latency acked", (),
           FAST_S),
    Series("pipeline_latency_seconds", "histogram", "bar in to bytes to the broker, or to the end of the moment",
           "latency pipeline", (), FAST_S),
    Series("journal_commit_seconds", "histogram", "one group commit of the journal, fsync in it", "commits", (),
           FAST_S),
    Series("data_fetch_latency_seconds", "histogram", "one fetch of market data", "fetches", ("feed",), FETCH_S),
    Series("equity", "gauge", "equity, account currency", "state"),
    Series("day_pnl", "gauge", "equity less equity at the session's open, account currency", "state"),
    Series("drawdown", "gauge", "equity less the highest equity so far, account currency", "state"),
    Series("exposure_gross", "gauge", "sum of |position| * last CLOSE, account currency", "state"),
    Series("exposure_net", "gauge", "the same, signed", "state"),
    Series("exposure_working", "gauge", "working entry groups counted as filled, account currency", "state"),
    Series("positions", "gauge", "open positions", "state"),
    Series("working_orders", "gauge", "working entry orders", "state"),
    Series("stale_symbols", "gauge", "symbols whose data is beyond the limits", "state"),
    Series("kill_state", "gauge", "0 armed, 1 halt, 2 flatten", "state"),
    Series("broker_connected", "gauge", "1 while the link to the broker is up", "state"),
    Series("broker_reconciled", "gauge", "1 while journal and broker agree", "state"),
    Series("journal_ok", "gauge", "1 while the journal can be written", "state"),
    Series("guard_used_ratio", "gauge", "a guard's figure over its limit", "state", ("guard",)),
    Series("alarms", "gauge", "alarms not acknowledged", "state"),
    Series("console_clients", "gauge", "consoles attached", "state"),
    Series("task_heartbeat_age_seconds", "gauge", "time since a task's last heartbeat", "tasks", ("task",)),
    Series("task_restarts_total", "counter", "restarts of a task", "tasks", ("task",)),
    Series("queue_depth", "gauge", "messages waiting in a task's inbox", "tasks", ("task",)),
    Series("queue_limit", "gauge", "bound of a task's inbox", "tasks", ("task",)),
)  # fmt: skip

_STAGES: Final[dict[Stage, str]] = {
    "signal": "signal_latency_seconds",
    "intent": "intent_latency_seconds",
    "sent": "order_latency_seconds",
    "acked": "ack_latency_seconds",
    "pipeline": "pipeline_latency_seconds",
}


class Metrics:
    """All series of one daemon, in a registry of their own; those of `strategies` are there from the start.

    Cheap enough for every event: a few dictionary look-ups.
    """

    def __init__(self, strategies: Iterable[str] = ()) -> None:
        self.registry = CollectorRegistry()
        self._series: dict[str, Any] = {each.name: _made(each, self.registry) for each in SERIES}
        self._pnl: dict[str, int] = {}
        for strategy in strategies:
            for name in ("signals_total", "trades_total", "strategy_pnl"):
                self._series[name].labels(strategy=strategy)
        self._by_kind = {kind: self._series["events_total"].labels(kind=kind) for kind in e.BY_KIND}
        self._of_kind: dict[str, Callable[[Any], None]] = {
            e.OrderSent.KIND: self._sent,
            e.FillReceived.KIND: self._count("fills_total"),
            e.OrderRejected.KIND: self._count("rejects_total"),
            e.OrderBlocked.KIND: lambda event: self._add("orders_blocked_total", guard=event.guard),
            e.OrderCancelled.KIND: self._count("orders_cancelled_total"),
            e.OrderExpired.KIND: self._count("orders_expired_total"),
            e.SignalEmitted.KIND: lambda event: self._add("signals_total", strategy=event.signal.strategy),
            e.PositionChanged.KIND: self._trade,
            e.BarsClosed.KIND: self._bars,
            e.GuardTripped.KIND: lambda event: self._add("guard_trips_total", guard=event.guard),
            e.KillTripped.KIND: self._count("kill_trips_total"),
            e.BrokerLost.KIND: self._count("broker_losses_total"),
            e.ReconDrift.KIND: self._count("recon_drifts_total"),
            e.FeedStale.KIND: self._count("feed_stale_total"),
            e.ClockSkewed.KIND: self._count("clock_skews_total"),
        }

    def take(self, event: e.Event) -> None:
        """Count one journaled event."""
        self._by_kind[event.KIND].inc()
        count = self._of_kind.get(event.KIND)
        if count is not None:
            count(event)

    def latency(self, stage: Stage, seconds: float) -> None:
        """Take the time one stage of the walk took, on the monotonic clock."""
        self._series[_STAGES[stage]].observe(seconds)

    def commit(self, seconds: float) -> None:
        """Take the time of one group commit."""
        self._series["journal_commit_seconds"].observe(seconds)

    def fetch(self, feed: str, seconds: float) -> None:
        """Take the time of one fetch of market data; `feed` is the feed's kind."""
        self._series["data_fetch_latency_seconds"].labels(feed=feed).observe(seconds)

    def restarted(self, task: str) -> None:
        """Count a task's restart."""
        self._add("task_restarts_total", task=task)

    def task(self, name: str, *, heartbeat_age_s: float, depth: int = 0, depth_max: int = 0) -> None:
        """Show one task: how old its heartbeat is, how full its inbox."""
        self._series["task_heartbeat_age_seconds"].labels(task=name).set(heartbeat_age_s)
        if depth_max:
            self._series["queue_depth"].labels(task=name).set(depth)
            self._series["queue_limit"].labels(task=name).set(depth_max)

    def show(self, state: State) -> None:
        """Show the figures of a state that `core.view.snapshot` gave."""
        account, broker, journal, kill = (_table(state, name) for name in ("account", "broker", "journal", "kill"))
        figures: dict[str, float] = {
            "equity": _money(account, "equity"),
            "day_pnl": _money(account, "day_pnl"),
            "drawdown": _money(account, "drawdown"),
            "exposure_gross": _money(account, "gross"),
            "exposure_net": _money(account, "net"),
            "exposure_working": _money(account, "working"),
            "positions": len(_table(state, "positions")),
            "working_orders": len(_table(state, "orders")),
            "stale_symbols": sum(bool(row["is_stale"]) for row in _rows(state, "quality")),
            "kill_state": KILL_LEVELS[str(kill["level"])],
            "broker_connected": bool(broker["is_connected"]),
            "broker_reconciled": bool(broker["is_reconciled"]),
            "journal_ok": bool(journal["is_ok"]),
            "alarms": sum(not row["is_acknowledged"] for row in _rows(state, "alarms")),
            "console_clients": len(state["clients"]) if isinstance(state["clients"], list) else 0,
        }
        for name, figure in figures.items():
            self._series[name].set(figure)
        for guard, row in _table(state, "guards").items():
            if isinstance(row, dict) and isinstance(used := row.get("used_ppm"), int):
                self._series["guard_used_ratio"].labels(guard=guard).set(used / 1_000_000)
            else:
                # its limit may just have been taken off
                with suppress(KeyError):
                    self._series["guard_used_ratio"].remove(guard)

    def render(self) -> bytes:
        """Give all series in Prometheus' text format; safe from another thread."""
        return generate_latest(self.registry)

    def _count(self, name: str) -> Callable[[e.Event], None]:
        series = self._series[name]
        return lambda _: series.inc()

    def _sent(self, event: e.OrderSent) -> None:
        # a close, by hand or by the kill switch, opens nothing
        if not split_reference(event.key).role:
            self._series["orders_sent_total"].inc()

    def _add(self, name: str, **labels: str) -> None:
        self._series[name].labels(**labels).inc()

    def _bars(self, event: e.BarsClosed) -> None:
        self._series["bars_total"].inc(len(event.rows) or event.last - event.first)

    def _trade(self, event: e.PositionChanged) -> None:
        trade = event.trade
        if trade is not None:
            self._add("trades_total", strategy=trade.strategy)
            # Summed as integers: a float sum would drift away from the account.
            total = self._pnl[trade.strategy] = self._pnl.get(trade.strategy, 0) + trade.net_pnl
            self._series["strategy_pnl"].labels(strategy=trade.strategy).set(total / PRICE_SCALE)


def reference() -> str:
    """Write the table of all series, as `docs/reference/metrics.md` holds it."""
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels) or '-'} "
        f"| {each.meaning} | {_told(each.source)} |"
        for each in SERIES
    ]
    return "\n".join(
        [
            "# Metrics",
            "",
            "Every series on `/metrics`, made from the map in `axiomd/observe/metrics.py`; a test holds the two",
            "against each other. `/healthz` beside it answers 200 while every task is healthy, else 503 and the names",
            "of those that hang. Histograms have the usual `_bucket`, `_sum` and `_count`. Counters begin at zero with",
            "the daemon; `_created` says when. Money is in account currency.",
            "",
            "| series | kind | labels | what it means | from |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            "The SLOs of the design: `order_latency_seconds` and `ack_latency_seconds` together p50 < 0.25 s and",
            "p95 < 0.6 s, `pipeline_latency_seconds` p95 < 0.2 s.",
            "",
        ]
    )


def _told(source: str) -> str:
    return f"event `{source}`" if source in e.BY_KIND else source


def _made(series: Series, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    if series.kind == "histogram":
        return Histogram(series.name, series.meaning, series.labels, buckets=series.buckets, registry=registry)
    made = Counter if series.kind == "counter" else Gauge
    return made(series.name, series.meaning, series.labels, registry=registry)


def _table(state: State, name: str) -> State:
    table = state[name]
    assert isinstance(table, dict), name
    return table


def _rows(state: State, name: str) -> list[State]:
    return [row for row in _table(state, name).values() if isinstance(row, dict)]


def _money(account: State, name: str) -> float:
    return float(str(account[name]))
