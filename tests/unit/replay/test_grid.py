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
