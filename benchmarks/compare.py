"""Trades of every contestant in one form, so that they can be held against each other bar for bar and cent for cent.

It measures nothing and decides nothing. A trade is (entry_ts_us, exit_ts_us, side, qty, entry_price, exit_price,
reason, costs, net_pnl, ambiguous), prices and money in 1/10,000 units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from axiomd.contracts.fills import Trade
from axiomd.contracts.units import sign_of
from benchmarks import exact
from benchmarks.bound import SCALE
from benchmarks.job import Job

Plain = tuple[int, int, int, int, int, int, str, int, int, bool]

_REASONS: Final = ("", "SL", "TP", "EOD")


def of_product(trades: Iterable[Trade]) -> list[Plain]:
    """Give the trades of a replay or a backtest."""
    return [
        (
            t.entry_ts_us, t.exit_ts_us, sign_of(t.side), t.qty, t.entry_price, t.exit_price, t.exit_reason, t.costs,
            t.net_pnl, t.ambiguous,
        )
        for t in trades
    ]  # fmt: skip


def of_bound(job: Job, rows: Any, scale: float = 1.0) -> list[Plain]:
    """Give the trades of the bare loop; `scale` turns a float loop's currency into units."""
    whole = np.rint(np.asarray(rows) * np.array([1, 1, 1, scale, 1, scale, 1, scale, scale, 1])).astype(np.int64)
    starts_us = job.starts_us
    return [
        (
            int(starts_us[entry_row]), int(starts_us[exit_row]), side, qty, entry, exit_, _REASONS[reason], costs, net,
            bool(ambiguous),
        )
        for side, qty, entry_row, entry, exit_row, exit_, reason, costs, net, ambiguous in whole.tolist()
    ]  # fmt: skip


def of_floats(job: Job, rows: Any) -> list[Plain]:
    """Give the trades of the float loop."""
    return of_bound(job, rows, SCALE)


def of_exact(trades: Iterable[exact.Trade]) -> list[Plain]:
    """Give the trades of the exact reference."""
    return [
        (
            t.entry_ts_us, t.exit_ts_us, t.side, t.qty, t.entry_price, t.exit_price, t.exit_reason, t.costs, t.net_pnl,
            t.ambiguous,
        )
        for t in trades
    ]  # fmt: skip


def share_identical(ours: Sequence[Plain], theirs: Sequence[Plain]) -> float:
    """Give the share of trades that both have, 1.0 where neither has one that the other lacks."""
    total = max(len(ours), len(theirs))
    return 1.0 if total == 0 else sum((Counter(ours) & Counter(theirs)).values()) / total


def decisions(trades: Iterable[Plain]) -> list[Plain]:
    """Leave of trades only when and which way they went and how they ended."""
    return [(t[0], t[1], t[2], 0, 0, 0, t[6], 0, 0, False) for t in trades]
