"""The simulated broker behind its socket: what it tells of its record."""

from __future__ import annotations

from pathlib import Path
from stat import S_IMODE
from typing import Any

import pytest
from msgspec.structs import replace

from axiomd.broker.sim_desk import SimDesk
from axiomd.broker.sim_record import SimRecord
from axiomd.broker.sim_wire import Answer, Request, Setup, line_of
from tests.unit.broker.test_sim import MINUTE_US, START_US, leg

SETUP = Setup(
    account="SIM", symbols=("IBM", "SPY"), ticks=(100, 100), costs={}, bar_us=MINUTE_US, skips_ambiguous=False
)


def told(desk: SimDesk, request: Request) -> Answer:
    answer = desk.answer(line_of(request))
    assert not answer.error
    return answer


def test_nobody_else_reads_the_record(tmp_path: Path) -> None:
    desk = SimDesk(SimRecord(tmp_path / "sim.sqlite"))
    told(desk, Request(id=1, op="attach", setup=SETUP))

    assert [0o600] * len([*tmp_path.iterdir()]) == [S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()]


def test_reports_are_told_from_the_moment_that_is_asked_for(tmp_path: Path) -> None:
    desk = SimDesk(SimRecord(tmp_path / "sim.sqlite"))
    told(desk, Request(id=1, op="attach", setup=SETUP))
    earlier = told(desk, Request(id=2, op="place", ts_us=START_US, orders=(leg(number=1),))).reports
    later = told(desk, Request(id=3, op="place", ts_us=START_US + MINUTE_US, orders=(leg(number=2),))).reports

    assert (*earlier, *later) == told(desk, Request(id=4, op="truth")).reports
    assert later == told(desk, Request(id=5, op="truth", ts_us=START_US)).reports
    assert () == told(desk, Request(id=6, op="truth", ts_us=START_US + MINUTE_US)).reports


def test_groups_that_came_in_one_message_stay_groups_of_their_own(tmp_path: Path) -> None:
    desk = SimDesk(SimRecord(tmp_path / "sim.sqlite"))
    told(desk, Request(id=1, op="attach", setup=SETUP))
    groups = (leg("BUY", 1), leg("SELL", 1), leg("BUY", 2, symbol="IBM"), leg("SELL", 2, symbol="IBM"))

    told(desk, Request(id=2, op="place", ts_us=START_US, orders=groups))
    bar = (START_US, 0, 1_010_000, 1_020_000, 1_005_000, 1_015_000, 1)
    told(desk, Request(id=3, op="moment", ts_us=START_US + MINUTE_US, bars=(bar,)))

    truth = told(desk, Request(id=4, op="truth"))
    assert {"IBM": 100} == {symbol: qty for symbol, qty in truth.positions.items() if qty}
    resting = {order.reference for order in truth.orders if "-" not in order.reference}
    assert {groups[0].idempotency_key, groups[1].idempotency_key} == resting


@pytest.mark.parametrize(
    "request_of",
    [
        {"op": "attach"},
        {"op": "attach", "setup": replace(SETUP, ticks=(100,))},
        {"op": "close"},
        {"op": "close", "reference": "k-KILL", "symbol": "NONE", "qty": 1},
        {"op": "place", "orders": (leg(symbol="NONE"),)},
        {"op": "moment", "ts_us": START_US, "bars": ((START_US, 2, 1, 1, 1, 1, 1),)},
    ],
    ids=lambda fields: fields["op"],
)
def test_a_request_that_lacks_something_is_refused_and_ends_no_broker(
    tmp_path: Path, request_of: dict[str, Any]
) -> None:
    desk = SimDesk(SimRecord(tmp_path / "sim.sqlite"))
    told(desk, Request(id=1, op="attach", setup=SETUP))

    refused = desk.answer(line_of(Request(id=2, **request_of)))

    assert refused.error
    assert (2, ()) == (refused.id, told(desk, Request(id=3, op="truth")).orders)
