"""``axiomd orders``: the orders of a journal, listed, exported as the canonical CSV, or one shown with its whole life.

It reads the journal and never changes it; an export appends what is not in the file yet.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from axiomd.cli.printing import print_json, print_table
from axiomd.cli.recorded import journal_as_input, journal_path
from axiomd.contracts.errors import EXIT_OK, InputError

if TYPE_CHECKING:
    from axiomd.contracts.outcome import OrderOutcome
    from axiomd.journal.rows import Row

KEYS_NAMED_MAX: Final = 20
"""So many keys are named where the beginning of one may mean several."""
_EXAMPLE: Final = (
    "example: axiomd orders export --journal artifacts/runs/RUN/journal.sqlite --out orders.csv\n"
    "example: axiomd orders show 48b0e6bb6b36980c"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = _EXAMPLE
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    export = actions.add_parser("export", help="append to the canonical CSV what is not in it yet", epilog=_EXAMPLE)
    export.add_argument("--out", type=Path, default=Path("orders.csv"), metavar="FILE", help="default orders.csv")
    listing = actions.add_parser("list", help="one line an order", epilog=_EXAMPLE)
    show = actions.add_parser("show", help="an order's whole life", epilog=_EXAMPLE)
    show.add_argument("key", help="its idempotency key, or the beginning of it")
    for action in (export, listing, show):
        action.add_argument("--journal", type=Path, metavar="PATH", help="without it, the state dir's")
        action.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    path = journal_path(args.journal)
    if args.action == "show":
        return _show(args, path)
    with journal_as_input():
        outcomes = _outcomes(path)
    if args.action == "export":
        from axiomd.runs.artifacts import append_orders

        added = append_orders(args.out, (outcome.order for outcome in outcomes if outcome.was_sent))
        if args.json:
            print_json({"path": str(args.out), "added": added})
        else:
            print(f"{added} orders appended: {args.out}")
        return EXIT_OK
    return _list(args, outcomes)


def _outcomes(path: Path) -> list[OrderOutcome]:
    from axiomd.journal.reading import chained, entries
    from axiomd.runs.recorder import Recorder

    recorder = Recorder(0, "")
    for entry in entries(path, chained(path)):
        recorder.take(entry.event)
    return recorder.record.orders


def _list(args: argparse.Namespace, outcomes: list[OrderOutcome]) -> int:
    from axiomd.contracts.orders import to_row
    from axiomd.contracts.units import decimal_text, iso_time

    if args.json:
        print_json([{**to_row(o.order), "status": o.status, "reason": o.reason} for o in outcomes])
        return EXIT_OK
    rows = [
        (
            iso_time(o.order.created_at_us)[:16].replace("T", " "),
            o.order.idempotency_key,
            o.order.symbol,
            o.order.side,
            f"{o.order.qty:,}",
            decimal_text(o.order.entry_level),
            o.status,
            o.reason,
        )
        for o in outcomes
    ]
    print_table(("created (UTC)", "key", "symbol", "side", "Stk", "entry", "status", "reason"), rows, right=(4, 5))
    return EXIT_OK


def _show(args: argparse.Namespace, path: Path) -> int:
    import orjson

    from axiomd.contracts.events import ConfigLoaded
    from axiomd.contracts.units import iso_time
    from axiomd.core.guards.figures import MONEY
    from axiomd.journal.reading import chained

    if not args.key or not all(char in "0123456789abcdef" for char in args.key):
        raise InputError(f"{args.key!r} is no key", "axiomd orders show", "take one of axiomd orders list")
    life: list[Row] = []
    currency = MONEY
    with journal_as_input():
        for row in chained(path):
            if row[2] == ConfigLoaded.KIND:
                currency = orjson.loads(row[6]).get("config", {}).get("currency", MONEY)
            if row[4].startswith(args.key):
                life.append(row)
    # a signal's key may begin alike
    keys = sorted({row[4].partition("-")[0] for row in life if row[2].startswith("order.")})
    if not keys:
        raise InputError(f"no order has the key {args.key}", str(path), "take one of axiomd orders list")
    if len(keys) > 1:
        more = f" and {len(keys) - KEYS_NAMED_MAX} more" if len(keys) > KEYS_NAMED_MAX else ""
        meant = f"{', '.join(keys[:KEYS_NAMED_MAX])}{more}"
        raise InputError(f"{args.key} may be any of {len(keys)} orders", str(path), f"name one: {meant}")
    life = [row for row in life if row[4].partition("-")[0] == keys[0]]
    if args.json:
        print_json(
            [
                {"seq": row[0], "ts": iso_time(row[1]), "kind": row[2], "key": row[4], "cause": row[5],
                 "payload": orjson.loads(row[6])}
                for row in life
            ]
        )  # fmt: skip
        return EXIT_OK
    table = [
        (str(row[0]), iso_time(row[1]), row[2], row[4], str(row[5]), _told(row[2], row[6], currency)) for row in life
    ]
    print_table(("seq", "market time", "event", "key", "cause", "says"), table, right=(0, 4))
    return EXIT_OK


def _told(kind: str, payload: str, currency: str) -> str:
    """Put an event into words; what this version cannot read is shown as it is."""
    import msgspec

    from axiomd.contracts.events import BY_KIND
    from axiomd.core.telling import fields_of

    try:
        event = msgspec.json.decode(payload, type=BY_KIND[kind])
    except (KeyError, msgspec.MsgspecError):
        return payload
    return "  ".join(f"{name} {value}" for name, value in fields_of(event, currency).items())
