"""Stage 1: from daily bars of finished sessions to today's candidates, best first and never more than the cap.

The only maker of `Candidates`, which is all that Stage 2 can be handed. It looks at nothing of the trading day itself
and reads no files; a name too young for an indicator is no candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from axiomd.contracts.bars import SYMBOL, TS, VOLUME
from axiomd.contracts.errors import ConfigError
from axiomd.contracts.units import to_units
from axiomd.core.market.sessions import Int64Array
from axiomd.core.market.tape import price_units
from axiomd.core.strategies.api import Candidates
from axiomd.core.strategies.indicators import atr

if TYPE_CHECKING:
    import polars as pl

ADV_SESSIONS = 50
ATR_SESSIONS = 14
Number = int | float | Decimal


def rank_inside_bar(
    daily: pl.DataFrame,
    session_date: date,
    *,
    min_adv: Number,
    min_price: Number,
    atr_pct: tuple[Number, Number],
    max_candidates: int,
) -> tuple[str, ...]:
    """Rank the symbols that `inside_bar` may trade on a date, by ATR(14) / CLOSE falling, ties by symbol.

    `daily` is a valid frame of daily bars; only sessions before `session_date` count. Taken are names with ADV(50) of
    at least `min_adv` shares, a CLOSE of at least `min_price` and ATR / CLOSE within `atr_pct` (percent, both
    included), the first `max_candidates` of them.
    """
    lowest_units = to_units(Decimal(str(min_price)))
    least_volume = Decimal(str(min_adv)) * ADV_SESSIONS
    low_pct, high_pct = float(atr_pct[0]), float(atr_pct[1])
    ranked: list[tuple[float, str]] = []
    for symbol, bars in _finished(daily, session_date):
        if bars.height < max(ADV_SESSIONS, ATR_SESSIONS):
            continue
        high, low, close = (_units(bars, name) for name in ("HIGH", "LOW", "CLOSE"))
        volume = int(bars[VOLUME].tail(ADV_SESSIONS).sum())
        ratio_pct = 100.0 * float(atr(high, low, close, ATR_SESSIONS)[-1]) / int(close[-1])
        if volume >= least_volume and int(close[-1]) >= lowest_units and low_pct <= ratio_pct <= high_pct:
            ranked.append((-ratio_pct, symbol))
    return tuple(symbol for _, symbol in sorted(ranked)[:max_candidates])


def listed(symbols: Sequence[str], *, max_candidates: int) -> Candidates:
    """Take the listed symbols as candidates, ranked as listed; more than the cap is a `ConfigError`."""
    once = tuple(dict.fromkeys(symbols))
    if len(once) > max_candidates:
        raise ConfigError(
            f"{len(once)} symbols are listed, at most {max_candidates} may be candidates",
            "stage1.max_candidates",
            "list fewer symbols or use stage1.mode: screen",
        )
    return Candidates(once)


def screened(ranked: Sequence[str], *, among: Sequence[str], max_candidates: int) -> Candidates:
    """Take a strategy's ranking as candidates, cut to the symbols of the run and to the cap."""
    allowed = frozenset(among)
    once = tuple(dict.fromkeys(symbol for symbol in ranked if symbol in allowed))
    return Candidates(once[:max_candidates])


def _finished(daily: pl.DataFrame, session_date: date) -> list[tuple[str, pl.DataFrame]]:
    # listed symbols are candidates without a frame, in a daemon that then never loads polars
    import polars as pl

    from axiomd.core.market.columns import normalise

    before = normalise(daily).filter(pl.col(TS).dt.date() < session_date).sort(SYMBOL, TS)
    parts = before.partition_by(SYMBOL, maintain_order=True)
    return [(str(part[SYMBOL][0]), part) for part in parts if part.height]


def _units(bars: pl.DataFrame, name: str) -> Int64Array:
    return price_units(np.ascontiguousarray(bars[name].to_numpy()))
