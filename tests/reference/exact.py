"""Exact numbers for the second reading: every price and sum is a Fraction, so nothing is ever rounded by accident.

Rounding happens only in the functions here, each named by its direction. Texts leave as decimal strings.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction

MINUTE_US = 60_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def exact(value: object) -> Fraction:
    """Read a number of a configuration or a bar as what its digits say (0.1 is one tenth)."""
    return value if isinstance(value, Fraction) else Fraction(str(value))


def up_to_tick(price: Fraction, tick: Fraction) -> Fraction:
    """Round a price up to the grid."""
    return math.ceil(price / tick) * tick


def down_to_tick(price: Fraction, tick: Fraction) -> Fraction:
    """Round a price down to the grid."""
    return math.floor(price / tick) * tick


def half_up_to_cent(money: Fraction) -> Fraction:
    """Round an amount to the cent, a half cent up."""
    return Fraction(math.floor(money * 100 + Fraction(1, 2)), 100)


def us_of(moment: datetime) -> int:
    """Turn an aware time into UTC microseconds."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def iso(ts_us: int) -> str:
    """Write UTC microseconds as ISO-8601 with offset."""
    return (EPOCH + timedelta(microseconds=ts_us)).isoformat()


def text(number: Fraction | None) -> str:
    """Write an exact price or amount: two decimals at least, more where they are there (six at most)."""
    if number is None:
        return ""
    millionths = round(number * 10**6)
    sign, millionths = ("-", -millionths) if millionths < 0 else ("", millionths)
    whole, part = divmod(millionths, 10**6)
    decimals = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{decimals}"
