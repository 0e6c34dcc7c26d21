"""What is left out means what is shown: a configuration has one hash, however much of it is written down."""

from __future__ import annotations

from typing import Any

import pytest

from axiomd.config.identity import identified
from axiomd.config.plugins import find_strategy, strategy_params
from axiomd.contracts.errors import ConfigError
from axiomd.contracts.runs import RunConfig


def short(**params: Any) -> RunConfig:
    return RunConfig.model_validate({
        "strategy": {"name": "inside_bar", "params": params}, "symbols": ["SPY"], "risk": {},
    })  # fmt: skip


def listed(**params: Any) -> RunConfig:
    own = {"id": "inside_bar", "name": "inside_bar", "params": params, "symbols": ["SPY"]}
    return RunConfig.model_validate({"strategies": [own], "risk": {}})


@pytest.mark.parametrize(
    "params",
    [
        {"risk_reward": 2.0},
        {"risk_reward": "2"},
        {"atr_period": 14, "min_mother_range_atr": 0.5},
        {"windows": ["09:30-11:00", "14:00-15:00"], "sides": "both", "stop_cap_ticks": None},
    ],
)
def test_a_default_written_out_changes_nothing(params: dict[str, Any]) -> None:
    assert identified(short(**params)) == identified(short()) == identified(listed(**params))


def test_another_parameter_is_another_configuration() -> None:
    assert identified(short(risk_reward=2.1))[0] != identified(short())[0]


def test_the_document_is_read_as_the_configuration_it_is_of() -> None:
    config = short(min_mother_range_atr="0.25", entry_limit_ticks=3)

    digest, document = identified(config)
    again = RunConfig.model_validate(document)

    assert identified(again)[0] == digest
    (before,), (after,) = config.normalised(), again.normalised()
    strategy = find_strategy("inside_bar", "1.0.0")
    assert strategy_params(strategy, before) == strategy_params(strategy, after)


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(ConfigError, match="risk_rewrad"):
        identified(short(risk_rewrad=2))
