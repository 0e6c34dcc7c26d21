"""Symbols have one spelling; an instrument on which nothing could be valid cannot be built."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts.errors import ConfigError
from axiomd.contracts.instruments import Instrument, normal_symbol


@given(text=st.text())
def test_a_symbol_is_refused_or_spelt_the_one_way(text: str) -> None:
    try:
        symbol = normal_symbol(text)
    except ConfigError:
        return

    assert symbol == symbol.strip().upper()
    assert symbol == normal_symbol(symbol)
    assert not set(symbol) & set("/\\|\n\0")


@pytest.mark.parametrize("text", ["", " ", ".", "..", "../SPY", "a/b", "A..B", "A" * 33, "É"])
def test_what_could_name_another_file_is_no_symbol(text: str) -> None:
    with pytest.raises(ConfigError):
        normal_symbol(text)


@pytest.mark.parametrize("fields", [{"tick_size": 0}, {"tick_size": -1}, {"lot": 0}])
def test_instrument_without_a_grid_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        Instrument("SPY", **fields)  # type: ignore[arg-type]
