"""A strip: what it says of sessions, gaps and the grid, and when it says that it cannot be used."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from axiomd.contracts.units import MINUTE_US
from axiomd.core.market.strip import LANES, NUMBER_MAX, strip_of
from axiomd.core.market.tape import Tape
from axiomd.feeds.calendars import session_table
from tests.markets import random_market, tape_of

STEP_US = 5 * MINUTE_US
# the second of three sessions is a half day
SESSIONS = session_table("XNYS", date(2019, 11, 27), date(2019, 12, 2))


def whole_tape(symbols: tuple[str, ...] = ("AAA",)) -> Tape:
    return tape_of(random_market(1, symbols, SESSIONS, step_minutes=5, missing=0), SESSIONS, 5)


def without(tape: Tape, *rows: int) -> Tape:
    return replace(tape, bars=np.delete(tape.bars, rows, axis=0))


def test_sessions_begin_and_end_where_their_bars_do() -> None:
    tape = whole_tape()

    strip = strip_of(tape)

    assert [0, 1, 2] == strip.session.tolist()
    assert [0, 78, 120, 198] == strip.first.tolist()
    assert SESSIONS.open_us.tolist() == strip.start_us.tolist()
    assert tape.bars[:, 2:].T.tolist() == strip.columns[:, :198].tolist()
    assert (5, 198 + LANES) == strip.columns.shape
    assert [78] * 78 + [120] * 42 + [198] * 78 == strip.run_end.tolist()
    assert ([True] * 3, [True] * 3) == (strip.is_even.tolist(), strip.is_whole.tolist())


def test_a_missing_bar_ends_a_run_and_a_session_without_bars_is_left_out() -> None:
    tape = without(whole_tape(), 10, *range(78, 120))

    strip = strip_of(tape)

    assert [0, 2] == strip.session.tolist()
    assert [10] * 10 + [77] * 67 + [155] * 78 == strip.run_end.tolist()
    assert ([True, True], [False, True]) == (strip.is_even.tolist(), strip.is_whole.tolist())


@pytest.mark.parametrize("shift_us", [MINUTE_US, STEP_US - MINUTE_US])
def test_a_bar_off_the_grid_leaves_its_session_to_the_scan(shift_us: int) -> None:
    tape = whole_tape()
    tape.bars[77, 0] += shift_us

    assert [False, True, True] == strip_of(tape).is_even.tolist()


def test_a_bar_that_closes_behind_its_session_leaves_it_to_the_scan() -> None:
    tape = whole_tape()
    early = replace(SESSIONS, close_us=SESSIONS.close_us - MINUTE_US, break_start_us=SESSIONS.close_us - MINUTE_US)

    assert not strip_of(replace(tape, sessions=early)).is_even.any()


@pytest.mark.parametrize("column", [3, 6])
def test_a_number_too_large_leaves_everything_to_the_scan(column: int) -> None:
    tape = whole_tape()
    tape.bars[5, column] = NUMBER_MAX + 1

    strip = strip_of(tape)

    assert (0, 0) == (len(strip.ts_us), len(strip.run_end))
    assert not strip.is_even.any()
    assert [0, 78, 120, 198] == strip.first.tolist()


def test_several_symbols_leave_everything_to_the_scan() -> None:
    assert not strip_of(whole_tape(("AAA", "BBB"))).is_even.any()


def test_a_tape_is_laid_out_once() -> None:
    tape = whole_tape()

    assert strip_of(tape) is strip_of(tape)
