"""What a grid cannot ask for is refused with its place, before a bar is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from axiomd.contracts.errors import ConfigError
from axiomd.replay.grid import Sweep, read_sweep

BASE: dict[str, Any] = {"strategy": {"name": "inside_bar"}, "symbols": ["AAA"], "risk": {}}
Read = Callable[..., Sweep]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a grid of some keys and read it; its bars are never looked into."""
    (tmp_path / "bars.parquet").touch()

    def written(**keys: Any) -> Sweep:
        path = tmp_path / "grid.yml"
        path.write_text(yaml.safe_dump({"base": BASE, "bars": "bars.parquet", **keys}))
        return read_sweep(path)

    return written


@pytest.mark.parametrize(
    "values",
    [
        {"strategy.params": {"risk_reward": 1}, "strategy.params.risk_reward": 2},
        {"costs.slippage_ticks": 1, "seed": 1, "costs": {"slippage_ticks": 2}},
    ],
)
def test_a_key_and_a_part_of_it_are_not_varied_together(read: Read, values: dict[str, Any]) -> None:
    """The one put in last would hold, under the labels of both."""
    whole, part = sorted((key for key in values if key != "seed"), key=len)

    for keys in ({"grid": {key: [value] for key, value in values.items()}}, {"sets": [{"seed": 1}, values]}):
        with pytest.raises(ConfigError, match=rf"^{part} is part of {whole} · .*grid\.yml {part} · "):
            read(**keys)


def test_a_key_may_be_varied_as_a_whole_in_one_set_and_in_part_in_another(read: Read) -> None:
    sweep = read(sets=[{"costs.slippage_ticks": 1}, {"costs": {"slippage_ticks": 2}}])

    assert 2 == len(list(sweep.config.parameter_sets()))


def test_keys_that_only_begin_alike_are_varied_together(read: Read) -> None:
    sweep = read(grid={"sizing.pos_pct": [5, 10], "sizing.mode": ["fixed", "pct_equity"], "stage1.min_price": [1]})

    assert 4 == len(list(sweep.config.parameter_sets()))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([2, 2.0, 1], "2.0 is 2 again"),
        ([1, 2, 1], "1 is 1 again"),
        ([{"risk_reward": 1, "atr_period": 3}, {"atr_period": 3, "risk_reward": 1.0}], "again"),
    ],
)
def test_a_value_that_stands_there_twice_is_refused(read: Read, values: list[Any], told: str) -> None:
    """It would be run twice, and count as two trials where the best is asked how much of it is luck."""
    key = "strategy.params" if isinstance(values[0], dict) else "strategy.params.risk_reward"

    with pytest.raises(ConfigError, match=rf"{told} · .*grid\.yml {key} · name it once$"):
        read(grid={"seed": [1, 2], key: values})


def test_a_set_that_stands_there_twice_is_refused(read: Read) -> None:
    sets = [{"seed": 1}, {"strategy.params.risk_reward": 2, "seed": 1}, {"seed": 1, "strategy.params.risk_reward": 2.0}]

    with pytest.raises(ConfigError, match=r"^set 2 is set 1 again · .*grid\.yml set 2 · leave it out$"):
        read(sets=sets)


def test_values_that_only_look_alike_are_tried_both(read: Read) -> None:
    sweep = read(grid={"strategy.params.sides": ["long", "short"], "strategy.params.stop_cap_ticks": [None, 1, 10]})

    assert 6 == len(list(sweep.config.parameter_sets()))
