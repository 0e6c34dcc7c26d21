"""The run configuration as the second reading understands it: every key left out means what the contract shows.

Unknown keys are errors. The short form with one strategy becomes a list of one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from tests.reference.exact import exact

STAGE1 = {"mode": "list", "max_candidates": 50, "min_adv": 1000000, "min_price": 10, "atr_pct": [1, 10]}
SIZING = {
    "mode": "fixed", "fixed_qty": 100, "pos_pct": 10.0, "risk_pct": 1.0, "max_pos_pct": 100.0, "max_volume_pct": None,
    "min_qty": 1,
}  # fmt: skip
COSTS = {"commission_per_share": 0, "commission_min": 0, "commission_bps": 0, "slippage_bps": 0, "slippage_ticks": 0}
FILLS = {"ambiguity": "worst", "flatten_minutes": 5}
INSTRUMENT = {"currency": "USD", "tick_size": 0.01, "lot": 1}
PARAMS = {
    "inside_bar_mode": "inclusive", "min_mother_range_atr": 0.5, "atr_period": 14,
    "windows": ["09:30-11:00", "14:00-15:00"], "windows_tz": None, "entry_offset_ticks": 1, "stop_cap_ticks": None,
    "risk_reward": 2.0, "sides": "both", "validity": "window_end", "entry_limit_ticks": None, "warmup_sessions": 5,
}  # fmt: skip
SHIPPED_RISK: dict[str, Any] = {
    "max_gross_exposure": 200000, "max_net_exposure": None, "max_order_notional": 60000, "max_open_positions": 10,
    "max_open_orders": 100, "per_symbol_max_qty": 1000, "max_daily_loss": {"limit": 2000, "level": "halt"},
    "max_drawdown": {"limit": 8000, "level": "halt"}, "consecutive_losses": {"count": 6, "level": "halt"},
    "slippage_sanity": {"entry_bp": 300, "fill_bp": 50}, "price_collar": {"atr": 5.0},
    "market_halt_proxy": {"silent_minutes": 5, "jump_bp": 1000, "cooldown_minutes": 5},
    "stale_data": {"lateness_minutes": 5, "completeness": 0.99}, "buying_power": {"multiple": 1.0},
    "short_allowed": True, "restricted_list": [], "message_rate": {"orders": 200, "seconds": 10},
    "repeated_execution": {"fills": 8, "seconds": 300}, "reject_storm": {"rejects": 5, "seconds": 60},
    "clock_skew": {"ms": 2000},
}  # fmt: skip
TOP = {
    "strategy", "strategies", "calendar", "tz", "symbols", "stage1", "initial_cash", "currency", "fx", "instrument",
    "instruments", "sizing", "costs", "fills", "risk", "resume", "seed",
}  # fmt: skip
DAEMON = {"mode", "feed", "clock", "broker", "metrics", "control", "daemon", "own_symbols", "notify"}


@dataclass(frozen=True)
class Strategy:
    """One strategy of the account: its id, its parameters with the defaults in them, its share of the equity."""

    id: str
    version: str
    params: Mapping[str, Any]
    symbols: tuple[str, ...]
    sizing: Mapping[str, Any]
    budget: Fraction
    max_daily_loss: Fraction | None


@dataclass(frozen=True)
class Settings:
    """The whole configuration, exact."""

    strategies: tuple[Strategy, ...]
    calendar: str
    tz: str
    initial_cash: Fraction
    currency: str
    fx: Mapping[str, Any]
    default_instrument: Mapping[str, Any]
    instruments: Mapping[str, Mapping[str, Any]]
    costs: Mapping[str, Fraction]
    ambiguity: str
    flatten_minutes: Fraction
    risk: Mapping[str, Any]
    resume: str
    config_hash: str

    def symbols(self) -> list[str]:
        """Every symbol of the run once, in the order in which they are listed."""
        return list(dict.fromkeys(symbol for strategy in self.strategies for symbol in strategy.symbols))

    def tick(self, symbol: str) -> Fraction:
        """The tick size of a symbol."""
        return exact(self.instrument(symbol)["tick_size"])

    def lot(self, symbol: str) -> int:
        """The lot of a symbol."""
        return int(self.instrument(symbol)["lot"])

    def instrument(self, symbol: str) -> Mapping[str, Any]:
        """What is known of a symbol, defaults filled in."""
        return {**self.default_instrument, **self.instruments.get(symbol, {})}

    def rate(self, symbol: str, session: date) -> Fraction | None:
        """Account currency for one unit of the instrument's currency, None where it is missing or stale.

        Here rates by day are a mapping from ISO date to CLOSE. A session knows the CLOSE of the newest day before it,
        of the seven days before it at most.
        """
        own, account = self.instrument(symbol)["currency"], self.currency
        if own == account:
            return Fraction(1)
        for pair in (own + account, account + own):
            if pair not in self.fx:
                continue
            rate = self.fx[pair]
            if isinstance(rate, Mapping):
                known = [day for day in rate if (session - timedelta(days=7)).isoformat() <= day < session.isoformat()]
                if not known:
                    return None
                rate = rate[max(known)]
            return exact(rate) if pair == own + account else 1 / exact(rate)
        raise ValueError(f"no rate between {own} and {account}")


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Read a run configuration; `ValueError` on an unknown key or a name that the second reading does not know."""
    config = {key: value for key, value in config.items() if key not in DAEMON}
    _no_others(config, TOP, "configuration")
    listed = config.get("strategies")
    if listed is None:
        short = dict(config["strategy"])
        listed = [{"id": short["name"], **short, "symbols": config["symbols"]}]
        listed[0].update({key: config[key] for key in ("stage1", "sizing") if key in config})
    strategies = tuple(_strategy(entry) for entry in listed)
    risk = config.get("risk", SHIPPED_RISK)
    if not isinstance(risk, Mapping):
        raise ValueError("the second reading takes risk as an inline mapping")
    _no_others(risk, SHIPPED_RISK, "risk")
    filled = {
        "strategies": [strategy.__dict__ for strategy in strategies],
        "calendar": config.get("calendar", "XNYS"),
        "tz": config.get("tz", "America/New_York"),
        "initial_cash": config.get("initial_cash", 100000),
        "currency": config.get("currency", "USD"),
        "fx": config.get("fx", {}),
        "instrument": _filled(config.get("instrument"), INSTRUMENT, "instrument"),
        "instruments": config.get("instruments", {}),
        "costs": _filled(config.get("costs"), COSTS, "costs"),
        "fills": _filled(config.get("fills"), FILLS, "fills"),
        "risk": dict(risk),
        "resume": config.get("resume", "next_session"),
        "seed": config.get("seed", 0),
    }
    canonical = json.dumps(filled, sort_keys=True, separators=(",", ":"), default=str)
    return Settings(
        strategies=strategies,
        calendar=filled["calendar"],
        tz=filled["tz"],
        initial_cash=exact(filled["initial_cash"]),
        currency=filled["currency"],
        fx=filled["fx"],
        default_instrument=filled["instrument"],
        instruments=filled["instruments"],
        costs={key: exact(value) for key, value in filled["costs"].items()},
        ambiguity=filled["fills"]["ambiguity"],
        flatten_minutes=exact(filled["fills"]["flatten_minutes"]),
        risk=risk,
        resume=filled["resume"],
        config_hash=hashlib.sha256(canonical.encode()).hexdigest(),
    )


def _strategy(entry: Mapping[str, Any]) -> Strategy:
    name = entry.get("name", entry.get("id"))
    if name != "inside_bar":
        raise ValueError(f"the second reading knows inside_bar, not {name}")
    stage1 = _filled(entry.get("stage1"), STAGE1, "stage1")
    symbols = tuple(entry["symbols"])
    if stage1["mode"] != "list":
        raise ValueError("the second reading takes the symbols as listed")
    if len(symbols) > stage1["max_candidates"]:
        raise ValueError(f"{len(symbols)} symbols, {stage1['max_candidates']} candidates at most")
    loss = entry.get("max_daily_loss")
    return Strategy(
        id=entry.get("id", name),
        version=str(entry.get("version", "1.0.0")),
        params=_filled(entry.get("params"), PARAMS, "params"),
        symbols=symbols,
        sizing=_filled(entry.get("sizing"), SIZING, "sizing"),
        budget=exact(entry.get("budget_pct", 100)) / 100,
        max_daily_loss=None if loss is None else exact(loss),
    )


def _filled(given: Mapping[str, Any] | None, shown: Mapping[str, Any], where: str) -> dict[str, Any]:
    _no_others(given or {}, shown, where)
    return {**shown, **(given or {})}


def _no_others(given: Mapping[str, Any], known: object, where: str) -> None:
    for key in given:
        if key not in known:  # type: ignore[operator]
            raise ValueError(f"{where} has no key {key}")
