"""A small valid market in a file, and the configuration that trades it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tests.markets import SPANS, frame_of, random_market, sessions_of

SYMBOLS = ("AAA", "BBB")
CONFIG = """
strategy: {name: inside_bar, params: {windows: ["09:30-16:00"], min_mother_range_atr: 0}}
symbols: [AAA, BBB]
risk: {}
"""


def market(seed: int = 5) -> pl.DataFrame:
    """Give three sessions of M1 bars of two symbols, the last a half day."""
    return frame_of(random_market(seed, SYMBOLS, sessions_of(SPANS[0]), missing=0.0, between=0.0))


def written(folder: Path) -> list[str]:
    """Write bars and configuration to a folder and give the options that name them."""
    market().write_parquet(folder / "bars.parquet")
    (folder / "run.yml").write_text(CONFIG)
    return ["--bars", str(folder / "bars.parquet"), "--config", str(folder / "run.yml")]
