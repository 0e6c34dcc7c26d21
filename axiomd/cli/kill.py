"""``axiomd kill``: trip the latch, see that it took effect, and act at the broker where nobody else does.

The latch is durable before anything else is even looked at, and until then this loads the standard library alone. A
daemon that answers does the rest; one that hangs is ended, and what it would have done is done here, under its lock.

exit: 0 all done · 3 latched, no daemon known there · 4 latched, broker not reached · 5 latched, something is left ·
6 not latched
"""

from __future__ import annotations

import fcntl
import os
import sys
import time

from axiomd import latch, presence

TYPE_CHECKING = False
"""Read as true by type checkers; `typing` itself would cost the kill path two milliseconds."""
if TYPE_CHECKING:
    import argparse

EXIT_DONE = 0
EXIT_NO_DAEMON = 3
EXIT_NO_BROKER = 4
EXIT_LEFT = 5
EXIT_NOT_LATCHED = 6

SEEN_S_MAX = 1.0
ANSWERS_S_MAX = 2.0
END_S_MAX = 1.0
KILL_LOCK = "kill.lock"


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = (
        "example: axiomd kill --flatten --reason 'news'\n"
        "exit: 0 all done, 3 latched but no daemon known there, 4 latched but broker not reached,\n"
        "      5 latched but something is left (printed), 6 not latched"
    )
    parser.add_argument("--flatten", action="store_true", help="close positions too; without it their exits work on")
    parser.add_argument("--everything", action="store_true", help="the whole account, with --flatten")
    parser.add_argument("--reason", default="", metavar="TEXT", help="what the journal and the status will say")
    parser.add_argument("--all", action="store_true", help="every instance it can see")
    parser.add_argument("--instance", metavar="NAME", help="only this one")
    parser.add_argument("--json", action="store_true", help="print JSON, once all is done")


class Asked:
    """Hold what was asked for, as argparse's namespace does."""

    def __init__(self) -> None:
        self.flatten = False
        self.everything = False
        self.all = False
        self.json = False
        self.reason = ""
        self.instance: str | None = None


def quick(arguments: list[str]) -> int | None:
    """Kill without loading a parser; None where the words are not plain ones, for argparse to answer.

    A parser costs as much as everything else until the latch is durable.
    """
    asked = Asked()
    words = iter(arguments)
    for word in words:
        if word in ("--flatten", "--everything", "--all", "--json"):
            setattr(asked, word[2:], True)
        elif word in ("--reason", "--instance"):
            value = next(words, None)
            if value is None or value.startswith("-"):
                return None
            setattr(asked, word[2:], value)
        else:
            return None
    return None if asked.everything and not asked.flatten else run(asked)


def run(args: argparse.Namespace | Asked) -> int:
    """Kill one instance, or all."""
    environ = dict(os.environ)
    wrong = presence.misplaced(environ, args.instance)
    if args.everything and not args.flatten:
        wrong = "--everything goes with --flatten", "axiomd kill", "add --flatten"
    if wrong is not None:
        from axiomd.contracts.errors import UsageError

        raise UsageError(*wrong)
    seen = presence.look(environ, args.instance)
    known = [found for found in seen if found.presence is not None]
    chosen = [found for found in seen if _is_in_use(found)] if args.all else []
    chosen = chosen or _matches(seen, known, environ, args.instance)
    reason = args.reason or "axiomd kill"
    accounts = [Account(found, is_quiet=args.json) for found in chosen]
    worst = max(kill_one(account, flattens=args.flatten, reason=reason) for account in accounts)
    others = _others(chosen, known, environ, args.instance)
    if args.json:
        import json

        untouched = [{"instance": found.instance, "state_dir": found.state_dir} for found in others]
        told = [account.told for account in accounts]
        _say(json.dumps({"code": worst, "instances": told, "not_touched": untouched}, indent=2))
    else:
        for found in others:
            _say(f"not touched: instance {found.instance} ({found.state_dir})")
    return worst


class Account:
    """What is done to one instance: said line by line, or kept for the one document that is printed at the end."""

    def __init__(self, found: presence.Found, *, is_quiet: bool) -> None:
        self.found = found
        self._is_quiet = is_quiet
        self._said: list[str] = []
        self.told: dict[str, object] = {
            "instance": found.instance, "state_dir": found.state_dir, "is_latched": False, "is_seen": False,
            "said": self._said,
        }  # fmt: skip

    def say(self, line: str) -> None:
        """Say a line."""
        self._said.append(line)
        if not self._is_quiet:
            _say(line)

    def tell(self, **facts: object) -> None:
        """Keep facts for the document."""
        self.told.update(facts)


def _matches(
    seen: list[presence.Found], known: list[presence.Found], environ: dict[str, str], instance: str | None
) -> list[presence.Found]:
    """Give the instance that is meant: of that name in every place it lives; where none is known, its place anyway."""
    name = instance or environ.get("AXIOMD_INSTANCE") or presence.INSTANCE_DEFAULT
    matches = [found for found in known if found.instance == name] if "AXIOMD_STATE_DIR" not in environ else known[:1]
    return matches or known[:1] or seen[:1]


def _others(
    chosen: list[presence.Found], known: list[presence.Found], environ: dict[str, str], instance: str | None
) -> list[presence.Found]:
    """Give who else can be seen; where one was named, the rest was not looked for until that one was dealt with."""
    if instance is not None:
        known = [found for found in presence.look(environ) if found.presence is not None]
    touched = [found.state_dir for found in chosen]
    return [found for found in known if found.state_dir not in touched]


def _is_in_use(found: presence.Found) -> bool:
    """Say whether a daemon is there, or was and may start again: one that ended well leaves no word of itself."""
    return found.presence is not None or os.path.lexists(os.path.join(found.state_dir, latch.JOURNAL_FILE))


def kill_one(account: Account, *, flattens: bool, reason: str) -> int:
    """Latch one instance and see that it took effect; gives the exit code."""
    code = _latch(account, flattens=flattens, reason=reason)
    account.tell(code=code)
    return code


def _latch(account: Account, *, flattens: bool, reason: str) -> int:
    found = account.found
    level = latch.FLATTEN if flattens else latch.HALT
    by = f"axiomd kill ({os.environ.get('USER') or os.getuid()})"
    try:
        if not os.path.isdir(found.state_dir):
            os.makedirs(found.state_dir, exist_ok=True)
        state = latch.trip(found.state_dir, level, at_us=time.time_ns() // 1000, by=by, reason=reason)
    except OSError as problem:
        account.say(f"NOT LATCHED: {found.state_dir}: {problem}")
        code = _act_alone(account, flattens=flattens, code=EXIT_NOT_LATCHED)
        unit = f"systemctl stop axiomd@{found.instance}"
        account.say(f"a daemon that is started again is NOT latched: stop its unit ({unit}), mend that, kill again")
        return code
    who = found.presence
    account.tell(is_latched=True, level=state.level, trip_id=state.trip_id)
    account.say(f"latched at {state.level}: instance {found.instance}, {found.state_dir}, trip {state.trip_id}")
    if who is None:
        account.say("no daemon is known there: the next one starts latched")
        return EXIT_NO_DAEMON
    account.tell(account=who.account, mode=who.mode, pid=who.pid, was_running=found.is_running)
    account.say(f"account {who.account} ({who.mode}), process {who.pid}{'' if found.is_running else ', which is gone'}")
    if found.is_running and _is_seen(account, who, state.level):
        return _watch(account, who, flattens=flattens)
    if found.is_running:
        account.say(f"the daemon did not see it within {SEEN_S_MAX:g} s: it hangs, ending process {who.pid}")
    return _act_alone(account, flattens=flattens, code=EXIT_DONE)


def _is_seen(account: Account, who: presence.Presence, level: str) -> bool:
    """Wait until the daemon's desk has taken the trip in: its latch shows at once, also where the desk hangs."""
    deadline_s = time.monotonic() + SEEN_S_MAX
    while (left_s := deadline_s - time.monotonic()) > 0:
        state = _ask(who, min(left_s, SEEN_S_MAX))
        kill = state.get("kill") if state else None
        if (
            isinstance(kill, dict)
            and kill.get("state") == latch.TRIPPED
            and kill.get("level") in (level, latch.FLATTEN)
            and (kill.get("seen_trip_id") == kill.get("trip_id") or not _is_ready(state))
        ):
            account.say("the daemon has seen it")
            account.tell(is_seen=True)
            return True
        time.sleep(0.02)
    return False


def _is_ready(state: dict[str, object] | None) -> bool:
    """Say whether it has recovered; before, it obeys the latch on its way and nothing opens."""
    run = (state or {}).get("run")
    return isinstance(run, dict) and run.get("is_ready") is True


def _watch(account: Account, who: presence.Presence, *, flattens: bool) -> int:
    """Wait for what the broker says of each order, and print it."""
    deadline_s = time.monotonic() + ANSWERS_S_MAX
    orders: dict[str, object] = {}
    positions: dict[str, object] = {}
    known: dict[str, str] = {}
    while True:
        state = _ask(who, max(0.1, deadline_s - time.monotonic())) or {}
        orders, positions = _table(state, "orders"), _table(state, "positions")
        for key, row in orders.items():
            known.setdefault(key, _order_text(key, row))
        if (not orders and not (flattens and positions)) or time.monotonic() > deadline_s:
            break
        time.sleep(0.05)
    account.tell(
        cancelled=[key for key in known if key not in orders],
        left=list(orders),
        positions={symbol: _signed_qty(row) for symbol, row in positions.items()},
    )
    for key, text in known.items():
        account.say(f"{'left working' if key in orders else 'cancelled'}: {text}")
    for symbol, row in positions.items():
        account.say(f"{'NOT CLOSED YET' if flattens else 'protected and left'}: {symbol} {_signed_qty(row)}")
    if orders or (flattens and positions):
        account.say("something is left: the daemon goes on with it; look with axiomd status")
        return EXIT_LEFT
    account.say("done: no entry works" + (" and the account is flat" if flattens else ""))
    return EXIT_DONE


def _act_alone(account: Account, *, flattens: bool, code: int) -> int:
    """Nobody answers: end the daemon's process, hold its lock, and do at the broker what it would have done."""
    found, who = account.found, account.found.presence
    is_latched = code != EXIT_NOT_LATCHED
    if who is None:
        return code
    with _KillLock(found.state_dir):
        if found.is_running and not _end(who):
            account.say(f"not permitted to end process {who.pid}: its watchdog will")
        address = str(who.broker.get("address") or "")
        if not address:
            account.say(
                "the broker lives inside that daemon: its record is dealt with at the next start"
                + (", latched" if is_latched else "")
            )
            return max(code, EXIT_NO_BROKER)
        from axiomd.cli.sim_kill import SimConnection, SimUnreachable

        try:
            with SimConnection(address, found.state_dir) as broker:
                for kind, payload in broker.kill(flattens=flattens):
                    account.say(_report_text(kind, payload))
                truth = broker.truth()
        except SimUnreachable as problem:
            account.say(f"broker not reached: {problem}")
            return max(code, EXIT_NO_BROKER)
    left = [f"{order.get('reference')} {order.get('side')} {order.get('symbol')}" for order in truth.entries]
    if flattens:
        left += [f"position {symbol} {qty}" for symbol, qty in truth.positions.items()]
    account.tell(left=[str(order.get("reference")) for order in truth.entries], positions=dict(truth.positions))
    for line in left:
        account.say(f"left: {line}")
    if not flattens:
        for symbol, qty in truth.positions.items():
            account.say(f"protected and left: {symbol} {qty}")
    done = "done at the broker" + ("; the restarted daemon comes up latched and reconciles" if is_latched else "")
    account.say("something is left" if left else done)
    return max(code, EXIT_LEFT if left else EXIT_DONE)


class _KillLock:
    """Hold kill.lock while acting, so that a starting daemon waits."""

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir
        self._descriptor = -1

    def __enter__(self) -> None:
        try:
            path, mode = os.path.join(self._state_dir, KILL_LOCK), latch.mode_of(self._state_dir)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
            latch.give(self._descriptor, self._state_dir, mode)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass  # another kill is at it: acting twice does no harm, not acting might

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def _end(who: presence.Presence) -> bool:
    """End exactly that process: its pid and its start time."""
    if presence.start_time_of(who.pid) != who.start_time:
        return True
    from signal import SIGKILL

    try:
        os.kill(who.pid, SIGKILL)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    deadline_s = time.monotonic() + END_S_MAX
    while presence.is_alive(who) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return not presence.is_alive(who)


def _ask(who: presence.Presence, timeout_s: float) -> dict[str, object] | None:
    from axiomd.cli.control_client import ControlClient, ControlError

    try:
        with ControlClient(who.socket, role="observer", name="axiomd kill", timeout_s=timeout_s) as client:
            return client.snapshot()
    except ControlError:
        return None


def _table(state: dict[str, object], name: str) -> dict[str, object]:
    table = state.get(name)
    return table if isinstance(table, dict) else {}


def _field(row: object, name: str) -> object:
    return row.get(name, "?") if isinstance(row, dict) else "?"


def _signed_qty(row: object) -> object:
    """Give a position's quantity as the broker does: below nothing where it is short."""
    qty = _field(row, "qty")
    return -qty if isinstance(qty, int) and _field(row, "side") == "SHORT" else qty


def _order_text(key: str, row: object) -> str:
    return f"{key} {_field(row, 'side')} {_field(row, 'qty')} {_field(row, 'symbol')}"


def _report_text(kind: str, payload: dict[str, object]) -> str:
    fill = payload.get("fill")
    if isinstance(fill, dict):
        return f"filled: {fill.get('reference')} {fill.get('side')} {fill.get('qty')} {fill.get('symbol')}"
    return f"{kind.removeprefix('order.')}: {payload.get('key')}"


def _say(line: str) -> None:
    """Say a line, where anybody can hear it: what is left to do must never wait for a reader or for room on a disk."""
    try:
        print(line)
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):  # gone, full, or closed
        try:
            os.write(2, line.encode(errors="backslashreplace") + b"\n")
            heard = 2
        except OSError:
            heard = os.open(os.devnull, os.O_WRONLY)
        # what stays in the buffer is tried again at the latest at the end, and that failure would be the exit code
        os.dup2(heard, 1)
