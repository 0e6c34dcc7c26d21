"""Guards on what is at stake: positions, working orders counted as filled, buying power. Account currency."""

from __future__ import annotations

from axiomd.contracts.units import NEVER_UNITS, PPM
from axiomd.core.compiled import Row, njit
from axiomd.core.guards.api import OFF
from axiomd.core.sizing import bounded

Check = tuple[bool, int, int]


@njit
def max_open_positions(x: Row, limits: Row) -> Check:
    """Refuse while as many positions and working groups stand as are allowed."""
    return (
        limits.max_open_positions != OFF and x.positions >= limits.max_open_positions,
        (x.positions),
        limits.max_open_positions,
    )


@njit
def max_open_orders(x: Row, limits: Row) -> Check:
    """Refuse while as many entry legs work as are allowed."""
    return limits.max_open_orders != OFF and x.legs >= limits.max_open_orders, x.legs, limits.max_open_orders


@njit
def max_gross_exposure(x: Row, limits: Row) -> Check:
    """Refuse where exposure and order together would be more than the limit."""
    after = x.gross + x.notional
    return limits.max_gross_exposure != OFF and after > limits.max_gross_exposure, after, limits.max_gross_exposure


@njit
def max_net_exposure(x: Row, limits: Row) -> Check:
    """Refuse where the signed exposure would be more than the limit in either direction."""
    after = abs(x.net + x.side * x.notional)
    return limits.max_net_exposure != OFF and after > limits.max_net_exposure, after, limits.max_net_exposure


@njit
def buying_power(x: Row, limits: Row) -> Check:
    """Refuse where exposure and order together would be more than a multiple of the equity."""
    after = x.gross + x.notional
    reach = bounded(max(x.equity, 0), max(limits.buying_power_ppm, 0), PPM, NEVER_UNITS)
    return limits.buying_power_ppm != OFF and after > reach, after, reach
