"""A small run, made by hand: two sessions, two trades, an order that was refused."""

from __future__ import annotations

from axiomd.contracts.fills import Trade
from axiomd.contracts.orders import Order
from axiomd.contracts.outcome import Activity, CurvePoint, EquityCurve, OrderOutcome, RunRecord
from axiomd.contracts.quality import QualityReport, QualitySummary, Sla, summarise
from axiomd.contracts.runs import CostsConfig, Manifest
from axiomd.contracts.signals import Signal
from axiomd.contracts.units import MINUTE_US, PRICE_SCALE, parse_time

CASH = 100_000 * PRICE_SCALE
OPEN_US = parse_time("2024-03-05T14:30:00+00:00")
NEXT_OPEN_US = parse_time("2024-03-06T14:30:00+00:00")
SESSION_US = 390 * MINUTE_US


def order(number: int, *, valid_from_us: int = OPEN_US + 10 * MINUTE_US) -> Order:
    return Order(
        order_id=f"key{number}", idempotency_key=f"key{number}", oco_id=f"group{number}", run_id="run-1", symbol="SPY",
        side="BUY", qty=100, valid_from_us=valid_from_us, valid_to_us=valid_from_us + 60 * MINUTE_US,
        session="2024-03-05", source="replay", strategy="inside_bar", strategy_version="1.0.0", entry_type="stop",
        signal_id=f"signal{number}", currency="USD", tick_size=100, created_at_us=valid_from_us, stop_price=1_010_100,
        stop_loss_price=1_000_000, take_profit_price=1_030_300,
    )  # fmt: skip


def trade(number: int, net: int, entry_ts_us: int, exit_ts_us: int) -> Trade:
    return Trade(
        trade_id=f"T-key{number}", idempotency_key=f"key{number}", symbol="SPY", side="BUY", qty=100,
        entry_ts_us=entry_ts_us, entry_price=1_010_150, exit_ts_us=exit_ts_us, exit_price=1_030_300,
        exit_reason="TP" if net > 0 else "SL", gross_pnl=(net + 2) * PRICE_SCALE, costs=2 * PRICE_SCALE,
        net_pnl=net * PRICE_SCALE, r_multiple=net / 3, currency="USD", bars_held=3, mae=-50 * PRICE_SCALE, mfe=0,
        ambiguous=net < 0, strategy="inside_bar",
    )  # fmt: skip


def signal(outcome: str = "") -> Signal:
    return Signal(
        signal_id="signal1", run_id="run-1", symbol="SPY", ts_us=OPEN_US + 10 * MINUTE_US, timeframe="m5",
        setup="inside_bar", score=0.5, strategy="inside_bar", strategy_version="1.0.0",
        valid_from_us=OPEN_US + 10 * MINUTE_US, valid_to_us=OPEN_US + 90 * MINUTE_US, entry_type="stop",
        stage1_rank=1, long_entry=1_010_100, sl_long=1_000_000, outcome=outcome,
    )  # fmt: skip


def record() -> RunRecord:
    def point(ts_us: int, equity: int, drawdown: int) -> CurvePoint:
        cash = CASH + equity * PRICE_SCALE
        return CurvePoint(ts_us, cash, cash, 0, drawdown * PRICE_SCALE)

    filled = OrderOutcome(
        order(1), "filled", fill_ts_us=OPEN_US + 15 * MINUTE_US, fill_price=1_010_150, fill_qty=100,
        commission=PRICE_SCALE, slippage_ticks=1,
    )  # fmt: skip
    second = OrderOutcome(
        order(2, valid_from_us=NEXT_OPEN_US), "filled", fill_ts_us=NEXT_OPEN_US, fill_price=1_010_150, fill_qty=100
    )
    refused = OrderOutcome(order(3), "rejected", "rejected:max_order_notional", was_sent=False)
    return RunRecord(
        CASH,
        "USD",
        signals=[signal(), signal("blocked:netting")],
        orders=[filled, second, refused],
        trades=[
            trade(1, 200, OPEN_US + 15 * MINUTE_US, OPEN_US + 30 * MINUTE_US),
            trade(2, -100, NEXT_OPEN_US, NEXT_OPEN_US + 30 * MINUTE_US),
        ],
        curve=EquityCurve(
            [
                point(OPEN_US, 0, 0),
                point(OPEN_US + 31 * MINUTE_US, 200, 0),
                point(OPEN_US + SESSION_US, 200, 0),
                point(NEXT_OPEN_US + 31 * MINUTE_US, 100, -100),
                point(NEXT_OPEN_US + SESSION_US, 100, -100),
            ]
        ),
        session_closes=[
            (OPEN_US + SESSION_US, CASH + 200 * PRICE_SCALE),
            (NEXT_OPEN_US + SESSION_US, CASH + 100 * PRICE_SCALE),
        ],
        final_cash=CASH + 100 * PRICE_SCALE,
        max_drawdown=-120 * PRICE_SCALE,
        max_drawdown_pct=-0.12,
        moments=780,
        moments_exposed=60,
        by_strategy={"inside_bar": Activity(4 * 10_101 * PRICE_SCALE, 60)},
        ambiguous_bars=1,
        counts={"warm_up": 2},
    )


def manifest(run_id: str = "run-1") -> Manifest:
    return Manifest(
        run_id=run_id, created_at="2024-03-07T00:00:00+00:00", engine="replay", mode="replay", strategy="inside_bar",
        strategy_version="1.0.0", params={}, symbols=("SPY",), calendar="XNYS", tz="America/New_York", data=(),
        config_hash="0" * 64, code_version="0.1.0", git_sha=None, packages={}, seed=0, costs=CostsConfig(),
        initial_cash="100000", currency="USD", started_at="2024-03-07T00:00:00+00:00",
        finished_at="2024-03-07T00:00:00+00:00",
    )  # type: ignore[arg-type]  # fmt: skip


def quality(*, passes: bool = True) -> QualitySummary:
    good = Sla(figure=0.0, limit=0.0, passed=True)
    report = QualityReport(
        symbol="SPY", calendar="XNYS", first_date="2024-03-05", last_date="2024-03-06", m5_expected=156, m5_present=156,
        m5_completeness=Sla(figure=1.0 if passes else 0.5, limit=0.99, passed=passes), lateness_minutes=good,
        no_nan_ohlc=good, no_dupe_index=good, passed=passes,
    )  # fmt: skip
    return summarise((report,))
