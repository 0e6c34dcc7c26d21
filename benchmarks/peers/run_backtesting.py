"""backtesting.py: event-driven, one strategy object that is called with every bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import backtesting
import pandas as pd

VERSION = f"backtesting.py {backtesting.__version__}"
DIFFERS = (
    "the whole job bar by bar; the other leg is cancelled one bar late, orders of one bar are filled in the order in "
    "which they were given, float prices, slippage as a spread in percent; windows precomputed"
)


class InsideBar(backtesting.Strategy):  # type: ignore[misc]
    """The job as a strategy of backtesting.py."""

    pairs: list[int] = []  # noqa: RUF012
    last_rows: list[int] = []  # noqa: RUF012
    eod_rows: list[int] = []  # noqa: RUF012
    mother_range_atr = 0.5

    def init(self) -> None:
        """Start with the first bar seen: `next` begins at the second."""
        data = self.data
        self.before = (float(data.High[0]), float(data.Low[0]), float(data.Close[0]))
        self.average, self.seen = self.before[0] - self.before[1], 1
        self.used = self.last = self.end = -1

    def observe(self) -> tuple[float, float, float, float]:
        """Take the newest bar into the average and give it with the average."""
        data = self.data
        high, low, close = float(data.High[-1]), float(data.Low[-1]), float(data.Close[-1])
        was_close = self.before[2]
        true_range = max(high - low, abs(high - was_close), abs(low - was_close))
        self.seen += 1
        if self.seen < 14:
            self.average += true_range
        elif self.seen == 14:
            self.average = (self.average + true_range) / 14
        else:
            self.average = (self.average * 13 + true_range) / 14
        return high, low, close, self.average

    def next(self) -> None:
        """Take one bar: end of the day, end of the entries, then the setup."""
        row = len(self.data) - 1
        mother_high, mother_low, _ = self.before
        high, low, close, average = self.observe()
        self.before = (high, low, close)
        if self.position:
            if self.orders and any(not order.is_contingent for order in self.orders):
                for order in self.orders:
                    if not order.is_contingent:
                        order.cancel()
            if row >= self.end - 1:
                self.position.close()
        elif self.orders and row >= self.last:
            for order in self.orders:
                order.cancel()
        window = self.pairs[row]
        if window < 0 or window == self.used or self.seen < 14:
            return
        if high > mother_high or low < mother_low or mother_high - mother_low < self.mother_range_atr * average:
            return
        self.used = window
        if self.position or self.orders or self.last_rows[window] <= row:
            return
        self.last, self.end = self.last_rows[window], self.eod_rows[window]
        long, short = mother_high + 0.01, mother_low - 0.01
        distance = long - mother_low
        qty = int(min(self.equity * 0.0001 // distance, self.equity * 0.99 // long))
        if qty > 0:
            self.buy(size=qty, stop=long, sl=long - distance, tp=long + 2 * distance)
            self.sell(size=qty, stop=short, sl=short + distance, tp=short - 2 * distance)


def prepare(bars: Mapping[str, Any], options: Mapping[str, Any]) -> Callable[[], int]:
    """Make the frame once."""
    del options
    frame = pd.DataFrame(
        {name.title(): bars[name] for name in ("open", "high", "low", "close", "volume")},
        index=pd.to_datetime(bars["ts_us"], unit="us"),
    )
    InsideBar.pairs = bars["pair_window"].tolist()
    InsideBar.last_rows = bars["last_entry_row"].tolist()
    InsideBar.eod_rows = bars["eod_row"].tolist()
    InsideBar.mother_range_atr = float(bars["mother_range_atr"])

    def work() -> int:
        test = backtesting.Backtest(
            frame, InsideBar, cash=10_000_000, spread=0.0001,
            commission=lambda size, price: max(0.35, 0.0035 * abs(size)), finalize_trades=True,  # noqa: ARG005
        )  # fmt: skip
        return int(test.run()["# Trades"])

    return work
