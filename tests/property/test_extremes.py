"""Every number a configuration takes, at its extreme: refused with its key, or the same in kernel and replay.

What an extreme overflows must not come back as a smaller number: a backtest once bought billions of shares below a cap
that their worth had wrapped around, and paid nothing for four thousand million.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest
from pydantic import ValidationError

from axiomd.contracts.errors import ConfigError
from axiomd.core.market.tape import Tape
from tests.markets import SPANS, random_market, sessions_of, tape_of
from tests.parity import replay_record
from tests.property.kernel_parity import kernel_differences

SEED: Final = 11
EXTREMES: Final = (10**15 - 1, 10**13, 10**12, 10**9, 10**6, 90_000, 9_999, 1_440, "0.000001")
ACCOUNT: Final = (
    "initial_cash", "sizing.fixed_qty", "sizing.pos_pct", "sizing.risk_pct", "sizing.max_pos_pct",
    "sizing.max_volume_pct", "sizing.min_qty", "costs.commission_per_share", "costs.commission_min",
    "costs.commission_bps", "costs.slippage_bps", "costs.slippage_ticks", "instrument.tick_size", "instrument.lot",
    "fills.flatten_minutes", "fx.EURUSD",
)  # fmt: skip
RISK: Final = (
    "max_gross_exposure", "max_net_exposure", "max_order_notional", "max_open_positions", "max_open_orders",
    "per_symbol_max_qty", "max_daily_loss", "max_drawdown", "consecutive_losses.count", "slippage_sanity.entry_bp",
    "slippage_sanity.fill_bp", "price_collar.atr", "market_halt_proxy.silent_minutes", "market_halt_proxy.jump_bp",
    "market_halt_proxy.cooldown_minutes", "stale_data.lateness_minutes", "buying_power.multiple",
    "message_rate.orders", "message_rate.seconds", "repeated_execution.fills", "repeated_execution.seconds",
    "reject_storm.rejects", "reject_storm.seconds", "clock_skew.ms",
)  # fmt: skip
KEYS: Final = (*ACCOUNT, *(f"risk.{key}" for key in RISK))


@pytest.fixture(scope="module")
def tape() -> Tape:
    table = sessions_of(SPANS[0])
    return tape_of(random_market(SEED, ["AAA"], table, wildness=8), table)


def with_number(key: str, value: object, mode: str) -> Mapping[str, Any]:
    """Give a configuration in which one number is that."""
    config: dict[str, Any] = {
        "strategy": {"name": "inside_bar", "params": {"min_mother_range_atr": 0, "atr_period": 2}},
        "symbols": ["AAA"], "sizing": {"mode": mode}, "risk": {},
    }  # fmt: skip
    if key.startswith("fx."):
        config["instrument"] = {"currency": "EUR"}
    *path, last = key.split(".")
    place = config
    for name in path:
        place = place.setdefault(name, {})
    place[last] = value
    return config


@pytest.mark.parametrize("mode", ["fixed", "pct_equity", "risk"])
@pytest.mark.parametrize("key", KEYS)
def test_a_number_at_its_extreme_is_refused_or_the_same_in_kernel_and_replay(tape: Tape, key: str, mode: str) -> None:
    refused = 0
    for value in EXTREMES:
        config = with_number(key, value, mode)
        try:
            record = replay_record(config, tape)
        except (ValidationError, ConfigError):
            refused += 1
            continue
        assert [] == kernel_differences(config, tape, record)
        assert record.final_cash == record.initial_cash + sum(trade.net_pnl for trade in record.trades)
        assert all(trade.qty * trade.entry_price < 2**60 for trade in record.trades)
    assert refused < len(EXTREMES)
