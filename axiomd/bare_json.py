"""JSON with what Python's own `json` works with, without its Python half.

That half brings re and enum along, which took half of the time from the shell to a latched kill. For the two leaves
that a kill and a status load: the latch and the presence.
"""

from __future__ import annotations

from _json import encode_basestring_ascii as quoted
from _json import make_scanner

__all__ = ("quoted", "scan")


class _Plain:
    """What a scanner asks of a decoder: nothing out of the ordinary."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_int = int
    parse_float = float
    parse_constant = float


scan = make_scanner(_Plain)  # type: ignore[arg-type]  # it asks for these names, of whatever has them
"""Give the value that a text begins with at a place, and where it ends. `ValueError` or `StopIteration` where none."""
