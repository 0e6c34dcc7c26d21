"""Asking the running daemon for one thing: find it, say hello, ask, and turn its answer into an exit code.

Exit 0 done, 1 refused, 3 no daemon runs there or it does not answer.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from axiomd import presence
from axiomd.cli.parser import words
from axiomd.cli.printing import print_json
from axiomd.contracts.errors import EXIT_OK, EXIT_REFUSED, UsageError

if TYPE_CHECKING:
    from axiomd.cli.control_client import ControlClient

EXIT_NOT_RUNNING = 3
ANSWER_S_MAX = 8.0


def meant(instance: str | None) -> presence.Found:
    """Find the daemon that is meant: the one of that name, else ours, else the one that runs. `UsageError` where that
    could be either of two: a position closed in the wrong account is no small mistake.
    """
    environ = dict(os.environ)
    wrong = presence.misplaced(environ, instance)
    if wrong is not None:
        raise UsageError(*wrong)
    seen = presence.look(environ, instance)
    up = [found for found in seen if found.is_running]
    if len(up) > 1:
        own = instance or environ.get("AXIOMD_INSTANCE") or presence.INSTANCE_DEFAULT
        first, second = up[0], up[1]
        if first.instance == second.instance:
            where = f"{first.state_dir}, {second.state_dir}"
            raise UsageError(f"{first.instance} runs in two places", where, "name one by AXIOMD_STATE_DIR")
        if first.instance != own:
            names = ", ".join(found.instance for found in up)
            raise UsageError(f"several instances run: {names}", "--instance", "name one")
    return seen[0]


def running(instance: str | None) -> presence.Presence | None:
    """Find the daemon that is meant; says so and gives None where none runs."""
    found = meant(instance)
    if found.presence is None or not found.is_running:
        print(f"no daemon runs there: {found.state_dir}; axiomd run starts it", file=sys.stderr)
        return None
    return found.presence


def attach(who: presence.Presence, command: str) -> ControlClient:
    """Open a conversation as an operator."""
    from axiomd.cli.control_client import ControlClient

    return ControlClient(who.socket, role="operator", name=f"axiomd {command}", timeout_s=ANSWER_S_MAX)


def state_of(who: presence.Presence, command: str) -> dict[str, object]:
    """Give a daemon's whole state."""
    with attach(who, command) as client:
        return client.snapshot()


def ask(who: presence.Presence, name: str, args: dict[str, object], done: str, *, as_json: bool) -> int:
    """Ask for something, print `done` or the refusal, and give the exit code."""
    from axiomd.cli.control_client import ControlError

    try:
        with attach(who, name) as client:
            client.snapshot()
            refusal = client.command(name, args)
    except ControlError as problem:
        print(f"the daemon does not answer: {problem}", file=sys.stderr)
        return EXIT_NOT_RUNNING
    if as_json:
        print_json(answer(who, name, args, refusal))
    if refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        return EXIT_REFUSED
    if not as_json:
        print(done)
    return EXIT_OK


def answer(who: presence.Presence, name: str, args: dict[str, object], refusal: str = "") -> dict[str, object]:
    """Give what came of a command as a program is told it."""
    return {
        "name": name, "args": args, "account": who.account, "mode": who.mode, "ok": not refusal,
        "error": refusal or None,
    }  # fmt: skip


def typed(account: str, what: str) -> str:
    """Ask for the account to be typed: who does this should know what and where."""
    print(f"type the account to {what} ({len(account)} characters): ", end="", file=sys.stderr)
    sys.stderr.flush()
    try:
        return words(sys.stdin.readline().strip())
    except UnicodeDecodeError:
        return ""  # bytes of another alphabet are no account
