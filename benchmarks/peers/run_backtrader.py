"""backtrader: event-driven, one strategy object that is called with every bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import backtrader as bt
import pandas as pd

VERSION = f"backtrader {bt.__version__}"
DIFFERS = (
    "the whole job bar by bar; OCO entries, stop and target as an OCO pair that rests from the bar after the entry, "
    "float prices, slippage in percent; windows precomputed"
)


class PerShare(bt.CommInfoBase):  # type: ignore[misc]
    """max(0.35, 0.0035 a share)."""

    params = (("stocklike", True), ("commtype", bt.CommInfoBase.COMM_FIXED))

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        del price, pseudoexec
        return max(0.35, 0.0035 * abs(size))


class InsideBar(bt.Strategy):  # type: ignore[misc]
    """The job as a strategy of backtrader."""

    params = (("pairs", ()), ("last_rows", ()), ("eod_rows", ()), ("mother_range_atr", 0.5))

    def __init__(self) -> None:
        self.average, self.seen, self.row = 0.0, 0, -1
        self.used = self.last = self.end = -1
        self.working: list[Any] = []
        self.levels = (0.0, 0.0, 0.0)
        self.trade_count = 0

    def notify_order(self, order: Any) -> None:
        """After an entry rest stop and target; an exit leaves nothing."""
        if order.status != order.Completed:
            return
        if order not in self.working:
            return
        self.working = []
        long, short, distance = self.levels
        qty = abs(order.executed.size)
        if order.isbuy():
            stop = self.sell(size=qty, exectype=bt.Order.Stop, price=long - distance)
            self.sell(size=qty, exectype=bt.Order.Limit, price=long + 2 * distance, oco=stop)
        else:
            stop = self.buy(size=qty, exectype=bt.Order.Stop, price=short + distance)
            self.buy(size=qty, exectype=bt.Order.Limit, price=short - 2 * distance, oco=stop)
        self.exit = stop

    def notify_trade(self, trade: Any) -> None:
        """Count what closed."""
        self.trade_count += trade.isclosed

    def next(self) -> None:
        """Take one bar: end of the day, end of the entries, then the setup."""
        self.row += 1
        row = self.row
        data = self.data
        high, low = data.high[0], data.low[0]
        true_range = max(high - low, abs(high - data.close[-1]), abs(low - data.close[-1])) if row else high - low
        self.seen += 1
        if self.seen < 14:
            self.average += true_range
        elif self.seen == 14:
            self.average = (self.average + true_range) / 14
        else:
            self.average = (self.average * 13 + true_range) / 14
        if self.position and row >= self.end - 1:
            self.cancel(self.exit)
            self.close()
        elif self.working and row >= self.last:
            for order in self.working:
                self.cancel(order)
            self.working = []
        window = self.p.pairs[row]
        if window < 0 or window == self.used or self.seen < 14:
            return
        mother_high, mother_low = data.high[-1], data.low[-1]
        if high > mother_high or low < mother_low or mother_high - mother_low < self.p.mother_range_atr * self.average:
            return
        self.used = window
        if self.position or self.working or self.p.last_rows[window] <= row:
            return
        self.last, self.end = self.p.last_rows[window], self.p.eod_rows[window]
        long, short = mother_high + 0.01, mother_low - 0.01
        distance = long - mother_low
        self.levels = (long, short, distance)
        cash = self.broker.getvalue()
        qty = int(min(cash * 0.0001 // distance, cash * 0.99 // long))
        if qty > 0:
            first = self.buy(size=qty, exectype=bt.Order.Stop, price=long)
            self.working = [first, self.sell(size=qty, exectype=bt.Order.Stop, price=short, oco=first)]


def prepare(bars: Mapping[str, Any], options: Mapping[str, Any]) -> Callable[[], int]:
    """Make the frame once; cerebro and its feed are made anew for each run."""
    del options
    frame = pd.DataFrame(
        {name: bars[name] for name in ("open", "high", "low", "close", "volume")},
        index=pd.to_datetime(bars["ts_us"], unit="us"),
    )
    settings = {
        "pairs": bars["pair_window"].tolist(),
        "last_rows": bars["last_entry_row"].tolist(),
        "eod_rows": bars["eod_row"].tolist(),
        "mother_range_atr": float(bars["mother_range_atr"]),
    }

    def work() -> int:
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.adddata(bt.feeds.PandasData(dataname=frame, openinterest=None))
        cerebro.addstrategy(InsideBar, **settings)
        cerebro.broker.setcash(10_000_000.0)
        cerebro.broker.addcommissioninfo(PerShare())
        cerebro.broker.set_slippage_perc(0.0001)
        return int(cerebro.run()[0].trade_count)

    return work
