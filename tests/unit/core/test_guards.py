"""Every guard of the chain alone: passes at its limit, refuses just beyond, and is silent while it is off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.core.guards.api import COMPLETENESS_FROM, LIMITS, OFF, PROPOSAL
from axiomd.core.guards.chain import GUARDS, PASSED, judge
from axiomd.core.guards.loss import (
    ALL_LOSSES,
    DAILY_LOSS,
    DRAWDOWN,
    NO_TRIP,
    Burst,
    floor_broken,
    is_drawdown_raised,
)
from axiomd.core.guards.price import is_beyond

Case = dict[str, Any]

MINUTE_US = 60_000_000

# figures of an order that every guard lets pass: 100 shares at 100.00 in the middle of a session
ORDER: Case = {
    "now_us": 100 * MINUTE_US, "is_ready": 1, "is_journal_ok": 1, "open_us": 0, "flatten_us": 385 * MINUTE_US,
    "side": 1, "qty": 100, "entry": 1_000_000, "stop_price": 1_000_000, "stop_loss": 990_000, "target": 1_020_000,
    "tick": 100, "lot": 1, "notional": 100_000_000, "is_short_allowed": 1, "max_qty": OFF, "close": 1_000_000,
    "intervals": 20, "intervals_due": 20, "equity": 1_000_000_000, "atr": 10_000.0, "others": 2, "others_heard": 2,
}  # fmt: skip

# guard: (limits, what stands exactly at the limit and passes, what is just beyond)
EDGES: dict[str, tuple[Case, Case, Case]] = {
    "KillSwitch": ({}, {"is_latched": 0}, {"is_latched": 1}),
    "BrokerReady": ({}, {"is_ready": 1}, {"is_ready": 0}),
    "JournalFailure": ({}, {"is_journal_ok": 1}, {"is_journal_ok": 0}),
    "SessionOpen": ({}, {"now_us": 385 * MINUTE_US - 1}, {"now_us": 385 * MINUTE_US}),
    "TickAndLot": ({}, {"target": 1_020_100}, {"target": 1_020_150}),
    "DuplicateOrder": ({}, {"is_known": 0}, {"is_known": 1}),
    "MessageRate": ({"rate_orders": 5}, {"sends": 4}, {"sends": 5}),
    "RestrictedList": ({}, {"is_restricted": 0}, {"is_restricted": 1}),
    "ShortAllowed": ({}, {"side": -1}, {"side": -1, "is_short_allowed": 0}),
    "StaleData": (
        {"lateness_us": 5 * MINUTE_US}, {"lateness_us": 5 * MINUTE_US}, {"lateness_us": 5 * MINUTE_US + 1},
    ),
    "MarketHaltProxy": (
        {"silent_us": 5 * MINUTE_US}, {"silent_us": 5 * MINUTE_US - 1}, {"silent_us": 5 * MINUTE_US},
    ),
    "PerSymbolMaxQty": ({}, {"max_qty": 150, "position": 50}, {"max_qty": 149, "position": 50}),
    "MaxOrderNotional": (
        {"max_order_notional": 100_000_000}, {"notional": 100_000_000}, {"notional": 100_000_001},
    ),
    "SlippageSanity": ({"entry_ppm": 30_000}, {"close": 970_874}, {"close": 970_873}),
    "PriceCollar": ({"collar_atr": 5.0}, {"close": 950_000}, {"close": 949_999}),
    "MaxOpenPositions": ({"max_open_positions": 3}, {"positions": 2}, {"positions": 3}),
    "MaxOpenOrders": ({"max_open_orders": 4}, {"legs": 3}, {"legs": 4}),
    "MaxGrossExposure": ({"max_gross_exposure": 150_000_000}, {"gross": 50_000_000}, {"gross": 50_000_001}),
    "MaxNetExposure": ({"max_net_exposure": 150_000_000}, {"net": 50_000_000}, {"net": 50_000_001}),
    "BuyingPower": ({"buying_power_ppm": 500_000}, {"gross": 400_000_000}, {"gross": 400_000_001}),
}  # fmt: skip

# the other half of guards that look at two things
MORE_EDGES: list[tuple[str, Case, Case, Case]] = [
    ("SessionOpen", {}, {"now_us": 0}, {"now_us": -1}),
    ("TickAndLot", {}, {"qty": 100, "lot": 10}, {"qty": 105, "lot": 10}),
    ("TickAndLot", {}, {"qty": 1}, {"qty": 0}),
    ("TickAndLot", {}, {"stop_loss": 0}, {"stop_loss": -100}),
    (
        "StaleData", {"completeness_ppm": 990_000}, {"intervals": 99, "intervals_due": 100},
        {"intervals": 98, "intervals_due": 100},
    ),
    (
        "StaleData", {"completeness_ppm": 990_000}, {"intervals": 0, "intervals_due": COMPLETENESS_FROM - 1},
        {"intervals": 0, "intervals_due": COMPLETENESS_FROM},
    ),
    (
        "MarketHaltProxy", {"jump_bp": 1000}, {"jump_until_us": 100 * MINUTE_US},
        {"jump_until_us": 100 * MINUTE_US + 1},
    ),
    (
        "MarketHaltProxy", {"silent_us": 5 * MINUTE_US}, {"silent_us": 9 * MINUTE_US, "others": 3, "others_heard": 1},
        {"silent_us": 9 * MINUTE_US, "others": 2, "others_heard": 1},
    ),
    (
        "MarketHaltProxy", {"silent_us": 5 * MINUTE_US}, {"silent_us": 9 * MINUTE_US, "others": 0, "others_heard": 0},
        {"silent_us": 9 * MINUTE_US, "others": 1, "others_heard": 1},
    ),
    ("PerSymbolMaxQty", {}, {"side": -1, "max_qty": 50, "position": 150}, {"side": -1, "max_qty": 49, "position": 50}),
    ("PriceCollar", {"collar_atr": 0.0}, {}, {"close": 1_000_001}),
    ("MaxNetExposure", {"max_net_exposure": 150_000_000}, {"side": -1, "net": -50_000_000},
     {"side": -1, "net": -50_000_001}),
    ("BuyingPower", {"buying_power_ppm": 1_000_000}, {"equity": 100_000_000}, {"equity": 99_999_999}),
    ("BuyingPower", {"buying_power_ppm": 1_000_000}, {}, {"equity": -5}),
]  # fmt: skip


def off() -> Any:
    record = np.zeros(1, LIMITS)
    for name in LIMITS.names or ():
        record[name] = OFF
    return record[0]


def judged(limits: Case, figures: Case) -> str:
    """Give the guard that refuses, or nothing."""
    x, own, verdicts = np.zeros(1, PROPOSAL)[0], off(), np.zeros((PASSED, 2), np.int64)
    for record, values in ((x, ORDER | figures), (own, limits)):
        for name, value in values.items():
            record[name] = value
    position = int(judge(x, own, verdicts))
    return "" if position == PASSED else GUARDS[position]


ALL = [(name, *edges) for name, edges in EDGES.items()] + MORE_EDGES


@pytest.mark.parametrize(("guard", "limits", "at", "beyond"), ALL)
def test_guard_passes_at_its_limit_and_refuses_beyond(guard: str, limits: Case, at: Case, beyond: Case) -> None:
    assert "" == judged(limits, at)
    assert guard == judged(limits, beyond)


def test_every_guard_of_the_chain_has_an_edge_here() -> None:
    assert set(GUARDS) == set(EDGES)


@pytest.mark.parametrize("guard", [name for name, (limits, _, _) in EDGES.items() if limits])
def test_guard_that_is_off_refuses_nothing(guard: str) -> None:
    _, _, beyond = EDGES[guard]

    assert "" == judged({}, beyond)


def test_no_atr_yet_refuses_a_collared_order() -> None:
    assert "PriceCollar" == judged({"collar_atr": 5.0}, {"atr": 0.0, "close": 1_000_001})


@pytest.mark.parametrize("name", list(EDGES))
def test_first_guard_that_says_no_is_the_one_named(name: str) -> None:
    limits: Case = {}
    figures: Case = {}
    for guard in GUARDS[GUARDS.index(name) :]:
        own_limits, _, beyond = EDGES[guard]
        limits |= own_limits
        figures = beyond | figures

    assert name == judged(limits, figures)


@given(close=st.integers(1, 10**8), price=st.integers(1, 10**8), limit_ppm=st.integers(0, 10**6))
def test_distance_from_a_level_is_exact(close: int, price: int, limit_ppm: int) -> None:
    beyond, _, _ = is_beyond(price, close, limit_ppm)

    assert (abs(price - close) * 1_000_000 > limit_ppm * close) == beyond


ACCOUNT = np.dtype(
    [("equity", "i8"), ("loss_base", "i8"), ("drawdown_peak", "i8"), ("losses_judged", "i8")], align=True
)


@pytest.mark.parametrize(
    ("expected", "equity", "judging"),
    [
        (NO_TRIP, 981, ALL_LOSSES),
        (DAILY_LOSS, 980, ALL_LOSSES),
        (DAILY_LOSS, 900, ALL_LOSSES),
        (NO_TRIP, 901, DRAWDOWN),
        (DRAWDOWN, 900, DRAWDOWN),
        (NO_TRIP, 0, 0),
    ],
)
def test_losses_trip_when_the_floor_is_reached(expected: int, equity: int, judging: int) -> None:
    account, limits = np.zeros(1, ACCOUNT)[0], off()
    account["equity"], account["losses_judged"] = equity, judging
    account["loss_base"], account["drawdown_peak"] = 1000, 1050
    limits["max_daily_loss"], limits["max_drawdown"] = 20, 150

    assert expected == floor_broken(account, limits)


@pytest.mark.parametrize(
    ("expected", "limit", "equity"),
    [
        (False, 10, 1000),
        (False, 9, 1000),
        (False, 20, 980),
        (True, 20, 981),
        (True, 11, 1000),
        (True, OFF, 0),
    ],
)
def test_a_drawdown_is_raised_above_its_trip_and_above_what_is_lost_now(
    expected: bool, limit: int, equity: int
) -> None:
    """Equity that came back to its peak is no raised limit."""
    account, limits = np.zeros(1, ACCOUNT)[0], off()
    account["equity"], account["drawdown_peak"], limits["max_drawdown"] = equity, 1000, limit

    assert expected == is_drawdown_raised(account, limits, 10)


def test_partial_executions_of_one_order_count_once() -> None:
    burst = Burst(3, 10)

    assert [1, 1, 2] == [burst.add(0, "a"), burst.add(1, "a"), burst.add(2, "b")]
    assert not burst.is_over(2)
    assert burst.is_over(burst.add(3, "c"))


def test_what_is_older_than_the_span_is_forgotten_both_ends_count() -> None:
    burst = Burst(3, 10)
    burst.add(0, "a")

    assert 2 == burst.add(10, "b")
    assert 2 == burst.add(11, "c")
