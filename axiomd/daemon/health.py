"""Which tasks live: each leaves a heartbeat, and one that has not for too long hangs.

It decides healthy or not from times that are given to it, and does nothing about it: the watchdog is fed, or not, by
whoever asks. A task that waits for work still beats, so silence is never a quiet market.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SILENCE_US_MAX: Final = 5_000_000
"""A task without a limit of its own hangs after this silence."""


@dataclass(frozen=True, slots=True)
class Health:
    """Name the tasks that hang, the longest silence first; nobody hangs: healthy."""

    hung: tuple[str, ...]
    silence_us_max: int

    @property
    def is_healthy(self) -> bool:
        """Say whether every task has beaten in time."""
        return not self.hung

    @property
    def status(self) -> str:
        """Say it in one line."""
        return "healthy" if self.is_healthy else f"hung: {', '.join(self.hung)}"


def judge(beats_us: Mapping[str, int], now_us: int, limits_us: Mapping[str, int] | None = None) -> Health:
    """Judge heartbeats against a moment of the same monotonic clock; a limit is a task's own or `SILENCE_US_MAX`."""
    own = limits_us or {}
    silences = {name: now_us - beat_us for name, beat_us in beats_us.items()}
    hung = [name for name, silence_us in silences.items() if silence_us > own.get(name, SILENCE_US_MAX)]
    return Health(
        hung=tuple(sorted(hung, key=lambda name: (-silences[name], name))),
        silence_us_max=max(silences.values(), default=0),
    )


class Heartbeats:
    """Keep the last heartbeat of every task that is meant to run; times are of one monotonic clock."""

    def __init__(self) -> None:
        self._beats_us: dict[str, int] = {}
        self._limits_us: dict[str, int] = {}

    def expect(self, name: str, now_us: int, silence_us_max: int = SILENCE_US_MAX) -> None:
        """Begin to expect a task's heartbeats; it counts as alive from now."""
        self._beats_us[name] = now_us
        self._limits_us[name] = silence_us_max

    def beat(self, name: str, now_us: int) -> None:
        """Take a heartbeat of a task that is expected; time given late never sets it back."""
        self._beats_us[name] = max(self._beats_us[name], now_us)

    def forget(self, name: str) -> None:
        """Stop expecting a task: it ended as it should."""
        self._beats_us.pop(name, None)
        self._limits_us.pop(name, None)

    def judge(self, now_us: int) -> Health:
        """Say who hangs now."""
        # Copies in one step each: the metrics server's thread asks while the loop adds and forgets.
        return judge(dict(self._beats_us), now_us, dict(self._limits_us))

    def ages_s(self, now_us: int) -> dict[str, float]:
        """Give the seconds since each task's last heartbeat, for the metrics."""
        return {name: (now_us - beat_us) / 1_000_000 for name, beat_us in self._beats_us.items()}
