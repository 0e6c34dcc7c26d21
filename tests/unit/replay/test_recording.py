"""The record of a replay is the same however many events are put on it at a time."""

from __future__ import annotations

from typing import Final

import pytest

from axiomd.contracts.outcome import RunRecord
from axiomd.replay import driver
from benchmarks import job, market

TAPE: Final = market.dense_tape(4_000, 2)


def recorded(together: int, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    monkeypatch.setattr(driver, "RECORDED_TOGETHER", together)
    return job.record_of(TAPE)


@pytest.mark.as_python
@pytest.mark.parametrize("together", [1, 7, 10**9])
def test_how_many_events_are_recorded_at_a_time_changes_nothing(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = job.record_of(TAPE)

    assert len(expected.trades) > 50
    assert expected == recorded(together, monkeypatch)


def test_a_fill_of_the_close_and_the_close_are_one_point_of_the_curve() -> None:
    points = [point.ts_us for point in job.record_of(TAPE).curve]

    assert points == sorted(set(points))
