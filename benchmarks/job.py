"""The job of P1 to P8 (docs/performance.md): one configuration, and the same bars in the form each contestant likes.

Inside bars in two windows, OCO stop entries, risk sizing on running equity, costs, flat at the end of the day. It
measures nothing; every contestant and every check takes its input from here, so that all are given the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from axiomd.config.binding import bind
from axiomd.contracts.outcome import RunRecord
from axiomd.contracts.runs import CANDIDATES_MAX, RunConfig
from axiomd.core.market.tape import Tape
from axiomd.core.plan import Plan
from axiomd.core.strategies.stage1 import listed
from axiomd.replay.driver import Log, Replay
from axiomd.replay.identity import Identity

WINDOWS: Final = ("09:30-11:00", "14:00-15:00")
INITIAL_CASH: Final = 10_000_000
"""With 0.01 % at risk a trade: on this market every trade loses a little, and a smaller account or a larger risk would
be used up after a quarter of a million bars, so that the rest of the job would be no job."""
CONFIG: Final[Mapping[str, Any]] = {
    "initial_cash": INITIAL_CASH,
    "sizing": {"mode": "risk", "risk_pct": "0.01"},
    "costs": {"commission_per_share": "0.0035", "commission_min": "0.35", "slippage_ticks": 1},
    "risk": {},
}
MOTHER_RANGE_ATR: Final = 0.5
RUN_ID: Final = "bench"

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One symbol's bars with everything that a calendar says of them turned into row numbers beforehand.

    `starts_us` is int64[n], the starts of the bars in UTC; `open_`, `high`, `low`, `close` are int32[n] in 1/10,000
    units. `pair_window` int32[n] is the window that holds both a bar and the bar five minutes before it, -1 where none
    does. By window: `window_us` int64[w, 4] as in a plan, `last_entry_row` the last row in which an entry may fill,
    `eod_row` the row that ends the day, and `eod_at_close` whether it does so at its CLOSE and not at its OPEN.
    """

    starts_us: Int64s
    open_: Int32s
    high: Int32s
    low: Int32s
    close: Int32s
    pair_window: Int32s
    window_us: Int64s
    last_entry_row: Int64s
    eod_row: Int64s
    eod_at_close: NDArray[np.bool_]
    bar_us: int

    def __len__(self) -> int:
        return len(self.starts_us)


def document_of(symbols: tuple[str, ...], mother_range_atr: float = MOTHER_RANGE_ATR) -> dict[str, Any]:
    """Give the configuration of the job as it would stand in a file."""
    params = {"windows": list(WINDOWS), "min_mother_range_atr": mother_range_atr}
    return {
        **CONFIG,
        "strategy": {"name": "inside_bar", "params": params},
        "symbols": list(symbols),
        "stage1": {"mode": "list", "max_candidates": max(CANDIDATES_MAX, len(symbols))},
    }


def plan_of(tape: Tape, mother_range_atr: float = MOTHER_RANGE_ATR) -> Plan:
    """Bind the job to a tape."""
    config = RunConfig.model_validate(document_of(tape.symbols, mother_range_atr))
    return bind(config, tape.sessions, tape.timeframe_us, RUN_ID, "replay")


def replay_of(tape: Tape, plan: Plan, log: Log | None = None) -> Replay:
    """Make the replay of a tape, in memory where no journal is given; `run()` is what is measured."""
    chosen = {own.id: listed(own.symbols, max_candidates=own.stage1.max_candidates) for own in plan.strategies}
    identity = Identity(RUN_ID, "", {}, "0")
    return Replay(plan, tape, log, lambda _: chosen, identity=identity)


def record_of(tape: Tape) -> RunRecord:
    """Replay a tape in memory and give its record."""
    replay = replay_of(tape, plan_of(tape))
    replay.run()
    return replay.recorder.record


def job_of(tape: Tape, plan: Plan | None = None) -> Job:
    """Precompute the job of a tape that holds one symbol."""
    assert len(tape.symbols) == 1, "the bare loop is written for one symbol"
    windows = (plan or plan_of(tape)).strategies[0].windows.reshape(-1, 4)
    starts_us = np.ascontiguousarray(tape.bars[:, 0])
    open_, high, low, close = (np.ascontiguousarray(tape.bars[:, column], np.int32) for column in (2, 3, 4, 5))
    begins, ends, closes, flattens = windows.T
    window = np.searchsorted(begins, starts_us, "right") - 1
    window[(window < 0) | (starts_us >= ends[window])] = -1
    pair = np.full(len(starts_us), -1, np.int32)
    is_pair = (window[1:] == window[:-1]) & (starts_us[1:] - starts_us[:-1] == tape.timeframe_us)
    pair[1:][is_pair] = window[1:][is_pair]
    last_entry = np.searchsorted(starts_us, np.minimum(ends, flattens) - tape.timeframe_us, "right") - 1
    eod = np.searchsorted(starts_us, flattens, "left")
    at_close = (eod >= len(starts_us)) | (starts_us[np.minimum(eod, len(starts_us) - 1)] >= closes)
    return Job(
        starts_us=starts_us,
        open_=open_,
        high=high,
        low=low,
        close=close,
        pair_window=pair,
        window_us=windows,
        last_entry_row=last_entry,
        eod_row=np.where(at_close, eod - 1, eod),
        eod_at_close=at_close,
        bar_us=tape.timeframe_us,
    )
