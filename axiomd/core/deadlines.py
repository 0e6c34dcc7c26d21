"""The first deadline of all symbols, kept as each of them changes: the scan stops at it and at no other.

A moment that ends the orders of hundreds of symbols changes as many deadlines; looking through all of them each time
would make it a square of their number. It knows no order and no clock.
"""

from __future__ import annotations

from axiomd.contracts.units import NEVER_US


class Deadlines:
    """Deadlines by symbol index; a symbol that was never told of has none."""

    def __init__(self) -> None:
        self._of: dict[int, int] = {}
        self._first_us = NEVER_US
        self._at_first = 0
        """How many symbols have the first one; of `NEVER_US` it does not matter."""

    def note(self, index: int, deadline_us: int) -> int:
        """Take a symbol's deadline in, `NEVER_US` for none, and give the first one of all."""
        deadlines, first_us = self._of, self._first_us
        before_us = deadlines.get(index, NEVER_US)
        if deadline_us == before_us:
            return first_us
        deadlines[index] = deadline_us
        if deadline_us < first_us:
            self._first_us, self._at_first = deadline_us, 1
        elif deadline_us == first_us:
            self._at_first += 1
        elif before_us == first_us:
            self._at_first -= 1
            if not self._at_first:
                self._first_us = min(deadlines.values())
                self._at_first = list(deadlines.values()).count(self._first_us)
        return self._first_us
