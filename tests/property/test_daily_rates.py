"""Rates that are another every day: replay, backtest and second reading agree, and no session knows its own close."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from axiomd.contracts.units import MINUTE_US
from tests.markets import SPANS, Row, random_market, sessions_of, tape_of, write_rates
from tests.parity import RUN_ID, compare, random_config, replay_record
from tests.property.kernel_parity import kernel_differences
from tests.reference.reading import read_day

SEEDS = 24
FX_BLOCKED = "blocked:fx_rate"


def drawn_rates(dice: random.Random, first: date, last: date) -> dict[date, Decimal]:
    """Draw rates of days up to the last session's own, with days left out, now and then all of the first ones."""
    begin = first - timedelta(days=dice.choice((12, 9, 1, -2)))
    days = [begin + timedelta(days=n) for n in range((last - begin).days + 1)]
    return {day: Decimal(dice.randrange(90, 140)) / 100 for day in days if dice.random() < 0.6}


def drawn_case(seed: int) -> tuple[dict[str, Any], list[Row], Any, str, dict[date, Decimal]]:
    dice = random.Random(f"rates {seed}")
    symbols = ["AAA", "BBB"][: dice.choice((1, 2))]
    span = dice.choice(SPANS)
    table, step = sessions_of(span), dice.choice((1, 5))
    rows = random_market(
        seed, symbols, table, step_minutes=step, missing=dice.choice((0, 0.05)), between=0, wildness=dice.choice((2, 4))
    )
    config = random_config(dice, symbols)
    config["currency"], pair = "EUR", dice.choice(("USDEUR", "EURUSD"))
    if len(symbols) > 1:  # one of the account's own currency beside it
        config["instruments"] = {symbols[0]: {"currency": "EUR"}}
    return config, rows, tape_of(rows, table, step), pair, drawn_rates(dice, *span)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_replay_and_backtest_convert_as_the_second_reading_does(seed: int, tmp_path: Path) -> None:
    config, rows, tape, pair, rates = drawn_case(seed)
    if not rates:
        rates = {date(2000, 1, 3): Decimal("1.1")}
    replayed = {**config, "fx": {pair: write_rates(tmp_path / "fx.parquet", pair, rates)}}
    read = {**config, "fx": {pair: {day.isoformat(): str(rate) for day, rate in rates.items()}}}
    timeframe = "m1" if tape.timeframe_us == MINUTE_US else "m5"

    record = replay_record(replayed, tape)
    reading = read_day(read, rows, timeframe, run_id=RUN_ID)

    assert kernel_differences(replayed, tape, record) == [], seed
    assert [row["outcome"] == FX_BLOCKED for row in reading.signals] == [
        signal.outcome == FX_BLOCKED for signal in sorted(record.signals, key=lambda signal: signal.ts_us)
    ], seed
    if pair == "USDEUR":  # an inverse does not end in decimals, and money is kept to 1/10,000
        assert compare(reading, record) == [], seed
