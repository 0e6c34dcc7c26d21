"""What came of the scenarios as a table by guard, for people, or as one document, for programs."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from tests.risk.outcome import CANCELLED, FLATTEN, HALT, NOTHING, PASSED, REFUSED
from tests.risk.scenario import Row
from tests.risk.scenarios import RULES

HEADERS: Final = ("", "what was tried", "figure", "limit", "", "came of it", "why")
_MARK, _RESULT, _WHY = 0, 5, 6
_RIGHT: Final = (2, 3)
WHY_WIDTH_MAX: Final = 26
"""Words that are longer get a line of their own, so that the table fits on 120 columns."""
_STYLES: Final = {
    PASSED: "green", REFUSED: "yellow", CANCELLED: "yellow", HALT: "magenta", FLATTEN: "magenta", NOTHING: "red",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """All rows; the guards that lack a scenario; what is not tried here, and why."""

    rows: tuple[Row, ...]
    missing: tuple[str, ...]
    untried: tuple[tuple[str, str], ...]

    @property
    def is_as_expected(self) -> bool:
        """Say whether every scenario ended as it should and every guard has one."""
        return not self.missing and all(row.is_as_expected for row in self.rows)

    def by_guard(self) -> dict[str, list[Row]]:
        """Give the rows of each guard, in the order in which guards are first met."""
        rows: dict[str, list[Row]] = {}
        for row in self.rows:
            rows.setdefault(row.scenario.guard, []).append(row)
        return rows


def print_report(report: Report) -> None:
    """Print it: coloured where somebody looks and NO_COLOR is not set."""
    # without a colour system rich writes no bold either
    console = Console(color_system=None if os.environ.get("NO_COLOR") else "auto", highlight=False, soft_wrap=True)
    lines = [HEADERS, *(_folded(_cells(row))[0] for row in report.rows)]
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(HEADERS))]
    console.print(_line(HEADERS, widths, dict.fromkeys(range(len(HEADERS)), "bold")))
    for guard, rows in report.by_guard().items():
        console.print(Text.assemble("\n", (guard, "bold"), f": {RULES.get(guard, '')}"))
        for row in rows:
            style = _STYLES[row.outcome.result] if row.is_as_expected else "bold red"
            styles = {_RESULT: style} if row.is_as_expected else dict.fromkeys((_MARK, _RESULT, _WHY), style)
            cells, rest = _folded(_cells(row))
            console.print(_line(cells, widths, styles))
            if rest:
                console.print(Text(f"    {rest}", styles.get(_WHY, "")))
    console.print()
    for guard in report.missing:
        console.print(
            Text.assemble(
                (f"! {guard} lacks a scenario that it lets pass, or one that it refuses or trips in", "bold red")
            )
        )
    for name, why in report.untried:
        console.print(Text(f"not tried: {name}, {why}"))
    console.print(Text(_totals(report), "bold" if report.is_as_expected else "bold red"))


def document_of(report: Report) -> dict[str, Any]:
    """Give it as plain values."""
    return {
        "scenarios": [_document(row) for row in report.rows],
        "missing": list(report.missing),
        "untried": [{"guard": guard, "why": why} for guard, why in report.untried],
        "is_as_expected": report.is_as_expected,
    }


def _cells(row: Row) -> tuple[str, ...]:
    outcome = row.outcome
    why = outcome.why if row.is_as_expected else f"{outcome.why} · expected: {_expected(row)}".lstrip(" ·")
    return (
        " " if row.is_as_expected else "!", row.scenario.tried, outcome.figure, outcome.limit, outcome.unit,
        outcome.result, why,
    )  # fmt: skip


def _folded(cells: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Give the cells of a line, and what goes on the line below it."""
    why = cells[_WHY]
    return (cells, "") if len(why) <= WHY_WIDTH_MAX else ((*cells[:_WHY], ""), why)


def _expected(row: Row) -> str:
    scenario = row.scenario
    return scenario.expected if scenario.expected == PASSED else f"{scenario.expected} by {scenario.speaker}"


def _line(cells: tuple[str, ...], widths: list[int], styles: dict[int, str]) -> Text:
    text = Text()
    for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        padded = cell.rjust(width) if column in _RIGHT else cell.ljust(width)
        text.append(padded, styles.get(column, ""))
        text.append("  " if 0 < column else " ")
    text.rstrip()
    return text


def _document(row: Row) -> dict[str, Any]:
    scenario, outcome = row.scenario, row.outcome
    return {
        "guard": scenario.guard, "tried": scenario.tried, "figure": outcome.figure, "limit": outcome.limit,
        "unit": outcome.unit, "outcome": outcome.result, "by": outcome.by, "why": outcome.why,
        "verdict": list(outcome.verdict) if outcome.verdict else None, "expected": scenario.expected,
        "is_as_expected": row.is_as_expected,
    }  # fmt: skip


def _totals(report: Report) -> str:
    counts = Counter(row.outcome.result for row in report.rows)
    wrong = sum(not row.is_as_expected for row in report.rows)
    told = ", ".join(f"{count} {result}" for result, count in counts.items())
    ending = f"{wrong} not as expected" if wrong else "all as expected"
    missing = f"; {len(report.missing)} guards without a scenario" if report.missing else ""
    return f"{len(report.by_guard())} guards, {len(report.rows)} scenarios: {told}; {ending}{missing}"
