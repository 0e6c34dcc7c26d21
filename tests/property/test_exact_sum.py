"""The compiled sum of floats is Python's, to the bit."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from axiomd.core.exact_sum import exact_sum
from axiomd.core.metrics import session_returns, sharpe_of

FLOATS = st.floats(-1e100, 1e100, allow_nan=False)


@given(st.lists(FLOATS, max_size=40))
@example([1.0, 2.0**-53, 2.0**-120])
@example([1.0, 2.0**-53, -(2.0**-120)])
@example([-1.0, -(2.0**-53), -(2.0**-120)])
@example([1e100, 1.0, -1e100])
def test_the_sum_is_rounded_once(values: list[float]) -> None:
    assert math.fsum(values) == exact_sum(np.array(values, np.float64))


@given(st.lists(st.integers(1, 2**40), min_size=3, max_size=40, unique=True))
def test_a_sharpe_ratio_is_what_python_makes_of_its_definition(closes: list[int]) -> None:
    returns = session_returns(2**39, closes).tolist()
    values = [made / before for made, before in returns]
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)

    if len({made * 2**100 // before for made, before in returns}) > 1:
        assert mean / math.sqrt(variance) * math.sqrt(252) == sharpe_of(returns)
