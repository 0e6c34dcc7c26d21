"""Nothing grows over a simulated week: no memory, no thread, no open file (07 C2)."""

from __future__ import annotations

import pytest

from tests.process.soak import GROWTH_KB_MAX, WARM_SESSIONS, WEEK_SESSIONS, growth_kb, soak
from tests.process.stage import Stage


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_memory_threads_and_files_are_flat_over_a_simulated_week(stage: Stage) -> None:
    samples = soak(stage, WARM_SESSIONS + WEEK_SESSIONS)

    print(f"growth over a week: {growth_kb(samples) / 1024:+.1f} MB")
    assert growth_kb(samples) < GROWTH_KB_MAX
    assert samples[-1].threads <= samples[WARM_SESSIONS - 1].threads
    assert samples[-1].files <= samples[WARM_SESSIONS - 1].files + 2  # a journal may just be open
