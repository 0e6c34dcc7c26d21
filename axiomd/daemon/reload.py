"""The configuration read again while the daemon runs: limits may change, everything else waits for a restart.

Lowered limits re-judge working entries at once (04, Guards). What cannot be read or bound changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from axiomd.config.binding import bind
from axiomd.config.identity import identified
from axiomd.contracts import events as e
from axiomd.contracts.daemon import DaemonConfig
from axiomd.core.plan import Plan
from axiomd.daemon.desk import Desk
from axiomd.daemon.identity import Identity
from axiomd.daemon.rejudge import rejudge
from axiomd.daemon.source import Source
from axiomd.journal.watched import with_watched


class Reload:
    """Apply a changed configuration. `reread` reads the layers anew and raises `ConfigError` as at the start."""

    def __init__(self, desk: Desk, identity: Identity, source: Source, reread: Callable[[], DaemonConfig]) -> None:
        self._desk = desk
        self._mode = identity.mode
        self.config = identity.config
        """What holds now."""
        self._source = source
        self._reread = reread
        self._read: tuple[DaemonConfig, Plan] | None = None

    def why_not(self) -> str:
        """Read; gives why it cannot hold, nothing where `apply` may follow. `ConfigError` where it makes no sense."""
        self._read = None
        config = self._reread()
        before, after = self.config.model_dump(mode="json"), config.model_dump(mode="json")
        changed = sorted(key for key in before if before[key] != after[key])
        beyond = [key for key in changed if key != "risk"]
        if beyond:
            return f"{', '.join(beyond)} cannot change while it runs: restart the daemon"
        if not changed:
            return ""
        source = self._source
        widened = with_watched(config, self._desk.engine.plan.symbols)
        self._read = config, bind(widened, source.table, source.bar_us, "", self._mode)
        return ""

    async def apply(self) -> None:
        """Let what was read hold, in the desk's own task; nothing where nothing has changed."""
        if self._read is None:
            return
        desk, (config, plan), self._read = self._desk, self._read, None
        desk.engine.take_limits(plan)
        self.config = config
        digest, document = identified(config)
        await desk.take(e.ConfigLoaded(ts_us=desk.market_us, config_hash=digest, config=document))
        await desk.commit()
        await rejudge(desk)
