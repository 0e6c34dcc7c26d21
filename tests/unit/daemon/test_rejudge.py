"""Limits that were lowered: what stays is what would have been let through in the order in which it came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, cast

import anyio
import msgspec

from axiomd.config.binding import bind
from axiomd.contracts import events as e
from axiomd.contracts.runs import RunConfig
from axiomd.contracts.verdicts import NO_VERDICTS
from axiomd.core.engine import Engine
from axiomd.core.plan import Plan
from axiomd.daemon.desk import Desk
from axiomd.daemon.rejudge import rejudge
from axiomd.feeds.known_sessions import known_sessions
from tests.unit.runs.a_run import order

SYMBOLS: Final = ("AAA", "BBB", "CCC", "DDD")
TABLE: Final = known_sessions("XNYS", date(2026, 1, 2), date(2026, 1, 9))
OPEN_US, CLOSE_US = int(TABLE.open_us[0]), int(TABLE.close_us[0])
NOW_US: Final = OPEN_US + 3_600_000_000


class CancelsAtOnce:
    """A desk whose broker answers at once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def cancel(self, keys: Sequence[str], reason: str) -> None:
        for key in keys:
            self.engine.handle(e.OrderCancelled(ts_us=NOW_US, key=key, reason=reason))


def plan_of(risk: dict[str, Any]) -> Plan:
    config = RunConfig.model_validate({"strategy": {"name": "inside_bar"}, "symbols": SYMBOLS, "risk": risk})
    return bind(config, TABLE, 60_000_000, "run", "paper")


def test_of_entries_of_one_moment_those_placed_last_go_first() -> None:
    engine = Engine(plan_of({}))
    opened = e.SessionOpened(ts_us=OPEN_US, session="2026-01-02", run_id="run", open_us=OPEN_US, close_us=CLOSE_US)
    engine.handle(opened)
    placed = [f"k{number}" for number in range(len(SYMBOLS))]
    for key, symbol in zip(placed, SYMBOLS, strict=True):
        entry = msgspec.structs.replace(
            order(1), idempotency_key=key, order_id=f"{key}-B", oco_id=key, symbol=symbol, created_at_us=NOW_US,
            valid_from_us=NOW_US, valid_to_us=CLOSE_US,
        )  # fmt: skip
        engine.handle(e.OrderIntent(ts_us=NOW_US, order=entry, told=NO_VERDICTS))
    engine.take_limits(plan_of({"max_open_orders": 2}))

    gone = anyio.run(rejudge, cast(Desk, CancelsAtOnce(engine)))

    assert (placed[3], placed[2]) == gone
    assert {leg.order.idempotency_key for legs in engine.book.open.values() for leg in legs} == set(placed[:2])
