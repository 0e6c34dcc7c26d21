"""The equity curve: a point for the books of a moment, and none for a moment that is over."""

from __future__ import annotations

from typing import Final

from axiomd.contracts import events as e
from axiomd.contracts.outcome import CurvePoint
from axiomd.core.engine import Engine
from benchmarks import job, market
from tests.property.drives import EventLog

TAPE: Final = market.dense_tape(3000)


def inputs() -> list[e.Event]:
    log = EventLog()
    job.replay_of(TAPE, job.plan_of(TAPE), log).run()
    return [event for event in log.events if not isinstance(event, e.DECISIONS)]


def drawn(events: list[e.Event]) -> list[CurvePoint]:
    engine = Engine(job.plan_of(TAPE))
    engine.watch(TAPE.bars)
    for event in events:
        engine.handle(event)
    return engine.curve.take()


def last_fill_of_a_close(events: list[e.Event]) -> tuple[int, int]:
    """Give the places of a session's end, not the last, and of the fill in its very moment."""
    for place, event in enumerate(events):
        if isinstance(event, e.SessionClosed):
            for before in range(place - 1, -1, -1):
                fill = events[before]
                if fill.ts_us < event.ts_us:
                    break
                if isinstance(fill, e.FillReceived):
                    return place, before
    raise AssertionError("no position of this market was closed at the end of a day")


def test_a_fill_in_the_moment_of_the_close_has_its_point_and_the_close_too() -> None:
    events = inputs()
    close, _ = last_fill_of_a_close(events)

    assert 2 == sum(point.ts_us == events[close].ts_us for point in drawn(events))


def test_a_fill_of_the_close_that_is_told_behind_it_has_no_point_any_more() -> None:
    events = inputs()
    close, fill = last_fill_of_a_close(events)
    events.insert(close, events.pop(fill))

    points = drawn(events)
    assert 1 == sum(point.ts_us == events[close].ts_us for point in points)
    assert [*points] == sorted(points, key=lambda point: point.ts_us)
