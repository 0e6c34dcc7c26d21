"""What systemd is told, by datagrams to the socket it names: ready, alive, going, and one line of status.

It decides nothing of health, and a message that cannot be sent is lost: a service manager that does not listen must
never hold a daemon up. Without NOTIFY_SOCKET all of it does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, socket
from typing import Final

STATUS_LENGTH_MAX: Final = 200


class Notifier:
    """Speak sd_notify(3). `watchdog_us` is the time within which `alive` is expected, None where none is."""

    def __init__(self, address: str, watchdog_us: int | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._status = ""
        self.watchdog_us = watchdog_us

    @classmethod
    def of(cls, environ: Mapping[str, str], pid: int) -> Notifier:
        """Read what systemd set for process `pid`; a watchdog that is meant for another process is none."""
        address = environ.get("NOTIFY_SOCKET", "")
        text = environ.get("WATCHDOG_USEC", "")
        is_meant = environ.get("WATCHDOG_PID", "") in ("", str(pid))
        watchdog_us = int(text) if is_meant and text.isascii() and text.isdigit() and int(text) > 0 else None
        return cls(address if address[:1] in ("/", "@") else "", watchdog_us)

    @property
    def is_heard(self) -> bool:
        """Say whether systemd named a socket."""
        return self._address != ""

    @property
    def beat_s(self) -> float | None:
        """Give how often to call `alive`: a third of the watchdog's time, so that one late beat kills nobody."""
        return None if self.watchdog_us is None else self.watchdog_us / 3_000_000

    def ready(self, status: str) -> None:
        """Say that the daemon is up and reconciled."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def status(self, status: str) -> None:
        """Put a line beside the unit's state; the same line twice is sent once."""
        if status != self._status:
            self._status = status
            self._send(f"STATUS={_line(status)}")

    def alive(self) -> None:
        """Feed the watchdog; call it only while every task is healthy."""
        self._send("WATCHDOG=1")

    def stopping(self, status: str) -> None:
        """Say that a clean stop has begun."""
        self._send(f"STOPPING=1\nSTATUS={_line(status)}")

    def extend(self, timeout_us: int) -> None:
        """Ask for more time to start or to stop."""
        self._send(f"EXTEND_TIMEOUT_USEC={timeout_us}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.connect(self._address)
                sender.send(text.encode())
            except OSError:
                return


def _line(status: str) -> str:
    return " ".join(status.split())[:STATUS_LENGTH_MAX]
