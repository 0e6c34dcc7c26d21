"""The simulated broker's process as a daemon sees it: started early, found by its socket, left alone once it is in use.

It is started before anything heavy is loaded, so that it comes up meanwhile. Ending a process that serves a day is not
its business: only one that we started and nobody attached to, after a start that failed.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from axiomd.broker.sim_wire import SOCKET_FILE
from axiomd.journal.cores import never_push


class BrokerProcess:
    """The broker's process as this daemon sees it: started or found, ours to end until somebody attached to it."""

    def __init__(self, state_dir: Path, runtime_dir: Path) -> None:
        self.socket = runtime_dir / SOCKET_FILE
        self.log = state_dir / "sim.log"
        self.is_attached = False
        self._state_dir = state_dir
        self._pid = 0

    def start(self) -> None:
        """Start it apart from us, so that neither our end nor a terminal's ends it; one that runs already wins.

        One that we started and that is still there is left alone: of two, only the last could be ended again. It may
        be dying, so whoever waits for the socket asks again.
        """
        if self._lives():
            return
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        appended = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._pid = os.posix_spawn(
            sys.executable,
            [
                sys.executable, "-m", "axiomd.broker",
                "--state", str(self._state_dir), "--runtime", str(self.socket.parent),
            ],
            {**os.environ, "PYTHONUNBUFFERED": "1"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), appended, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=(),
        )  # fmt: skip
        # an order sent wakes it, and others are to leave right behind that one
        never_push(self._pid)

    def end_unused(self) -> None:
        """End the process where we started it and nobody ever attached: a start that failed leaves none behind."""
        if self._pid and not self.is_attached:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
            self._pid = 0

    def _lives(self) -> bool:
        if self._pid:
            try:
                ended, _ = os.waitpid(self._pid, os.WNOHANG)
            except ChildProcessError:
                ended = self._pid
            if ended:
                self._pid = 0
        return self._pid != 0
