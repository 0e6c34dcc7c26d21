"""``axiomd close``: close one position by hand, or cut a part of it off; its exits are cut with it first.

It stands in trades.csv with the exit_reason MANUAL. Exit 0 done, 1 refused, 3 no daemon runs.
"""

from __future__ import annotations

import argparse

from axiomd.cli.asking import EXIT_NOT_RUNNING, ask, running
from axiomd.cli.parser import words
from axiomd.contracts.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = "example: axiomd close SPY --qty 50"
    parser.add_argument("symbol", type=words, metavar="SYMBOL", help="whose position")
    parser.add_argument("--qty", type=int, metavar="N", help="so many shares of it; without it, all")
    parser.add_argument("--instance", metavar="NAME", help="the instance; without it, the one that runs")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Close it."""
    if args.qty is not None and args.qty < 1:
        raise UsageError(f"{args.qty} is no number of shares", "--qty", "give 1 or more, or leave it out for all")
    who = running(args.instance)
    if who is None:
        return EXIT_NOT_RUNNING
    asked: dict[str, object] = {"symbol": args.symbol}
    if args.qty is not None:
        asked["qty"] = args.qty
    part = "all of it" if args.qty is None else f"{args.qty} shares"
    done = f"{args.symbol}: {part} closed at the market; axiomd status shows what is left"
    return ask(who, "close", asked, done, as_json=args.json)
