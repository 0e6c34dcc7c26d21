"""The exact-rational reference of P4: the job of the benchmarks read from the rules in plain Python, without a float.

It shares no code with the product or the bare loop and looks for no speed beyond what a million bars ask for. Prices
and money are integers; the one quantity that needs fractions, Wilder's average, is held between two rationals so close
together that every comparison is decided exactly, or else it raises. It must never guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from benchmarks.job import INITIAL_CASH, Job

PERIOD: Final = 14
TICK: Final = 100
CENT: Final = 100
_BITS: Final = 160
"""Fraction bits of the bounds of the average. True averages have a denominator of 14 ** bars, far too long to keep."""


@dataclass(frozen=True, slots=True)
class Trade:
    """A closed trade; times are the starts of bars in UTC us, prices and money 1/10,000 units with the slippage in."""

    side: int
    qty: int
    entry_ts_us: int
    entry_price: int
    exit_ts_us: int
    exit_price: int
    exit_reason: str
    costs: int
    net_pnl: int
    ambiguous: bool


class Average:
    """Wilder's average of true ranges, held inside `[low, high] / 2 ** 160`."""

    def __init__(self) -> None:
        self._seen = 0
        self._low = 0
        self._high = 0

    def add(self, true_range: int) -> None:
        """Take the next true range in."""
        self._seen += 1
        value = true_range << _BITS
        if self._seen <= PERIOD:
            self._low += value
            self._high += value
            if self._seen == PERIOD:
                self._low, self._high = self._low // PERIOD, -(-self._high // PERIOD)
            return
        self._low = (self._low * (PERIOD - 1) + value) // PERIOD
        self._high = -(-(self._high * (PERIOD - 1) + value) // PERIOD)

    @property
    def is_ready(self) -> bool:
        """Whether there is an average yet."""
        return self._seen >= PERIOD

    def is_at_most_twice(self, width: int) -> bool:
        """Say whether width >= average / 2; raises `ArithmeticError` where the bounds do not decide it."""
        twice = 2 * width << _BITS
        if twice >= self._high:
            return True
        if twice < self._low:
            return False
        raise ArithmeticError("the average lies too near to a mother bar's range: give its bounds more bits")


@dataclass(slots=True)
class _Leg:
    side: int
    entry: int
    stop: int
    target: int
    qty: int


@dataclass(slots=True)
class _Position:
    leg: _Leg
    entry_ts_us: int
    price: int
    costs: int
    is_ambiguous: bool
    flatten_us: int
    session_close_us: int


def commission(qty: int) -> int:
    """Give max(0.35, 0.0035 a share), half up to the cent, in units."""
    asked = max(Fraction(35, 100), Fraction(35, 10_000) * qty)
    return int(asked * 100 + Fraction(1, 2)) * CENT


def trades(job: Job) -> list[Trade]:
    """Read the rules over a job's bars."""
    return _Reader(job.window_us.tolist(), job.bar_us).read(
        list(
            zip(
                job.starts_us.tolist(), job.open_.tolist(), job.high.tolist(), job.low.tolist(), job.close.tolist(),
                strict=True,
            )
        )
    )  # fmt: skip


class _Reader:
    def __init__(self, windows: Sequence[Sequence[int]], bar_us: int) -> None:
        self._windows = windows
        self._bar_us = bar_us
        self._cash = INITIAL_CASH * 10_000
        self._average = Average()
        self._legs: list[_Leg] = []
        self._valid_to_us = 0
        self._day = (0, 0)
        self._position: _Position | None = None
        self._done: list[Trade] = []
        self._next_window = 0
        self._used = -1

    def read(self, bars: Sequence[tuple[int, int, int, int, int]]) -> list[Trade]:
        previous: tuple[int, int, int, int, int] | None = None
        for bar in bars:
            ts_us, open_, high, low, _ = bar
            if previous and self._position and self._position.session_close_us <= ts_us:
                self._leave(previous[0], previous[4], "EOD")
            if self._position:
                self._look_for_an_exit(ts_us, open_, high, low)
            elif self._legs and ts_us + self._bar_us <= self._valid_to_us:
                self._look_for_an_entry(ts_us, open_, high, low)
            if ts_us + self._bar_us >= self._valid_to_us:
                self._legs = []
            if previous:
                before = previous[4]
                self._average.add(max(high - low, abs(high - before), abs(low - before)))
                self._look_for_a_setup(previous, bar)
            else:
                self._average.add(high - low)
            previous = bar
        if previous and self._position:
            self._leave(previous[0], previous[4], "EOD")
        return self._done

    def _look_for_a_setup(self, mother: tuple[int, int, int, int, int], bar: tuple[int, int, int, int, int]) -> None:
        ts_us, windows = bar[0], self._windows
        while self._next_window < len(windows) and windows[self._next_window][1] <= ts_us:
            self._next_window += 1
        number = self._next_window
        if number == len(windows) or number == self._used or ts_us - mother[0] != self._bar_us:
            return
        begin_us, end_us, close_us, flatten_us = windows[number]
        _, _, mother_high, mother_low, _ = mother
        is_inside = bar[2] <= mother_high and bar[3] >= mother_low
        if mother[0] < begin_us or not is_inside or not self._average.is_ready:
            return
        if not self._average.is_at_most_twice(mother_high - mother_low):
            return
        valid_to_us = min(end_us, flatten_us)
        if valid_to_us <= ts_us + self._bar_us:
            return
        self._used = number
        if self._position or self._legs:
            return
        up, down = -(-mother_high // TICK) * TICK, mother_low // TICK * TICK
        self._legs = [leg for leg in (self._leg(1, up, down), self._leg(-1, down, up)) if leg.qty]
        self._valid_to_us = valid_to_us
        self._day = flatten_us, close_us

    def _leg(self, side: int, near: int, far: int) -> _Leg:
        entry = near + side * TICK
        distance = abs(entry - far)
        by_risk = Fraction(self._cash, 10_000) / distance
        by_cash = Fraction(self._cash, entry)
        return _Leg(side, entry, far, entry + 2 * side * distance, max(0, int(min(by_risk, by_cash) // 1)))

    def _look_for_an_entry(self, ts_us: int, open_: int, high: int, low: int) -> None:
        touched = [leg for leg in self._legs if (high >= leg.entry if leg.side > 0 else low <= leg.entry)]
        if not touched:
            return
        leg = min(touched, key=lambda one: (abs(one.entry - open_), -one.side))
        at_open = (open_ - leg.entry) * leg.side >= 0
        paid = (open_ if at_open else leg.entry) + leg.side * TICK
        fee = commission(leg.qty)
        self._cash -= leg.side * leg.qty * paid + fee
        self._position = _Position(leg, ts_us, paid, fee, len(touched) == 2, *self._day)
        self._legs = []
        stopped, reached = _touches(leg, high, low)
        if stopped:
            self._position.is_ambiguous |= reached
            worse = _against(leg.side, open_, leg.stop) if at_open else leg.stop
            self._leave(ts_us, worse, "SL")
        elif reached and at_open:
            self._leave(ts_us, _with(leg.side, open_, leg.target), "TP")
        elif reached:
            self._position.is_ambiguous = True

    def _look_for_an_exit(self, ts_us: int, open_: int, high: int, low: int) -> None:
        position = self._position
        assert position is not None
        leg = position.leg
        stopped, reached = _touches(leg, high, low)
        if ts_us >= position.flatten_us:
            self._leave(ts_us, open_, "EOD")
        elif stopped:
            position.is_ambiguous |= reached
            self._leave(ts_us, _against(leg.side, open_, leg.stop), "SL")
        elif reached:
            self._leave(ts_us, _with(leg.side, open_, leg.target), "TP")

    def _leave(self, ts_us: int, printed: int, reason: str) -> None:
        position = self._position
        assert position is not None
        leg = position.leg
        price = printed if reason == "TP" else printed - leg.side * TICK
        fee = commission(leg.qty)
        self._cash += leg.side * leg.qty * price - fee
        costs = position.costs + fee
        net = leg.side * leg.qty * (price - position.price) - costs
        self._done.append(
            Trade(
                leg.side, leg.qty, position.entry_ts_us, position.price, ts_us, price, reason, costs, net,
                position.is_ambiguous,
            )
        )  # fmt: skip
        self._position = None


def _touches(leg: _Leg, high: int, low: int) -> tuple[bool, bool]:
    if leg.side > 0:
        return low <= leg.stop, high >= leg.target
    return high >= leg.stop, low <= leg.target


def _against(side: int, open_: int, level: int) -> int:
    return min(open_, level) if side > 0 else max(open_, level)


def _with(side: int, open_: int, level: int) -> int:
    return max(open_, level) if side > 0 else min(open_, level)
