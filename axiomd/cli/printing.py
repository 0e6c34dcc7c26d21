"""Print a result for a person as an aligned table, or for a program as JSON.

It decides only how rows look. Colour follows NO_COLOR and whether somebody is looking; a pipe gets plain text as wide
as it needs, so that nothing is cut.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

PIPE_WIDTH = 10_000
"""Columns for a pipe: a table is never folded or cut for a reader that is a program."""


def print_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", right: Sequence[int] = ()
) -> None:
    """Print rows under headers, aligned; texts are as they are, never markup. `right`: columns of figures."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to the command line, whose exit code for it is not that of a failed check."""
            raise BrokenPipeError

    # Without a width of its own rich folds a pipe at 80 columns
    console = Piped(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    table = Table(*headers, title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for position in right:
        table.columns[position].justify = "right"
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def print_json(document: object) -> None:
    """Print a document as JSON; NaN and infinities are our mistake and raise `ValueError`."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
