"""The compiled sum of floats is Python's, to the bit."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from axiomd.core.exact_sum import exact_sum, sum_of_parts
from axiomd.core.metrics import session_returns, sharpe_of

FLOATS = st.floats(-1e100, 1e100, allow_nan=False)


@given(st.lists(FLOATS, max_size=40))
@example([1.0, 2.0**-53, 2.0**-120])
@example([1.0, 2.0**-53, -(2.0**-120)])
@example([-1.0, -(2.0**-53), -(2.0**-120)])
@example([1e100, 1.0, -1e100])
@example([5e-324, 2.0**-1022, -(2.0**-1022)])
def test_the_sum_is_rounded_once(values: list[float]) -> None:
    array = np.array(values, np.float64)

    assert math.fsum(values) == exact_sum(array) == sum_of_parts(array)


@given(st.lists(st.integers(-(2**60), 2**60), max_size=300), st.lists(st.integers(-80, 80), min_size=1, max_size=5))
def test_a_long_sum_is_rounded_once_whatever_cancels(wholes: list[int], scales: list[int]) -> None:
    values = [float(whole) * 2.0 ** scales[place % len(scales)] for place, whole in enumerate(wholes)]
    values += [-value for value in values[1:]]

    assert math.fsum(values) == exact_sum(np.array(values, np.float64))


@given(st.lists(st.integers(1, 2**40), min_size=3, max_size=40, unique=True))
def test_a_sharpe_ratio_is_what_python_makes_of_its_definition(closes: list[int]) -> None:
    returns = session_returns(2**39, closes).tolist()
    values = [made / before for made, before in returns]
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)

    if len({made * 2**100 // before for made, before in returns}) > 1:
        assert mean / math.sqrt(variance) * math.sqrt(252) == sharpe_of(returns)
