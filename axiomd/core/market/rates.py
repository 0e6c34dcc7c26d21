"""Exchange rates by day: what a currency is worth in a session, by what was known when it opened."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

Rate = tuple[int, int]
"""Account currency for one of an instrument's, as a fraction."""

UNKNOWN: Final[Rate] = (0, 0)
AGE_DAYS_MAX: Final = 7
"""A rate older than this in calendar days is stale: no holiday is as long (docs/decisions/0022)."""


@dataclass(frozen=True, slots=True)
class DailyRates:
    """The rates of one currency: days since 1970, rising, and the rate that each of them closed at."""

    days: tuple[int, ...]
    rates: tuple[Rate, ...]

    def on(self, day: int) -> Rate:
        """Give the rate of a session on a day: that of the newest day before it, `UNKNOWN` where that is stale."""
        place = bisect_left(self.days, day) - 1
        if place < 0 or day - self.days[place] > AGE_DAYS_MAX:
            return UNKNOWN
        return self.rates[place]


def columns_of(rate: Rate) -> tuple[int, int, int]:
    """Give `fx_num`, `fx_den` and `is_unpriced` of a symbol's record; where nothing is known nothing is bought."""
    return (*rate, 0) if rate != UNKNOWN else (1, 1, 1)
