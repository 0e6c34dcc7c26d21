"""Who this daemon is: its configuration, places, mode and account, fixed for the life of the process.

It names the run of each session. Nothing here changes after the start, so every part may hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from axiomd.config.settings import Places
from axiomd.contracts.daemon import DaemonConfig

ACCOUNT_SIM: Final = "SIM"


@dataclass(frozen=True, slots=True)
class Identity:
    """`started_us` is wall time; `digest` the hash of the run configuration."""

    config: DaemonConfig
    places: Places
    mode: Literal["paper", "live"]
    account: str
    digest: str
    started_us: int

    def run_id(self, session_date: str) -> str:
        """Name the run of a session; before the first one, that of the day the process was started."""
        date = session_date or datetime.fromtimestamp(self.started_us / 1e6, UTC).date().isoformat()
        return f"{self.mode}-{self.account}-{date}"

    @property
    def follows_feed(self) -> bool:
        """Say whether market time is that of the feed's bars."""
        return self.config.clock.kind == "feed"

    @property
    def signal_age_us_max(self) -> int:
        """Give how old a setup may be in market time."""
        return int(self.config.daemon.max_signal_age_s * 1_000_000)

    @property
    def presence_mode(self) -> int:
        """Give the mode of daemon.json and of the journal: a group of operators must be able to read them."""
        return 0o600 if self.config.control.group is None else 0o640

    @property
    def latch_mode(self) -> int:
        """Give the mode of the latch: a group of operators may trip it, too."""
        return 0o600 if self.config.control.group is None else 0o660
