"""The points of the equity curve: at the start, after each moment with a fill, at each session's close."""

from __future__ import annotations

import struct
from typing import Final

from axiomd.contracts.outcome import EquityCurve
from axiomd.core import board as b
from axiomd.core.board import column
from axiomd.core.books import Books
from axiomd.core.frame import Frame

_SNAP_US: Final = column(b.ACCOUNT, "snap_us")
_SNAP: Final = struct.Struct("5q")
"""A point of the curve as the scan leaves it, in the order of the record's fields."""
assert b.ACCOUNT.names is not None
assert b.ACCOUNT.names[_SNAP_US : _SNAP_US + 5] == (
    "snap_us",
    "snap_equity",
    "snap_cash",
    "snap_gross",
    "snap_drawdown",
)


class Curve:
    """Read points off the board; the scan keeps the books of the moment that is waited for."""

    def __init__(self, frame: Frame, books: Books) -> None:
        self._frame = frame
        self._now = frame.account
        self._books = books
        self._has_begun = False
        self._kept = frame.account.cast("B")[_SNAP_US * 8 : _SNAP_US * 8 + _SNAP.size]
        self._drawn = bytearray()

    def begin(self) -> None:
        """Draw the first point of a run, once."""
        if not self._has_begun:
            self._has_begun = True
            self._frame.snapshot()
            self.draw()

    def draw_marked(self) -> None:
        """Draw the point of the moment with a fill, if that was marked by now."""
        if self._now[_SNAP_US] == self._books.filled_us:
            self.draw_fills()

    def draw_fills(self) -> None:
        """Draw the point of the moment with a fill, which is marked."""
        self._drawn += self._kept
        self._books.filled_us = -1

    def draw(self) -> None:
        """Draw the point that was kept last, instead of one of its moment."""
        if self._drawn[-_SNAP.size :][:8] == self._kept[:8]:
            del self._drawn[-_SNAP.size :]
        self._drawn += self._kept

    def take(self) -> EquityCurve:
        """Give what was drawn since it was asked for last."""
        drawn, self._drawn = self._drawn, bytearray()
        return EquityCurve.of(drawn)
