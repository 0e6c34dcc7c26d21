"""The points of the equity curve: at the start, after each moment with a fill, at each session's close."""

from __future__ import annotations

import struct
from typing import Final

from axiomd.contracts.commands import Command
from axiomd.contracts.outcome import CurvePoint
from axiomd.core import board as b
from axiomd.core.board import column
from axiomd.core.books import Books
from axiomd.core.frame import Frame

_NOW, _EQUITY, _CASH, _PEAK = (column(b.ACCOUNT, name) for name in ("now_us", "equity", "cash", "peak"))
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

    def begin(self) -> list[Command]:
        """Give the first point of a run, once."""
        if self._has_begun:
            return []
        self._has_begun = True
        return [self.point(self._now[_NOW])]

    def draw(self, out: list[Command]) -> None:
        """Add the point of the moment with a fill that was marked by now."""
        now, filled_us = self._now, self._books.filled_us
        if now[_SNAP_US] == filled_us:
            out.append(CurvePoint(*_SNAP.unpack_from(now, _SNAP_US * 8)))
            self._books.filled_us = -1

    def point(self, ts_us: int) -> CurvePoint:
        """Give the point as things stand."""
        now = self._now
        equity = now[_EQUITY]
        return CurvePoint(ts_us, equity, now[_CASH], self._frame.gross_exposure(), equity - now[_PEAK])
