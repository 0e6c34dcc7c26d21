"""Strategies are found by name and version; a wrong one is answered with the known ones."""

from __future__ import annotations

import pytest

from axiomd.config.plugins import find_strategy, known_strategies, strategy_params
from axiomd.contracts.errors import ConfigError
from axiomd.contracts.runs import StrategyConfig


def entry(**params: object) -> StrategyConfig:
    return StrategyConfig.model_validate({"name": "inside_bar", "symbols": ["SPY"], "params": params})


def test_shipped_strategy_is_known() -> None:
    assert "inside_bar" in known_strategies()


def test_strategy_is_found_by_name_and_version() -> None:
    strategy = find_strategy("inside_bar", "1.0.0")

    assert ("inside_bar", "1.0.0") == (strategy.name, strategy.version)


def test_unknown_strategy_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown strategy outside_bar.*known: .*inside_bar"):
        find_strategy("outside_bar", "1.0.0")


def test_unknown_version_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no version 9\.9\.9.*known: 1\.0\.0"):
        find_strategy("inside_bar", "9.9.9")


def test_parameters_are_the_strategys_own_business() -> None:
    params = strategy_params(find_strategy("inside_bar", "1.0.0"), entry(risk_reward=3.0))

    assert 3.0 == float(params.model_dump()["risk_reward"])


def test_unknown_parameter_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown key risk_rewrd.*did you mean risk_reward\?"):
        strategy_params(find_strategy("inside_bar", "1.0.0"), entry(risk_rewrd=3.0))


@pytest.mark.parametrize(
    "name",
    [
        "min_mother_range_atr", "atr_period", "entry_offset_ticks", "stop_cap_ticks", "risk_reward",
        "entry_limit_ticks", "warmup_sessions",
    ],
)  # fmt: skip
def test_a_truth_value_is_no_number_of_a_strategy(name: str) -> None:
    """As of any key of ours: `stop_cap_ticks: true` was a cap of one tick."""
    with pytest.raises(ConfigError, match=f"{name}: a number is needed, not True"):
        strategy_params(find_strategy("inside_bar", "1.0.0"), entry(**{name: True}))


def test_a_number_of_a_strategy_may_be_written_as_any_other() -> None:
    strategy = find_strategy("inside_bar", "1.0.0")

    plain = strategy_params(strategy, entry(atr_period=20, stop_cap_ticks=7, risk_reward=2.5))

    assert plain == strategy_params(strategy, entry(atr_period="20", stop_cap_ticks=7.0, risk_reward="2.50"))
