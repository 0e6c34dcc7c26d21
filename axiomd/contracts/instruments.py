"""What is traded: the tick, the lot and the currency of a symbol, in integer units.

It says what an instrument is and nothing about a market's state. It never opens a file and knows no broker. Sizing,
rounding and the guards read it on every decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from axiomd.contracts.errors import ConfigError

SYMBOL_LENGTH_MAX: Final = 32
"""No exchange has a longer one; a bound keeps keys, file names and messages bounded."""
_SYMBOL_PUNCTUATION: Final = frozenset(".-_ ")
_SPELLINGS_KEPT_MAX: Final = 16_384


# a configuration says its symbols in several places, and a sweep reads it once a set
@lru_cache(_SPELLINGS_KEPT_MAX)
def normal_symbol(text: str) -> str:
    """Return a symbol in its one spelling: trimmed and in upper case.

    Raises `ConfigError` where it is empty, too long or holds characters that no symbol has.

    >>> normal_symbol(" spy ")
    'SPY'
    """
    symbol = text.strip().upper()
    is_plain = all(char.isascii() and (char.isalnum() or char in _SYMBOL_PUNCTUATION) for char in symbol)
    # A symbol names files; one that begins with a dot or two in a row could name a place outside.
    if not symbol or len(symbol) > SYMBOL_LENGTH_MAX or not is_plain or not symbol[0].isalnum() or ".." in symbol:
        raise ConfigError(f"{text!r} is no symbol", "symbols", "write letters, digits and . - _ only")
    return symbol


@dataclass(frozen=True, slots=True)
class Instrument:
    """Describe one symbol: ``tick_size`` in 1/10,000 of ``currency``, ``lot`` in shares.

    Raises `ConfigError` for a tick below one unit or a lot below one share.
    """

    symbol: str
    currency: str = "USD"
    tick_size: int = 100
    lot: int = 1

    def __post_init__(self) -> None:
        """Refuse an instrument on which no price or quantity could be valid."""
        if self.tick_size < 1:
            raise ConfigError(f"tick_size {self.tick_size} units", self.symbol, "give a tick of at least 0.0001")
        if self.lot < 1:
            raise ConfigError(f"lot {self.lot}", self.symbol, "give a lot of at least 1 share")
