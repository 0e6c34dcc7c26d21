"""``axiomd status``: one screen of state, and an exit code that a script can act on.

It looks in every place a daemon may live, asks the one that runs, and says what is wrong in words. It changes nothing,
waits one second at most, and loads nothing heavy: 0 healthy, 1 degraded, 3 not running (which wins over killed; both
are said), 4 killed.
"""

from __future__ import annotations

import os
import sys

from axiomd import latch, presence

TYPE_CHECKING = False
"""Read as true by type checkers; `typing` itself is not loaded here."""
if TYPE_CHECKING:
    import argparse

EXIT_HEALTHY = 0
EXIT_DEGRADED = 1
EXIT_NOT_RUNNING = 3
EXIT_KILLED = 4

ANSWER_S_MAX = 1.0
PPM = 1_000_000


class Status:
    """Hold what was found out: who, the latch, the daemon's own state where it answered, and what is wrong."""

    __slots__ = ("exit_code", "found", "health", "latch", "others", "problems", "state")

    def __init__(
        self,
        found: presence.Found,
        latched: latch.LatchState,
        state: dict[str, object] | None,
        problems: list[str],
        others: list[presence.Found],
    ) -> None:
        self.found = found
        self.latch = latched
        self.state = state
        self.problems = problems
        self.others = others
        self.exit_code, self.health = verdict(
            is_running=found.is_running,
            is_tripped=latched.is_tripped or table(state or {}, "kill").get("state") == latch.TRIPPED,
            is_sound=not problems,
        )


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = "example: axiomd status --json\nexit: 0 healthy, 1 degraded, 3 not running, 4 killed"
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--instance", metavar="NAME", help="the instance to look at; without it, the one that runs")


def quick(arguments: list[str]) -> int | None:
    """Look without loading a parser, which costs more than a look; None where the words are for argparse to answer."""
    if arguments not in ([], ["--json"]):
        return None
    return _show(None, as_json=bool(arguments))


def run(args: argparse.Namespace) -> int:
    """Find out and print."""
    return _show(args.instance, as_json=args.json)


def _show(instance: str | None, *, as_json: bool) -> int:
    status = look(dict(os.environ), instance)
    if as_json:
        import json

        print(json.dumps(document(status), indent=2, ensure_ascii=False))
    else:
        from axiomd.cli.status_screen import screen

        is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        width = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else 100
        print(screen(status, is_coloured=is_coloured, width=width))
    return status.exit_code


def look(environ: dict[str, str], instance: str | None = None) -> Status:
    """Find the daemon (of that name, or the running one) and ask it for its state."""
    wrong = presence.misplaced(environ, instance)
    if wrong is not None:
        from axiomd.contracts.errors import UsageError

        raise UsageError(*wrong)
    places = presence.look(environ, instance)
    found, others = places[0], [each for each in places[1:] if each.is_running]
    latched = latch.read(found.state_dir)
    state: dict[str, object] | None = None
    problems: list[str] = []
    if found.is_running:
        assert found.presence is not None
        state, problem = _ask(found.presence)
        problems = [problem] if problem else []
        if state is not None:
            problems += problems_in(state)
        elif not found.presence.is_ready:
            problems.append("not ready yet: recovery is under way")
    elif os.path.isdir(found.state_dir) and not os.access(found.state_dir, os.R_OK | os.X_OK):
        problems.append(f"not permitted to look into {found.state_dir}: join its group, or ask as its owner")
    if latched.fault:
        problems.append(f"the latch is {latched.fault}")
    elif state is not None and not latched.is_tripped and table(state, "kill").get("state") == latch.TRIPPED:
        problems.append("the daemon is tripped and the latch file says armed: tripped wins")
    return Status(found, latched, state, problems, others)


def verdict(*, is_running: bool, is_tripped: bool, is_sound: bool) -> tuple[int, str]:
    """Give exit code and word: not running wins over killed, killed over degraded."""
    if not is_running:
        return EXIT_NOT_RUNNING, "not running, killed" if is_tripped else "not running"
    if is_tripped:
        return EXIT_KILLED, "killed"
    return (EXIT_HEALTHY, "healthy") if is_sound else (EXIT_DEGRADED, "degraded")


def problems_in(state: dict[str, object]) -> list[str]:
    """Name what is not as it should be in a state that a daemon told of itself."""
    run, broker, journal = table(state, "run"), table(state, "broker"), table(state, "journal")
    problems: list[str] = []
    if run.get("is_ready") is False:
        problems.append("not ready yet: recovery is under way")
    if broker.get("is_connected") is False:
        problems.append("the broker is not connected")
    elif broker.get("is_reconciled") is False:
        differences = broker.get("differences")
        count = len(differences) if isinstance(differences, list) else 0
        problems.append(f"journal and broker differ in {count} places" if count else "not reconciled with the broker")
    if journal.get("is_ok") is False:
        problems.append("the journal cannot be written")
    problems += [f"task {name} hangs" for name, row in rows(state, "tasks") if row.get("is_hung") is True]
    stale = [name for name, row in rows(state, "quality") if row.get("is_stale") is True]
    if stale:
        problems.append(f"stale data, no entries: {', '.join(stale[:8])}{' ...' if len(stale) > 8 else ''}")
    problems += [str(row.get("text")) for _, row in rows(state, "alarms") if row.get("is_acknowledged") is False]
    return problems


def document(status: Status) -> dict[str, object]:
    """Give everything as JSON values; `state` is null where the daemon did not answer."""
    found, present, latched = status.found, status.found.presence, status.latch
    return {
        "health": status.health,
        "exit_code": status.exit_code,
        "is_running": found.is_running,
        "instance": found.instance,
        "state_dir": found.state_dir,
        "problems": status.problems,
        "kill": {
            "state": latched.state, "level": latched.level, "trip_id": latched.trip_id, "reason": latched.reason,
            "by": latched.by, "at_us": latched.at_us, "fault": latched.fault,
        },
        "daemon": None if present is None else {
            "pid": present.pid, "start_time": present.start_time, "version": present.version, "mode": present.mode,
            "account": present.account, "run_id": present.run_id, "socket": present.socket,
            "broker": present.broker, "metrics": present.metrics, "ready": present.is_ready,
        },
        "others": [{"instance": each.instance, "state_dir": each.state_dir} for each in status.others],
        "state": status.state,
    }  # fmt: skip


def table(state: dict[str, object], name: str) -> dict[str, object]:
    """Give one object of a state, empty where it is missing: a later daemon may tell things differently."""
    found = state.get(name)
    return found if isinstance(found, dict) else {}


def rows(state: dict[str, object], name: str) -> list[tuple[str, dict[str, object]]]:
    """Give the rows of one table of a state with their names."""
    return [(key, row) for key, row in table(state, name).items() if isinstance(row, dict)]


def _ask(present: presence.Presence) -> tuple[dict[str, object] | None, str]:
    from axiomd.cli.control_client import ControlClient, ControlError

    try:
        with ControlClient(present.socket, role="observer", name="status", timeout_s=ANSWER_S_MAX) as client:
            return client.snapshot(), ""
    except ControlError as problem:
        return None, f"the daemon runs and does not answer ({problem})"
