"""Guards on the price: how far the entry is from the last CLOSE, in ppm and in ATR; how far a fill from its level."""

from __future__ import annotations

from axiomd.contracts.units import PPM
from axiomd.core.compiled import Row, njit
from axiomd.core.guards.api import OFF

Check = tuple[bool, int, int]


@njit
def is_beyond(price: int, level: int, limit_ppm: int) -> tuple[bool, int, int]:
    """Say whether a price is further from a level than a limit: (beyond, distance in ppm of the level, limit)."""
    distance = abs(price - level) * PPM
    if level <= 0:
        return limit_ppm != OFF, 0, limit_ppm
    return limit_ppm != OFF and distance > limit_ppm * level, distance // level, limit_ppm


@njit
def slippage_sanity(x: Row, limits: Row) -> Check:
    """Refuse an entry too far from the last CLOSE."""
    return is_beyond(x.entry, x.close, limits.entry_ppm)


@njit
def price_collar(x: Row, limits: Row) -> Check:
    """Refuse an entry more than so many ATR(14) of the signal timeframe from the last CLOSE; no ATR yet refuses too."""
    distance = abs(x.entry - x.close)
    reach = limits.collar_atr * x.atr
    return limits.collar_atr >= 0 and distance > reach, distance, int(reach)
