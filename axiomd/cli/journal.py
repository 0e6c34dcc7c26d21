"""``axiomd journal``: verify a journal against itself, or show its events.

It reads and never writes. Verifying what is no sound journal ends with 1; a path without a file, or with a manifest
beside it that cannot be read, with 2.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

from axiomd.cli.printing import print_json, print_table
from axiomd.cli.recorded import journal_as_input, journal_path
from axiomd.contracts.errors import EXIT_OK, EXIT_REFUSED, JournalCorrupt, UsageError

if TYPE_CHECKING:
    from axiomd.journal.rows import Row

HEAD_SHOWN = 16
_EXAMPLE: Final = (
    "example: axiomd journal verify artifacts/runs/RUN/journal.sqlite\n"
    "example: axiomd journal show --kind order.intent --last 5"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = _EXAMPLE
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    verify = actions.add_parser("verify", help="check chain, projections and invariants", epilog=_EXAMPLE)
    show = actions.add_parser("show", help="print events", epilog=_EXAMPLE)
    for action in (verify, show):
        action.add_argument("path", nargs="?", type=Path, help="the journal; without it, the state dir's")
        action.add_argument("--json", action="store_true", help="print JSON")
    verify.add_argument("--head", help="the head hash it must have")
    verify.add_argument("--count", type=int, help="the number of rows it must have")
    show.add_argument("--kind", help="only events of this kind, as in order.intent")
    show.add_argument("--key", help="only events of this key and its children")
    show.add_argument("--last", type=int, metavar="N", help="only the last N")


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    path = journal_path(args.path)
    if args.action == "verify":
        return _verify(args, path)
    with journal_as_input():
        return _show(args, path)


def _verify(args: argparse.Namespace, path: Path) -> int:
    from axiomd.journal.verify import Verification, known_end, verify

    head, count = args.head, args.count
    if head is None or count is None:
        known_head, known_count = known_end(path)
        head, count = head or known_head, known_count if count is None else count
    try:
        found = verify(path, head=head, count=count)
    except JournalCorrupt as broken:
        found = Verification(0, "", ((0, broken.what),))
    if args.json:
        problems = [{"seq": seq, "problem": text} for seq, text in found.problems]
        print_json({"path": str(path), "count": found.count, "head": found.head, "problems": problems})
    elif found.is_sound:
        print(f"sound: {found.count} events, head {found.head[:HEAD_SHOWN]}, {path}")
    else:
        problems_shown = [(str(seq), text) for seq, text in found.problems]
        print_table(("seq", "problem"), problems_shown, title=f"{path} does not hold")
    return EXIT_OK if found.is_sound else EXIT_REFUSED


def _show(args: argparse.Namespace, path: Path) -> int:
    from axiomd.contracts.events import BY_KIND
    from axiomd.journal.reading import rows

    if args.last is not None and not 1 <= args.last <= sys.maxsize:
        raise UsageError(f"{args.last} is no number of events", "--last", "give 1 or more")
    if args.kind is not None and args.kind not in BY_KIND:
        near = get_close_matches(args.kind, BY_KIND, n=1)
        raise UsageError(
            f"{args.kind!r} is no kind",
            "--kind",
            f"did you mean {near[0]}?" if near else f"known: {', '.join(BY_KIND)}",
        )
    chosen = (
        row
        for row in rows(path)
        if (not args.kind or row[2] == args.kind) and (not args.key or row[4].partition("-")[0] == args.key)
    )
    shown: Iterable[Row] = deque(chosen, maxlen=args.last) if args.last else chosen
    for row in shown:
        try:
            print(_as_json(row) if args.json else _as_line(row))
        except (ValueError, OverflowError) as error:
            raise JournalCorrupt(
                f"row {row[0]} cannot be shown: {error}", str(path), "run axiomd journal verify"
            ) from error
    return EXIT_OK


def _as_line(row: Row) -> str:
    from axiomd.contracts.units import iso_time

    return f"{row[0]:>7}  {iso_time(row[1])}  {row[2]:<20} {row[4]:<21} <- {row[5]:<7} {row[6]}"


def _as_json(row: Row) -> str:
    import orjson

    from axiomd.contracts.units import iso_time

    return orjson.dumps(
        {
            "seq": row[0], "ts": iso_time(row[1]), "kind": row[2], "run_id": row[3], "key": row[4],
            "cause": row[5], "payload": orjson.loads(row[6]), "hash": row[8].hex(),
        }
    ).decode()  # fmt: skip
