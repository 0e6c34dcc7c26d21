"""The equity curve: a point for the books of a moment, and none for a moment that is over."""

from __future__ import annotations

from typing import Final

import pytest

from axiomd.contracts import events as e
from axiomd.contracts.outcome import CurvePoint, EquityCurve
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
    return list(engine.curve.take())


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


def test_of_a_fill_in_the_moment_of_the_close_the_point_of_the_close_stays() -> None:
    events = inputs()
    close, fill = last_fill_of_a_close(events)
    without = events[:fill] + events[fill + 1 :]

    (stays,), (held,) = (
        [point for point in drawn(told) if point.ts_us == events[close].ts_us] for told in (events, without)
    )
    assert (0, stays.equity) == (stays.gross_exposure, stays.cash)
    assert held.gross_exposure > 0


def test_points_come_together_as_one_curve_in_which_the_later_of_a_moment_stays() -> None:
    first, again, later = (CurvePoint(ts_us, equity, 1, 2, -3) for ts_us, equity in ((5, 10), (5, 11), (6, 12)))
    curve = EquityCurve([first])

    curve.extend(EquityCurve())
    curve.extend(EquityCurve([again, later]))

    assert [again, later] == list(curve) == curve[:]
    assert (2, later, again) == (len(curve), curve[-1], curve[0])
    assert curve == EquityCurve([again, later]) != EquityCurve([first, later])
    with pytest.raises(IndexError):
        curve[2]


def test_a_fill_of_the_close_that_is_told_behind_it_has_no_point_any_more() -> None:
    events = inputs()
    close, fill = last_fill_of_a_close(events)
    events.insert(close, events.pop(fill))

    points = drawn(events)
    assert 1 == sum(point.ts_us == events[close].ts_us for point in points)
    assert [*points] == sorted(points, key=lambda point: point.ts_us)
