"""The simulated broker alone: what it answers to a command and to a bar, and what it then holds for true."""

from __future__ import annotations

import msgspec
import pytest

from axiomd.broker.sim import SimBroker
from axiomd.contracts import events as e
from axiomd.contracts.commands import CancelEntry, ClosePosition
from axiomd.contracts.orders import Order
from axiomd.contracts.runs import CostsConfig
from axiomd.core.plan import cost_numbers
from tests.unit.runs.a_run import order

MINUTE_US = 60_000_000
START_US = 1_000 * MINUTE_US
FLATTEN_US = START_US + 100 * MINUTE_US
UNTOUCHED = (1_000_000, 1_000_500, 999_500, 1_000_000)


def broker(*, skips_ambiguous: bool = False, **costs: object) -> SimBroker:
    return SimBroker(
        ("SPY", "IBM"), (100, 100), cost_numbers(CostsConfig.model_validate(costs)), bar_us=MINUTE_US,
        skips_ambiguous=skips_ambiguous,
    )  # fmt: skip


def leg(side: str = "BUY", number: int = 1, symbol: str = "SPY", **changes: object) -> Order:
    """Give a leg of a group around 100.00: entry 1.00 away, stop at the other side's entry, target 2.00 on."""
    sign = 1 if side == "BUY" else -1
    given = {
        "idempotency_key": f"{side.lower()}{number}", "oco_id": f"g{number}", "symbol": symbol, "side": side,
        "stop_price": 1_000_000 + sign * 10_000, "stop_loss_price": 1_000_000 - sign * 10_000,
        "take_profit_price": 1_000_000 + sign * 30_000, "valid_from_us": START_US,
        "valid_to_us": START_US + 60 * MINUTE_US, "flatten_at_us": FLATTEN_US,
    }  # fmt: skip
    return msgspec.structs.replace(order(number), **(given | changes))


def minute(sim: SimBroker, number: int, ohlc: tuple[int, int, int, int] = UNTOUCHED, *, symbol: int = 0) -> list[str]:
    """Let one bar close and tell what came of it."""
    start_us = START_US + number * MINUTE_US
    return list(map(told, sim.match([(start_us, symbol, *ohlc, 1000)], start_us + MINUTE_US)))


def told(report: e.Event) -> str:
    match report:
        case e.FillReceived(fill=fill):
            return f"{fill.reference} {fill.side} {fill.qty} at {fill.price}"
        case e.OrderCancelled(key=key, reason=reason) | e.OrderRejected(key=key, reason=reason):
            return f"{key} {report.KIND} {reason}"
        case _:
            return f"{getattr(report, 'key', '')} {report.KIND}"


UP = (1_005_000, 1_012_000, 1_005_000, 1_011_000)
BOTH = (1_001_000, 1_012_000, 988_000, 1_000_000)


def test_everything_is_acknowledged_at_once_with_ids_of_its_own() -> None:
    sim = broker()

    reports = [*sim.place([leg("BUY"), leg("SELL")], START_US), *sim.place([leg(number=2, symbol="IBM")], START_US)]

    acks = [report for report in reports if isinstance(report, e.OrderAcked)]
    assert ["buy1", "sell1", "buy2"] == [ack.key for ack in acks]
    assert 3 == len({ack.broker_id for ack in acks})
    assert {"buy1", "sell1", "buy2"} == {open_.reference for open_ in sim.truth().orders}


def test_entry_cancels_its_sibling_and_wakes_its_exits() -> None:
    sim = broker()
    sim.place([leg("BUY"), leg("SELL")], START_US)

    assert ["buy1 BUY 100 at 1010000", "sell1 order.cancelled oco_cancelled"] == minute(sim, 0, UP)

    truth = sim.truth()
    assert {"SPY": 100} == truth.positions
    assert {"buy1-SL": 990_000, "buy1-TP": 1_030_000, "buy1-EOD": 0} == {o.reference: o.price for o in truth.orders}
    assert {100} == {open_.qty for open_ in truth.orders}
    assert 1 == len({open_.oca for open_ in truth.orders})


def test_exit_ends_all_exits_and_the_position() -> None:
    sim = broker()
    sim.place([leg()], START_US)
    minute(sim, 0, UP)

    assert ["buy1-TP SELL 100 at 1030000"] == minute(sim, 1, (1_020_000, 1_031_000, 1_020_000, 1_030_000))
    assert ({}, ()) == (sim.truth().positions, sim.truth().orders)
    assert sim.is_idle


def test_stopped_out_in_the_bar_that_touches_both_legs() -> None:
    sim = broker()
    sim.place([leg("BUY"), leg("SELL")], START_US)

    assert [
        "buy1 BUY 100 at 1010000", "sell1 order.cancelled oco_cancelled", "buy1-SL SELL 100 at 990000",
    ] == minute(sim, 0, BOTH)  # fmt: skip


def test_both_legs_touched_are_skipped_where_that_is_asked_for() -> None:
    sim = broker(skips_ambiguous=True)
    sim.place([leg("BUY"), leg("SELL")], START_US)

    assert ["buy1 order.cancelled ambiguous", "sell1 order.cancelled ambiguous"] == minute(sim, 0, BOTH)
    assert sim.is_idle


def test_trigger_in_a_symbol_that_is_held_is_rejected_with_its_group() -> None:
    sim = broker()
    sim.place([leg()], START_US)
    minute(sim, 0, UP)
    sim.place([leg("BUY", 2), leg("SELL", 2)], START_US)

    assert ["buy2 order.rejected netting", "sell2 order.rejected netting"] == minute(
        sim, 1, (1_005_000, 1_012_000, 1_005_000, 1_011_000)
    )


def test_bar_outside_the_validity_fills_nothing_and_the_end_of_it_expires() -> None:
    sim = broker()
    sim.place([leg(valid_from_us=START_US + MINUTE_US, valid_to_us=START_US + 2 * MINUTE_US)], START_US)

    assert [] == minute(sim, 0, UP)
    assert ["buy1 order.expired"] == minute(sim, 1)
    assert [] == minute(sim, 2, UP)


def test_bar_that_ends_with_the_validity_still_fills() -> None:
    sim = broker()
    sim.place([leg(valid_to_us=START_US + MINUTE_US)], START_US)

    assert ["buy1 BUY 100 at 1010000"] == minute(sim, 0, UP)


def test_resting_end_of_day_order_closes_at_the_first_open_from_its_time_on() -> None:
    sim = broker()
    sim.place([leg()], START_US)
    minute(sim, 0, UP)

    assert [] == minute(sim, 99, UP)
    assert ["buy1-EOD SELL 100 at 1004000"] == minute(sim, 100, (1_004_000, 1_040_000, 980_000, 1_000_000))


def test_position_left_at_the_close_is_closed_at_the_last_close() -> None:
    sim = broker()
    sim.place([leg()], START_US)
    minute(sim, 0, UP)

    reports = sim.end_session(START_US + 105 * MINUTE_US)

    assert ["buy1-EOD SELL 100 at 1011000"] == list(map(told, reports))
    assert sim.is_idle


def test_close_cancels_the_exits_first_and_fills_at_the_next_open() -> None:
    sim = broker()
    sim.place([leg()], START_US)
    minute(sim, 0, UP)
    close = ClosePosition(key="buy1", reference="buy1-KILL", symbol="SPY", qty=100)

    assert ["buy1-KILL order.sent", "buy1-KILL order.acked"] == list(map(told, sim.execute(close, START_US)))
    assert ["buy1-KILL"] == [open_.reference for open_ in sim.truth().orders]
    assert [] == sim.execute(close, START_US)
    assert ["buy1-KILL SELL 100 at 985000"] == minute(sim, 1, (985_000, 1_040_000, 980_000, 985_000))


def test_urgent_close_fills_at_once_at_the_last_close_seen() -> None:
    sim = broker()
    sim.place([leg()], START_US)
    minute(sim, 0, UP)

    reports = sim.execute(
        ClosePosition(key="buy1", reference="buy1-KILL", symbol="SPY", qty=100, is_urgent=True), START_US
    )

    assert "buy1-KILL SELL 100 at 1011000" == told(reports[-1])
    assert sim.is_idle


@pytest.mark.parametrize(("expected", "flattens"), [({"SPY": 100}, False), ({}, True)])
def test_kill_takes_every_entry_off_and_closes_only_at_flatten(expected: dict[str, int], flattens: bool) -> None:
    sim = broker()
    sim.place([leg()], START_US)
    minute(sim, 0, UP)
    sim.place([leg("BUY", 2, "IBM"), leg("SELL", 2, "IBM")], START_US)

    reports = list(map(told, sim.kill(START_US + MINUTE_US, flattens=flattens)))

    assert ["buy2 order.cancelled killed", "sell2 order.cancelled killed"] == reports[:2]
    assert expected == sim.truth().positions
    if not flattens:
        assert {"buy1-SL", "buy1-TP", "buy1-EOD"} == {open_.reference for open_ in sim.truth().orders}


def test_of_two_sides_the_long_leg_goes_first_whichever_was_named_first() -> None:
    sim, legs = broker(), (leg("SELL", 2), leg("BUY", 1))
    sim.place(legs, START_US)

    told = sim.match([(START_US, 0, 1_000_000, 1_011_000, 989_000, 1_000_000, 1_000)], START_US + MINUTE_US)

    assert [fill.fill.side for fill in told if isinstance(fill, e.FillReceived)] == ["BUY", "SELL"]


def test_a_third_leg_is_rejected_and_the_group_works_without_it() -> None:
    sim, legs = broker(), (leg("BUY", 1), leg("SELL", 2), leg("BUY", 3))

    told = sim.place(legs, START_US)

    rejected = [report.key for report in told if isinstance(report, e.OrderRejected)]
    assert [legs[2].idempotency_key] == rejected
    assert {each.idempotency_key for each in legs[:2]} == {order.reference for order in sim.truth().orders}


def test_cancel_ends_one_leg_and_of_an_unknown_order_nothing_is_said() -> None:
    sim = broker()
    sim.place([leg("BUY"), leg("SELL")], START_US)

    cancelled = list(map(told, sim.execute(CancelEntry(key="sell1", reason="stale"), START_US)))

    assert ["sell1 order.cancelled stale"] == cancelled
    assert [] == sim.execute(CancelEntry(key="sell1", reason="stale"), START_US)
    assert ["buy1"] == [open_.reference for open_ in sim.truth().orders]


def test_slippage_moves_stops_against_us_and_targets_not() -> None:
    sim = broker(slippage_ticks=3)
    sim.place([leg("SELL")], START_US)

    assert ["sell1 SELL 100 at 989700"] == minute(sim, 0, (995_000, 995_000, 988_000, 989_000))
    assert ["sell1-TP BUY 100 at 970000"] == minute(sim, 1, (980_000, 980_000, 969_000, 970_000))


def test_stop_with_a_limit_opened_beyond_it_rests_as_a_limit_from_the_next_bar() -> None:
    sim = broker(slippage_ticks=3)
    sim.place([leg(limit_price=1_012_000)], START_US)

    assert [] == minute(sim, 0, (1_020_000, 1_020_000, 1_005_000, 1_020_000))
    assert ["buy1 BUY 100 at 1012000"] == minute(sim, 1, (1_015_000, 1_015_000, 1_012_000, 1_013_000))


def test_slippage_never_passes_the_limit_of_a_stop_entry() -> None:
    sim = broker(slippage_ticks=3)
    sim.place([leg(limit_price=1_010_100)], START_US)

    assert ["buy1 BUY 100 at 1010100"] == minute(sim, 0, UP)


def test_fill_larger_than_a_tenth_of_its_bar_says_so() -> None:
    sim = broker()
    sim.place([leg(qty=101)], START_US)
    reports = sim.match([(START_US, 0, *UP, 1000)], START_US + MINUTE_US)

    assert [True] == [report.fill.beyond_volume for report in reports if isinstance(report, e.FillReceived)]


def held(sim: SimBroker) -> dict[str, int]:
    return {order.reference.partition("-")[2]: order.qty for order in sim.truth().orders}


def test_a_part_is_cut_off_and_the_exits_cover_the_rest() -> None:
    sim = broker()
    sim.place([leg(qty=100)], START_US)
    minute(sim, 0, UP)

    cut = ClosePosition(key="buy1", reference="buy1-MANUAL", symbol="SPY", qty=30, is_urgent=True)
    first = list(map(told, sim.execute(cut, START_US + MINUTE_US)))
    again = sim.execute(cut, START_US + MINUTE_US)

    assert first[-1] == "buy1-MANUAL SELL 30 at 1011000"
    assert again == []
    assert sim.truth().positions == {"SPY": 70}
    assert held(sim) == {"SL": 70, "TP": 70, "EOD": 70}
    assert minute(sim, 1, (1_000_000, 1_000_000, 980_000, 990_000)) == ["buy1-SL SELL 70 at 990000"]


def test_a_cut_that_waits_for_a_bar_is_replaced_by_the_whole_close_of_a_kill() -> None:
    sim = broker()
    sim.place([leg(qty=100)], START_US)
    minute(sim, 0, UP)

    sim.execute(ClosePosition(key="buy1", reference="buy1-MANUAL", symbol="SPY", qty=30), START_US + MINUTE_US)
    waiting = held(sim)
    sim.execute(ClosePosition(key="buy1", reference="buy1-KILL", symbol="SPY", qty=100), START_US + MINUTE_US)

    assert waiting == {"MANUAL": 30, "SL": 70, "TP": 70, "EOD": 70}
    assert held(sim) == {"KILL": 100}
    assert minute(sim, 1) == ["buy1-KILL SELL 100 at 1000000"]
    assert sim.truth().positions == {}


def test_a_cut_that_waits_fills_at_the_open_and_the_bar_may_stop_the_rest() -> None:
    sim = broker()
    sim.place([leg(qty=100)], START_US)
    minute(sim, 0, UP)

    sim.execute(ClosePosition(key="buy1", reference="buy1-MANUAL", symbol="SPY", qty=30), START_US + MINUTE_US)

    assert minute(sim, 1, (1_005_000, 1_005_000, 980_000, 990_000)) == [
        "buy1-MANUAL SELL 30 at 1005000", "buy1-SL SELL 70 at 990000",
    ]  # fmt: skip
