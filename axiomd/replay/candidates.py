"""Stage 1 of a run over recorded bars: the candidates of a session, as listed or screened from daily bars.

It reads no file, and what it found of a session it keeps: the sets of a sweep screen the same sessions again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

from axiomd.contracts.bars import SYMBOL
from axiomd.core.market.sessions import SessionTable
from axiomd.core.plan import Plan, StrategyPlan
from axiomd.core.strategies.api import Candidates
from axiomd.core.strategies.stage1 import listed, screened

if TYPE_CHECKING:
    import polars as pl

Select = Callable[[int], dict[str, Candidates]]
"""The candidates of a session of a table, by strategy id."""


class Stage1:
    """Chooses candidates on daily bars of sessions before; without daily bars only listed ones."""

    def __init__(self, daily: pl.DataFrame | None) -> None:
        self._daily = daily
        self._of_symbols: dict[tuple[str, ...], pl.DataFrame] = {}
        self._found: dict[tuple[object, ...], Candidates] = {}

    def select(self, plan: Plan, sessions: SessionTable) -> Select:
        """Give what chooses for the strategies of a plan."""

        def chosen(session: int) -> dict[str, Candidates]:
            day = sessions.date(session)
            return {own.id: self._candidates(own, day) for own in plan.strategies}

        return chosen

    def _candidates(self, own: StrategyPlan, day: date) -> Candidates:
        count_max = own.stage1.max_candidates
        if own.stage1.mode == "list":
            return listed(own.symbols, max_candidates=count_max)
        key = (own.strategy.name, own.strategy.version, repr(own.stage1), own.symbols, day)
        if key not in self._found:
            # the cap is one on a strategy's own symbols: those of another would take its places
            ranked = own.strategy.screen(self._daily_of(own.symbols), day, own.stage1.model_dump())
            self._found[key] = screened(ranked, among=own.symbols, max_candidates=count_max)
        return self._found[key]

    def _daily_of(self, symbols: tuple[str, ...]) -> pl.DataFrame:
        assert self._daily is not None, "whoever prepared the run saw that there are daily bars"
        if symbols not in self._of_symbols:
            import polars as pl  # a sweep's worker that screens nothing does without

            self._of_symbols[symbols] = self._daily.filter(pl.col(SYMBOL).is_in(symbols))
        return self._of_symbols[symbols]


def screens(plan: Plan) -> bool:
    """Say whether candidates differ from session to session."""
    return any(own.stage1.mode == "screen" for own in plan.strategies)
