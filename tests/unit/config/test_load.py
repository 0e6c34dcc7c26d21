"""Layers of a configuration: who wins, what is said about where a value came from, and how a mistake is told."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.config.load import load_run
from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.errors import ConfigError
from axiomd.contracts.risk import RiskConfig

KEYS = st.sampled_from([*DaemonConfig.model_fields, *RiskConfig.model_fields, "mode", "limit", "SPY", "EURUSD", "x"])
SCALARS = st.sampled_from(
    [None, True, -1, 0, 1, 50, 0.5, "x", "1", "~nobody/x", "x" * 300, "ib", "USD", "spy", "\x00", "..", ""]
)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=3), max_leaves=6)
HEAD = "strategy: {name: inside_bar}\nsymbols: [SPY]\n"
ROOT = Path(__file__).resolve().parents[3]


def written(folder: Path, text: str, name: str = "run.yml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refusal(path: Path, **kwargs: object) -> str:
    with pytest.raises(ConfigError) as problem:
        load_run(path, **kwargs)  # type: ignore[arg-type]
    return problem.value.line()


@pytest.mark.parametrize("name", ["settings.yml", "runs/inside_bar.yml", "runs/demo.yml"])
def test_shipped_configurations_load(name: str) -> None:
    loaded = load_run(ROOT / "configs" / name)

    assert () == loaded.config.limits().missing_for_live()


def test_without_a_file_the_shipped_settings_hold() -> None:
    assert "synthetic" == load_run().config.feed.kind


def test_shipped_limits_are_the_values_of_the_contract() -> None:
    expected = {
        "max_gross_exposure": 200000,
        "max_net_exposure": None,
        "max_order_notional": 60000,
        "max_open_positions": 10,
        "max_open_orders": 100,
        "per_symbol_max_qty": 1000,
        "max_daily_loss": {"limit": 2000, "level": "halt"},
        "max_drawdown": {"limit": 8000, "level": "halt"},
        "consecutive_losses": {"count": 6, "level": "halt"},
        "slippage_sanity": {"entry_bp": 300, "fill_bp": 50},
        "price_collar": {"atr": 5.0},
        "market_halt_proxy": {"silent_minutes": 5, "jump_bp": 1000, "cooldown_minutes": 5},
        "stale_data": {"lateness_minutes": 5, "completeness": 0.99},
        "buying_power": {"multiple": 1.0},
        "short_allowed": True,
        "restricted_list": [],
        "message_rate": {"orders": 200, "seconds": 10},
        "repeated_execution": {"fills": 8, "seconds": 300},
        "reject_storm": {"rejects": 5, "seconds": 60},
        "clock_skew": {"ms": 2000},
    }

    assert RiskConfig.model_validate(expected) == load_run().config.limits()


def test_layers_win_in_their_order(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + "seed: 1\n")
    environ = {"AXIOMD_SEED": "2"}

    seeds = [
        load_run(written(tmp_path, HEAD, "bare.yml")).config.seed,
        load_run(path).config.seed,
        load_run(path, environ=environ).config.seed,
        load_run(path, environ=environ, flags={"seed": 3}).config.seed,
    ]

    assert [0, 1, 2, 3] == seeds


def test_origin_of_each_value_is_known(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + "costs: {slippage_ticks: 1}\nrisk: {}\n")

    loaded = load_run(path, environ={"AXIOMD_COSTS__SLIPPAGE_BPS": "2"}, flags={"seed": 5})

    origins = [str(loaded.origin_of(key)) for key in ("costs.slippage_ticks", "costs.slippage_bps", "seed", "calendar")]
    assert origins == [f"file {path}:3", "environment AXIOMD_COSTS__SLIPPAGE_BPS", "flag --seed", "default"]


def test_flag_that_was_not_given_changes_nothing(tmp_path: Path) -> None:
    assert ("SPY",) == load_run(written(tmp_path, HEAD), flags={"symbols": None}).config.symbols


def test_variable_is_read_as_yaml(tmp_path: Path) -> None:
    environ = {"AXIOMD_SYMBOLS": "[qqq, iwm]", "AXIOMD_INSTRUMENTS__QQQ__LOT": "10", "AXIOMD_FX__EURUSD": "1.1"}

    config = load_run(written(tmp_path, HEAD), environ=environ).config

    assert (
        ("QQQ", "IWM"),
        10,
        {"EURUSD": Decimal("1.1")},
    ) == (config.symbols, config.instrument_of("QQQ").lot, config.fx)


def test_variable_may_change_one_limit_of_a_file(tmp_path: Path) -> None:
    written(tmp_path, "max_daily_loss: 100\nmax_open_orders: 3\n", "risk.yml")
    path = written(tmp_path, HEAD + "risk: risk.yml\n")

    limits = load_run(path, environ={"AXIOMD_RISK__MAX_OPEN_ORDERS": "4"}).config.limits()

    assert limits == RiskConfig.model_validate({"max_daily_loss": 100, "max_open_orders": 4})


def test_variables_that_are_no_configuration_are_left_alone(tmp_path: Path) -> None:
    environ = {"AXIOMD_STATE_DIR": "/x", "AXIOMD_DEBUG": "1", "AXIOMD_HOMEPAGE": "y", "PATH": "/bin"}

    assert load_run(written(tmp_path, HEAD), environ=environ).config == load_run(written(tmp_path, HEAD)).config


def test_variable_with_a_slip_is_refused_with_the_right_name(tmp_path: Path) -> None:
    assert "did you mean AXIOMD_SYMBOLS?" in refusal(written(tmp_path, HEAD), environ={"AXIOMD_SYMBOL": "[A]"})


def test_relative_path_counts_from_the_file_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "max_open_orders: 3\n", "limits/risk.yml")
    written(tmp_path, "x", "runs/rates.parquet")
    path = written(tmp_path, HEAD + "risk: ../limits/risk.yml\nfx: {EURUSD: rates.parquet}\n", "runs/run.yml")
    monkeypatch.chdir("/")

    config = load_run(path).config

    assert 3 == config.limits().max_open_orders
    assert config.fx == {"EURUSD": str(tmp_path / "runs/rates.parquet")}


def test_risk_left_out_is_the_packaged_copy(tmp_path: Path) -> None:
    assert load_run().config.limits() == load_run(written(tmp_path, HEAD)).config.limits()


def test_documented_default_of_risk_means_the_packaged_copy_anywhere(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + "risk: configs/risk.yml\n")

    assert load_run(path).config.limits() == load_run().config.limits()


def test_empty_risk_means_no_limits(tmp_path: Path) -> None:
    assert RiskConfig() == load_run(written(tmp_path, HEAD + "risk: {}\n")).config.limits()


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (
            r"unknown key costs\.slipage_bps · .*run\.yml:3 .* did you mean costs\.slippage_bps\?",
            "costs: {slipage_bps: 1}",
        ),
        (r"unknown key slippage_bps .* did you mean costs\.slippage_bps\?", "slippage_bps: 1"),
        (r"unknown key risk\.max_daily_los · .* did you mean risk\.max_daily_loss\?", "risk: {max_daily_los: 1}"),
        (
            r"unknown key risk\.max_daily_loss\.limits? .*limit",
            "risk: {max_daily_loss: {limitt: 1, limit: 1}}".replace("limitt", "limits"),
        ),
        (
            r"unknown key instruments\.SPY\.tick · .* did you mean instruments\.SPY\.tick_size\?",
            "instruments: {SPY: {tick: 1}}",
        ),
        (r"sizing\.mode: 'fixd' cannot be used .* 'pct_equity' or 'risk'", "sizing: {mode: fixd}"),
        (r"seed: -1 cannot be used · .*run\.yml:3 seed · give a number greater", "seed: -1"),
        (r"initial_cash: -5 cannot be used · .* give a number greater than 0", "initial_cash: -5"),
        (r"initial_cash: a multiple of 1/10000 .* not 100\.00001", "initial_cash: 100.00001"),
        (r"stage1\.atr_pct\.1 is missing · .* add one more item", "stage1: {atr_pct: [1]}"),
        (r"fx\.EUR: 'EUR' cannot be used · .* give text of the pattern", "fx: {EUR: 1}"),
        (r"costs: 3 cannot be used .* give a mapping", "costs: 3"),
        (r"feed\.speed: a number is needed.*'fast'", "feed: {speed: fast}"),
        (r"risk\.max_daily_loss\.limit is missing · .* add limit", "risk: {max_daily_loss: {level: halt}}"),
        (r"risk is empty", "risk:"),
        (r"no such file · .*other\.yml", "risk: other.yml"),
        (r"no such file: .*rates\.csv", "fx: {EURUSD: rates.csv}"),
        (r"fx has no rate between USD and EUR · .* add fx", "currency: EUR"),
        (r"the key seed stands there twice · .*run\.yml:4:1", "seed: 1\nseed: 2"),
        (r"unknown key nonsense .* known here: .*symbols", "nonsense: 1"),
    ],
)
def test_mistake_is_one_line_with_file_key_and_remedy(tmp_path: Path, expected: str, text: str) -> None:
    line = refusal(written(tmp_path, HEAD + text + "\n"))

    assert re.search(expected, line), line
    assert 1 == len(line.splitlines())


def test_mistake_in_a_risk_file_names_that_file(tmp_path: Path) -> None:
    written(tmp_path, "max_open_orders: 3\nmax_dailyloss: 5\n", "limits.yml")

    assert "limits.yml:2" in refusal(written(tmp_path, HEAD + "risk: limits.yml\n"))


def test_mistake_in_a_variable_names_the_variable(tmp_path: Path) -> None:
    assert "environment AXIOMD_SEED" in refusal(written(tmp_path, HEAD), environ={"AXIOMD_SEED": "x"})


def test_mistake_in_a_flag_names_the_flag(tmp_path: Path) -> None:
    assert "flag --symbols" in refusal(written(tmp_path, HEAD), flags={"symbols": ["SPY", "spy"]})


def test_second_mistake_is_counted(tmp_path: Path) -> None:
    assert "(and 1 more)" in refusal(written(tmp_path, HEAD + "seed: -1\ncosts: {slippage_ticks: -1}\n"))


def test_missing_strategy_is_said(tmp_path: Path) -> None:
    assert "strategy is missing" in refusal(written(tmp_path, "symbols: [SPY]\n"))


@given(document=st.dictionaries(KEYS, VALUES, max_size=4), is_whole=st.booleans())
def test_any_mapping_is_a_configuration_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, object], is_whole: bool
) -> None:
    base: dict[str, object] = {"strategy": {"name": "inside_bar"}, "symbols": ["SPY"]} if is_whole else {}
    path = written(tmp_path_factory.mktemp("load"), json.dumps({**base, **document}))
    try:
        loaded = load_run(path)
    except ConfigError as problem:
        assert 1 == len(problem.line().splitlines())
        return

    assert loaded.config.normalised() != []
    assert isinstance(loaded.config.risk, RiskConfig)
