"""The first deadline of all is the least of those that were told last, whatever came and went."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts.units import NEVER_US
from axiomd.core.deadlines import Deadlines


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([1, 2, 3, NEVER_US])), max_size=40))
def test_the_first_one_is_the_least_of_all(told: list[tuple[int, int]]) -> None:
    deadlines, last = Deadlines(), dict[int, int]()
    for index, deadline_us in told:
        last[index] = deadline_us
        assert min(last.values()) == deadlines.note(index, deadline_us)
