"""Guards on the order itself: its grid and lot, whether it is known, restricted names, short sales, the rate."""

from __future__ import annotations

from axiomd.core.compiled import Row, njit
from axiomd.core.guards.api import OFF
from axiomd.core.rounding import round_down

Check = tuple[bool, int, int]


@njit
def tick_and_lot(x: Row, limits: Row) -> Check:
    """Refuse off the tick grid or the lot, and what is not positive."""
    # a division costs more than the rest of the guard: none for lots of one, and none for a price that is not there
    if x.qty <= 0 or (x.lot != 1 and x.qty % x.lot != 0):
        return True, x.qty, x.lot
    for price in (x.stop_price, x.limit_price, x.stop_loss, x.target):
        if price != 0 and (price < 0 or round_down(price, x.tick) != price):
            return True, price, x.tick
    return False, x.qty, x.lot


@njit
def duplicate_order(x: Row, limits: Row) -> Check:
    """Refuse a key, or a group's side, that the journal or the broker knows already."""
    return x.is_known != 0, x.is_known, 0


@njit
def message_rate(x: Row, limits: Row) -> Check:
    """Refuse opening orders beyond so many in so much market time."""
    return limits.rate_orders != OFF and x.sends + 1 > limits.rate_orders, x.sends + 1, limits.rate_orders


@njit
def restricted_list(x: Row, limits: Row) -> Check:
    """Refuse a name on the restricted list."""
    return x.is_restricted != 0, x.is_restricted, 0


@njit
def short_allowed(x: Row, limits: Row) -> Check:
    """Refuse to open a short position where that is not allowed."""
    return x.side < 0 and x.is_short_allowed == 0, x.side, x.is_short_allowed


@njit
def per_symbol_max_qty(x: Row, limits: Row) -> Check:
    """Refuse where position and order together would be larger than the symbol's limit."""
    after = abs(x.position + x.side * x.qty)
    return x.max_qty != OFF and after > x.max_qty, after, x.max_qty


@njit
def max_order_notional(x: Row, limits: Row) -> Check:
    """Refuse an order worth more than the limit."""
    return (
        limits.max_order_notional != OFF and x.notional > limits.max_order_notional,
        (x.notional),
        limits.max_order_notional,
    )
