"""``axiomd resume``: release the kill switch, through the running and reconciled daemon only.

It names the trip it releases and asks for the account to be typed: who resumes should know what and where.
Exit 0 released, 1 refused, 2 without a reason, 3 no daemon runs.
"""

from __future__ import annotations

import argparse
import sys

from axiomd import latch
from axiomd.cli.asking import EXIT_NOT_RUNNING, answer, ask, meant, typed
from axiomd.cli.parser import words
from axiomd.cli.printing import print_json
from axiomd.contracts.errors import EXIT_OK, UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = "example: axiomd resume --reason 'limits looked at'"
    parser.add_argument("--reason", type=words, required=True, metavar="TEXT", help="why; it stands in the journal")
    parser.add_argument("--new-peak", action="store_true", help="after MaxDrawdown: measure from today's equity on")
    parser.add_argument("--account", type=words, metavar="ACCOUNT", help="instead of typing it when asked")
    parser.add_argument("--instance", metavar="NAME", help="the instance; without it, the one that runs")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Release the latch."""
    if not args.reason.strip():
        raise UsageError("resuming needs a reason", "--reason", "say why: it stands in the journal")
    found = meant(args.instance)
    who = found.presence
    if who is None or not found.is_running:
        print(f"no daemon runs there: {found.state_dir}; start it, it comes up latched", file=sys.stderr)
        return EXIT_NOT_RUNNING
    state = latch.read(found.state_dir)
    if not state.is_tripped:
        if args.json:
            print_json(answer(who, "resume", {}))
        else:
            print("the latch is armed already")
        return EXIT_OK
    trip = f"trip {state.trip_id}: {state.level}, {state.reason} (by {state.by})"
    print(trip, file=sys.stderr if args.json else sys.stdout)
    account = args.account or typed(who.account, "resume")
    return ask(
        who,
        "resume",
        {"trip_id": state.trip_id, "account": account, "reason": args.reason, "new_peak": args.new_peak},
        f"released: {who.mode} {who.account} trades again",
        as_json=args.json,
    )
