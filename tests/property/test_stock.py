"""Orders of one moment are judged by what was counted once, as they would be by looking through all symbols anew."""

from __future__ import annotations

from datetime import date
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from axiomd.config.binding import bind
from axiomd.contracts.runs import RunConfig
from axiomd.core.board import SYMBOL, column
from axiomd.core.engine import Engine
from axiomd.core.frame import Frame
from axiomd.feeds.known_sessions import known_sessions

SYMBOLS: Final = ("AAA", "BBB", "CCC", "DDD", "EEE")
RISK: Final = {"market_halt_proxy": {"silent_minutes": 5}, "max_gross_exposure": 10**9}
CONFIG: Final = RunConfig.model_validate({"strategy": {"name": "inside_bar"}, "symbols": SYMBOLS, "risk": RISK})
PLAN: Final = bind(CONFIG, known_sessions("XNYS", date(2026, 1, 2), date(2026, 1, 9)), 60_000_000, "run", "paper")
PRICE: Final = 1_000_000
OPEN_US: Final = 1_000_000_000
NOW_US: Final = OPEN_US + 3_600_000_000

symbol_states = st.fixed_dictionaries(
    {
        "position": st.sampled_from([0, 0, 7, -3, 100]),
        "close": st.integers(PRICE // 2, 2 * PRICE),
        "last_ts_us": st.sampled_from([NOW_US - 60_000_000, NOW_US - 900_000_000, -1]),
        "fx_num": st.sampled_from([1, 11]),
        "fx_den": st.sampled_from([1, 10]),
        "work_long": st.integers(0, 10**9),
        "work_short": st.integers(0, 10**9),
        "work_legs": st.integers(0, 2),
    }
)
indexes = st.integers(0, len(SYMBOLS) - 1)
money = st.integers(0, 10**9)
steps = st.lists(
    st.tuples(indexes, st.sampled_from([1, -1]), money, money, st.integers(0, 2)), max_size=12, unique_by=lambda s: s[0]
)


def figures(frame: Frame, index: int, side: int) -> tuple[int, dict[str, int | float], list[int]]:
    frame.verdicts[:] = memoryview(bytes(len(frame.verdicts) * 8)).cast("q")
    position = frame.judge(index, side, 10, PRICE, PRICE, 0, 0, 0, False, True, True, False, 0)
    return position, frame.figures(), frame.verdicts.tolist()


@given(st.lists(symbol_states, min_size=len(SYMBOLS), max_size=len(SYMBOLS)), steps)
def test_what_was_counted_once_stays_what_counting_anew_would_give(
    states: list[dict[str, int]], told: list[tuple[int, int, int, int, int]]
) -> None:
    for index, *_ in told:
        # an entry is placed where nothing stands
        states[index] = states[index] | {"position": 0, "work_legs": 0}
    counted, anew = (_frame(states) for _ in range(2))
    counted.take_stock(True)

    for index, side, long, short, legs in told:
        assert figures(anew, index, side) == figures(counted, index, side)
        for frame in (counted, anew):
            post(frame, index, long, short, legs)
        counted.add_to_stock(index)

    counted.take_stock(False)
    for index, state in enumerate(states):
        # what was counted before is nothing to go by any more
        for frame in (counted, anew):
            post(frame, index, state["work_short"], 1, 1)
        assert figures(anew, index, 1) == figures(counted, index, 1)


def post(frame: Frame, index: int, long: int, short: int, legs: int) -> None:
    for name, figure in (("work_long", long), ("work_short", short), ("work_legs", legs)):
        frame.symbols[index * SYMBOL.itemsize // 8 + column(SYMBOL, name)] = figure


def _frame(states: list[dict[str, int]]) -> Frame:
    engine = Engine(PLAN)
    engine.account["now_us"], engine.account["open_us"] = NOW_US, OPEN_US
    engine.account["close_us"] = engine.account["flatten_us"] = NOW_US + 3_600_000_000
    engine.account["equity"] = 10**10
    for index, state in enumerate(states):
        for name, value in state.items():
            engine.board.symbols[index][name] = value
    return engine.frame
