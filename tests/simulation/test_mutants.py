"""Every daemon that is broken on purpose is caught, within a budget of seeds; the number it took is printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.run import seeds_to_catch


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_daemon_is_caught(mutant: Callable[[], Any], capsys: pytest.CaptureFixture[str]) -> None:
    count, by = seeds_to_catch(mutant)

    with capsys.disabled():
        print(f"\n{mutant.__name__}: {count} seeds, {by[:90]}", end="")
    assert count > 0
