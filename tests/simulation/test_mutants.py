"""Every daemon that is broken on purpose is caught, within a budget of seeds; the number it took is printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulation.mutants import MUTANTS, double_counts_partial_fills
from tests.simulation.run import seeds_to_catch, shrink

pytestmark = pytest.mark.as_python


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_daemon_is_caught(mutant: Callable[[], Any], capsys: pytest.CaptureFixture[str]) -> None:
    count, by = seeds_to_catch(mutant)

    with capsys.disabled():
        print(f"\n{mutant.__name__}: {count} seeds, {by[:90]}", end="")
    assert count > 0


def test_a_failure_is_shrunk_to_the_faults_it_needs() -> None:
    """Counting a partial fill twice needs a partial fill and little else."""
    with double_counts_partial_fills():
        text, faults = shrink(0)

    assert "I7" in text or "I11" in text
    assert len(faults) <= 3
    assert any(fault.endswith("partial") for fault in faults)
