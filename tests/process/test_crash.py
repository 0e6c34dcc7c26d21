"""SIGKILL at random moments through scripted days, held against the broker's record; `make crash` takes a budget."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.process.campaign import RECOVERY_S_MAX, run_campaign

KILLS = int(os.environ.get("CRASH_KILLS", "50"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_random_kills_double_nothing_lose_nothing_and_leave_every_position_protected(tmp_path: Path) -> None:
    tally = run_campaign(tmp_path, kills=KILLS, seed=7, tell=print)
    print(tally.table())

    assert [] == tally.problems
    assert tally.kills >= KILLS
    assert max(tally.recoveries_s) < RECOVERY_S_MAX
