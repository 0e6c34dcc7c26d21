"""The collector pauses for a stretch of work and is left as it was."""

from __future__ import annotations

import gc

import pytest

from axiomd.core.uncollected import uncollected


def test_the_collector_pauses_and_goes_on() -> None:
    with uncollected():
        assert not gc.isenabled()

    assert gc.isenabled()


def test_the_collector_goes_on_where_the_work_fails() -> None:
    with pytest.raises(ValueError, match="work"), uncollected():
        raise ValueError("work")

    assert gc.isenabled()


def test_a_collector_that_was_paused_stays_so() -> None:
    with uncollected():
        with uncollected():
            pass

        assert not gc.isenabled()
