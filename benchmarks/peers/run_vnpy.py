"""vnpy_ctastrategy's BacktestingEngine: event-driven, one strategy object that is called with every bar.

Two styles: with vnpy's ArrayManager and its ATR over the last hundred bars, as its own strategies are written, and
lean, with Wilder's average kept in a float by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

import numpy as np
import vnpy_ctastrategy.backtesting as cta
from vnpy.trader.constant import Exchange, Interval
from vnpy.trader.object import BarData
from vnpy_ctastrategy import ArrayManager, CtaTemplate

VERSION = f"vnpy_ctastrategy {version('vnpy_ctastrategy')}"
DIFFERS = (
    "the whole job bar by bar; OCO by cancelling in on_trade, no exit in the entry bar, targets before stops, float "
    "prices, slippage booked day by day behind the run and commission in the strategy's cash alone; windows "
    "precomputed; no guards, no journal, no order ids"
)

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001


class InsideBar(CtaTemplate):  # type: ignore[misc]
    """The job as a strategy of vnpy; five-minute bars are built in place where minutes come in."""

    author = ""
    parameters: list[str] = []  # noqa: RUF012
    variables: list[str] = []  # noqa: RUF012

    def __init__(self, cta_engine: Any, strategy_name: str, vt_symbol: str, setting: dict[str, Any]) -> None:
        super().__init__(cta_engine, strategy_name, vt_symbol, setting)
        self.pairs: list[int] = setting["pairs"]
        self.last_rows: list[int] = setting["last_rows"]
        self.eod_rows: list[int] = setting["eod_rows"]
        self.closes_interval: list[bool] | None = setting["closes_interval"]
        self.mother_range_atr: float = setting["mother_range_atr"]
        self.row = -1
        self.average = 0.0
        self.atr_value = 1e9
        self.seen = 0
        self.high = self.low = self.close = 0.0
        self.build_high = self.build_low = 0.0
        self.is_building = False
        self.used = -1
        self.last = self.end = -1
        self.cash = 10_000_000.0
        self.is_working = False
        self.levels = (0.0, 0.0, 0.0)
        self.array_manager = ArrayManager() if setting["has_array_manager"] else None

    def on_init(self) -> None:
        """Need no history."""

    def on_bar(self, bar: BarData) -> None:
        """Take one bar: end of the day, end of the entries, then the setup."""
        self.row += 1
        row = self.row
        if self.pos and row >= self.end - 1:
            self.cancel_all()
            if self.pos > 0:
                self.sell(bar.close_price * 0.5, abs(self.pos))
            else:
                self.cover(bar.close_price * 1.5, abs(self.pos))
        elif self.is_working and row >= self.last:
            self.cancel_all()
            self.is_working = False
        if self.array_manager is not None:
            self.array_manager.update_bar(bar)
            if self.array_manager.inited:
                self.atr_value = self.array_manager.atr(14)
        if self.closes_interval is None:
            self.take(bar.high_price, bar.low_price, bar.close_price)
            return
        if not self.is_building:
            self.build_high, self.build_low, self.is_building = bar.high_price, bar.low_price, True
        else:
            self.build_high = max(self.build_high, bar.high_price)
            self.build_low = min(self.build_low, bar.low_price)
        if self.closes_interval[row]:
            self.is_building = False
            self.take(self.build_high, self.build_low, bar.close_price)

    def take(self, high: float, low: float, close: float) -> None:
        """Take a five-minute bar: average, inside bar, levels, sizes, two stop orders."""
        mother_high, mother_low = self.high, self.low
        if self.seen:
            true_range = max(high - low, abs(high - self.close), abs(low - self.close))
        else:
            true_range = high - low
        self.seen += 1
        if self.seen < 14:
            self.average += true_range
        elif self.seen == 14:
            self.average = (self.average + true_range) / 14
        else:
            self.average = (self.average * 13 + true_range) / 14
        self.high, self.low, self.close = high, low, close
        average = self.average if self.array_manager is None else self.atr_value
        window = self.pairs[self.row]
        if window < 0 or window == self.used or self.seen < 14:
            return
        if high > mother_high or low < mother_low or mother_high - mother_low < self.mother_range_atr * average:
            return
        self.used = window
        if self.pos or self.is_working or self.last_rows[window] <= self.row:
            return
        self.last, self.end = self.last_rows[window], self.eod_rows[window]
        long, short = mother_high + 0.01, mother_low - 0.01
        distance = long - mother_low
        self.levels = (long, short, distance)
        qty = min(self.cash * 0.0001 // distance, self.cash // long)
        if qty > 0:
            self.buy(long, qty, stop=True)
            self.short(short, qty, stop=True)
            self.is_working = True

    def on_trade(self, trade: Any) -> None:
        """Book a fill; after an entry cancel the other leg and rest stop and target."""
        sign = 1 if trade.direction.name == "LONG" else -1
        self.cash -= sign * trade.price * trade.volume + max(0.35, 0.0035 * trade.volume)
        self.cancel_all()
        self.is_working = False
        if not self.pos:
            return
        long, short, distance = self.levels
        if self.pos > 0:
            self.sell(long - distance, self.pos, stop=True)
            self.sell(long + 2 * distance, self.pos)
        else:
            self.cover(short + distance, -self.pos, stop=True)
            self.cover(short - 2 * distance, -self.pos)


def prepare(bars: Mapping[str, Any], options: Mapping[str, Any]) -> Callable[[], int]:
    """Make the bar objects once, engine and strategy anew for each run. `more` names the files of further symbols."""
    parts = [_part(bars, options)]
    for path in options.get("more", ()):
        with np.load(path) as stored:
            parts.append(_part(stored, options))
    return lambda: sum(_run(history, setting) for history, setting in parts)


def _part(bars: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[list[BarData], dict[str, Any]]:
    columns = [bars[name].tolist() for name in ("ts_us", "open", "high", "low", "close", "volume")]
    history = [
        BarData(
            gateway_name="BACKTESTING", symbol="S000", exchange=Exchange.NASDAQ,
            datetime=EPOCH + timedelta(microseconds=ts_us), interval=Interval.MINUTE, volume=volume, open_price=open_,
            high_price=high, low_price=low, close_price=close,
        )
        for ts_us, open_, high, low, close, volume in zip(*columns, strict=True)
    ]  # fmt: skip
    is_five_minutes = int(options.get("step_minutes", 5)) == 5
    return history, {
        "pairs": bars["pair_window"].tolist(),
        "last_rows": bars["last_entry_row"].tolist(),
        "eod_rows": bars["eod_row"].tolist(),
        "closes_interval": None if is_five_minutes else ((bars["ts_us"] // 60_000_000 % 5) == 4).tolist(),
        "mother_range_atr": float(bars["mother_range_atr"]),
        "has_array_manager": bool(options.get("has_array_manager", True)),
    }


def _run(history: list[BarData], setting: dict[str, Any]) -> int:
    engine = cta.BacktestingEngine()
    engine.output = lambda msg: print(msg) if "Traceback" in msg else None
    engine.set_parameters(
        vt_symbol="S000.NASDAQ", interval=Interval.MINUTE, start=EPOCH, end=EPOCH, rate=0.0, slippage=0.01, size=1,
        pricetick=0.01, capital=10_000_000,
    )  # fmt: skip
    engine.history_data = history
    engine.add_strategy(InsideBar, setting)
    engine.run_backtesting()
    engine.calculate_result()
    assert engine.strategy.row == len(history) - 1, "vnpy stopped before the end of the bars"
    return len(engine.trades) // 2
