"""Exchange rates of a configuration: numbers, and files of daily bars whose newest finished day holds."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from axiomd.config.rates import path_hashes, rate_files, rates_of
from axiomd.contracts.errors import ConfigError
from axiomd.contracts.runs import RunConfig, config_hash
from axiomd.core.market.rates import AGE_DAYS_MAX, UNKNOWN, DailyRates
from tests.markets import write_rates

MONDAY = date(2024, 3, 4)
RATES = {MONDAY: Decimal("1.08345"), MONDAY + timedelta(days=1): Decimal("1.25")}


def config_of(path: str, pair: str = "EURUSD") -> RunConfig:
    document = {"strategy": {"name": "inside_bar"}, "symbols": ["SPY"], "currency": "EUR", "risk": {}}
    return RunConfig.model_validate({**document, "fx": {pair: path}})


def day_of(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def daily(config: RunConfig) -> DailyRates:
    rates = rates_of(config, "here")["USD"]
    assert isinstance(rates, DailyRates)
    return rates


def test_a_session_has_the_close_of_the_day_before_and_never_its_own(tmp_path: Path) -> None:
    rates = daily(config_of(write_rates(tmp_path / "fx.parquet", "EURUSD", RATES)))

    assert rates.on(day_of(MONDAY)) == UNKNOWN
    assert rates.on(day_of(MONDAY) + 1) == (20_000, 21_669)  # one USD in EUR, of 1.08345 USD for one EUR
    assert rates.on(day_of(MONDAY) + 2) == (4, 5)


def test_a_rate_is_stale_after_seven_days(tmp_path: Path) -> None:
    rates = daily(config_of(write_rates(tmp_path / "fx.parquet", "EURUSD", RATES)))
    last = day_of(MONDAY) + 1

    assert rates.on(last + AGE_DAYS_MAX) == (4, 5)
    assert rates.on(last + AGE_DAYS_MAX + 1) == UNKNOWN


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    config = config_of(write_rates(tmp_path / "fx.parquet", "EURUSD", RATES))
    before = daily(config)
    write_rates(tmp_path / "fx.parquet", "EURUSD", {**RATES, MONDAY + timedelta(days=2): Decimal("1.5")})

    after = daily(config)

    assert len(before.days) == 2
    assert after.on(day_of(MONDAY) + 3) == (2, 3)


def test_the_hash_is_of_the_rates_and_not_of_how_they_lie_in_a_file(tmp_path: Path) -> None:
    parquet = config_of(write_rates(tmp_path / "fx.parquet", "EURUSD", RATES))
    frame = pl.read_parquet(tmp_path / "fx.parquet").with_columns(pl.col("ts").dt.strftime("%Y-%m-%dT%H:%M:%S+00:00"))
    frame.write_csv(tmp_path / "fx.csv")
    csv = config_of(str(tmp_path / "fx.csv"))
    other = config_of(write_rates(tmp_path / "other.parquet", "EURUSD", {**RATES, MONDAY: Decimal("1.08346")}))

    digests = [config_hash(config, path_hashes(config)) for config in (parquet, csv, other)]

    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_two_pairs_of_one_file_are_both_in_its_hash(tmp_path: Path) -> None:
    digests = []
    for dollars, pounds in (("1.1", "0.8"), ("1.2", "0.8"), ("1.1", "0.9")):
        write_rates(tmp_path / "a.parquet", "EURUSD", {MONDAY: Decimal(dollars)})
        write_rates(tmp_path / "b.parquet", "EURGBP", {MONDAY: Decimal(pounds)})
        both = pl.concat([pl.read_parquet(tmp_path / name) for name in ("a.parquet", "b.parquet")])
        both.write_parquet(tmp_path / "both.parquet")
        path = str(tmp_path / "both.parquet")
        config = config_of(path).model_copy(update={"fx": {"EURUSD": path, "EURGBP": path}})
        digests.append(config_hash(config, path_hashes(config)))

    assert len(set(digests)) == 3
    assert [file.path for file in rate_files(config)] == [path]


@pytest.mark.parametrize(
    ("pair_in_file", "rates", "said"),
    [
        ("GBPUSD", RATES, "the file holds no bar of EURUSD"),
        ("EURUSD", {MONDAY: Decimal("0.000123456789")}, "quote the pair the other way round"),
    ],
)
def test_what_is_no_file_of_the_pair_is_named(
    tmp_path: Path, pair_in_file: str, rates: dict[date, Decimal], said: str
) -> None:
    config = config_of(write_rates(tmp_path / "fx.parquet", pair_in_file, rates))

    with pytest.raises(ConfigError, match=said) as raised:
        rates_of(config, "run.yml")

    assert "run.yml fx.EURUSD" in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"symbol,ts,CLOSE\n", b"\x00\xff" * 40])
def test_what_is_no_file_of_bars_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fx.csv"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as raised:
        rates_of(config_of(str(path)), "run.yml")

    assert "\n" not in str(raised.value)
    assert "fx.EURUSD" in str(raised.value)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"fx\.EURUSD"):
        rates_of(config_of(str(tmp_path / "nowhere.parquet")), "run.yml")


def test_of_a_journal_no_file_is_read() -> None:
    rates = rates_of(config_of("ab" * 32), "journal", reads_files=False)["USD"]

    assert isinstance(rates, DailyRates)
    assert rates.on(day_of(MONDAY)) == UNKNOWN
