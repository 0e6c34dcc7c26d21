"""raptorbt's run_single_backtest: entry signals are handed to it ready-made, and it takes one direction a run.

The job trades both, so that it is run for the long entries and once more for the short ones; `directions` names fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import raptorbt

VERSION = f"raptorbt {raptorbt.__version__}"
DIFFERS = (
    "a run a direction, neither knowing of the other; signals precomputed outside the time; the whole cash a trade; "
    "market entries at the next OPEN instead of resting stops, one stop and target in percent, commission as a fraction"
)
_DIRECTIONS = {"long": (1, "entries"), "short": (-1, "short_entries")}


def prepare(bars: Mapping[str, Any], options: Mapping[str, Any]) -> Callable[[], int]:
    """Bind the arrays."""
    ts_ns = bars["ts_us"].astype(np.int64) * 1000
    runs = [_DIRECTIONS[name] for name in options.get("directions", _DIRECTIONS)]

    def run(direction: int, entries: str) -> int:
        config = raptorbt.BacktestConfig(
            initial_capital=10_000_000.0, fees=0.00004, slippage=0.0001, fill_timing="next_bar_open"
        )
        config.set_fixed_stop(0.002)
        config.set_risk_reward_target(2.0)
        result = raptorbt.run_single_backtest(
            ts_ns, *(bars[name] for name in ("open", "high", "low", "close", "volume", entries, "exits")),
            direction=direction, symbol="S000", config=config,
        )  # fmt: skip
        return len(result.trades())

    return lambda: sum(run(direction, entries) for direction, entries in runs)
