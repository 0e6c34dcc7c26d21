"""raptorbt's whole process for P6: Parquet in, signals found with numpy, one run, its trades as CSV out.

The signals are inside bars in two windows of UTC time, long only, entered at the next OPEN: what raptorbt can be told.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import raptorbt


def main(bars_path: Path, out_path: Path) -> None:
    """Read, find, run, write."""
    table = pq.read_table(bars_path, columns=["ts", "OPEN", "HIGH", "LOW", "CLOSE", "VOLUME"])
    ts_ns = table["ts"].cast("int64").to_numpy() * 1000
    open_, high, low, close = (table[name].to_numpy() for name in ("OPEN", "HIGH", "LOW", "CLOSE"))
    volume = table["VOLUME"].to_numpy().astype(np.float64)
    minute = ts_ns // 60_000_000_000 % 1440
    in_window = ((minute >= 870) & (minute < 960)) | ((minute >= 1140) & (minute < 1200))
    inside = np.zeros(len(close), bool)
    inside[1:] = (high[1:] <= high[:-1]) & (low[1:] >= low[:-1]) & in_window[1:] & in_window[:-1]
    exits = minute >= 1255
    config = raptorbt.BacktestConfig(
        initial_capital=10_000_000.0, fees=0.00004, slippage=0.0001, fill_timing="next_bar_open"
    )
    config.set_fixed_stop(0.002)
    config.set_risk_reward_target(2.0)
    result = raptorbt.run_single_backtest(
        ts_ns, open_, high, low, close, volume, inside, exits, direction=1, symbol="S000", config=config
    )
    with out_path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("entry_time", "exit_time", "entry_price", "exit_price", "size", "pnl", "fees", "exit_reason"))
        for t in result.trades():
            lines.writerow(
                (t.entry_time, t.exit_time, t.entry_price, t.exit_price, t.size, t.pnl, t.fees, t.exit_reason)
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
