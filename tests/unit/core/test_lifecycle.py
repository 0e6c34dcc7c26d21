"""The table of states: whole, without dead ends before an end, and final but for facts that come late."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.core.orders.lifecycle import AFTER, ENDED, TRANSITIONS, Happening, State

FILLS = {Happening.PARTLY_FILLED, Happening.FILLED}


def reached_from(start: State) -> set[State]:
    found, waiting = {start}, [start]
    while waiting:
        state = waiting.pop()
        for (before, _), after in TRANSITIONS.items():
            if before == state and after not in found:
                found.add(after)
                waiting.append(after)
    return found


def test_every_state_is_reached_from_an_intent() -> None:
    assert set(State) == reached_from(State.INTENT)


def test_every_open_state_can_end_in_each_way_a_broker_may_end_it() -> None:
    for state in set(State) - ENDED:
        assert {State.FILLED, State.CANCELLED, State.EXPIRED} <= reached_from(state)


def test_an_end_is_final_but_for_fills() -> None:
    moved = {
        (state, happening)
        for (state, happening), after in TRANSITIONS.items()
        if state in ENDED and after != state
    }  # fmt: skip
    assert {happening for _, happening in moved} <= FILLS
    assert {state for state, _ in moved} == {State.CANCELLED, State.EXPIRED}


def test_filled_is_final() -> None:
    assert {State.FILLED} == reached_from(State.FILLED)


def test_neither_a_send_nor_an_acknowledgement_ends_an_order_or_opens_it_again() -> None:
    told = {pair: after for pair, after in TRANSITIONS.items() if pair[1] in (Happening.SENT, Happening.ACKED)}
    assert told
    assert [] == [state for (state, _), after in told.items() if (state in ENDED) != (after in ENDED)]


def test_nothing_returns_to_an_intent() -> None:
    assert State.INTENT not in TRANSITIONS.values()


def test_a_repeated_report_changes_nothing() -> None:
    for (_state, happening), after in TRANSITIONS.items():
        if happening in (Happening.SENT, Happening.FILLED, Happening.REJECTED) or after in (State.FILLED,):
            continue
        assert after == TRANSITIONS.get((after, happening), after)


@pytest.mark.parametrize(("state", "happening"), sorted(set(product(State, Happening)) - set(TRANSITIONS)))
def test_what_the_table_does_not_name_has_no_next_state(state: State, happening: Happening) -> None:
    assert AFTER[happening].get(state) is None


@given(st.lists(st.sampled_from(list(Happening)), max_size=12))
def test_whatever_is_told_in_whatever_order_a_full_fill_stays(told: list[Happening]) -> None:
    state = State.INTENT
    was_filled = False
    for happening in told:
        after = AFTER[happening].get(state)
        if after is None:
            continue
        state = after
        was_filled |= happening == Happening.FILLED
        assert not was_filled or state == State.FILLED
