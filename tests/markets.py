"""Markets for tests: small, seeded, and full of the cases that rules are about.

Prices walk in ticks with an occasional print between ticks, gaps over the open, flat bars, jumps and missing minutes,
so that a few sessions hold every kind of fill. A row is what the second reading takes: symbol, start, O, H, L, C, V.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl

from axiomd.contracts.units import MINUTE_US
from axiomd.core.market.sessions import SessionTable
from axiomd.core.market.tape import Tape, bars_array, bars_sha256
from axiomd.feeds.calendars import session_table

Row = tuple[str, int, Decimal, Decimal, Decimal, Decimal, int]

# two half days, a change of clocks in the US and one in Europe
SPANS: Sequence[tuple[date, date]] = (
    (date(2019, 11, 27), date(2019, 12, 2)),
    (date(2018, 7, 2), date(2018, 7, 6)),
    (date(2020, 3, 5), date(2020, 3, 11)),
    (date(2021, 10, 28), date(2021, 11, 3)),
)


def random_market(
    seed: int,
    symbols: Sequence[str],
    table: SessionTable,
    *,
    step_minutes: int = 1,
    missing: float = 0.01,
    between: float = 0.05,
    wildness: int = 4,
) -> list[Row]:
    """Make bars of every session of a table, sorted by start, then symbol as listed."""
    dice = random.Random(seed)
    price = {symbol: dice.randrange(800, 30_000) for symbol in symbols}
    rows: list[Row] = []
    for session in range(len(table)):
        for symbol in symbols:
            price[symbol] = max(500, price[symbol] + dice.randrange(-60, 61))
        for start_us in range(int(table.open_us[session]), int(table.close_us[session]), step_minutes * MINUTE_US):
            for symbol in symbols:
                if dice.random() < missing:
                    continue
                rows.append(_bar(dice, symbol, start_us, price, between, wildness))
    return rows


def _bar(dice: random.Random, symbol: str, start_us: int, price: dict[str, int], between: float, wildness: int) -> Row:
    calm = dice.random() < 0.3
    spread = 0 if calm and dice.random() < 0.2 else wildness
    open_ = price[symbol] + dice.randrange(-1, 2)
    if dice.random() < 0.002:
        open_ += dice.choice((-40, 40))
    close = max(100, open_ + dice.randrange(-spread, spread + 1))
    high = max(open_, close) + (0 if calm else dice.randrange(0, spread + 1))
    low = max(50, min(open_, close) - (0 if calm else dice.randrange(0, spread + 1)))
    price[symbol] = close
    cents = [Decimal(value) / 100 for value in (open_, high, low, close)]
    if dice.random() < between:
        cents[1] += Decimal("0.005")
        cents[2] -= Decimal("0.0025")
    return (symbol, start_us, cents[0], cents[1], cents[2], cents[3], dice.randrange(0, 20_000))


def frame_of(rows: Sequence[Row]) -> pl.DataFrame:
    """Turn rows into a frame of bars."""
    columns = list(zip(*rows, strict=True))
    return pl.DataFrame(
        {
            "symbol": columns[0],
            "ts": pl.Series(columns[1], dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            "OPEN": [float(value) for value in columns[2]],
            "HIGH": [float(value) for value in columns[3]],
            "LOW": [float(value) for value in columns[4]],
            "CLOSE": [float(value) for value in columns[5]],
            "VOLUME": pl.Series(columns[6], dtype=pl.Int64),
        }
    )


def tape_of(rows: Sequence[Row], table: SessionTable, step_minutes: int = 1) -> Tape:
    """Turn rows into a tape."""
    symbols = tuple(sorted({row[0] for row in rows}))
    bars = bars_array(frame_of(rows), symbols)
    step_us = step_minutes * MINUTE_US
    return Tape(symbols, bars, step_us, table, 0, 0, bars_sha256(symbols, bars, step_us), ())


def sessions_of(span: tuple[date, date], calendar: str = "XNYS") -> SessionTable:
    """Give the sessions of a span of dates."""
    return session_table(calendar, *span)


def write_rates(path: Path, pair: str, rates: Mapping[date, Decimal]) -> str:
    """Write daily bars of a pair as they are kept for Stage 1 too."""
    closes = [float(rate) for rate in rates.values()]
    frame = pl.DataFrame({
        "symbol": [pair] * len(rates), "ts": [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in rates],
        "OPEN": closes, "HIGH": closes, "LOW": closes, "CLOSE": closes, "VOLUME": [0] * len(rates),
    })  # fmt: skip
    frame.with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC"))).write_parquet(path)
    return str(path)
