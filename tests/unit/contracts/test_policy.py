"""A promotion is bound to exactly one strategy version under one configuration."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from axiomd.contracts.policy import GateResult, PromotionPolicy, PromotionRecord

POLICY: dict[str, Any] = {
    "min_num_trades": 100,
    "min_win_rate": 0.35,
    "max_drawdown": -5000,
    "min_sharpe": 0.5,
    "data_sla_pass": True,
}


def record(**fields: Any) -> PromotionRecord:
    gate = GateResult(gate="metrics_thresholds", name="min_sharpe", figure="1", limit="0.5", passed=True)
    whole = {
        "strategy": "inside_bar",
        "strategy_version": "1.0.0",
        "config_hash": "0" * 64,
        "run_id": "replay-00000000-00000000",
        "stage": "live",
        "gates": (gate,),
        "approved_by": "somebody",
        "approved_at_us": 1,
    }
    return PromotionRecord.model_validate(whole | fields)


def test_shipped_policy_is_a_policy() -> None:
    path = Path(__file__).resolve().parents[3] / "configs/policies/promotion_policy.yml"

    assert PromotionPolicy.model_validate(yaml.safe_load(path.read_text())).data_sla_pass


def test_drawdown_may_be_written_with_either_sign() -> None:
    assert Decimal(-5000) == PromotionPolicy.model_validate(POLICY | {"max_drawdown": 5000}).max_drawdown


@pytest.mark.parametrize(
    "fields", [{"min_win_rate": 35}, {"min_num_trades": -1}, {"min_profit": 1}, {"min_sharpe": None}]
)
def test_what_is_no_policy_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PromotionPolicy.model_validate(POLICY | fields)


def test_record_admits_its_own_strategy_and_configuration() -> None:
    assert record().admits("inside_bar", "1.0.0", "0" * 64)


@pytest.mark.parametrize("fields", [{"stage": "paper"}, {"approved_by": None}])
def test_record_of_less_than_an_approved_live_admits_nothing(fields: dict[str, Any]) -> None:
    assert not record(**fields).admits("inside_bar", "1.0.0", "0" * 64)


@pytest.mark.parametrize(
    "asked", [("other", "1.0.0", "0" * 64), ("inside_bar", "1.0.1", "0" * 64), ("inside_bar", "1.0.0", "1" * 64)]
)
def test_record_admits_no_other(asked: tuple[str, str, str]) -> None:
    assert not record().admits(*asked)
