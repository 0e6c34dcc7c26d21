"""What a run leaves behind, as plain records: the input of metrics, artifacts and reports.

Replay, backtest, paper and live fill in the same record; whoever writes files or figures from it needs to know nothing
of how the run was driven. Prices and money are 1/10,000 units, times UTC microseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from typing import Final, Literal, overload

import msgspec

from axiomd.contracts.fills import Trade
from axiomd.contracts.orders import Order
from axiomd.contracts.signals import Signal

Status = Literal["working", "filled", "expired", "cancelled", "rejected"]


class OrderOutcome(msgspec.Struct, gc=False):
    """One entry order and what became of it; the fill's columns are None where there was none.

    `fill_ts_us` is the start of the bar it filled in, `reason` why it did not fill (03, filled_orders.csv).
    """

    order: Order
    status: Status
    reason: str = ""
    was_sent: bool = True
    fill_ts_us: int | None = None
    fill_price: int | None = None
    fill_qty: int = 0
    commission: int = 0
    slippage_ticks: int = 0


class CurvePoint(msgspec.Struct, frozen=True, gc=False):
    """One row of equity_curve.csv: the start, a moment with a fill, a close; `drawdown` is zero or below."""

    ts_us: int
    equity: int
    cash: int
    gross_exposure: int
    drawdown: int


_POINT: Final = struct.Struct(f"{len(CurvePoint.__struct_fields__)}q")


class EquityCurve(Sequence[CurvePoint]):
    """Points in order of time, kept as bytes, int64 in the order of a point's fields: some runs have a million.

    Of two points of one moment, a fill and the session's close, the later stays.
    """

    __slots__ = ("_rows",)

    def __init__(self, points: Iterable[CurvePoint] = ()) -> None:
        self._rows = bytearray()
        for point in points:
            self.append(point)

    @classmethod
    def of(cls, rows: bytearray) -> EquityCurve:
        """Give the curve of these bytes, no two of one moment; they are the curve's from here on."""
        curve = cls()
        curve._rows = rows
        return curve

    def append(self, point: CurvePoint) -> None:
        """Add a point."""
        self._add(_POINT.pack(*msgspec.structs.astuple(point)))

    def extend(self, curve: EquityCurve) -> None:
        """Add the points of another curve, which begins no earlier than this one ends."""
        self._add(curve._rows)

    def _add(self, rows: bytes | bytearray) -> None:
        if self._rows[-_POINT.size :][:8] == rows[:8]:
            del self._rows[-_POINT.size :]
        self._rows += rows

    def __eq__(self, other: object) -> bool:
        """Say whether another curve has the same points."""
        return isinstance(other, EquityCurve) and self._rows == other._rows

    def __len__(self) -> int:
        """Count the points."""
        return len(self._rows) // _POINT.size

    def __iter__(self) -> Iterator[CurvePoint]:
        """Give one after the other."""
        return starmap(CurvePoint, _POINT.iter_unpack(self._rows))

    @overload
    def __getitem__(self, place: int) -> CurvePoint: ...

    @overload
    def __getitem__(self, place: slice) -> list[CurvePoint]: ...

    def __getitem__(self, place: int | slice) -> CurvePoint | list[CurvePoint]:
        """Give a point, or some of them."""
        where = range(len(self))[place]
        if isinstance(where, int):
            return CurvePoint(*_POINT.unpack_from(self._rows, where * _POINT.size))
        return [CurvePoint(*_POINT.unpack_from(self._rows, at * _POINT.size)) for at in where]


@dataclass(slots=True)
class Activity:
    """What one strategy did in a run beyond its orders and trades."""

    turnover_units: int = 0
    """Sum of quantity * price over its fills, in account currency."""
    moments_exposed: int = 0
    """Closes of the fill timeframe with a position of its open."""
    fills_beyond_volume: int = 0

    def since(self, before: Activity) -> Activity:
        """Give what it did since it had done so much."""
        return Activity(
            self.turnover_units - before.turnover_units,
            self.moments_exposed - before.moments_exposed,
            self.fills_beyond_volume - before.fills_beyond_volume,
        )


@dataclass(slots=True)
class RunRecord:
    """All that a run left behind, in the order in which it happened."""

    initial_cash: int
    currency: str
    signals: list[Signal] = field(default_factory=list)
    orders: list[OrderOutcome] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    curve: EquityCurve = field(default_factory=EquityCurve)
    session_closes: list[tuple[int, int]] = field(default_factory=list)
    """(close in UTC us, equity there) of every traded session that has at least one bar; for sharpe."""
    final_cash: int = 0
    max_drawdown: int = 0
    """Over equity marked at every close of the fill timeframe; zero or below."""
    max_drawdown_pct: float = 0.0
    """The lowest of 100 * (equity - peak) / peak over the same marks."""
    moments: int = 0
    moments_exposed: int = 0
    """Closes of the fill timeframe in traded sessions, and those of them with a position open."""
    by_strategy: dict[str, Activity] = field(default_factory=dict)
    """Of every strategy of the run, by its id."""
    ambiguous_bars: int = 0
    operator_resumes: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    """Why there was no setup, and what was left out of the data, by name."""
