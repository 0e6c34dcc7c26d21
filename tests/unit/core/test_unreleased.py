"""Trips that nobody released yet: kept with the limit of then, whatever trips on top of them, and over a restart."""

from __future__ import annotations

import dataclasses
from typing import Final

import pytest

from axiomd.contracts import events as e
from axiomd.core.engine import Engine
from axiomd.core.guards.loss import ALL_LOSSES, MAX_DRAWDOWN
from axiomd.core.tripwires import Trip
from benchmarks import job, market
from tests.property.drives import EventLog

TAPE: Final = market.dense_tape(3000)
DRAWN: Final = e.GuardTripped(ts_us=1, guard=MAX_DRAWDOWN, figure=12, limit=10, level="halt")
LOST: Final = e.GuardTripped(ts_us=2, guard="ConsecutiveLosses", figure=6, limit=6, level="halt")
KILLED: Final = e.KillTripped(ts_us=3, level="halt", reason="second look", trip_id="t", source="operator")
RESET: Final = e.KillReset(ts_us=4, trip_id="t", operator="o", reason="r", new_peak=True)


def folded(*events: e.Event) -> Engine:
    engine = Engine(job.plan_of(TAPE))
    for event in events:
        engine.fold(event)
    return engine


def test_a_trip_that_just_happened_and_one_of_the_journal_are_kept_alike() -> None:
    engine = Engine(job.plan_of(TAPE))

    engine.kill.trip([], Trip(MAX_DRAWDOWN, 12, 10))
    engine.handle(KILLED)

    assert {MAX_DRAWDOWN: 10} == engine.kill.unreleased == folded(DRAWN, KILLED).kill.unreleased


def test_a_kill_on_top_of_trips_hides_none_of_them() -> None:
    assert {MAX_DRAWDOWN: 10, "ConsecutiveLosses": 6} == folded(DRAWN, LOST, KILLED).kill.unreleased


@pytest.mark.parametrize("events", [(DRAWN, RESET), (DRAWN, KILLED, RESET)])
def test_a_release_is_of_every_trip_so_far(events: tuple[e.Event, ...]) -> None:
    assert {} == folded(*events).kill.unreleased


def test_what_would_trip_by_the_limits_of_now_while_a_journal_is_folded_is_no_trip() -> None:
    engine = Engine(job.plan_of(TAPE))
    engine.kill.is_folding = True

    engine.kill.trip([], Trip(MAX_DRAWDOWN, 12, 10))

    assert {} == engine.kill.unreleased


def test_a_loss_beyond_the_limits_of_now_in_a_day_of_the_journal_is_not_judged_by_folding_it() -> None:
    """It was, without a trip: limits lowered over a restart never tripped again."""
    plan, log = job.plan_of(TAPE), EventLog()
    job.replay_of(TAPE, plan, log).run()
    limits = plan.limits.copy()
    limits["max_daily_loss"], limits["max_drawdown"] = 1, 1
    engine = Engine(dataclasses.replace(plan, limits=limits))
    engine.watch(TAPE.bars)

    for event in log.events:
        engine.fold(event)

    assert engine.account["equity"] < plan.initial_cash
    assert ALL_LOSSES == engine.account["losses_judged"]
    assert [trip.guard for trip in engine.tripwires.losses()] == ["MaxDailyLoss", MAX_DRAWDOWN]
