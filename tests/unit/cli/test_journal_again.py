"""A run folder is enough to decide its journal again, whatever else than bars went into the run."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from axiomd.cli.main import main
from axiomd.contracts.errors import EXIT_INPUT, EXIT_OK
from axiomd.core.market.columns import DTYPES
from tests.markets import SPANS, write_rates
from tests.unit.cli.bars import CONFIG, SYMBOLS, written

SCREEN = "stage1: {mode: screen, min_adv: 0, min_price: 0, atr_pct: [0, 100]}\n"


def daily_bars(path: Path) -> str:
    rows = []
    for symbol in SYMBOLS:
        for back in range(70, 0, -1):
            day = SPANS[0][0] - timedelta(days=back)
            ts = datetime.fromisoformat(f"{day}T00:00:00+00:00")
            rows.append((symbol, ts, 100.0, 102.0, 98.0, 100.0, 2_000_000))
    pl.DataFrame(rows, schema=DTYPES, orient="row").write_parquet(path)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("with_daily", [False, True])
def test_the_bars_of_a_journal_are_told_from_rates_and_daily_bars(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, with_daily: bool
) -> None:
    options = [*written(tmp_path), "--out", str(tmp_path / "run"), "--no-plots"]
    rates = write_rates(tmp_path / "fx.parquet", "USDEUR", {date(2019, 11, 26): Decimal("0.9")})
    config = f"{CONFIG}currency: EUR\nfx: {{USDEUR: {rates}}}\n"
    if with_daily:
        config, options = config + SCREEN, [*options, "--daily", daily_bars(tmp_path / "daily.parquet")]
    (tmp_path / "run.yml").write_text(config)

    ran = main(["replay", *options])
    again = main(["replay", "--journal", str(tmp_path / "run"), "--json"])

    assert (ran, again) == (EXIT_OK, EXIT_OK), capsys.readouterr().err


def test_bars_that_are_gone_are_named_and_not_the_files_beside_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*written(tmp_path), "--out", str(tmp_path / "run"), "--no-plots"]
    rates = write_rates(tmp_path / "fx.parquet", "USDEUR", {date(2019, 11, 26): Decimal("0.9")})
    (tmp_path / "run.yml").write_text(f"{CONFIG}currency: EUR\nfx: {{USDEUR: {rates}}}\n")
    main(["replay", *options])
    (tmp_path / "bars.parquet").unlink()

    code = main(["replay", "--journal", str(tmp_path / "run")])

    assert code == EXIT_INPUT
    assert "bars.parquet" in capsys.readouterr().err
