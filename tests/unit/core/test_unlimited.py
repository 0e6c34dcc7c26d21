"""The kernel's code without limits is taken only where no limit is set."""

from __future__ import annotations

import numpy as np
import pytest

from axiomd.core.guards.api import LIMITS, OFF
from axiomd.core.kernel.unlimited import is_unlimited

SWITCHES = sorted(set(LIMITS.names or ()) - {"rate_orders", "rate_us"})


def limits(**set_to: int) -> np.ndarray:
    record = np.zeros(1, LIMITS)
    for name in LIMITS.names or ():
        record[name] = set_to.get(name, OFF)
    return record


def test_a_message_rate_alone_limits_nothing() -> None:
    assert is_unlimited(limits(rate_orders=200, rate_us=10_000_000))


@pytest.mark.parametrize("name", SWITCHES)
def test_one_limit_is_enough(name: str) -> None:
    assert not is_unlimited(limits(**{name: 3}))
