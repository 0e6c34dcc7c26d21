"""Days worked out by hand, which the second reading must get right before it may judge anything else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.exact import EPOCH, us_of
from tests.reference.reading import RawBar, Reading, as_text, read_day

MARKET = Path(__file__).resolve().parents[2] / ".." / "shared/data/market"
OPEN = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)
MOTHER = ("100.00", "101.00", "100.00", "100.50")
INSIDE = ("100.50", "100.80", "100.20", "100.60")
QUIET = ("100.60", "100.70", "100.50", "100.60")
PARAMS = {"atr_period": 2}


def bar(minute: int, prices: tuple[str, str, str, str], symbol: str = "SPY", volume: int = 10_000) -> RawBar:
    start = us_of(OPEN) + minute * 60_000_000
    o, h, low, c = (Decimal(price) for price in prices)
    return symbol, start, o, h, low, c, volume


def config(
    risk: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "strategy": {"name": "inside_bar", "version": "1.0.0", "params": {**PARAMS, **(params or {})}},
        "symbols": ["SPY"],
        "risk": risk or {},
        **more,
    }


def m5(*prices: tuple[str, str, str, str], start: int = 0, symbol: str = "SPY") -> list[RawBar]:
    return [bar(start + 5 * number, each, symbol) for number, each in enumerate(prices)]


def read(bars: list[RawBar], **more: Any) -> Reading:
    return read_day(config(**more), bars, "m5", run_id="r")


def utc(hour: int, minute: int) -> int:
    return us_of(OPEN.replace(hour=hour, minute=minute))


def reasons(reading: Reading) -> list[tuple[str, str, str]]:
    return [(row["side"], row["status"], row["reason"]) for row in reading.filled_orders]


def only_trade(reading: Reading) -> dict[str, str]:
    assert len(reading.trades) == 1
    return as_text(reading.trades[0])


def test_levels_validity_and_ids_of_a_setup() -> None:
    reading = read(m5(MOTHER, INSIDE, QUIET))

    signal = as_text(reading.signals[0])
    assert ("101.01", "100.00", "103.03") == (signal["long_entry"], signal["sl_long"], signal["tp_long"])
    assert ("99.99", "101.00", "97.97") == (signal["short_entry"], signal["sl_short"], signal["tp_short"])
    assert "2024-03-05T14:40:00+00:00" == signal["ts"] == signal["valid_from"]
    assert "2024-03-05T16:00:00+00:00" == signal["valid_to"]
    oco = hashlib.sha1(f"inside_bar|SPY|2024-03-05|inside_bar|{utc(14, 40)}".encode()).hexdigest()[:12]
    key = hashlib.sha1(f"r|inside_bar|1.0.0|SPY|BUY|{oco}".encode()).hexdigest()[:16]
    assert (oco, key) == (reading.orders[0]["oco_id"], reading.orders[0]["idempotency_key"])


def test_long_breakout_reaches_its_target_in_a_later_bar() -> None:
    reading = read(
        m5(MOTHER, INSIDE, ("100.60", "101.50", "100.50", "101.40"), ("101.40", "103.50", "101.20", "103.00"))
    )

    trade = only_trade(reading)
    assert ("101.01", "103.03", "TP", "202.00", "2.00") == (
        trade["entry_price"], trade["exit_price"], trade["exit_reason"], trade["net_pnl"], trade["r_multiple"],
    )  # fmt: skip
    assert [("BUY", "filled", ""), ("SELL", "cancelled", "oco_cancelled")] == reasons(reading)
    assert Fraction(100_202) == reading.metrics["final_cash"]


def test_buy_stop_gapped_over_fills_at_open_and_then_counts_its_target_in_the_entry_bar() -> None:
    reading = read(m5(MOTHER, INSIDE, ("101.20", "103.10", "101.10", "103.00")))

    trade = only_trade(reading)
    assert ("101.20", "103.03", "TP", "False") == (
        trade["entry_price"], trade["exit_price"], trade["exit_reason"], trade["ambiguous"],
    )  # fmt: skip


def test_target_in_the_entry_bar_does_not_count_when_the_entry_was_not_at_open() -> None:
    bars = [
        *m5(MOTHER, INSIDE, ("100.60", "103.50", "100.50", "102.00")),
        bar(385, ("102.50", "102.60", "102.40", "102.50")),
    ]
    trade = only_trade(read(bars))

    assert ("EOD", "102.50", "True") == (trade["exit_reason"], trade["exit_price"], trade["ambiguous"])
    assert "2024-03-05T20:55:00+00:00" == trade["exit_ts"]


def test_stop_touched_in_the_entry_bar_counts_against_us() -> None:
    trade = only_trade(read(m5(MOTHER, INSIDE, ("100.60", "101.50", "100.00", "101.40"))))

    assert ("SL", "100.00", "-101.00", "0") == (
        trade["exit_reason"], trade["exit_price"], trade["net_pnl"], trade["bars_held"],
    )  # fmt: skip


def test_both_legs_touched_takes_the_nearer_one_and_stops_it_out() -> None:
    reading = read(m5(MOTHER, INSIDE, ("100.90", "101.20", "99.90", "100.00")))

    trade = only_trade(reading)
    assert ("BUY", "SL", "100.00", "True") == (
        trade["side"], trade["exit_reason"], trade["exit_price"], trade["ambiguous"],
    )  # fmt: skip
    assert 1 == reading.metrics["ambiguous_bars"]


def test_both_legs_equally_far_take_the_long_one() -> None:
    assert "BUY" == only_trade(read(m5(MOTHER, INSIDE, ("100.50", "101.20", "99.90", "100.00"))))["side"]


def test_both_legs_touched_fill_neither_under_skip() -> None:
    reading = read(m5(MOTHER, INSIDE, ("100.90", "101.20", "99.90", "100.00")), fills={"ambiguity": "skip"})

    assert [("BUY", "cancelled", "ambiguous"), ("SELL", "cancelled", "ambiguous")] == reasons(reading)
    assert (0, 1) == (len(reading.trades), reading.metrics["ambiguous_bars"])


def test_stop_gapped_over_fills_at_open_and_stop_before_target_in_one_bar() -> None:
    entered = ("100.60", "101.50", "100.50", "101.40")
    gapped = only_trade(read(m5(MOTHER, INSIDE, entered, ("99.50", "99.80", "99.40", "99.60"))))
    both = only_trade(read(m5(MOTHER, INSIDE, entered, ("101.40", "103.50", "99.90", "103.00"))))

    assert ("99.50", "SL", "False") == (gapped["exit_price"], gapped["exit_reason"], gapped["ambiguous"])
    assert ("100.00", "SL", "True") == (both["exit_price"], both["exit_reason"], both["ambiguous"])


def test_without_a_bar_after_flatten_at_the_close_of_the_last_bar_is_taken() -> None:
    trade = only_trade(read(m5(MOTHER, INSIDE, ("100.60", "101.50", "100.50", "101.40"))))

    assert ("EOD", "101.40", "2024-03-05T14:40:00+00:00") == (
        trade["exit_reason"], trade["exit_price"], trade["exit_ts"],
    )  # fmt: skip


def test_half_day_cuts_validity_to_its_own_flatten_at() -> None:
    shift = us_of(datetime(2023, 11, 24, 14, 30, tzinfo=UTC)) - us_of(OPEN)
    bars = [(each[0], each[1] + shift, *each[2:]) for each in m5(MOTHER, INSIDE, QUIET)]
    reading = read(bars, params={"validity": "session_end"})

    assert "2023-11-24T17:55:00+00:00" == as_text(reading.signals[0])["valid_to"]
    assert [("BUY", "expired", "expired"), ("SELL", "expired", "expired")] == reasons(reading)


def test_costs_move_stop_fills_and_spare_targets() -> None:
    costs = {"commission_per_share": "0.005", "commission_min": 1, "slippage_ticks": 1, "slippage_bps": 1}
    reading = read(
        m5(MOTHER, INSIDE, ("100.60", "101.50", "100.50", "101.40"), ("101.40", "103.50", "101.20", "103.00")),
        costs=costs,
    )

    # one basis point of 101.01 is 1.01 ticks, so two, and the fixed one: three
    trade = only_trade(reading)
    assert ("101.04", "103.03", "2.00", "197.00") == (
        trade["entry_price"], trade["exit_price"], trade["costs"], trade["net_pnl"],
    )  # fmt: skip
    assert 3 == reading.filled_orders[0]["slippage_ticks"]


def test_stop_triggered_beyond_its_limit_rests_as_a_limit_from_the_next_bar_on() -> None:
    trade = only_trade(
        read(
            m5(MOTHER, INSIDE, ("101.50", "101.60", "101.00", "101.20"), ("101.30", "101.40", "101.05", "101.30")),
            params={"entry_limit_ticks": 5},
        )
    )

    assert ("101.06", "2024-03-05T14:45:00+00:00") == (trade["entry_price"], trade["entry_ts"])


def test_five_minutes_with_a_missing_last_minute_are_known_at_their_end() -> None:
    minutes = [bar(minute, MOTHER) for minute in range(5)] + [bar(minute, INSIDE) for minute in range(5, 9)]
    reading = read_day(config(), minutes, "m1", run_id="r")

    assert [utc(14, 40)] == [signal["ts_us"] for signal in reading.signals]


def test_a_gap_of_one_interval_is_no_mother() -> None:
    reading = read([bar(0, MOTHER), bar(10, INSIDE), bar(15, ("101.00", "102.00", "100.00", "101.00"))])

    assert [] == reading.signals


def test_one_setup_a_window_even_when_it_was_refused() -> None:
    reading = read(m5(MOTHER, INSIDE, INSIDE, INSIDE), risk={"max_order_notional": 100})

    assert 1 == len(reading.signals)
    assert {"rejected:max_order_notional"} == {row["reason"] for row in reading.filled_orders}
    assert [] == reading.orders


def test_bars_before_first_warm_up_and_are_not_traded() -> None:
    day_before = [(each[0], each[1] - 86_400_000_000, *each[2:]) for each in m5(MOTHER, INSIDE, QUIET, QUIET)]
    today = m5(MOTHER, INSIDE, QUIET)
    cold = read_day(config(params={"atr_period": 4}), today, "m5", run_id="r")
    warm = read_day(config(params={"atr_period": 4}), day_before + today, "m5", first=date(2024, 3, 5), run_id="r")

    assert (0, 2) == (len(cold.signals), cold.counts["warm_up"])
    assert [utc(14, 40)] == [signal["ts_us"] for signal in warm.signals]


def test_risk_sizing_floors_to_lots_and_is_clipped() -> None:
    def quantities(**sizing: Any) -> list[int]:
        return [row["qty"] for row in read(m5(MOTHER, INSIDE, QUIET), sizing=sizing).orders]

    assert [990, 1000] == quantities(mode="pct_equity", pos_pct=100)
    # 100 of risk over 101 ticks of a cent: 99 shares
    assert [99, 99] == quantities(mode="risk", risk_pct="0.1")
    assert [495, 500] == quantities(mode="risk", risk_pct=1, max_pos_pct=50)
    assert [50, 50] == quantities(max_volume_pct="0.5")
    assert [] == quantities(mode="risk", risk_pct="0.1", min_qty=100)


def test_too_small_a_size_stands_in_the_signal() -> None:
    reading = read(m5(MOTHER, INSIDE, QUIET), sizing={"mode": "risk", "risk_pct": "0.0001"})

    assert ["below_min_qty"] == [signal["outcome"] for signal in reading.signals]
    assert [] == reading.filled_orders


def test_daily_loss_at_level_flatten_closes_at_the_next_open() -> None:
    entered = ("100.60", "101.50", "100.50", "100.60")
    bars = m5(
        MOTHER, INSIDE, entered, ("100.60", "100.70", "100.40", "100.50"), ("100.45", "103.50", "100.40", "103.00")
    )
    reading = read(bars, risk={"max_daily_loss": {"limit": 41, "level": "flatten"}})

    trade = only_trade(reading)
    assert ("KILL", "100.60", "2024-03-05T14:45:00+00:00") == (
        trade["exit_reason"], trade["exit_price"], trade["exit_ts"],
    )  # fmt: skip
    assert [(utc(14, 45), "max_daily_loss")] == [(trip["ts_us"], trip["guard"]) for trip in reading.trips]


def test_a_halt_kills_working_entries_and_the_next_session_resumes() -> None:
    lost = ("100.60", "101.50", "100.00", "100.10")
    today = m5(MOTHER, INSIDE, lost, QUIET)
    later = [(each[0], each[1] + 86_400_000_000, *each[2:]) for each in today]
    risk = {"consecutive_losses": 1}
    resumed = read(today + later, risk=risk)
    halted = read(today + later, risk=risk, resume="never")

    assert (2, 1) == (len(resumed.trades), resumed.metrics["operator_resumes"])
    assert 1 == len(halted.trades)
    assert {"rejected:kill_switch"} == {row["reason"] for row in halted.filled_orders[2:]}


def test_a_drawdown_stays_halted() -> None:
    lost = ("100.60", "101.50", "100.00", "100.10")
    today = m5(MOTHER, INSIDE, lost, QUIET)
    later = [(each[0], each[1] + 86_400_000_000, *each[2:]) for each in today]
    reading = read(today + later, risk={"max_drawdown": {"limit": 50}})

    assert (1, 0) == (len(reading.trades), reading.metrics["operator_resumes"])


def test_a_second_strategy_finds_the_symbol_taken() -> None:
    one = {"name": "inside_bar", "params": PARAMS, "symbols": ["SPY"]}
    both = {"strategies": [{"id": "a", **one}, {"id": "b", **one}], "risk": {}}
    reading = read_day(both, m5(MOTHER, INSIDE, QUIET), "m5", run_id="r")

    assert [("a", ""), ("b", "blocked:netting")] == [(row["strategy"], row["outcome"]) for row in reading.signals]


def test_gross_exposure_counts_the_dearest_leg_of_other_groups_only() -> None:
    bars = sorted(m5(MOTHER, INSIDE, QUIET) + m5(MOTHER, INSIDE, QUIET, symbol="IBM"), key=lambda each: each[1])
    settings_ = config(risk={"max_gross_exposure": 20_201})
    settings_["symbols"] = ["IBM", "SPY"]
    reading = read_day(settings_, bars, "m5", run_id="r")

    # 10,101 works in IBM; SPY's long leg makes it 20,202, its short leg 20,100
    assert [("IBM", "BUY", "expired"), ("IBM", "SELL", "expired"), ("SPY", "BUY", "rejected:max_gross_exposure"),
            ("SPY", "SELL", "expired")] == [
        (row["symbol"], row["side"], row["reason"]) for row in reading.filled_orders
    ]  # fmt: skip


def test_entries_of_a_symbol_that_falls_silent_are_cancelled_as_stale() -> None:
    bars = m5(MOTHER, INSIDE, QUIET) + m5(*[QUIET] * 8, symbol="IBM")
    settings_ = config(risk={"stale_data": {"lateness_minutes": 5}}, params={"sides": "long"})
    settings_["symbols"] = ["SPY", "IBM"]
    reading = read_day(settings_, sorted(bars, key=lambda each: each[1]), "m5", run_id="r")

    assert ["stale"] == [row["reason"] for row in reading.filled_orders if row["symbol"] == "SPY"]


@st.composite
def days(draw: st.DrawFn) -> list[RawBar]:
    """Two sessions of a random walk in cents, with holes."""
    bars: list[RawBar] = []
    price = 10_000
    for day in range(2):
        for step in range(40):
            moves = draw(
                st.tuples(*[st.integers(-60, 60)] * 2, st.integers(0, 40), st.integers(0, 40), st.integers(0, 9))
            )
            opened = price + (moves[0] if moves[4] == 1 else 0)
            closed = opened + moves[1]
            high, low = max(opened, closed) + moves[2], min(opened, closed) - moves[3]
            price = closed
            if moves[4] == 0:
                continue
            start = us_of(OPEN) + (day * 1440 + step * 5) * 60_000_000
            bars.append(("SPY", start, *(Decimal(each) / 100 for each in (opened, high, low, closed)), 5_000))  # type: ignore[arg-type]
    return bars


@settings(max_examples=25, deadline=None)
@given(days(), st.integers(0, 80))
def test_cash_adds_up_and_no_signal_looks_ahead(bars: list[RawBar], known: int) -> None:
    costs = {"commission_bps": 1, "slippage_ticks": 1}
    whole = read_day(config(costs=costs), bars, "m5", run_id="r")
    part = read_day(config(costs=costs), bars[:known], "m5", run_id="r")

    gained = sum((trade["net_pnl"] for trade in whole.trades), Fraction(0))
    assert whole.metrics["final_cash"] == 100_000 + gained
    until = max((each[1] + 300_000_000 for each in bars[:known]), default=0)
    assert part.signals == [signal for signal in whole.signals if signal["ts_us"] <= until]


@pytest.mark.real_data
def test_real_minutes_of_two_weeks_give_whole_trades() -> None:
    file = MARKET / "equity_m1.parquet"
    if not file.exists():
        pytest.skip("the real market data is not beside the project")
    frame = pl.read_parquet(file).filter(pl.col("symbol") == "SPY").sort("ts")
    bars = [
        (row[0], (row[1] - EPOCH) // timedelta(microseconds=1), *(Decimal(repr(price)) for price in row[2:6]), row[6])
        for row in frame.iter_rows()
    ]
    reading = read_day({"strategy": {"name": "inside_bar"}, "symbols": ["SPY"], "risk": {}}, bars, run_id="r")

    assert 6 == reading.metrics["sharpe_periods"]
    assert len(reading.trades) == sum(row["status"] == "filled" for row in reading.filled_orders)
    assert all(trade["exit_ts_us"] >= trade["entry_ts_us"] for trade in reading.trades)
