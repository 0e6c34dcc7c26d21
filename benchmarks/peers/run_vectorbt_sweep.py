"""vectorbt's from_signals on its rust engine over many symbols at once, one call a parameter set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import vectorbt as vbt

VERSION = f"vectorbt {vbt.__version__} (rust)"
DIFFERS = (
    "signals, fill prices, sizes and stops precomputed outside the time and the same for every set but for the target; "
    "order records and no metrics"
)


def prepare(bars: Mapping[str, Any], options: Mapping[str, Any]) -> Callable[[], int]:
    """Lay the symbols side by side: float64[bars, symbols] a column."""
    stored = [bars]
    for path in options.get("more", ()):
        with np.load(path) as arrays:
            stored.append({name: arrays[name] for name in arrays.files})
    names = ("close", "entries", "exits", "short_entries", "size", "price", "open", "high", "low", "sl_stop", "tp_stop")
    wide = {name: np.stack([one[name] for one in stored], axis=1) for name in names}
    rewards = [float(reward) for reward in options["rewards"]]

    def work() -> int:
        count = 0
        for reward in rewards:
            portfolio = vbt.Portfolio.from_signals(
                wide["close"], entries=wide["entries"], exits=wide["exits"], short_entries=wide["short_entries"],
                short_exits=wide["exits"], size=wide["size"], price=wide["price"], open=wide["open"],
                high=wide["high"], low=wide["low"], sl_stop=wide["sl_stop"], tp_stop=wide["tp_stop"] * reward / 2.0,
                fixed_fees=0.35, slippage=0.0001, init_cash=10_000_000.0, freq="5min", engine="rust",
            )  # fmt: skip
            count += len(portfolio.order_records) // 2
        return count

    return work
