"""Small frames of minutes that tests bend: one session of 2024-03-05 in New York, or a few bars by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from axiomd.core.market.columns import DTYPES

OPEN = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)
DAY = date(2024, 3, 5)


def minutes(offsets: Sequence[int] = range(390), symbol: str = "AAA", start: datetime = OPEN) -> pl.DataFrame:
    """Valid bars of a symbol at so many minutes after `start`."""
    n = len(offsets)
    return pl.DataFrame(
        {
            "symbol": [symbol] * n,
            "ts": [start + timedelta(minutes=k) for k in offsets],
            "OPEN": [10.0] * n,
            "HIGH": [10.5] * n,
            "LOW": [9.5] * n,
            "CLOSE": [10.25] * n,
            "VOLUME": [100] * n,
        },
        schema=DTYPES,
    )


def with_cell(frame: pl.DataFrame, row: int, column: str, value: object) -> pl.DataFrame:
    """The same frame with one value changed."""
    series = frame[column].to_list()
    series[row] = value
    return frame.with_columns(pl.Series(column, series, dtype=frame.schema[column]))
