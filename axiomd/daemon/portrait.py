"""What the daemon says of itself: the state for consoles, the welcome, `daemon.json`, and one line for systemd.

It reads everything and changes nothing but `daemon.json`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from axiomd import __version__, latch, presence
from axiomd.contracts.control import PROTOCOL_VERSION, Welcome
from axiomd.core.recent import Recent
from axiomd.core.view import Facts, LatchFact, TaskFact, snapshot
from axiomd.daemon.alarms import Alarms
from axiomd.daemon.clock import monotonic_us
from axiomd.daemon.desk import Desk
from axiomd.daemon.health import Heartbeats
from axiomd.daemon.identity import Identity
from axiomd.daemon.inbox import DEPTH_MAX, Inbox
from axiomd.daemon.pacing import Pacing
from axiomd.daemon.standing import Standing

STALE_PRESENCE: Final = "Presence"


class Portrait:
    """Show a daemon. `restarts` and `clients` are asked for whenever it is looked at."""

    def __init__(
        self,
        desk: Desk,
        identity: Identity,
        recent: Recent,
        *,
        inbox: Inbox,
        pacing: Pacing,
        standing: Standing,
        beats: Heartbeats,
        alarms: Alarms,
        broker_address: str,
        restarts: Callable[[], dict[str, int]],
        clients: Callable[[], tuple[tuple[str, str], ...]],
    ) -> None:
        self._desk = desk
        self._identity = identity
        self._recent = recent
        self._inbox = inbox
        self._pacing = pacing
        self._standing = standing
        self._beats = beats
        self._alarms = alarms
        self._broker_address = broker_address
        self._restarts = restarts
        self._clients = clients
        self.metrics_at: dict[str, object] = {}

    def welcome(self) -> Welcome:
        """Answer a console's hello."""
        own = self._identity
        return Welcome(version=PROTOCOL_VERSION, run_id=self._run_id(), mode=own.mode, account=own.account)

    def state(self) -> tuple[int, dict[str, Any]]:
        """Give the newest seq and the whole state."""
        own, desk = self._identity, self._desk
        latched = latch.read(own.places.state_dir)
        facts = Facts(
            run_id=self._run_id(),
            mode=own.mode,
            account=own.account,
            instance=own.places.instance,
            version=__version__,
            started_us=own.started_us,
            market_us=max(self._pacing.now_us(), 0),
            is_ready=self._standing.is_ready,
            broker=own.config.broker.kind,
            is_journal_ok=not desk.is_journal_dead,
            truth=desk.truth,
            looks=desk.looks,
            protection=desk.protected(),
            latch=LatchFact(
                level=latched.level, trip_id=latched.trip_id, reason=latched.reason, by=latched.by, at_us=latched.at_us
            ),
            tasks=self._tasks(),
            alarms=self._alarms.facts,
            clients=self._clients(),
        )
        return self._recent.seq, snapshot(desk.engine, self._recent, facts)

    def _tasks(self) -> dict[str, TaskFact]:
        now_us = monotonic_us()
        hung = self._beats.judge(now_us).hung
        restarts = self._restarts()
        return {
            name: TaskFact(
                is_hung=name in hung,
                restarts=restarts.get(name, 0),
                inbox=self._inbox.depth if name == "desk" else 0,
                inbox_max=DEPTH_MAX if name == "desk" else 0,
            )
            for name in self._beats.ages_s(now_us)
        }

    def line(self) -> str:
        """Say in one line where we stand."""
        own, engine = self._identity, self._desk.engine
        kill = f"KILLED ({engine.level})" if engine.level else "armed"
        return f"{own.mode} {own.account} {engine.session or 'no session yet'}: {kill}"

    def write_presence(self) -> None:
        """Write `daemon.json`, so that `kill` and `status` know what to do when nobody answers."""
        own = self._identity
        presence.write(
            own.places.state_dir,
            presence.Presence(
                pid=os.getpid(),
                start_time=presence.start_time_of(os.getpid()) or 0,
                version=__version__,
                instance=own.places.instance,
                account=own.account,
                mode=own.mode,
                run_id=self._run_id(),
                socket=str(own.places.control_socket),
                broker={"kind": own.config.broker.kind, "address": self._broker_address},
                metrics=dict(self.metrics_at),
                is_ready=self._standing.is_ready,
            ),
            mode=own.presence_mode,
        )

    def renew_presence(self) -> None:
        """Write it anew. The one that stands leads to us all the same: no room for another is an alarm, and no end."""
        try:
            self.write_presence()
        except OSError as problem:
            text = f"{presence.PRESENCE_FILE} cannot be written: {problem.strerror}"
            self._alarms.put(STALE_PRESENCE, "high", text, self._desk.market_us)
        else:
            self._alarms.clear(STALE_PRESENCE)

    def _run_id(self) -> str:
        return self._desk.engine.run_id or self._desk.journal.run_id
