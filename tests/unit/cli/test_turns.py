"""Turns are short for a command, and for nobody behind it."""

from __future__ import annotations

import sys

import pytest

from axiomd.cli.turns import TURN_S, short_turns


def test_turns_are_short_within_and_as_before_behind_a_failure_too() -> None:
    before_s = sys.getswitchinterval()

    with short_turns():
        within_s = sys.getswitchinterval()
    after_s = sys.getswitchinterval()
    with pytest.raises(ZeroDivisionError), short_turns():
        _ = 1 // 0

    assert pytest.approx(TURN_S) == within_s
    assert before_s == after_s == sys.getswitchinterval()
