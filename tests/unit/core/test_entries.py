"""Setups made orders: what another's guard refuses is no send, and what nobody reads is not told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel

from axiomd.contracts import events as e
from axiomd.contracts.orders import Order
from axiomd.core.guards.api import Guard
from benchmarks import job, market
from tests.property.drives import EventLog

TAPE: Final = market.dense_tape(400)


def check(order: Order, figures: Mapping[str, Any], params: Any) -> tuple[bool, int, int]:
    del params
    return order.side == "BUY", figures["side"], order.qty


def told_by(guards: tuple[tuple[Guard, Any], ...] = ()) -> list[e.Event]:
    log = EventLog()
    job.replay_of(TAPE, replace(job.plan_of(TAPE), guards=guards), log).run()
    return log.events


def rates_of(intents: list[e.OrderIntent]) -> list[int]:
    return [figure for intent in intents for name, figure, _ in intent.verdicts if name == "MessageRate"]


def test_a_leg_that_another_guard_refused_is_no_send_beside_the_other() -> None:
    guard = Guard(name="NoBuying", params=BaseModel, check=check)
    events = told_by(((guard, None),))

    sold = [event for event in events if isinstance(event, e.OrderIntent)]
    refused = [event for event in events if isinstance(event, e.OrderBlocked)]
    assert {"SELL"} == {intent.order.side for intent in sold}
    assert {"BUY"} == {block.order.side for block in refused}
    assert {"NoBuying"} == {block.guard for block in refused}
    assert {1} == {*rates_of(sold)}


def test_a_leg_that_passed_is_a_send_beside_the_other() -> None:
    intents = [event for event in told_by() if isinstance(event, e.OrderIntent)]

    assert {1} == {*rates_of([intent for intent in intents if intent.order.side == "BUY"])}
    assert {2} == {*rates_of([intent for intent in intents if intent.order.side == "SELL"])}


def test_another_guard_is_told_the_figures_of_the_leg_it_looks_at() -> None:
    guard = Guard(name="NoBuying", params=BaseModel, check=check)
    for event in told_by(((guard, None),)):
        if isinstance(event, e.OrderBlocked | e.OrderIntent):
            assert ("NoBuying", 1 if event.order.side == "BUY" else -1, event.order.qty) == event.verdicts[-1]


def test_a_run_that_keeps_no_event_is_decided_the_same() -> None:
    kept, unkept = job.replay_of(TAPE, job.plan_of(TAPE), EventLog()), job.replay_of(TAPE, job.plan_of(TAPE))
    kept.run()
    unkept.run()

    assert kept.recorder.record.trades
    assert kept.recorder.record == unkept.recorder.record
