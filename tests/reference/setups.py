"""Inside bars: what the five-minute bars of one symbol say, and the levels that follow from a mother bar.

Nothing here knows of positions, money or limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.reference.exact import down_to_tick, exact, up_to_tick
from tests.reference.sessions import M5_US


@dataclass(frozen=True)
class Bar:
    """One bar; `ts_us` is its start, prices are exact."""

    symbol: str
    ts_us: int
    open: Fraction
    high: Fraction
    low: Fraction
    close: Fraction
    volume: int


@dataclass
class WilderAtr:
    """Wilder's average true range, running on over sessions; `value` is None until `period` true ranges are there."""

    period: int
    value: Fraction | None = None
    previous_close: Fraction | None = None
    true_ranges: list[Fraction] = field(default_factory=list)

    def add(self, bar: Bar) -> None:
        """Take the next bar in."""
        true_range = bar.high - bar.low
        if self.previous_close is not None:
            true_range = max(true_range, abs(bar.high - self.previous_close), abs(bar.low - self.previous_close))
        self.previous_close = bar.close
        if self.value is not None:
            self.value = (self.value * (self.period - 1) + true_range) / self.period
            return
        self.true_ranges.append(true_range)
        if len(self.true_ranges) == self.period:
            self.value = sum(self.true_ranges, Fraction(0)) / self.period


@dataclass(frozen=True)
class Levels:
    """Entry, stop and target of both sides; a side that is not traded is None throughout."""

    long_entry: Fraction | None = None
    sl_long: Fraction | None = None
    tp_long: Fraction | None = None
    limit_long: Fraction | None = None
    short_entry: Fraction | None = None
    sl_short: Fraction | None = None
    tp_short: Fraction | None = None
    limit_short: Fraction | None = None


def whole_five_minutes(pieces: list[Bar], start_us: int) -> Bar:
    """Put the bars of one interval together."""
    return Bar(
        symbol=pieces[0].symbol,
        ts_us=start_us,
        open=pieces[0].open,
        high=max(piece.high for piece in pieces),
        low=min(piece.low for piece in pieces),
        close=pieces[-1].close,
        volume=sum(piece.volume for piece in pieces),
    )


def is_inside(bar: Bar, mother: Bar, mode: str) -> bool:
    """Whether a bar lies inside the one directly before it in time."""
    if bar.ts_us - mother.ts_us != M5_US:
        return False
    if mode == "strict":
        return bar.high < mother.high and bar.low > mother.low
    return bar.high <= mother.high and bar.low >= mother.low


def levels_of(mother: Bar, params: Mapping[str, Any], tick: Fraction) -> Levels:
    """The levels of a mother bar, entry and stop on the grid first, then the cap, then the target."""
    offset = exact(params["entry_offset_ticks"]) * tick
    cap = None if params["stop_cap_ticks"] is None else exact(params["stop_cap_ticks"]) * tick
    reward = None if params["risk_reward"] is None else exact(params["risk_reward"])
    beyond = None if params["entry_limit_ticks"] is None else exact(params["entry_limit_ticks"]) * tick
    found: dict[str, Fraction | None] = {}
    if params["sides"] in ("both", "long"):
        entry = up_to_tick(mother.high + offset, tick)
        stop = down_to_tick(mother.low, tick)
        if cap is not None and entry - stop > cap:
            stop = down_to_tick(entry - cap, tick)
        if stop < entry:
            found.update(long_entry=entry, sl_long=stop)
            found["tp_long"] = None if reward is None else up_to_tick(entry + reward * (entry - stop), tick)
            found["limit_long"] = None if beyond is None else down_to_tick(entry + beyond, tick)
    if params["sides"] in ("both", "short"):
        entry = down_to_tick(mother.low - offset, tick)
        stop = up_to_tick(mother.high, tick)
        if cap is not None and stop - entry > cap:
            stop = up_to_tick(entry + cap, tick)
        if stop > entry:
            found.update(short_entry=entry, sl_short=stop)
            found["tp_short"] = None if reward is None else down_to_tick(entry - reward * (stop - entry), tick)
            found["limit_short"] = None if beyond is None else up_to_tick(entry - beyond, tick)
    return Levels(**found)
