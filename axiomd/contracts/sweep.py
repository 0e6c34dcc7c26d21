"""A sweep's grid: one base run and the values to try under dotted keys.

It decides which sets there are and in which order, so that results never depend on workers. It runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Final

from pydantic import Field, JsonValue, model_validator

from axiomd.contracts.exact import PositiveCount
from axiomd.contracts.runs import Strict, Symbols

SETS_MAX: Final = 1_000_000
"""A grid of more sets is a mistake in writing, not a search."""


class WalkForward(Strict):
    """Say how many sessions train and test, and which figure of metrics.json chooses."""

    train_sessions: PositiveCount
    test_sessions: PositiveCount
    choose: str


class SweepConfig(Strict):
    """Hold a grid: a base run, its bars, and the values to try under dotted keys."""

    base: str | dict[str, JsonValue]
    bars: str
    daily: str | None = None
    symbols: Symbols | None = None
    each_symbol_alone: bool = False
    grid: dict[str, Annotated[list[JsonValue], Field(min_length=1)]] | None = None
    sets: Annotated[list[dict[str, JsonValue]], Field(min_length=1, max_length=SETS_MAX)] | None = None
    walk_forward: WalkForward | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> SweepConfig:
        if (self.grid is None) == (self.sets is None):
            raise ValueError("one of grid and sets is needed, not both")
        sets = 1
        for values in (self.grid or {}).values():
            sets *= len(values)
        if sets > SETS_MAX:
            raise ValueError(f"{sets} sets are more than {SETS_MAX}")
        return self

    def parameter_sets(self) -> Iterator[dict[str, JsonValue]]:
        """Yield each set of dotted keys and values; the last key of a grid varies fastest."""
        if self.sets is not None:
            yield from (dict(entry) for entry in self.sets)
            return
        grid = self.grid or {}
        for values in product(*grid.values()):
            yield dict(zip(grid, values, strict=True))
