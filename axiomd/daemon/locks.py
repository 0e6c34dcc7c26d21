"""Locks against a second daemon: on a state dir, on an account, and the wait for a kill that is under way.

They are held by the kernel for as long as the process lives, so no crash leaves one behind.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO, Final

from axiomd.contracts.errors import EXIT_LOCKED, RefusedError

STATE_LOCK: Final = "daemon.lock"
KILL_LOCK: Final = "kill.lock"


class Locked(RefusedError):
    """Report that another process holds what this one needs."""

    exit_code = EXIT_LOCKED


def hold(path: Path, what: str) -> IO[str]:
    """Take a lock for the life of the process, or raise `Locked`. Keep the file: closing it lets go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    file = os.fdopen(descriptor, "r+", encoding="ascii")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = file.read(32).strip() or "unknown"
        file.close()
        raise Locked(f"{what} is in use by process {holder}", str(path), "stop that daemon first") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def wait_for_kill(state_dir: Path) -> None:
    """Wait while `axiomd kill` acts on this state dir: it owns the broker's ids until it lets go."""
    descriptor = os.open(state_dir / KILL_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)
