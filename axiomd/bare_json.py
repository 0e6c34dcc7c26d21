"""JSON with what Python's own `json` works with, without its Python half.

That half brings re and enum along, which took half of the time from the shell to a latched kill. For the two leaves
that a kill and a status load: the latch and the presence.
"""

from __future__ import annotations

from _json import encode_basestring_ascii as quoted
from _json import make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing brings re along
    from typing import Any

__all__ = ("quoted", "scan")


class _Plain:
    """What a scanner asks of a decoder: nothing out of the ordinary."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_int = int
    parse_float = float
    parse_constant = float


_names: Any = _Plain  # typed as a scanner, it is asked for these names alone, whoever has them
_scan = make_scanner(_names)


def scan(text: str, start: int) -> tuple[Any, int]:
    """Give the value a text begins with at a place, and where it ends; `ValueError` or `StopIteration` where none."""
    try:
        return _scan(text, start)
    except SystemError as error:
        # it takes its own error from the Python half, and stands there without one where that is not loaded
        raise ValueError("no JSON") from error
