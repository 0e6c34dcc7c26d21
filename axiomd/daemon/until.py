"""When something ends, as a person writes it: a time of day at the exchange, a moment with its offset, or UTC us."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

from axiomd.contracts.units import SECOND_US


def until_us(said: object, now_us: int, tz: str) -> int | None:
    """Give UTC us, None where it is no time. A bare time of day is of the day that it is there at `now_us`."""
    if isinstance(said, int) and not isinstance(said, bool):
        return said
    text = str(said).strip()
    zone = ZoneInfo(tz)
    try:
        if len(text) <= len("14:30:00"):
            today = datetime.fromtimestamp(now_us / SECOND_US, zone).date()
            moment = datetime.combine(today, time.fromisoformat(text), zone)
        else:
            moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return round(moment.timestamp()) * SECOND_US
    except (ValueError, OverflowError):
        return None
