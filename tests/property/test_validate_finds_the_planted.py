"""Whatever is broken in a valid frame, the validator names that row by its rule and leaves the rest alone."""

from __future__ import annotations

import math

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from axiomd.contracts.errors import DataContractError
from axiomd.feeds import assert_valid_intraday
from tests.unit.market.minutes import minutes, with_cell

PLANTS = {
    "nan_ohlc": [("OPEN", math.nan), ("HIGH", None), ("LOW", math.nan), ("CLOSE", None)],
    "bad_ohlc_range": [("OPEN", 9.0), ("HIGH", 9.9), ("LOW", 10.2), ("CLOSE", math.inf), ("LOW", -1.0)],
    "negative_volume": [("VOLUME", -1), ("VOLUME", -(2**40))],
}


def found(frame: pl.DataFrame) -> set[tuple[str, str | None, object]]:
    try:
        assert_valid_intraday(frame, "XNYS", "America/New_York")
    except DataContractError as error:
        return {(v.rule, v.symbol, v.ts) for v in error.violations}
    return set()


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_planted_faults_are_all_found_and_only_they(data: st.DataObject) -> None:
    frame = pl.concat([minutes(range(30)), minutes(range(30), "BBB")])
    rows = data.draw(st.lists(st.integers(0, 59), max_size=8, unique=True))
    expected = set()
    for row in rows:
        rule = data.draw(st.sampled_from(sorted(PLANTS)))
        column, value = data.draw(st.sampled_from(PLANTS[rule]))
        frame = with_cell(frame, row, column, value)
        expected.add((rule, frame["symbol"][row], frame["ts"][row]))

    assert expected == found(frame)


@settings(deadline=None, max_examples=40)
@given(st.permutations(range(12)))
def test_order_of_rows_is_judged_within_a_symbol_by_each_step_back(order: list[int]) -> None:
    frame = minutes(range(12))[order]
    steps_back = {order[i] for i in range(1, 12) if order[i] < order[i - 1]}

    assert {("not_monotonic", "AAA", minutes([k])["ts"][0]) for k in steps_back} == found(frame)
