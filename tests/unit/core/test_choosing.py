"""Candidates on the board: those of the day and no other, whether or not they are those of the day before."""

from __future__ import annotations

from typing import Final

import pytest

from axiomd.contracts import events as e
from axiomd.core.engine import Engine
from benchmarks import job, market

TAPE: Final = market.dense_tape(300, 3)
DAY_US: Final = 86_400_000_000
A, B, C = TAPE.symbols


def opened(engine: Engine, day: int) -> None:
    open_us = day * DAY_US
    engine.handle(
        e.SessionOpened(ts_us=open_us, session=f"d{day}", run_id="r", open_us=open_us, close_us=open_us + DAY_US // 2)
    )


def select(engine: Engine, *symbols: str) -> None:
    engine.handle(e.CandidatesSelected(ts_us=engine.now_us, strategy=engine.plan.strategies[0].id, symbols=symbols))


def candidates(engine: Engine) -> dict[str, int]:
    slots = engine.board.slots
    return {TAPE.symbols[slot["symbol"]]: int(slot["rank"]) for slot in slots if slot["is_candidate"]}


@pytest.fixture
def engine() -> Engine:
    return Engine(job.plan_of(TAPE))


def test_a_new_day_has_no_candidates_until_some_are_chosen(engine: Engine) -> None:
    opened(engine, 1)
    select(engine, B, A)
    assert {B: 0, A: 1} == candidates(engine)

    opened(engine, 2)
    assert {} == candidates(engine)


def test_the_same_choice_as_the_day_before_is_a_choice(engine: Engine) -> None:
    for day in (1, 2, 3):
        opened(engine, day)
        select(engine, C, A)
        assert {C: 0, A: 1} == candidates(engine)


def test_another_order_or_another_choice_takes_the_place_of_the_one_before(engine: Engine) -> None:
    opened(engine, 1)
    for chosen in ((C, A), (A, C), (B,), (), (B,), (C, A)):
        select(engine, *chosen)
        assert {symbol: rank for rank, symbol in enumerate(chosen)} == candidates(engine)
