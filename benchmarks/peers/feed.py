"""The bars for the peers: one file of arrays, with whatever of the job is handed to a peer ready-made.

Signals-only peers get entries, prices, sizes, stops and ends of days already worked out by the bare loop, outside the
measured time: a kindness to them, since the product works all of it out inside its own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from axiomd.core.market.tape import Tape
from axiomd.core.plan import Plan
from benchmarks import bound
from benchmarks.job import Job, job_of, plan_of
from benchmarks.market import TICK_UNITS

SCALE = 10_000.0


def write(tape: Tape, path: Path, *, mother_range_atr: float = 0.5, plan: Plan | None = None) -> Path:
    """Write one symbol's bars for the peers; floats in the currency, `ts_us` int64 starts in UTC."""
    bars = tape.bars
    arrays: dict[str, np.ndarray] = {
        "ts_us": np.ascontiguousarray(bars[:, 0]),
        "open": bars[:, 2] / SCALE,
        "high": bars[:, 3] / SCALE,
        "low": bars[:, 4] / SCALE,
        "close": bars[:, 5] / SCALE,
        "volume": bars[:, 6].astype(np.float64),
        "mother_range_atr": np.array(mother_range_atr),
        "tick": np.array(TICK_UNITS / SCALE),
    }
    if tape.timeframe_us == 300_000_000:
        job = job_of(tape, plan)
        arrays |= _calendar(job) | _signals(job)
    else:
        arrays |= _minute_calendar(tape)
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def _calendar(job: Job) -> dict[str, np.ndarray]:
    return {
        "pair_window": job.pair_window,
        "last_entry_row": job.last_entry_row,
        "eod_row": job.eod_row,
    }


def _minute_calendar(tape: Tape) -> dict[str, np.ndarray]:
    """For M1 bars: the same by five-minute interval, and the interval that each minute belongs to."""
    windows = plan_of(tape).strategies[0].windows.reshape(-1, 4)
    starts_us = tape.bars[:, 0]
    begins, ends, _, flattens = windows.T
    interval_us = starts_us // 300_000_000 * 300_000_000
    window = np.searchsorted(begins, interval_us, "right") - 1
    window[(window < 0) | (interval_us >= ends[window])] = -1
    mother = interval_us - 300_000_000
    pair = np.where((window >= 0) & (mother >= begins[window]), window, -1).astype(np.int32)
    return {
        "pair_window": pair,
        "last_entry_row": np.searchsorted(starts_us, np.minimum(ends, flattens) - tape.timeframe_us, "right") - 1,
        "eod_row": np.minimum(np.searchsorted(starts_us, flattens, "left"), len(starts_us) - 1),
    }


def _signals(job: Job) -> dict[str, np.ndarray]:
    n = len(job)
    trades = bound.integer_trades(job)
    longs, shorts = trades[trades[:, bound.SIDE] > 0], trades[trades[:, bound.SIDE] < 0]
    entries, short_entries, exits = np.zeros(n, bool), np.zeros(n, bool), np.zeros(n, bool)
    entries[longs[:, bound.ENTRY_ROW]] = True
    short_entries[shorts[:, bound.ENTRY_ROW]] = True
    exits[job.eod_row[(job.eod_row >= 0) & (job.eod_row < n)]] = True
    price, size = job.close / SCALE, np.zeros(n)
    stop, target = np.full(n, np.nan), np.full(n, np.nan)
    rows = trades[:, bound.ENTRY_ROW]
    price[rows] = trades[:, bound.ENTRY_PRICE] / SCALE
    size[rows] = trades[:, bound.QTY]
    ends_by_stop = trades[:, bound.REASON] == bound.STOPPED
    moved = np.abs(trades[:, bound.EXIT_PRICE] - trades[:, bound.ENTRY_PRICE]) / trades[:, bound.ENTRY_PRICE]
    stop[rows] = np.where(ends_by_stop, moved, 0.01)
    target[rows] = np.where(trades[:, bound.REASON] == bound.REACHED, moved, 0.02)
    return {
        "entries": entries, "short_entries": short_entries, "exits": exits, "price": price, "size": size,
        "sl_stop": stop, "tp_stop": target,
    }  # fmt: skip
