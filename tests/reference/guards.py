"""The limits on an opening order, asked one after the other, and the conditions that trip the kill switch.

Each question is answered from a picture of the account at one moment; nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.reference.exact import MINUTE_US, exact
from tests.reference.matching import Leg
from tests.reference.sessions import Session


@dataclass(frozen=True)
class Picture:
    """The account and the market at the moment at which one leg is judged; money in account currency.

    `other_groups` are the working entries of every OCO group but the leg's own, `seen` the keys and the
    (group, side) pairs of all orders so far but this one.
    """

    now_us: int
    session: Session
    latched: bool
    equity: Fraction
    positions: Mapping[str, int]
    last_close: Mapping[str, Fraction]
    rates: Mapping[str, Fraction]
    other_groups: Mapping[str, list[Leg]]
    seen: frozenset[object]
    sent_us: list[int]
    newest_close_us: Mapping[str, int]
    intervals_with_bars: Mapping[str, set[int]]
    jumped_us: Mapping[str, int]
    atr14: Mapping[str, Fraction | None]
    tick: Fraction
    lot: int

    def money(self, leg: Leg) -> Fraction:
        """What a leg costs at its entry level."""
        return leg.qty * leg.stop * self.rates[leg.symbol]

    def position_money(self, symbol: str) -> Fraction:
        """What a position is worth, signed."""
        return self.positions[symbol] * self.last_close[symbol] * self.rates[symbol]

    def exposure(self) -> Fraction:
        """Positions and, for each working group, its dearest leg."""
        held = sum((abs(self.position_money(symbol)) for symbol in self.positions), Fraction(0))
        return held + sum((max(self.money(leg) for leg in legs) for legs in self.other_groups.values()), Fraction(0))

    def net_with(self, side: int) -> Fraction:
        """Positions, signed, and of each working group the leg on the given side: the dearer way it can go."""
        held = sum((self.position_money(symbol) for symbol in self.positions), Fraction(0))
        same_side = (leg for legs in self.other_groups.values() for leg in legs if leg.side == side)
        return held + side * sum((self.money(leg) for leg in same_side), Fraction(0))


def refusal(leg: Leg, now: Picture, risk: Mapping[str, Any]) -> str | None:
    """The name of the first guard that says no to a leg, or None."""
    questions = {
        "kill_switch": now.latched,
        "session_open": not now.session.open_us <= now.now_us < now.session.flatten_us,
        "tick_and_lot": _off_grid(leg, now),
        "duplicate_order": leg.key in now.seen or (leg.oco, leg.side) in now.seen,
        "message_rate": _too_many_messages(now, risk),
        "restricted_list": leg.symbol in (risk.get("restricted_list") or ()),
        "short_allowed": leg.side < 0 and not _named(risk.get("short_allowed"), leg.symbol, True),
        "stale_data": is_stale(leg.symbol, now, risk),
        "market_halt_proxy": _is_halted(leg.symbol, now, risk),
        "per_symbol_max_qty": _over(
            abs(now.positions.get(leg.symbol, 0) + leg.side * leg.qty),
            _named(risk.get("per_symbol_max_qty"), leg.symbol, None),
        ),
        "max_order_notional": _over(now.money(leg), risk.get("max_order_notional")),
        "slippage_sanity": _too_far_from_last(leg, now, risk),
        "price_collar": _outside_collar(leg, now, risk),
        "max_open_positions": _full(len(now.positions) + len(now.other_groups), risk.get("max_open_positions")),
        "max_open_orders": _full(sum(map(len, now.other_groups.values())), risk.get("max_open_orders")),
        "max_gross_exposure": _over(now.exposure() + now.money(leg), risk.get("max_gross_exposure")),
        "max_net_exposure": _over(
            abs(now.net_with(leg.side) + leg.side * now.money(leg)), risk.get("max_net_exposure")
        ),
        "buying_power": _beyond_buying_power(leg, now, risk),
    }
    return next((name for name, says_no in questions.items() if says_no), None)


def is_stale(symbol: str, now: Picture, risk: Mapping[str, Any]) -> bool:
    """Whether a symbol's bars lag or have holes beyond the limits; lateness counts minutes of this session."""
    if risk.get("stale_data") is None:
        return False
    limits = {"lateness_minutes": 5, "completeness": 0.99, **risk["stale_data"]}
    newest = max(now.newest_close_us.get(symbol, 0), now.session.open_us)
    if limits["lateness_minutes"] is not None and (
        Fraction(now.now_us - newest, MINUTE_US) > exact(limits["lateness_minutes"])
    ):
        return True
    ended = now.session.interval_ends_until(now.now_us)
    if limits["completeness"] is None or len(ended) < 20:
        return False
    with_bars = sum(end in now.intervals_with_bars.get(symbol, set()) for end in ended)
    return Fraction(with_bars, len(ended)) < exact(limits["completeness"])


def loss_limit(risk: Mapping[str, Any], name: str, key: str) -> tuple[Fraction, str] | None:
    """The limit and the level of a guard that trips, None where it is off; a bare number trips at level halt."""
    given = risk.get(name)
    if given is None:
        return None
    if not isinstance(given, Mapping):
        given = {key: given}
    if given.get(key) is None:
        return None
    return exact(given[key]), given.get("level", "halt")


def bp_between(price: Fraction, level: Fraction) -> Fraction:
    """How far a price lies from a level, in basis points of the level."""
    return abs(price - level) / level * 10_000


def _off_grid(leg: Leg, now: Picture) -> bool:
    prices = [price for price in (leg.stop, leg.limit, leg.stop_loss, leg.target) if price is not None]
    off = any(price <= 0 or price % now.tick for price in prices)
    return off or leg.qty <= 0 or leg.qty % now.lot != 0


def _too_many_messages(now: Picture, risk: Mapping[str, Any]) -> bool:
    limits = {"orders": 200, "seconds": 10, **(risk.get("message_rate") or {})}
    since = now.now_us - int(exact(limits["seconds"]) * 1_000_000)
    return sum(sent >= since for sent in now.sent_us) + 1 > exact(limits["orders"])


def _is_halted(symbol: str, now: Picture, risk: Mapping[str, Any]) -> bool:
    if risk.get("market_halt_proxy") is None:
        return False
    limits = {"silent_minutes": 5, "jump_bp": 1000, "cooldown_minutes": 5, **risk["market_halt_proxy"]}
    if symbol in now.jumped_us:
        over = now.jumped_us[symbol] + int(exact(limits["cooldown_minutes"]) * MINUTE_US)
        if now.now_us < over:
            return True
    others = [other for other in now.rates if other != symbol]
    since = now.now_us - int(exact(limits["silent_minutes"]) * MINUTE_US)
    if not others or since < now.session.open_us:
        return False
    is_silent = now.newest_close_us.get(symbol, 0) <= since
    others_heard = sum(now.newest_close_us.get(other, 0) > since for other in others)
    return is_silent and 2 * others_heard >= len(others)


def _too_far_from_last(leg: Leg, now: Picture, risk: Mapping[str, Any]) -> bool:
    if risk.get("slippage_sanity") is None:
        return False
    limit = risk["slippage_sanity"].get("entry_bp", 300)
    return limit is not None and bp_between(leg.stop, now.last_close[leg.symbol]) > exact(limit)


def _outside_collar(leg: Leg, now: Picture, risk: Mapping[str, Any]) -> bool:
    if risk.get("price_collar") is None:
        return False
    atr = now.atr14[leg.symbol]
    if atr is None:  # a guard that cannot answer refuses
        return True
    return abs(leg.stop - now.last_close[leg.symbol]) > exact(risk["price_collar"].get("atr", 5.0)) * atr


def _beyond_buying_power(leg: Leg, now: Picture, risk: Mapping[str, Any]) -> bool:
    if risk.get("buying_power") is None:
        return False
    multiple = exact(risk["buying_power"].get("multiple", 1.0))
    return now.exposure() + now.money(leg) > multiple * now.equity


def _named(given: Any, symbol: str, default: Any) -> Any:
    if isinstance(given, Mapping):
        return given.get(symbol, given.get("default", default))
    return default if given is None else given


def _over(figure: Fraction | int, limit: Any) -> bool:
    return limit is not None and figure > exact(limit)


def _full(count: int, limit: Any) -> bool:
    return limit is not None and count >= exact(limit)
