"""Figures and times as text, against the plain way to write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts.units import PRICE_SCALE, decimal_text, exact_units, iso_time, parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_1_US = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
YEAR_9999_US = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


@given(st.integers(-(10**15), 10**15) | st.integers(-99, 99).map(lambda whole: whole * PRICE_SCALE))
def test_units_as_text_are_exact_with_two_places_or_four_as_needed(units: int) -> None:
    text = decimal_text(units)
    places = text.partition(".")[2]

    assert Decimal(units) / PRICE_SCALE == Decimal(text)
    assert units == exact_units(text)
    assert len(places) == 2 or (len(places) <= 4 and not places.endswith("0"))
    assert (units < 0) == text.startswith("-")


@given(st.integers(YEAR_1_US, YEAR_9999_US) | st.integers(-(10**9), 10**9).map(lambda second: second * 1_000_000))
def test_a_time_as_text_is_the_one_of_datetime_and_reads_back(ts_us: int) -> None:
    assert (EPOCH + timedelta(microseconds=ts_us)).isoformat() == iso_time(ts_us)
    assert ts_us == parse_time(iso_time(ts_us))
