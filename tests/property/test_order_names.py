"""Keys and group ids: derived from what an order is, the same everywhere, and different wherever that differs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts.orders import (
    CSV_HEADER,
    exit_reason,
    from_row,
    missing_columns,
    naming_groups,
    naming_keys,
    role_kind,
    split_reference,
    to_row,
)
from tests.unit.runs.a_run import order

WORDS = st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True)
SIDES = st.sampled_from(["BUY", "SELL"])
MOMENTS = st.integers(0, 4 * 10**15)
PARTS = st.tuples(WORDS, WORDS, WORDS, WORDS, SIDES, WORDS)


def _key(parts: tuple[str, ...]) -> str:
    *shared, group = parts
    return naming_keys(*shared)(group)  # type: ignore[arg-type]


@given(parts=PARTS)
def test_key_is_the_head_of_the_sha1_of_its_parts(parts: tuple[str, ...]) -> None:
    run_id, strategy, version, symbol, side, oco = parts

    expected = hashlib.sha1(f"{run_id}|{strategy}|{version}|{symbol}|{side}|{oco}".encode()).hexdigest()[:16]

    assert expected == _key(parts)


@given(strategy=WORDS, symbol=WORDS, day=st.dates(), setup=WORDS, ts_us=MOMENTS)
def test_group_is_the_head_of_the_sha1_of_its_setup(
    strategy: str, symbol: str, day: object, setup: str, ts_us: int
) -> None:
    expected = hashlib.sha1(f"{strategy}|{symbol}|{day}|{setup}|{ts_us}".encode()).hexdigest()[:12]

    assert expected == naming_groups(strategy, symbol)(f"{day}|{setup}|{ts_us}")


@given(first=PARTS, second=PARTS)
def test_two_orders_never_share_a_key(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    assert (first == second) == (_key(first) == _key(second))


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_names_do_not_depend_on_the_process(seed: str) -> None:
    code = (
        "from axiomd.contracts.orders import *;"
        "g = naming_groups('inside_bar', 'SPY')('2013-10-04|inside_bar|1380894900000000');"
        "print(g, naming_keys('run', 'inside_bar', '1.0.0', 'SPY', 'BUY')(g))"
    )

    told = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True,
        check=True,
    ).stdout.split()  # fmt: skip

    group = naming_groups("inside_bar", "SPY")("2013-10-04|inside_bar|1380894900000000")
    assert [group, naming_keys("run", "inside_bar", "1.0.0", "SPY", "BUY")(group)] == told


@given(key=st.from_regex(r"[0-9a-f]{16}", fullmatch=True), kind=st.sampled_from(["SL", "TP", "EOD", "KILL"]),
       number=st.none() | st.integers(2, 99))  # fmt: skip
def test_childs_reference_names_its_entry(key: str, kind: str, number: int | None) -> None:
    reference = split_reference(f"{key}-{kind}{number or ''}")

    assert (key, kind) == (reference.key, role_kind(reference.role))
    assert (key, "") == split_reference(key)


def test_order_comes_back_from_its_own_row() -> None:
    own = order(1)

    row = to_row(own)

    assert list(CSV_HEADER) == list(row)
    assert [] == missing_columns(row)
    assert own == from_row(row, "orders.csv:2")


@given(kind=st.sampled_from(["SL", "TP", "EOD", "KILL"]), number=st.none() | st.integers(2, 99), other=WORDS)
def test_a_position_is_closed_by_a_childs_kind_and_else_by_hand(kind: str, number: int | None, other: str) -> None:
    assert kind == exit_reason(f"{kind}{number or ''}")
    assert "MANUAL" == exit_reason(f"MANUAL{number or ''}") == exit_reason(f"X{other}")
