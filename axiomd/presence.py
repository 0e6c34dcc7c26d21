"""Who runs where: `daemon.json`, written by a daemon at start and read by whoever looks for it, and the places to look.

It decides which daemons there are and which of them live, with the standard library alone, since the kill path pays
for each import. It must never say that a process lives which is another one under the same number: a pid counts only
together with the moment it started. Nor that a daemon is where only a copy of its folder is: who kills there would end
it, and latch the copy. Nothing here opens a socket or a journal.
"""

from __future__ import annotations

import os

from axiomd.bare_json import scan

PRESENCE_FILE = "daemon.json"
INSTANCE_DEFAULT = "main"
SYSTEM_STATE_DIR = "/var/lib/axiomd"
PRESENCE_BYTES_MAX = 64 * 1024
"""A larger file is not ours and is not read."""
INSTANCE_CHARS_MAX = 64
INSTANCES_MAX = 256
"""So many state dirs are looked at in one place."""

StrPath = str | os.PathLike[str]

_OPEN_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW
# Field 22 of stat(5), counted after the parenthesis that ends the name, which itself may hold blanks and parentheses.
_START_FIELD = 22 - 3
_STATE_FIELD = 0


class Presence:
    """Hold what a daemon says of itself; `start_time` is field 22 of its /proc/PID/stat, in clock ticks since boot.

    `broker` is {kind, address}, for Interactive Brokers {kill_client_id} too; `metrics` is {host, port} as bound.
    """

    __slots__ = (
        "account", "broker", "instance", "is_ready", "metrics", "mode", "pid", "run_id", "socket", "start_time",
        "version",
    )  # fmt: skip

    def __init__(
        self,
        *,
        pid: int,
        start_time: int,
        version: str,
        instance: str,
        account: str,
        mode: str,
        run_id: str,
        socket: str,
        broker: dict[str, object],
        metrics: dict[str, object],
        is_ready: bool,
    ) -> None:
        self.pid = pid
        self.start_time = start_time
        self.version = version
        self.instance = instance
        self.account = account
        self.mode = mode
        self.run_id = run_id
        self.socket = socket
        self.broker = broker
        self.metrics = metrics
        self.is_ready = is_ready

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Presence):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # a presence is a finding, not a key

    def __repr__(self) -> str:
        return f"Presence({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


class Found:
    """Hold one state dir and who is in it; `presence` is None where no readable `daemon.json` is."""

    __slots__ = ("instance", "is_running", "presence", "state_dir")

    def __init__(self, instance: str, state_dir: str, presence: Presence | None, *, is_running: bool) -> None:
        self.instance = instance
        self.state_dir = state_dir
        self.presence = presence
        self.is_running = is_running


def write(state_dir: StrPath, presence: Presence, *, mode: int = 0o600) -> None:
    """Put a presence into a state dir in one step: a reader sees the old file or the new one. `OSError` else."""
    import json  # who only looks does without it: it brings re and enum along, half of a kill's time

    body = {
        "pid": presence.pid,
        "start_time": presence.start_time,
        "version": presence.version,
        "instance": presence.instance,
        "account": presence.account,
        "mode": presence.mode,
        "run_id": presence.run_id,
        "socket": presence.socket,
        "broker": presence.broker,
        "metrics": presence.metrics,
        "ready": presence.is_ready,
        "place": _place(state_dir),
    }
    text = (json.dumps(body, indent=2) + "\n").encode()
    path = os.path.join(state_dir, PRESENCE_FILE)
    beside = f"{path}.{os.getpid()}"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _OPEN_FLAGS, mode)
    try:
        try:
            written = 0
            while written < len(text):
                written += os.write(descriptor, text[written:])
            os.fchmod(descriptor, mode)  # what the umask took, a group of operators needs
            if mode & 0o060 and os.fstat(descriptor).st_gid != (gid := os.stat(state_dir).st_gid):
                _give(descriptor, gid)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(beside, path)
    except OSError:
        os.unlink(beside)
        raise


def read(state_dir: StrPath) -> Presence | None:
    """Read a state dir's presence; None where there is none of it, or none that can be read and understood."""
    try:
        place = _place(state_dir)
        descriptor = os.open(os.path.join(state_dir, PRESENCE_FILE), os.O_RDONLY | os.O_NONBLOCK | _OPEN_FLAGS)
    except OSError:
        return None
    try:
        text = os.read(descriptor, PRESENCE_BYTES_MAX + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return _parse(text, place) if len(text) <= PRESENCE_BYTES_MAX else None


def remove(state_dir: StrPath, *, pid: int) -> None:
    """Take the presence of that process away; another process's stays."""
    present = read(state_dir)
    if present is not None and present.pid == pid:
        try:
            os.unlink(os.path.join(state_dir, PRESENCE_FILE))
        except FileNotFoundError:
            return


def start_time_of(pid: int) -> int | None:
    """Give the moment a process started, in clock ticks since boot; None where it is gone, ended, or hidden from us."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    # A zombie has ended: it holds no lock, no socket and no order.
    if len(fields) <= _START_FIELD or fields[_STATE_FIELD] in (b"Z", b"X"):
        return None
    return int(fields[_START_FIELD])


def is_alive(presence: Presence) -> bool:
    """Say whether the very process that wrote the presence still runs (stopped and hung ones do)."""
    return presence.pid > 0 and start_time_of(presence.pid) == presence.start_time


def misplaced(environ: dict[str, str], instance: str | None = None) -> tuple[str, str, str] | None:
    """Say what is wrong with the place that is named, where, and what to do: no daemon starts there."""
    given = environ.get("AXIOMD_STATE_DIR", "")
    if given and not given.startswith("/"):
        return f"{given} is a relative path", "AXIOMD_STATE_DIR", "give an absolute path"
    own = environ.get("AXIOMD_INSTANCE") or INSTANCE_DEFAULT
    for name, where in ((own, "AXIOMD_INSTANCE"), (own if instance is None else instance, "--instance")):
        if not is_instance(name):
            return f"{name!r} is no instance", where, f"use letters, digits, _ and -, at most {INSTANCE_CHARS_MAX}"
    return None


def is_instance(name: str) -> bool:
    """Say whether an instance can have that name, which is that of a folder and a part of systemd's unit."""
    is_plain = name.isascii() and name[:1].isalnum() and name.replace("-", "").replace("_", "").isalnum()
    return is_plain and len(name) <= INSTANCE_CHARS_MAX


def state_dirs(environ: dict[str, str], instance: str | None = None) -> list[tuple[str, str]]:
    """List (instance, state dir) of every place to look: AXIOMD_STATE_DIR alone, else systemd's and the user's.

    With `instance` only those of that name, the user's first where systemd's does not exist. A place need not exist;
    the names of those that do are listed sorted.
    """
    given = environ.get("AXIOMD_STATE_DIR", "")
    if given:
        return [(instance or environ.get("AXIOMD_INSTANCE") or INSTANCE_DEFAULT, given)]
    places = [SYSTEM_STATE_DIR, user_base(environ)]
    if instance:
        dirs = [os.path.join(base, instance) for base in places]
        return [(instance, path) for path in sorted(dirs, key=lambda path: path == dirs[0] and not os.path.isdir(path))]
    listed = [(name, os.path.join(base, name)) for base in places for name in _folders(base)]
    own = environ.get("AXIOMD_INSTANCE") or INSTANCE_DEFAULT
    default = (own, os.path.join(user_base(environ), own))
    return listed if default in listed else [*listed, default]


def user_base(environ: dict[str, str]) -> str:
    """Give the folder of a user's state dirs; a relative XDG_STATE_HOME is invalid and is left aside."""
    xdg = environ.get("XDG_STATE_HOME", "")
    home = environ.get("HOME") or os.path.expanduser("~")
    return os.path.join(xdg if xdg.startswith("/") else os.path.join(home, ".local", "state"), "axiomd")


def look(environ: dict[str, str], instance: str | None = None) -> list[Found]:
    """Look into every place and say who is there, the running ones first, then our own name, then those that a daemon
    left without a goodbye, then by the order of `state_dirs`.
    """
    found = []
    for name, state_dir in state_dirs(environ, instance):
        present = read(state_dir)
        running = present is not None and is_alive(present)
        found.append(Found(present.instance if present and running else name, state_dir, present, is_running=running))
    own = environ.get("AXIOMD_INSTANCE") or INSTANCE_DEFAULT
    return sorted(found, key=lambda each: (not each.is_running, each.instance != own, each.presence is None))


def _give(descriptor: int, gid: int) -> None:
    """Let a file have the group of its folder, where we may: a daemon without that right starts all the same."""
    try:
        os.fchown(descriptor, -1, gid)
    except PermissionError:
        return


def _folders(base: str) -> list[str]:
    try:
        names = sorted(os.listdir(base))[:INSTANCES_MAX]
    except OSError:
        return []
    return [name for name in names if name != "accounts" and os.path.isdir(os.path.join(base, name))]


def _place(state_dir: StrPath) -> list[int]:
    """Say which folder it is, by whatever name: one that was moved is the same, and a copy is not."""
    found = os.stat(state_dir)
    return [found.st_dev, found.st_ino]


def _parse(text: bytes, place: list[int]) -> Presence | None:
    try:
        written = text.decode()
        body, end = scan(written, 0)
        if written[end:].strip():
            return None
        present = Presence(
            pid=body["pid"],
            start_time=body["start_time"],
            version=body["version"],
            instance=body["instance"],
            account=body["account"],
            mode=body["mode"],
            run_id=body["run_id"],
            socket=body["socket"],
            broker=body["broker"],
            metrics=body["metrics"],
            is_ready=body["ready"],
        )
        if body.get("place", place) != place:
            return None
    except (ValueError, KeyError, TypeError, RecursionError, StopIteration):
        return None
    texts = ("version", "instance", "account", "mode", "run_id", "socket")
    is_sound = (
        type(present.pid) is int
        and type(present.start_time) is int
        and type(present.is_ready) is bool
        and all(isinstance(getattr(present, name), str) for name in texts)
        and isinstance(present.broker, dict)
        and isinstance(present.metrics, dict)
    )
    return present if is_sound else None
