"""The names in a frame of bars, held against the one rule for symbols: no configuration could name any other.

It judges names alone, and says of one that breaks the rule no more than a symbol may be long.
"""

from __future__ import annotations

import polars as pl

from axiomd.contracts.bars import SYMBOL, Rule, Violation
from axiomd.contracts.errors import ConfigError, cut
from axiomd.contracts.instruments import SYMBOL_LENGTH_MAX, normal_symbol
from axiomd.core.market.columns import take_apart

_DETAIL = f"is no symbol: it may have {SYMBOL_LENGTH_MAX} letters, digits and . - _"


def symbol_violations(df: pl.DataFrame) -> list[Violation]:
    """Find the names that are no symbol, rising, each told once for all of its bars; a missing one is none of them."""
    names = [name for name in take_apart(df).symbols if not _is_symbol(name)]
    shown = [cut(name, SYMBOL_LENGTH_MAX) for name in names]
    return [Violation(rule=Rule.WRONG_DTYPE, symbol=name, ts=None, detail=f"{name!r} {_DETAIL}") for name in shown]


def of_symbols(df: pl.DataFrame) -> pl.DataFrame:
    """Give the bars of a frame of the contract's columns whose name is a symbol."""
    names = df[SYMBOL].unique().to_list()
    sound = [name for name in names if _is_symbol(name)]
    return df if len(sound) == len(names) else df.filter(df[SYMBOL].is_in(sound))


def _is_symbol(name: str) -> bool:
    try:
        normal_symbol(name)
    except ConfigError:
        return False
    return True
