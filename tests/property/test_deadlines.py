"""The scan stops at the first deadline of all symbols, whatever came and went."""

from __future__ import annotations

from datetime import date
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from axiomd.config.binding import bind
from axiomd.contracts.runs import RunConfig
from axiomd.contracts.units import NEVER_US
from axiomd.core import board as b
from axiomd.core.board import column
from axiomd.core.engine import Engine
from axiomd.feeds.known_sessions import known_sessions

SYMBOLS: Final = ("AAA", "BBB", "CCC", "DDD")
DEADLINE: Final = column(b.ACCOUNT, "deadline_us")
CONFIG: Final = RunConfig.model_validate({"strategy": {"name": "inside_bar"}, "symbols": SYMBOLS, "risk": {}})
PLAN: Final = bind(CONFIG, known_sessions("XNYS", date(2026, 1, 2), date(2026, 1, 9)), 60_000_000, "run", "paper")


@given(st.lists(st.tuples(st.integers(0, len(SYMBOLS) - 1), st.sampled_from([1, 2, 3, NEVER_US])), max_size=40))
def test_the_first_one_is_the_least_of_all(told: list[tuple[int, int]]) -> None:
    frame, last = Engine(PLAN).frame, dict[int, int]()
    for index, deadline_us in told:
        last[index] = deadline_us
        frame.work(index, index, 1, 1, 1, 0, deadline_us)
        frame.advance(0, 0, 0, -1, -1, True)
        assert frame.account[DEADLINE] == min(last.values())
