"""``axiomd resume``: release the kill switch, through the running and reconciled daemon only.

It names the trip it releases and asks for the account to be typed: who resumes should know what and where.
Exit 0 released, 1 refused, 3 no daemon runs.
"""

from __future__ import annotations

import argparse
import os
import sys

from axiomd import latch, presence
from axiomd.contracts.errors import EXIT_OK, EXIT_REFUSED

EXIT_NOT_RUNNING = 3
ANSWER_S_MAX = 8.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = "example: axiomd resume --reason 'limits looked at'"
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; it stands in the journal")
    parser.add_argument("--new-peak", action="store_true", help="after MaxDrawdown: measure from today's equity on")
    parser.add_argument("--account", metavar="ACCOUNT", help="instead of typing it when asked")
    parser.add_argument("--instance", metavar="NAME", help="the instance; without it, the one that runs")


def run(args: argparse.Namespace) -> int:
    """Release the latch."""
    from axiomd.cli.control_client import ControlClient, ControlError

    found = presence.look(dict(os.environ), args.instance)[0]
    who = found.presence
    if who is None or not found.is_running:
        print(f"no daemon runs there: {found.state_dir}; start it, it comes up latched", file=sys.stderr)
        return EXIT_NOT_RUNNING
    state = latch.read(found.state_dir)
    if not state.is_tripped:
        print("the latch is armed already")
        return EXIT_OK
    print(f"trip {state.trip_id}: {state.level}, {state.reason} (by {state.by})")
    account = args.account or _typed(who.account)
    try:
        with ControlClient(who.socket, role="operator", name="axiomd resume", timeout_s=ANSWER_S_MAX) as client:
            client.snapshot()
            refusal = client.command(
                "resume",
                {"trip_id": state.trip_id, "account": account, "reason": args.reason, "new_peak": args.new_peak},
            )
    except ControlError as problem:
        print(f"the daemon does not answer: {problem}", file=sys.stderr)
        return EXIT_NOT_RUNNING
    if refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        return EXIT_REFUSED
    print(f"released: {who.mode} {who.account} trades again")
    return EXIT_OK


def _typed(account: str) -> str:
    print(f"type the account to resume ({len(account)} characters): ", end="")
    sys.stdout.flush()
    return sys.stdin.readline().strip()
