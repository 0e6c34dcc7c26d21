"""The prefix test: run on the first bars alone, a strategy gives exactly the signals of the full run up to there."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from axiomd.contracts.signals import Signal
from axiomd.core.market.tape import Tape
from tests.markets import SPANS, random_market, sessions_of, tape_of
from tests.parity import random_config
from tests.property.drives import drive

pytestmark = pytest.mark.slow

INTERVAL_US = 300_000_000


def signals(config: dict[str, Any], tape: Tape) -> list[Signal]:
    return drive(config, tape).recorder.record.signals


def first_part(tape: Tape, end_us: int) -> Tape:
    """Keep the bars that start before a moment."""
    return replace(tape, bars=tape.bars[: int(tape.bars[:, 0].searchsorted(end_us, "left"))])


def cuts(tape: Tape, dice: random.Random, count: int) -> list[int]:
    """Draw ends of M5 intervals: an interval cut in two would be another bar, not an earlier one."""
    ends = sorted({int(ts) // INTERVAL_US * INTERVAL_US + INTERVAL_US for ts in tape.bars[:, 0].tolist()})
    return sorted(dice.sample(ends, min(count, len(ends))))


@cache
def case(seed: int) -> tuple[dict[str, Any], Tape]:
    dice = random.Random(seed)
    symbols = ["AAA", "BBB"]
    table = sessions_of(dice.choice(SPANS))
    step = dice.choice((1, 5))
    config = random_config(dice, symbols)
    return config, tape_of(random_market(seed, symbols, table, step_minutes=step, missing=0.05), table, step)


@pytest.mark.parametrize("seed", range(500, 510))
def test_first_bars_give_the_signals_of_the_whole_up_to_there(seed: int) -> None:
    config, tape = case(seed)
    whole = signals(config, tape)

    for end_us in cuts(tape, random.Random(seed), 12):
        assert [s for s in whole if s.ts_us <= end_us] == signals(config, first_part(tape, end_us)), (seed, end_us)


def test_cases_hold_signals_to_be_wrong_about() -> None:
    assert sum(len(signals(*case(seed))) for seed in range(500, 510)) > 50
