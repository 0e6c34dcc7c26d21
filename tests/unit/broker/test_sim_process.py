"""The simulated broker behind its socket: what it tells of its record."""

from __future__ import annotations

from pathlib import Path

from axiomd.broker.sim_process import SimDesk, SimRecord
from axiomd.broker.sim_wire import Answer, Request, Setup, line_of
from tests.unit.broker.test_sim import MINUTE_US, START_US, leg

SETUP = Setup(
    account="SIM", symbols=("IBM", "SPY"), ticks=(100, 100), costs={}, bar_us=MINUTE_US, skips_ambiguous=False
)


def told(desk: SimDesk, request: Request) -> Answer:
    answer = desk.answer(line_of(request))
    assert not answer.error
    return answer


def test_reports_are_told_from_the_moment_that_is_asked_for(tmp_path: Path) -> None:
    desk = SimDesk(SimRecord(tmp_path / "sim.sqlite"))
    told(desk, Request(id=1, op="attach", setup=SETUP))
    earlier = told(desk, Request(id=2, op="place", ts_us=START_US, orders=(leg(number=1),))).reports
    later = told(desk, Request(id=3, op="place", ts_us=START_US + MINUTE_US, orders=(leg(number=2),))).reports

    assert (*earlier, *later) == told(desk, Request(id=4, op="truth")).reports
    assert later == told(desk, Request(id=5, op="truth", ts_us=START_US)).reports
    assert () == told(desk, Request(id=6, op="truth", ts_us=START_US + MINUTE_US)).reports
