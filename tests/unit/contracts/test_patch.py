"""A patch leads from any state to any other, and says nothing of what did not change."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts.patch import changes_between, patched

VALUES: Any = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
STATES: Any = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@given(STATES, STATES)
def test_patch_turns_one_state_into_the_other(before: Any, after: Any) -> None:
    assert after == patched(before, changes_between(before, after))


@given(STATES)
def test_nothing_changed_is_nothing_said(state: Any) -> None:
    assert {} == changes_between(state, state)
    assert state == patched(state, {})


@given(STATES, STATES)
def test_neither_state_is_touched(before: Any, after: Any) -> None:
    kept = (repr(before), repr(after))
    patched(before, changes_between(before, after))

    assert kept == (repr(before), repr(after))


@given(STATES, STATES, STATES)
def test_patch_heard_twice_is_heard_once(before: Any, after: Any, other: Any) -> None:
    changes = changes_between(before, after)

    assert patched(patched(before, changes), changes) == patched(before, changes)


def test_row_that_went_is_none_and_others_are_not_sent() -> None:
    before = {"positions": {"SPY": {"qty": 1}, "QQQ": {"qty": 2}}, "seq": 1}

    assert {"positions": {"QQQ": None}} == changes_between(before, {"positions": {"SPY": {"qty": 1}}, "seq": 1})


def test_table_that_became_empty_is_emptied() -> None:
    assert {"a": {}} == patched({"a": {"b": 1}}, changes_between({"a": {"b": 1}}, {"a": {}}))
    assert {"a": {}} == patched({"a": 1}, changes_between({"a": 1}, {"a": {}}))
    assert {"a": 1} == patched({"a": {"b": 1}}, changes_between({"a": {"b": 1}}, {"a": 1}))
