"""vectorbt's from_signals on its rust engine: signals, prices, sizes and stops are handed to it ready-made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import vectorbt as vbt

VERSION = f"vectorbt {vbt.__version__} (rust)"
DIFFERS = (
    "entries, fill prices, sizes and stop distances precomputed outside the time; no OCO, no setup, no sizing on "
    "running equity, fixed commission a fill"
)


def prepare(bars: Mapping[str, Any], options: Mapping[str, Any]) -> Callable[[], int]:
    """Bind the arrays."""
    engine = options.get("engine", "rust")

    def work() -> int:
        portfolio = vbt.Portfolio.from_signals(
            bars["close"], entries=bars["entries"], exits=bars["exits"], short_entries=bars["short_entries"],
            short_exits=bars["exits"], size=bars["size"], price=bars["price"], open=bars["open"], high=bars["high"],
            low=bars["low"], sl_stop=bars["sl_stop"], tp_stop=bars["tp_stop"], fixed_fees=0.35, slippage=0.0001,
            init_cash=10_000_000.0, freq="5min", engine=engine,
        )  # fmt: skip
        return len(portfolio.trades.records)

    return work
