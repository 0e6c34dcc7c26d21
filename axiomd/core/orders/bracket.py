"""From a setup to a signal, and from a signal to the canonical orders of one OCO group.

Names and ids come from what the setup is. Nothing here knows equity, positions or guards: quantities are handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from axiomd.contracts.names import Naming
from axiomd.contracts.orders import Order, naming_groups, naming_keys
from axiomd.contracts.signals import EntryType, Signal, naming_signals
from axiomd.contracts.units import PPM, Side
from axiomd.core.compiled import plain
from axiomd.core.fills import KINDS, resting_prices
from axiomd.core.plan import Plan
from axiomd.core.strategies.api import (
    ENTRY_KIND,
    LONG_ENTRY,
    LONG_LIMIT,
    LONG_STOP,
    LONG_TARGET,
    SCORE_PPM,
    SHORT_ENTRY,
    SHORT_LIMIT,
    SHORT_STOP,
    SHORT_TARGET,
    VALID_FROM,
    VALID_TO,
)

_ENTRY_TYPES: tuple[EntryType, ...] = ("stop", "limit", "market")
_LEGS: Final[dict[Side, str]] = {"BUY": "-B", "SELL": "-S"}
_resting_prices = plain(resting_prices)


class Bracket:
    """What the setups of one strategy in one symbol become. What they all share is looked up and hashed once."""

    __slots__ = ("_name_group", "_name_leg", "_name_signal", "_of_orders", "_of_signals", "strategy", "symbol")

    def __init__(self, plan: Plan, k: int, index: int, run_id: str) -> None:
        own, instrument = plan.strategies[k], plan.instruments[index]
        symbol, strategy, version, setup = instrument.symbol, own.id, own.strategy.version, own.strategy.setup
        self.symbol, self.strategy = symbol, strategy
        """Whose it is: the symbol, and the strategy's id."""
        self._of_signals = run_id, symbol, own.strategy.timeframe, setup, strategy, version
        self._of_orders = run_id, symbol, plan.source, strategy, version, instrument.currency, instrument.tick_size
        self._name_signal = naming_signals(strategy, version, symbol, setup)
        self._name_group = naming_groups(strategy, symbol)
        self._name_leg: dict[Side, Naming] = {
            side: naming_keys(run_id, strategy, version, symbol, side) for side in _LEGS
        }

    def signal(self, row: Sequence[int], rank: int, outcome: str) -> Signal:
        """Turn a setup row of the scan into a signal."""
        run_id, symbol, timeframe, setup, strategy, version = self._of_signals
        ts_us = row[VALID_FROM]
        # by place, in the order of the record's fields: it takes a fifth of the time that names take
        return Signal(
            self._name_signal(str(ts_us)), run_id, symbol, ts_us, timeframe, setup, row[SCORE_PPM] / PPM, strategy,
            version, ts_us, row[VALID_TO], _ENTRY_TYPES[row[ENTRY_KIND]], rank + 1,
            row[LONG_ENTRY] or None, row[SHORT_ENTRY] or None, row[LONG_STOP] or None,
            row[SHORT_STOP] or None, row[LONG_TARGET] or None, row[SHORT_TARGET] or None,
            row[LONG_LIMIT] or None, row[SHORT_LIMIT] or None, outcome,
        )  # fmt: skip

    def group(self, signal: Signal, session: str) -> str:
        """Name the OCO group of a signal's legs."""
        return self._name_group(f"{session}|{signal.setup}|{signal.valid_from_us}")

    def names(self, side: Side, group: str) -> tuple[str, str]:
        """Name the leg on a side of a `group`: (order id, key)."""
        return group + _LEGS[side], self._name_leg[side](group)

    def order(
        self, signal: Signal, side: Side, qty: int, session: str, flatten_us: int, group: str, names: tuple[str, str]
    ) -> Order:
        """Write the order of one leg of a signal, called by its `names`; `group` is its `group`."""
        if side == "BUY":
            entry, bound, stop, target = signal.long_entry, signal.limit_long, signal.sl_long, signal.tp_long
        else:
            entry, bound, stop, target = signal.short_entry, signal.limit_short, signal.sl_short, signal.tp_short
        entry_type = signal.entry_type
        trigger, limit = _resting_prices(KINDS[entry_type], entry or 0, bound or 0)
        run_id, symbol, source, strategy, version, currency, tick_size = self._of_orders
        order_id, key = names
        # by place, in the order of the record's fields: it takes a fifth of the time that names take
        return Order(
            order_id, key, group, run_id, symbol, side, qty, signal.valid_from_us, signal.valid_to_us, session, source,
            strategy, version, entry_type, signal.signal_id, currency, tick_size, signal.ts_us, flatten_us,
            limit or None, trigger or None, target, stop,
        )  # fmt: skip
