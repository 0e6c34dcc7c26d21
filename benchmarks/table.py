"""The rows as one aligned table for people, and as JSON for programs. It asserts nothing and colours nothing."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.measure import Row

HEAD: Final = (
    "no.",
    "what",
    "reference",
    "unit",
    "reference figure",
    "product",
    "ratio",
    "floor",
    "goal",
    "met",
    "note",
)
_RIGHT: Final = frozenset({4, 5, 6, 7, 8})
_NOTE: Final = len(HEAD) - 1


def text_of(rows: Sequence[Row]) -> str:
    """Lay the rows out; notes stand below, numbered, so that a line stays a line."""
    notes: list[str] = []
    lines = [list(HEAD)]
    for row in rows:
        if row.note and row.note not in notes:
            notes.append(row.note)
        goal = row.goal
        lines.append(
            [
                row.number,
                row.what,
                row.reference,
                row.unit,
                figure(row.reference_figure),
                figure(row.product_figure),
                "not built" if row.ratio is None else figure(row.ratio) + "x",
                f"{goal.sense} {figure(goal.floor)}x" if goal else "",
                f"{goal.sense} {figure(goal.goal)}x" if goal else "",
                row.met,
                f"[{notes.index(row.note) + 1}]" if row.note else "",
            ]
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    laid = [
        "  ".join(
            cell.rjust(width) if column in _RIGHT else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    laid.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*laid, "", *(f"[{number}] {note}" for number, note in enumerate(notes, start=1))])


def figure(value: float | None) -> str:
    """Write a figure with three or four digits that count and a letter for thousands or millions."""
    if value is None:
        return ""
    for above, scale, letter in ((1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if abs(value) >= above:
            return f"{value / scale:.3g}{letter}"
    return f"{value:.4g}" if abs(value) >= 1 else f"{value:.3g}"


def write_json(rows: Sequence[Row], path: Path, *, pairs: int, bars: int) -> None:
    """Write the rows with what they were measured on."""
    document = {
        "pairs": pairs,
        "bars": bars,
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
        "rows": [{**asdict(row), "met": row.met} for row in rows],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
