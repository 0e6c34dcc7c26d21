"""The collector pauses for a stretch of work and is left as it was."""

from __future__ import annotations

import gc

import pytest

from axiomd.core.uncollected import collect_again, uncollected


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


def test_a_start_that_is_over_lets_the_collector_go_on_past_what_it_made() -> None:
    try:
        with uncollected():
            made = [[] for _ in range(1000)]  # type: ignore[var-annotated]
            collect_again()

            assert gc.isenabled()
            assert gc.get_freeze_count() >= len(made)
    finally:
        gc.unfreeze()


def test_nothing_is_set_apart_where_the_collector_was_never_paused() -> None:
    collect_again()

    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
