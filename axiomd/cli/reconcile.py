"""``axiomd reconcile``: what the journal says and what the broker says, side by side; the broker's adopted on request.

Through the running daemon, else with its locks. Adopting takes the account typed and a reason; it is journaled as
`recon.adopted`, latched before and after: shares that no journal explains are the operator's from then on, known and
never touched, and entries that no journal explains are taken off.

Exit 0 both agree, 1 they differ or it was refused, 3 the daemon does not answer, 5 somebody else holds the state dir.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from axiomd import presence
from axiomd.cli.asking import EXIT_NOT_RUNNING, attach, meant, typed
from axiomd.cli.parser import words
from axiomd.cli.printing import print_json, print_table
from axiomd.cli.status import rows, table
from axiomd.contracts.errors import EXIT_OK, EXIT_REFUSED, UsageError

ADOPT_S_MAX = 20.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = "example: axiomd reconcile --adopt --reason 'journal of yesterday restored'"
    parser.add_argument("--adopt", action="store_true", help="take the broker's truth for ours; needs --reason")
    parser.add_argument("--reason", type=words, metavar="TEXT", help="why; it stands in the journal")
    parser.add_argument("--account", type=words, metavar="ACCOUNT", help="instead of typing it when asked")
    parser.add_argument("--config", type=Path, metavar="FILE", help="of a state dir without a journal")
    parser.add_argument("--instance", metavar="NAME", help="the instance; without it, the one that runs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(mode=None, feed=None, speed=None)


def run(args: argparse.Namespace) -> int:
    """Show both sides, and adopt where that is asked for."""
    if args.adopt and not (args.reason or "").strip():
        raise UsageError("adopting needs a reason", "--reason", "say why: it stands in the journal")
    found = meant(args.instance)
    if found.presence is not None and found.is_running:
        return _through_daemon(found.presence, args)
    return _alone(args)


def _through_daemon(who: presence.Presence, args: argparse.Namespace) -> int:
    from axiomd.cli.control_client import ControlError

    try:
        if args.adopt:
            _show(_sides(_looked(who)), as_json=False, out=sys.stderr)
            account = args.account or typed(who.account, "adopt the broker's side")
            with attach(who, "reconcile") as client:
                client.snapshot()
                asked: dict[str, object] = {"account": account, "reason": args.reason}
                refusal = client.command("adopt", asked, timeout_s=ADOPT_S_MAX)
            if refusal:
                print(f"refused: {refusal}", file=sys.stderr)
                return EXIT_REFUSED
        return _show(_sides(_looked(who)), as_json=args.json)
    except ControlError as problem:
        print(f"the daemon does not answer: {problem}", file=sys.stderr)
        return EXIT_NOT_RUNNING


def _looked(who: presence.Presence) -> dict[str, Any]:
    """Give a daemon's state after its next look at the broker: what it knows of that side may be seconds old, and held
    against a journal of now it would show differences where there are none.
    """
    from axiomd.contracts.patch import patched

    with attach(who, "reconcile") as client:
        state: dict[str, Any] = client.snapshot()
        looks = table(state, "broker").get("looks")
        while table(state, "broker").get("looks") == looks and _looks_on(state):
            changes: dict[str, Any] = {**client.change()}
            state = patched(state, changes)
    return state


def _looks_on(state: dict[str, object]) -> bool:
    """Say whether there will be another look: not before the daemon is ready, and not while the broker is away."""
    return table(state, "run").get("is_ready") is True and table(state, "broker").get("is_connected") is True


def _alone(args: argparse.Namespace) -> int:
    """No daemon runs: hold its lock and do what its start would do, up to where it would trade."""
    import anyio

    from axiomd.cli.run import identity_of
    from axiomd.config.settings import places
    from axiomd.daemon import locks, reconciliation
    from axiomd.daemon.broker_process import BrokerProcess

    place = places(args.instance)
    if not place.journal.exists():
        print(f"there is no journal yet: {place.journal}", file=sys.stderr)
        return EXIT_NOT_RUNNING
    with locks.hold(place.state_dir / locks.STATE_LOCK, "the state dir"):
        identity = reconciliation.as_journaled(identity_of(args, place))
        process = BrokerProcess(place.state_dir, place.runtime_dir)
        try:
            sides = asdict(anyio.run(reconciliation.look, identity, process))
            if args.adopt:
                _show(sides, as_json=False, out=sys.stderr)
                if (args.account or typed(identity.account, "adopt the broker's side")) != identity.account:
                    print(f"refused: the account is {identity.account}: name it", file=sys.stderr)
                    return EXIT_REFUSED
                by = words(f"axiomd reconcile ({os.environ.get('USER') or os.getuid()})")
                sides = asdict(anyio.run(reconciliation.adopt, identity, process, args.reason, by))
        finally:
            process.end_unused()
    return _show(sides, as_json=args.json)


def _sides(state: dict[str, object]) -> dict[str, Any]:
    """Read both sides out of a daemon's state."""
    broker = table(state, "broker")
    ours = {
        symbol: int(str(row.get("qty"))) * (1 if row.get("side") == "LONG" else -1)
        for symbol, row in rows(state, "positions")
    }
    return {
        "ours": ours,
        "theirs": table(broker, "positions"),
        "our_orders": list(table(state, "orders")),
        "their_orders": list(table(broker, "orders")),
        "adopted": table(broker, "adopted"),
        "differences": [] if broker.get("is_reconciled") else broker.get("differences"),
    }


def _show(sides: dict[str, Any], *, as_json: bool, out: TextIO | None = None) -> int:
    """Print both sides and give the exit code; `out` other than stdout is for a look before a question."""
    if as_json:
        print_json({**sides, "is_agreed": not sides["differences"]})
    else:
        with redirect_stdout(out or sys.stdout):
            _print(sides)
    return EXIT_REFUSED if sides["differences"] else EXIT_OK


def _print(sides: dict[str, Any]) -> None:
    ours, theirs, adopted = sides["ours"], sides["theirs"], sides["adopted"]
    held = [
        (symbol, str(ours.get(symbol, 0)), str(adopted.get(symbol, 0)), str(theirs.get(symbol, 0)))
        for symbol in sorted({*ours, *theirs, *adopted})
    ]
    if held:
        print_table(("symbol", "journal", "adopted", "broker"), held, title="positions", right=(1, 2, 3))
    working = [
        (key, "works" if key in sides["our_orders"] else "", "works" if key in sides["their_orders"] else "")
        for key in sorted({*sides["our_orders"], *sides["their_orders"]})
    ]
    if working:
        print_table(("order", "journal", "broker"), working, title="orders; exits stand at the broker alone")
    for line in sides["differences"] or ():
        print(f"differs: {line}")
    print("they differ" if sides["differences"] else "journal and broker agree")
