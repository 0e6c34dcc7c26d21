"""The points of the equity curve: at the start, after each moment with a fill, at each session's close."""

from __future__ import annotations

from axiomd.contracts.commands import Command
from axiomd.contracts.outcome import CurvePoint
from axiomd.core import board as b
from axiomd.core.board import column
from axiomd.core.books import Books
from axiomd.core.frame import Frame

_NOW, _EQUITY, _CASH, _PEAK = (column(b.ACCOUNT, name) for name in ("now_us", "equity", "cash", "peak"))
_SNAP_US, _SNAP_EQUITY, _SNAP_CASH, _SNAP_GROSS, _SNAP_DRAWDOWN = (
    column(b.ACCOUNT, f"snap_{name}") for name in ("us", "equity", "cash", "gross", "drawdown")
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
        if filled_us >= 0 and now[_SNAP_US] == filled_us:
            out.append(CurvePoint(filled_us, now[_SNAP_EQUITY], now[_SNAP_CASH], now[_SNAP_GROSS], now[_SNAP_DRAWDOWN]))
            self._books.filled_us = -1

    def point(self, ts_us: int) -> CurvePoint:
        """Give the point as things stand."""
        now = self._now
        equity = now[_EQUITY]
        return CurvePoint(ts_us, equity, now[_CASH], self._frame.gross_exposure(), equity - now[_PEAK])
