"""When a pause ends, as a person writes it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.daemon.until import until_us

NEW_YORK = "America/New_York"


def us(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[arg-type, misc]


NOON = us(2026, 1, 5, 17)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("14:30", us(2026, 1, 5, 19, 30)),
        ("14:30:30", us(2026, 1, 5, 19, 30, 30)),
        ("2026-01-06T09:30-05:00", us(2026, 1, 6, 14, 30)),
        ("2026-07-06T09:30", us(2026, 7, 6, 13, 30)),
        ("2026-01-06T09:30:00Z", us(2026, 1, 6, 9, 30)),
        (NOON, NOON),
        ("soon", None),
        ("25:00", None),
        ("", None),
        (True, None),
    ],
)
def test_a_time_is_of_the_exchange_unless_it_says_otherwise(said: object, expected: int | None) -> None:
    assert until_us(said, NOON, NEW_YORK) == expected


@given(st.one_of(st.text(max_size=40), st.floats(), st.none(), st.lists(st.integers(), max_size=3)))
def test_whatever_is_said_is_a_time_or_none(said: object) -> None:
    ends_us = until_us(said, NOON, NEW_YORK)
    assert ends_us is None or isinstance(ends_us, int)
