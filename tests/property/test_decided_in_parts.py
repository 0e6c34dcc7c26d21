"""Setups of one moment decided some at a time come out as they do all at once: each sees the orders before it."""

from __future__ import annotations

from datetime import date
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from axiomd.config.binding import bind
from axiomd.contracts import events as e
from axiomd.contracts.commands import Command, SendEntries
from axiomd.contracts.runs import RunConfig
from axiomd.core.engine import Engine
from axiomd.core.strategies import api
from axiomd.feeds.known_sessions import known_sessions

SYMBOLS: Final = tuple(f"S{index}" for index in range(9))
LIMITS: Final = {"max_open_orders": 11, "max_gross_exposure": 700_000, "message_rate": {"orders": 13, "seconds": 10}}
CONFIG: Final = RunConfig.model_validate(
    {
        "strategy": {"name": "inside_bar"}, "symbols": SYMBOLS, "risk": LIMITS,
        "sizing": {"mode": "fixed", "fixed_qty": 100},
    }
)  # fmt: skip
PLAN: Final = bind(CONFIG, known_sessions("XNYS", date(2026, 1, 2), date(2026, 1, 9)), 60_000_000, "run", "paper")
PRICE: Final = 1_000_000
OPEN_US: Final = 1_000_000_000
NOW_US: Final = OPEN_US + 3_600_000_000

slots = st.lists(st.integers(0, len(SYMBOLS) - 1), unique=True, max_size=len(SYMBOLS))


@given(slots, st.integers(1, len(SYMBOLS) + 1))
def test_parts_of_a_moment_are_what_the_whole_is(chosen: list[int], count: int) -> None:
    whole, parts = _engine(chosen), _engine(chosen)

    told = list(parts.take_some_setups(count))

    assert [repr(command) for part in told for command in part] == [repr(command) for command in whole.take_setups()]
    assert max((len(_signals(part)) for part in told), default=0) <= count
    assert parts.frame.symbols.tolist() == whole.frame.symbols.tolist()


def test_the_limits_here_refuse_some_and_let_others_pass() -> None:
    commands = _engine(list(range(len(SYMBOLS)))).take_setups()

    assert 0 < sum(isinstance(command, e.OrderBlocked) for command in commands) < 2 * len(SYMBOLS)
    assert 0 < sum(isinstance(command, SendEntries) for command in commands)


def _signals(commands: list[Command]) -> list[Command]:
    return [command for command in commands if isinstance(command, e.SignalEmitted)]


def _engine(chosen: list[int]) -> Engine:
    engine = Engine(PLAN)
    engine.handle(
        e.SessionOpened(ts_us=OPEN_US, session="2026-01-02", run_id="run", open_us=OPEN_US, close_us=2 * NOW_US)
    )
    engine.handle(e.BrokerConnected(ts_us=OPEN_US, broker="sim", account="SIM"))
    engine.handle(e.ReconCompleted(ts_us=OPEN_US, positions={}))
    engine.account["now_us"], engine.account["equity"] = NOW_US, 10**12
    engine.board.symbols["close"] = PRICE
    for place, slot in enumerate(chosen):
        row = engine.board.setups[place]
        row[:] = 0
        row[api.SLOT], row[api.MOMENT], row[api.VALID_FROM] = slot, NOW_US, NOW_US
        row[api.VALID_TO], row[api.SCORE_PPM] = NOW_US + 600_000_000, 500_000
        row[api.LONG_ENTRY], row[api.LONG_STOP] = PRICE + 1000 * slot, PRICE - 10_000
        row[api.SHORT_ENTRY], row[api.SHORT_STOP] = PRICE - 10_000, PRICE + 1000 * slot
    engine.account["setups"] = len(chosen)
    return engine
