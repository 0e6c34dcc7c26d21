"""A scenario: what is tried on one guard, how it should end, and how it is played.

Figures belong to the packaged limits: whoever changes one there is told by the scenarios that end otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.risk.outcome import PASSED, Outcome

Play = Callable[[str], Outcome]
"""Play it, given the guard that it is about."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """`by` is the guard that should speak, the one it is about unless said otherwise."""

    guard: str
    tried: str
    expected: str
    play: Play
    by: str = ""

    @property
    def speaker(self) -> str:
        """Name the guard that should refuse or trip, nothing where all should let it pass."""
        return "" if self.expected == PASSED else self.by or self.guard


def scenarios_of(guard: str, *rows: tuple[str, str, Play]) -> tuple[Scenario, ...]:
    """Give the scenarios of one guard: what is tried, how it should end, how it is played."""
    return tuple(Scenario(guard, tried, expected, play) for tried, expected, play in rows)


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario and what came of it."""

    scenario: Scenario
    outcome: Outcome

    @property
    def is_as_expected(self) -> bool:
        """Say whether it ended as it should, by the word of whom it should."""
        scenario, outcome = self.scenario, self.outcome
        return (outcome.result, outcome.by) == (scenario.expected, scenario.speaker)
