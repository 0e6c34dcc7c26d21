"""Guards that trip the kill switch: losses of the day, drawdown, losing streaks, executions that repeat, rejects.

The account's floor is compiled, because it is looked at after every mark; the counts happen at fills and rejects, a few
a day. None of them refuses an order: they latch, and the latch refuses.
"""

from __future__ import annotations

from collections import deque

from axiomd.core.compiled import Row, njit
from axiomd.core.guards.api import OFF

NO_TRIP = 0
DAILY_LOSS = 1
DRAWDOWN = 2
ALL_LOSSES = DAILY_LOSS | DRAWDOWN
MAX_DRAWDOWN = "MaxDrawdown"
NAMES = ("", "MaxDailyLoss", MAX_DRAWDOWN)


@njit
def floor_broken(account: Row, limits: Row) -> int:
    """Say which loss limit the equity after the marks of a moment has reached, if any that has not tripped yet."""
    return floor_broken_by(account.equity, account, limits)


@njit
def floor_broken_by(equity: int, account: Row, limits: Row) -> int:
    """Say the same of an equity that the account might have, with its peaks as they are."""
    if (
        account.losses_judged & DAILY_LOSS
        and limits.max_daily_loss != OFF
        and equity <= (account.loss_base - limits.max_daily_loss)
    ):
        return DAILY_LOSS
    if (
        account.losses_judged & DRAWDOWN
        and limits.max_drawdown != OFF
        and equity <= (account.drawdown_peak - limits.max_drawdown)
    ):
        return DRAWDOWN
    return NO_TRIP


def is_drawdown_raised(account: Row, limits: Row, tripped_at: int) -> bool:
    """Say whether the drawdown's limit was raised above that of a trip, and above the drawdown of now, or taken off."""
    limit = int(limits["max_drawdown"])
    if limit == OFF:
        return True
    return limit > tripped_at and int(account["equity"]) > int(account["drawdown_peak"]) - limit


class Burst:
    """Count distinct names within a span of market time: orders with a fill, or rejects."""

    __slots__ = ("_names", "_times", "count_max", "span_us")

    def __init__(self, count_max: int = OFF, span_us: int = 0) -> None:
        self.count_max = count_max
        self.span_us = span_us
        self._times: deque[tuple[int, str]] = deque()
        self._names: set[str] = set()

    def limit(self, count_max: int, span_us: int) -> None:
        """Judge by another limit from here on; what was counted stays."""
        self.count_max, self.span_us = count_max, span_us

    def add(self, ts_us: int, name: str) -> int:
        """Take one in and give how many stand within the span, it included."""
        while self._times and self._times[0][0] < ts_us - self.span_us:
            self._names.discard(self._times.popleft()[1])
        if name not in self._names:
            self._names.add(name)
            self._times.append((ts_us, name))
        return len(self._names)

    def is_over(self, count: int) -> bool:
        """Say whether a count has reached the limit."""
        return self.count_max != OFF and count >= self.count_max
