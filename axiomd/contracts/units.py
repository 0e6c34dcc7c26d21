"""The units every figure is in, and the few conversions between the edge and the inside.

Inside, prices and money are integers of 1/10,000 of a currency and times are integer microseconds of UTC. Floats and
decimal strings exist only where data enters or leaves. Nothing here rounds silently: each conversion says how.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from math import gcd
from typing import Final, Literal, NewType

TimeUs = NewType("TimeUs", int)
PriceUnits = NewType("PriceUnits", int)
MoneyUnits = NewType("MoneyUnits", int)
Shares = NewType("Shares", int)
Bp = NewType("Bp", int)
Ticks = NewType("Ticks", int)

Side = Literal["BUY", "SELL"]

PRICE_SCALE: Final = 10_000
"""Units in one whole of a currency."""
PPM: Final = 1_000_000
"""Scale of ratios and percentages that come from a configuration."""
SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
DAY_US: Final = 86_400 * SECOND_US
NEVER_US: Final = 2**62
"""Later than any time, and its negative earlier."""
PRICE_UNITS_MAX: Final = 10**12
"""No price above a hundred million of a currency is taken."""
NOTIONAL_UNITS_MAX: Final = 2**55
"""No position is opened that is worth more, 3.6e12 of a currency: sums of them stay inside 64 bits, whatever a gap
adds."""
SHARES_MAX: Final = 10**13
"""No order is for more."""
NEVER_UNITS: Final = 2**62
"""More than any money."""
RATE_PART_MAX: Final = 10**9
"""Of an exchange rate as a fraction: what is left of an amount, times this, twice, fits into 64 bits."""
DAYS_CACHED_MAX: Final = 32_768
"""Dates whose text is kept: more sessions than any market has had."""
CLOCKS_CACHED_MAX: Final = 4_096
"""Times of day whose text is kept: more than there are minutes."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_units(amount: Decimal | int | str) -> int:
    """Turn an amount of currency into 1/10,000 units, half to even on a finer remainder."""
    return int((Decimal(amount) * PRICE_SCALE).to_integral_value(ROUND_HALF_EVEN))


def exact_units(amount: Decimal | int | str) -> int:
    """Turn an amount into units; `ValueError` where it is finer than 1/10,000."""
    scaled = Decimal(amount) * PRICE_SCALE
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} is finer than 1/{PRICE_SCALE}")
    return int(scaled)


def to_ppm(ratio: Decimal | int | str) -> int:
    """Turn a ratio or a percentage into millionths, half to even: 2.5 is 2,500,000."""
    return int((Decimal(ratio) * PPM).to_integral_value(ROUND_HALF_EVEN))


def decimal_text(units: int) -> str:
    """Write units as a decimal string: at least two places, four where they are needed.

    >>> decimal_text(1000000), decimal_text(-12345), decimal_text(50)
    ('100.00', '-1.2345', '0.005')
    """
    if units < 0:
        return f"-{decimal_text(-units)}"
    return f"{units // PRICE_SCALE}{_places(units % PRICE_SCALE)}"


@lru_cache(maxsize=PRICE_SCALE)
def _places(part: int) -> str:
    places = f".{part:04d}"
    return places[:3] + places[3:].rstrip("0")


def rate_ratio(rate: Decimal) -> tuple[int, int]:
    """Turn an exchange rate into a reduced fraction; one of nine digits has parts of at most `RATE_PART_MAX`."""
    sign, digits, exponent = rate.as_tuple()
    if sign or not rate or not isinstance(exponent, int):
        raise ValueError(f"{rate} is no exchange rate")
    numerator = int("".join(map(str, digits)))
    denominator = 1
    if exponent >= 0:
        numerator *= 10**exponent
    else:
        denominator = 10**-exponent
    divisor = gcd(numerator, denominator)
    return numerator // divisor, denominator // divisor


def iso_time(ts_us: int) -> str:
    """Write a time as ISO-8601 with offset; microseconds only where there are any."""
    # a run's file holds a time in every row, of few days and few times of day
    day, within_us = divmod(ts_us, DAY_US)
    return _day_text(day) + _clock_text(within_us)


@lru_cache(maxsize=DAYS_CACHED_MAX)
def _day_text(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).date().isoformat()


@lru_cache(maxsize=CLOCKS_CACHED_MAX)
def _clock_text(within_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=within_us)).isoformat()[10:]


def parse_time(text: str) -> int:
    """Read an ISO-8601 time with offset into UTC microseconds; `ValueError` on a naive one or one of no year."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no offset from UTC")
    try:
        return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
    except OverflowError:
        raise ValueError(f"{text} lies outside the years 1 to 9999 of UTC") from None


def iso_date(ts_us: int) -> str:
    """Write the UTC date of a time."""
    return (_EPOCH + timedelta(microseconds=ts_us)).date().isoformat()


def date_us(day: date) -> int:
    """Give the midnight of a date, UTC."""
    return (day - _EPOCH.date()).days * DAY_US


def sign_of(side: Side) -> int:
    """Give +1 for BUY and -1 for SELL."""
    return 1 if side == "BUY" else -1


SIDES: Final[tuple[Side, Side]] = ("BUY", "SELL")


def side_of(sign: int) -> Side:
    """Give BUY for a positive sign, SELL for a negative one."""
    return "BUY" if sign > 0 else "SELL"
