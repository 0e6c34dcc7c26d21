"""Stage 1 of a run: each strategy's cap is one on the symbols that it trades itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from axiomd.core.market.columns import DTYPES
from axiomd.replay.prepare import Request, prepare
from tests.markets import SPANS, frame_of, random_market, sessions_of

RUN = """
strategies:
  - {id: a, name: inside_bar, symbols: [AAA, CCC], stage1: {mode: screen, max_candidates: 1}}
  - {id: b, name: inside_bar, symbols: [BBB], stage1: {mode: screen, max_candidates: 1}}
  - {id: c, name: inside_bar, symbols: [CCC, BBB]}
risk: {}
"""
WIDTHS = {"AAA": 2.0, "BBB": 5.0, "CCC": 3.0}


def test_what_another_strategy_trades_takes_no_place_of_a_strategy(tmp_path: Path) -> None:
    table = sessions_of(SPANS[0])
    frame_of(random_market(5, ["AAA", "BBB", "CCC"], table)).write_parquet(tmp_path / "bars.parquet")
    first = date(2019, 9, 1)
    rows = [
        (symbol, datetime(day.year, day.month, day.day, tzinfo=UTC), 100.0, 100.0 + width, 100.0, 100.0, 2_000_000)
        for symbol, width in WIDTHS.items()
        for day in (first + timedelta(days=n) for n in range(80))
    ]
    pl.DataFrame(rows, schema=DTYPES, orient="row").write_parquet(tmp_path / "daily.parquet")
    (tmp_path / "run.yml").write_text(RUN)

    prepared = prepare(
        Request(bars=tmp_path / "bars.parquet", daily=tmp_path / "daily.parquet", config=tmp_path / "run.yml")
    )

    assert prepared.screens
    assert {"a": ("CCC",), "b": ("BBB",), "c": ("CCC", "BBB")} == prepared.select(0)
