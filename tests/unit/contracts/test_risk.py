"""Limits are typed, off when absent or null, and some can never be off."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from axiomd.contracts.risk import FOR_LIVE, RiskConfig


def limits(**keys: object) -> RiskConfig:
    return RiskConfig.model_validate(keys)


def test_empty_mapping_switches_every_limit_off() -> None:
    off = {name for name, value in limits() if value in (None, (), {})}

    assert off == set(RiskConfig.model_fields) - {"message_rate"}


def test_null_means_off() -> None:
    assert limits(max_daily_loss=None).max_daily_loss is None


@pytest.mark.parametrize("keys", [{}, {"message_rate": None}])
def test_message_rate_is_never_off(keys: dict[str, object]) -> None:
    assert (200, 10) == (limits(**keys).message_rate.orders, limits(**keys).message_rate.seconds)


def test_bare_number_means_level_halt() -> None:
    assert limits(max_daily_loss=2000) == limits(max_daily_loss={"limit": 2000, "level": "halt"})
    assert limits(consecutive_losses=4) == limits(consecutive_losses={"count": 4, "level": "halt"})


def test_single_keys_inside_a_mapping_mean_what_is_shown() -> None:
    assert (
        limits(slippage_sanity={}).slippage_sanity
        == limits(slippage_sanity={"entry_bp": 300, "fill_bp": 50}).slippage_sanity
    )
    assert (
        limits(market_halt_proxy={"jump_bp": 500}).market_halt_proxy
        == limits(market_halt_proxy={"silent_minutes": 5, "jump_bp": 500, "cooldown_minutes": 5}).market_halt_proxy
    )


def test_limit_of_quantity_is_the_symbols_own_or_the_default() -> None:
    risk = limits(per_symbol_max_qty={"default": 1000, "spy": 500})

    assert [500, 1000] == [risk.max_qty_of("SPY"), risk.max_qty_of("QQQ")]


def test_limit_of_quantity_without_default_leaves_the_others_unlimited() -> None:
    assert limits(per_symbol_max_qty={"SPY": 500}).max_qty_of("QQQ") is None


def test_bare_limit_of_quantity_holds_for_every_symbol() -> None:
    assert 700 == limits(per_symbol_max_qty=700).max_qty_of("ANY")


def test_shorts_are_allowed_unless_forbidden() -> None:
    risk = limits(short_allowed={"default": True, "GME": False})

    assert [True, True, False] == [limits().may_short("SPY"), risk.may_short("SPY"), risk.may_short("GME")]
    assert not limits(short_allowed=False).may_short("SPY")


def test_restricted_symbols_have_one_spelling() -> None:
    assert ("AMC", "GME") == limits(restricted_list=["gme", "AMC", "GME"]).restricted_list


@pytest.mark.parametrize(
    "keys",
    [
        {"max_daily_los": 1},
        {"max_gross_exposure": -1},
        {"max_gross_exposure": 0},
        {"max_daily_loss": {"level": "halt"}},
        {"max_daily_loss": {"limit": 1, "level": "stop"}},
        {"per_symbol_max_qty": {"SPY": 1, "spy": 2}},
        {"per_symbol_max_qty": 1.5},
        {"stale_data": {"completeness": 1.1}},
        {"short_allowed": "sometimes"},
        {"restricted_list": ["a/b"]},
        {"max_open_orders": True},
    ],
)
def test_what_is_no_limit_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        limits(**keys)


def test_live_names_the_limits_that_are_off() -> None:
    assert FOR_LIVE == limits().missing_for_live()


def test_money_stays_exact() -> None:
    loss = limits(max_daily_loss=2000.10).max_daily_loss

    assert loss is not None
    assert loss.limit == Decimal("2000.1")
