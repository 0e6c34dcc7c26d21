"""One rule, one place: the compiled backtest leaves the very record of the replay, whether guards bind or not.

`python -m tests.property.kernel_parity --seeds 10000` runs as many drawn cases as asked.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from axiomd.config.binding import bind
from axiomd.contracts.runs import RunConfig
from axiomd.core import kernel
from axiomd.core.kernel_record import backtest
from tests.parity import lone_case, random_case
from tests.property.kernel_parity import differences_of, screened_differences

SEEDS = int(os.environ.get("AXIOMD_PARITY_SEEDS", "60"))
CHUNKS = 6
# 24: positions closed with the session went by entry here and by symbol there
# 36: a trip by a fill closed a position that had already been matched in the same moment
# 20033, 30020: an entry that filled in the moment of a trip to flatten was left open by the engine
REGRESSIONS = (24, 36, 156, 1177, 1522, 1526, 20033, 30020, 840_350)
MARKET = Path(__file__).resolve().parents[2] / ".." / "shared/data/market"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_drawn_markets_leave_the_same_record(chunk: int) -> None:
    count = SEEDS // CHUNKS
    for seed in range(200_000 + chunk * count, 200_000 + (chunk + 1) * count):
        config, _, tape = random_case(seed)
        assert [] == differences_of(config, tape), f"python -m tests.property.kernel_parity --first {seed} --seeds 1"


@pytest.mark.timeout(300)
def test_candidates_and_ranks_of_each_session_leave_the_same_record() -> None:
    for seed in range(201_000, 201_015):
        config, _, tape = random_case(seed)
        assert [] == screened_differences(config, tape), f"seed {seed}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_drawn_markets_of_one_symbol_leave_the_same_record(chunk: int) -> None:
    count = SEEDS // CHUNKS
    for seed in range(200_000 + chunk * count, 200_000 + (chunk + 1) * count):
        again = f"python -m tests.property.kernel_parity --first {seed} --seeds 1 --lone"
        assert [] == differences_of(*lone_case(seed)), again


def test_drawn_markets_of_one_symbol_go_every_way_the_kernel_has(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = Counter[str]()
    for name in ("run_alone", "run_alone_unlimited"):
        monkeypatch.setattr(kernel, name, _counting(name, getattr(kernel, name), ways))
    for seed in range(40):
        config, tape = lone_case(seed)
        backtest(bind(RunConfig.model_validate(config), tape.sessions, tape.timeframe_us, "way", "replay"), tape, None)

    assert ways["run_alone"] > 10
    assert ways["run_alone_unlimited"] > 10


def _counting(name: str, walk: Any, ways: Counter[str]) -> Any:
    def counted(*given: Any) -> Any:
        ways[name] += 1
        return walk(*given)

    return counted


@pytest.mark.parametrize("seed", REGRESSIONS)
def test_a_case_that_found_a_bug_stays_whole(seed: int) -> None:
    config, _, tape = random_case(seed)

    assert [] == differences_of(config, tape)


@pytest.mark.real_data
@pytest.mark.parametrize("limits", ["none", "shipped"])
def test_real_days_leave_the_same_record(limits: str) -> None:
    if not MARKET.is_dir():
        pytest.skip("the real market data lies beside the project and is not here")
    from axiomd.config.load import load_run
    from axiomd.config.shipped import shipped
    from axiomd.feeds.files import load_tape

    symbols = pl.read_parquet(MARKET / "equity_m1.parquet")["symbol"].unique().sort().to_list()
    config = {"strategy": {"name": "inside_bar"}, "symbols": symbols, "risk": {}}
    if limits == "shipped":
        config["risk"] = load_run(shipped("settings.yml")).config.limits().model_dump(mode="json", exclude_unset=True)
    tape = load_tape(MARKET / "equity_m1.parquet", symbols, "XNYS")

    assert [] == differences_of(config, tape)
