"""What works in a symbol: the board tells of its entries and its position what reading through them would tell."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from axiomd.config.binding import bind
from axiomd.contracts.orders import Order
from axiomd.contracts.runs import RunConfig
from axiomd.contracts.units import NEVER_US
from axiomd.core.board import ABOVE_ALL, BELOW_ALL, POSITION, SYMBOL, column
from axiomd.core.engine import Engine
from axiomd.core.frame import Frame
from axiomd.core.orders.book import Book, Leg
from axiomd.core.orders.lifecycle import Happening
from axiomd.feeds.known_sessions import known_sessions
from tests.unit.runs.a_run import order

SYMBOLS: Final = ("AAA", "BBB", "CCC")
CONFIG: Final = RunConfig.model_validate({"strategy": {"name": "inside_bar"}, "symbols": SYMBOLS, "risk": {}})
PLAN: Final = bind(CONFIG, known_sessions("XNYS", date(2026, 1, 2), date(2026, 1, 9)), 60_000_000, "run", "paper")
CLOSE: Final = 1_000_000
WORK: Final = ("work_long", "work_short", "work_legs", "touch_high", "touch_low", "deadline_us")

indexes = st.integers(0, len(SYMBOLS) - 1)
prices = st.none() | st.integers(1, 200).map(lambda ticks: ticks * 10_000)
entries = st.tuples(st.just("enter"), indexes, st.sampled_from(["BUY", "SELL"]), st.integers(1, 500), prices, prices,
                    st.integers(1, 9))  # fmt: skip
changes = st.tuples(st.sampled_from(["fill", "cancel", "fill late"]), st.integers(0, 30), st.integers(1, 500))


def read(legs: list[Leg], index: int) -> tuple[int, ...]:
    """Look through open legs for what the board is to say of a symbol."""
    long = short = 0
    high, low, until_us = ABOVE_ALL, BELOW_ALL, NEVER_US
    own = [leg for leg in legs if leg.index == index and leg.is_open]
    for leg in own:
        stop, limit = leg.order.stop_price, leg.order.limit_price
        worth = (leg.qty - leg.filled) * (stop or limit or CLOSE)
        if leg.order.side == "BUY":
            long += worth
            rises, falls = stop, limit
        else:
            short += worth
            rises, falls = limit, stop
        high = BELOW_ALL if stop is None and limit is None else min(high, rises or high)
        low = max(low, falls or low)
        until_us = min(until_us, leg.order.valid_to_us)
    return long, short, len(own), high, low, until_us


def told(frame: Frame, index: int) -> tuple[int, ...]:
    return tuple(frame.symbols[index * SYMBOL.itemsize // 8 + column(SYMBOL, name)] for name in WORK)


@given(st.lists(entries | changes, max_size=40))
def test_the_board_says_what_reading_through_the_entries_says(steps: list[tuple[object, ...]]) -> None:
    frame = Engine(PLAN).frame
    book, legs = Book(frame), list[Leg]()
    for index in range(len(SYMBOLS)):
        frame.symbols[index * SYMBOL.itemsize // 8 + column(SYMBOL, "close")] = CLOSE
    for number, step in enumerate(steps):
        match step:
            case ("enter", index, side, qty, stop, limit, ends_us):
                entry: Order = msgspec.structs.replace(
                    order(number), side=side, qty=qty, stop_price=stop, limit_price=limit, valid_to_us=ends_us,
                    idempotency_key=f"k{number}", symbol=SYMBOLS[index],
                )  # fmt: skip
                book.intend((entry,), index, 0)
                legs.append(book.legs[entry.idempotency_key])
            case (what, place, qty) if legs:
                leg = legs[place % len(legs)]
                if what == "fill":
                    if leg.is_open:
                        book.fill(leg, min(qty, leg.qty - leg.filled))
                elif what == "cancel":
                    book.happen(leg, Happening.CANCELLED)
                elif not leg.is_open:
                    book.happen(leg, Happening.PARTLY_FILLED)
                frame.post(leg.index)
        for index in range(len(SYMBOLS)):
            assert read(legs, index) == told(frame, index)


@given(index=indexes, side=st.sampled_from([1, -1]), stop=st.integers(0, 300), target=st.integers(0, 300),
       is_closing=st.booleans())  # fmt: skip
def test_a_position_concerns_us_at_its_exits_and_being_closed_in_any_bar(
    index: int, side: int, stop: int, target: int, is_closing: bool
) -> None:
    frame = Engine(PLAN).frame
    at = index * POSITION.itemsize // 8
    for name, value in (("side", side), ("stop", stop), ("target", target), ("ends_us", 7), ("is_closing", is_closing)):
        frame.positions[at + column(POSITION, name)] = value

    frame.post(index)

    rises, falls = (target, stop) if side > 0 else (stop, target)
    *work, high, low, until_us = told(frame, index)
    assert [0, 0, 0] == work
    assert (BELOW_ALL if is_closing else rises or ABOVE_ALL) == high
    assert is_closing or (falls or BELOW_ALL) == low
    assert until_us == 7
