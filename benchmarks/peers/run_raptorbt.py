"""raptorbt's run_single_backtest: entry signals of the long trades are handed to it ready-made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import raptorbt

VERSION = f"raptorbt {raptorbt.__version__}"
DIFFERS = (
    "long trades only (one direction a run), signals precomputed outside the time; the whole cash a trade; market "
    "entries at the next OPEN instead of resting stops, one stop and target in percent, commission as a fraction"
)


def prepare(bars: Mapping[str, Any], options: Mapping[str, Any]) -> Callable[[], int]:
    """Bind the arrays."""
    del options
    ts_ns = bars["ts_us"].astype(np.int64) * 1000

    def work() -> int:
        config = raptorbt.BacktestConfig(
            initial_capital=10_000_000.0, fees=0.00004, slippage=0.0001, fill_timing="next_bar_open"
        )
        config.set_fixed_stop(0.002)
        config.set_risk_reward_target(2.0)
        result = raptorbt.run_single_backtest(
            ts_ns, *(bars[name] for name in ("open", "high", "low", "close", "volume", "entries", "exits")),
            direction=1, symbol="S000", config=config,
        )  # fmt: skip
        return len(result.trades())

    return work
