"""A start that is taken up again leaves nothing behind: each run from it is the one from a start of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from axiomd.contracts.instruments import Instrument
from axiomd.contracts.outcome import RunRecord
from axiomd.core.kernel_record import backtest, record_of
from axiomd.core.kernel_run import Room, Start, run_from
from axiomd.core.market.rates import DailyRates
from axiomd.core.market.tape import Tape
from axiomd.core.plan import Plan
from benchmarks.job import plan_of
from benchmarks.market import dense_tape

HALF = (1, 2)


def of_symbol(tape: Tape, plan: Plan, instrument: Instrument, rate: tuple[int, int], seed: int) -> tuple[Tape, Plan]:
    """Give other bars, and the plan of another instrument over them."""
    bars = dense_tape(len(tape), seed=seed).bars
    own = tuple(replace(one, symbols=(instrument.symbol,)) for one in plan.strategies)
    other = replace(plan, instruments=(instrument,), rates=(rate,), strategies=own)
    return replace(tape, symbols=(instrument.symbol,), bars=bars), other


def record_from(start: Start, tape: Tape, plan: Plan, room: Room) -> RunRecord:
    """Run, and name what came: a column that nothing filled in is of no run."""
    return record_of(plan, tape, run_from(start, tape, None, 0, room))


@pytest.mark.parametrize("is_alone", [True, False])
def test_a_start_taken_up_again_is_as_a_fresh_one(is_alone: bool) -> None:
    tape = dense_tape(2_000)
    if not is_alone:  # a bar off the grid: the scan takes the tape
        tape = replace(tape, bars=tape.bars.copy())
        tape.bars[100, 0] += 60_000_000
    plan = plan_of(tape)
    others = [(Instrument("AAA", tick_size=500, lot=10), HALF, 11), (Instrument("BBB"), (1, 1), 12)]
    start, room = Start(plan), Room()

    first = record_from(start, tape, plan, room)
    assert first == backtest(plan, tape, None)
    for instrument, rate, seed in others:
        bars, alone = of_symbol(tape, plan, instrument, rate, seed)
        start.again(instrument, rate)
        again = record_from(start, bars, alone, room)
        assert again == backtest(alone, bars, None)
        assert again.trades != first.trades
    start.again(plan.instruments[0], plan.rates[0])
    assert first == record_from(start, tape, plan, room)


def test_a_first_session_holds_for_its_run_alone() -> None:
    tape = dense_tape(2_000)
    plan = plan_of(tape)
    start, room = Start(plan), Room()
    run_from(start, tape, None, 5, room)
    start.again(plan.instruments[0], plan.rates[0])

    assert record_from(start, tape, plan, room) == backtest(plan, tape, None)


def test_rates_by_day_are_those_of_no_session_too() -> None:
    plan = plan_of(dense_tape(200))
    currency = plan.instruments[0].currency
    start = Start(replace(plan, daily_rates={currency: DailyRates((0, 1), ((1, 2), (3, 4)))}))

    assert (0, 1, 3) == start.rates_on(np.zeros(0, np.int64)).shape
    assert [[[1, 2, 0]], [[3, 4, 0]], [[1, 1, 1]]] == start.rates_on(np.array([1, 2, 30])).tolist()
