"""A run's configuration: what it accepts, what it means, and what identifies it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.errors import ConfigError
from axiomd.contracts.runs import Metrics, RunConfig, config_document, config_hash

SHORT: dict[str, Any] = {"strategy": {"name": "inside_bar"}, "symbols": ["SPY"], "risk": {}}


def run_config(**keys: object) -> RunConfig:
    return RunConfig.model_validate({**SHORT, **keys})


def listed(*entries: dict[str, object], **keys: object) -> RunConfig:
    return RunConfig.model_validate({"strategies": list(entries), "risk": {}, **keys})


def test_defaults_are_those_of_the_contract() -> None:
    config = run_config()

    assert (
        "XNYS",
        "America/New_York",
        "USD",
        "next_session",
        0,
    ) == (config.calendar, config.tz, config.currency, config.resume, config.seed)
    assert config.initial_cash == Decimal(100_000)
    assert {"ambiguity": "worst", "flatten_minutes": 5} == config.fills.model_dump()
    assert config.sizing.model_dump() == {
        "mode": "fixed",
        "fixed_qty": 100,
        "pos_pct": Decimal(10),
        "risk_pct": Decimal(1),
        "max_pos_pct": Decimal(100),
        "max_volume_pct": None,
        "min_qty": 1,
    }


def test_short_form_is_a_list_of_one_whose_id_is_its_name() -> None:
    long_form = listed({"id": "inside_bar", "name": "inside_bar", "symbols": ["SPY"]})

    assert long_form.normalised() == run_config().normalised()
    assert config_hash(long_form, {}) == config_hash(run_config(), {})


def test_strategies_keep_the_order_in_which_they_are_listed() -> None:
    config = listed({"id": "b", "name": "x", "symbols": ["SPY"]}, {"id": "a", "name": "x", "symbols": ["QQQ", "SPY"]})

    assert ["b", "a"] == [entry.id for entry in config.normalised()]
    assert ("SPY", "QQQ") == config.all_symbols()


def test_symbols_are_spelt_in_upper_case_once() -> None:
    assert ("SPY", "QQQ") == run_config(symbols=["spy", " qqq "]).all_symbols()


@pytest.mark.parametrize(
    "keys",
    [
        {"symbols": ["SPY", "spy"]},
        {"symbols": []},
        {"symbols": None},
        {"symbols": [True]},
        {"symbols": "SPY"},
        {"strategy": None},
        {"strategy": {"name": "inside_bar", "version": 1.0}},
        {"strategies": [{"name": "x", "symbols": ["SPY"]}]},
        {"initial_cash": 0},
        {"initial_cash": "many"},
        {"currency": "DOLLAR"},
        {"tz": "Mars/Olympus"},
        {"seed": -1},
        {"resume": "soon"},
        {"unknown": 1},
        {"instrument": {"tick_size": 0}},
        {"instrument": {"tick_size": "0.00001"}},
        {"instrument": {"lot": 0}},
        {"instruments": {"SPY": {"tick": 1}}},
        {"instruments": {"SPY": {"lot": 1}, "spy": {"lot": 2}}},
        {"sizing": {"fixed_qty": 0}},
        {"sizing": {"pos_pct": 0}},
        {"sizing": {"risk_pct": 101}},
        {"costs": {"slippage_ticks": -1}},
        {"costs": {"commission_per_share": -0.1}},
        {"fills": {"ambiguity": "best"}},
        {"fills": {"flatten_minutes": -1}},
        {"stage1": {"atr_pct": [10, 1]}},
        {"stage1": {"max_candidates": 1}, "symbols": ["A", "B"]},
        {"fx": {"EURUSD": 0}},
        {"fx": {"EUR": 1}},
        {"currency": "EUR"},
    ],
)
def test_what_makes_no_sense_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        run_config(**keys)


def test_two_strategies_of_one_id_are_refused() -> None:
    with pytest.raises(ValidationError, match="twice"):
        listed({"name": "x", "symbols": ["A"]}, {"name": "x", "symbols": ["B"]})


def test_screening_may_list_more_symbols_than_candidates() -> None:
    config = run_config(stage1={"mode": "screen", "max_candidates": 1}, symbols=["A", "B"])

    assert ("A", "B") == config.all_symbols()


def test_rate_is_found_in_either_direction() -> None:
    assert "EURUSD" == run_config(currency="EUR", fx={"EURUSD": 1.0834}).rate_key("USD")
    assert "USDEUR" == run_config(currency="EUR", fx={"USDEUR": 0.9}).rate_key("USD")
    assert run_config().rate_key("USD") is None


def test_instrument_of_a_symbol_takes_what_it_does_not_say_from_the_default() -> None:
    config = run_config(instrument={"tick_size": 0.05, "lot": 10}, instruments={"spy": {"lot": 1}})

    assert (500, 1) == (config.instrument_of("SPY").tick_size, config.instrument_of("SPY").lot)
    assert (500, 10) == (config.instrument_of("QQQ").tick_size, config.instrument_of("QQQ").lot)


def test_limits_that_were_not_read_are_an_error() -> None:
    with pytest.raises(ConfigError):
        run_config(risk="risk.yml").limits()


def test_hash_ignores_the_world_a_daemon_runs_in() -> None:
    world = {"mode": "live", "broker": {"kind": "ib"}, "clock": {"kind": "feed"}, "own_symbols": ["AAPL"]}
    daemon = DaemonConfig.model_validate({**SHORT, **world})

    assert config_hash(daemon, {}) == config_hash(run_config(), {})


@given(cash=st.integers(1, 10**6))
def test_hash_does_not_depend_on_the_spelling_of_a_number(cash: int) -> None:
    spellings = [cash, float(cash), str(cash), f"{cash}.00"]

    assert 1 == len({config_hash(run_config(initial_cash=spelling), {}) for spelling in spellings})


@pytest.mark.parametrize(
    "keys",
    [
        {"symbols": ["QQQ"]},
        {"symbols": ["SPY", "QQQ"]},
        {"strategy": {"name": "inside_bar", "params": {"risk_reward": 3}}},
        {"strategy": {"name": "inside_bar", "version": "2.0.0"}},
        {"initial_cash": 1},
        {"costs": {"slippage_ticks": 1}},
        {"fills": {"flatten_minutes": 6}},
        {"sizing": {"fixed_qty": 1}},
        {"risk": {"max_daily_loss": 1}},
        {"instruments": {"SPY": {"lot": 2}}},
        {"fx": {"EURUSD": 1}},
        {"seed": 1},
        {"resume": "never"},
        {"calendar": "XLON"},
    ],
)
def test_hash_changes_with_every_value_that_could_change_a_decision(keys: dict[str, object]) -> None:
    assert config_hash(run_config(**keys), {}) != config_hash(run_config(), {})


def test_hash_takes_the_content_of_a_path_not_its_name() -> None:
    first, second = run_config(fx={"EURUSD": "a.parquet"}), run_config(fx={"EURUSD": "b.parquet"})

    assert config_hash(first, {"a.parquet": "00"}) == config_hash(second, {"b.parquet": "00"})
    assert {"EURUSD": "00"} == config_document(first, {"a.parquet": "00"})["fx"]


def test_hash_of_a_path_without_content_is_refused() -> None:
    with pytest.raises(ConfigError):
        config_hash(run_config(fx={"EURUSD": "a.parquet"}), {})


def test_metrics_never_hold_nan() -> None:
    figures = dict.fromkeys(Metrics.model_fields, 0) | {"counts": {}, "by_strategy": {}}
    assert 0 == Metrics.model_validate(figures).net_pnl

    with pytest.raises(ValidationError):
        Metrics.model_validate(figures | {"sharpe": float("nan")})


def test_drawdown_is_never_above_zero() -> None:
    figures = dict.fromkeys(Metrics.model_fields, 0) | {"counts": {}, "by_strategy": {}}

    with pytest.raises(ValidationError):
        Metrics.model_validate(figures | {"max_drawdown": 1})
