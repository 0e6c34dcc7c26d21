"""``axiomd pause`` and ``axiomd unpause``: no new entries in a symbol, of a strategy, or at all, timed or not.

Working entries and exits are left alone: `axiomd kill` takes entries off, `axiomd close` closes a position. Setups
meanwhile stand in signals.csv as `blocked:paused`. Exit 0 done, 1 refused, 3 no daemon runs.
"""

from __future__ import annotations

import argparse
import sys

from axiomd.cli.asking import EXIT_NOT_RUNNING, ask, running, state_of
from axiomd.cli.parser import words


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    is_pause = parser.prog.endswith(" pause")
    parser.epilog = "example: axiomd pause SPY --until 14:30" if is_pause else "example: axiomd unpause SPY"
    parser.add_argument("what", type=words, nargs="?", metavar="SYMBOL|STRATEGY", help="without it, everything")
    if is_pause:
        parser.add_argument(
            "--until", type=words, metavar="T", help="14:30 (exchange time, today) or 2026-01-05T14:30-05:00"
        )
    parser.add_argument("--instance", metavar="NAME", help="the instance; without it, the one that runs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command="pause" if is_pause else "unpause", until=None)


def run(args: argparse.Namespace) -> int:
    """Pause, or lift a pause."""
    from axiomd.cli.control_client import ControlError

    who = running(args.instance)
    if who is None:
        return EXIT_NOT_RUNNING
    asked: dict[str, object] = {}
    if args.what is not None:
        try:
            strategies = state_of(who, args.command).get("strategies")
        except ControlError as problem:
            print(f"the daemon does not answer: {problem}", file=sys.stderr)
            return EXIT_NOT_RUNNING
        asked["strategy" if isinstance(strategies, dict) and args.what in strategies else "symbol"] = args.what
    scope = args.what or "everything"
    if args.command == "unpause":
        return ask(who, "unpause", asked, f"{scope}: new entries again", as_json=args.json)
    if args.until is not None:
        asked["until"] = args.until
    ends = "until it is lifted (axiomd unpause)" if args.until is None else f"until {args.until}"
    done = f"{scope}: no new entries {ends}; working entries and exits go on"
    return ask(who, "pause", asked, done, as_json=args.json)
