"""Verdicts written by compiled code, byte for byte as `contracts.verdicts.text_of` writes the same.

Twenty tuples made, written and freed again are a fifth of what it takes to decide an order.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from axiomd.core.board import Ints
from axiomd.core.compiled import njit
from axiomd.core.guards.chain import GUARDS, PASSED

Bytes = NDArray[np.uint8]

NAME_WIDTH: Final = 32
_COPIED: Final = 24
"""So many bytes of a name's row are copied, whatever it has of them: what is too much is written over."""
_LENGTH_AT: Final = NAME_WIDTH - 1
_INT_BYTES_MAX: Final = 20
TEXT_BYTES: Final = PASSED * (_COPIED + 2 * _INT_BYTES_MAX + 2) + NAME_WIDTH
_COMMA, _MINUS, _OPEN, _CLOSE, _ZERO = (ord(mark) for mark in ",-[]0")


def names() -> Bytes:
    """Give what stands before the figure of each guard, a row of `NAME_WIDTH` bytes each whose last says how many."""
    rows = np.zeros((PASSED, NAME_WIDTH), np.uint8)
    for place, name in enumerate(GUARDS):
        text = f'{"," if place else "["}["{name}",'.encode("ascii")
        assert len(text) <= _COPIED, name
        rows[place, : len(text)] = list(text)
        rows[place, _LENGTH_AT] = len(text)
    return rows.reshape(-1)


@njit
def write(verdicts: Ints, count: int, names: Bytes, out: Bytes) -> int:
    """Write the first `count` verdicts, at least one; gives how many bytes they take."""
    end = 0
    for place in range(count):
        begin = place * NAME_WIDTH
        for k in range(_COPIED):
            out[end + k] = names[begin + k]
        end += names[begin + _LENGTH_AT]
        end = put(verdicts[place, 0], out, end)
        out[end] = _COMMA
        end = put(verdicts[place, 1], out, end + 1)
        out[end] = _CLOSE
        end += 1
    out[end] = _CLOSE
    return end + 1


@njit
def put(number: int, out: Bytes, end: int) -> int:
    """Write a number behind what stands there; gives where it ends."""
    last = number % 10
    if number < 0:
        out[end] = _MINUS
        end += 1
        # the last digit apart: the least of all numbers has no counterpart
        last = (10 - last) % 10
        number = -((number + last) // 10)
    else:
        number //= 10
    rest, digits = number, 0
    while rest > 0:
        rest //= 10
        digits += 1
    for k in range(digits):
        out[end + digits - 1 - k] = _ZERO + number % 10
        number //= 10
    out[end + digits] = _ZERO + last
    return end + digits + 1
