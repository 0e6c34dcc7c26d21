"""Numbers enter as they were written, or not at all."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts.exact import DIGITS_MAX, canonical, exact, json_number, whole

WRITTEN = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6)


@given(number=WRITTEN)
def test_text_comes_in_unchanged(number: Decimal) -> None:
    assert number == exact(str(number))


@given(number=WRITTEN)
def test_a_number_survives_json_and_back(number: Decimal) -> None:
    assert number == exact(json.loads(json.dumps(json_number(number))))


def test_a_float_is_the_decimal_that_was_written() -> None:
    assert exact(0.1) == Decimal("0.1")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "abc",
        "1,5",
        "nan",
        "inf",
        "-inf",
        float("nan"),
        float("inf"),
        True,
        None,
        [1],
        "9" * (DIGITS_MAX + 1),
        "1e-40",
    ],
)
def test_what_is_no_bounded_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="number"):
        exact(value)


def test_a_whole_number_may_be_written_in_three_ways() -> None:
    assert [1000] * 3 == [whole(1000), whole("1000"), whole(1000.0)]


def test_a_broken_count_is_refused() -> None:
    with pytest.raises(ValueError, match="whole"):
        whole(1.5)


def test_spellings_of_a_number_are_one_in_a_hash() -> None:
    assert {"a": [1, 1], "b": 1} == canonical({"a": [1.0, Decimal("1.00")], "b": 1})
