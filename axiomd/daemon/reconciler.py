"""Both truths held against each other, at the start and ever after, and the broker's line kept up.

A difference blocks at once with an alarm, and trips the kill switch when it is still there after three looks (04,
ReconDrift); nothing is ever overwritten in silence. No command outlives a disconnect: after one both truths are
compared again, and then decisions are made afresh. All that touches the engine runs in the desk's own task.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import anyio

from axiomd.contracts import events as e
from axiomd.contracts.errors import BrokerUnavailable
from axiomd.daemon import sim_link
from axiomd.daemon.alarms import Alarms
from axiomd.daemon.broker_process import BrokerProcess
from axiomd.daemon.clock import monotonic_us
from axiomd.daemon.desk import Desk
from axiomd.daemon.health import Heartbeats
from axiomd.daemon.identity import Identity
from axiomd.daemon.inbox import Inbox, Urgent
from axiomd.daemon.standing import Standing

LOOK_S: Final = 3.0
DRIFT_LOOKS_MAX: Final = 3
DRIFT: Final = "ReconDrift"
BROKER: Final = "BrokerLost"


class Reconciler:
    """Compare, judge, and keep the line to the broker."""

    def __init__(
        self,
        desk: Desk,
        identity: Identity,
        process: BrokerProcess,
        *,
        inbox: Inbox,
        standing: Standing,
        alarms: Alarms,
        beats: Heartbeats,
    ) -> None:
        self._desk = desk
        self._identity = identity
        self._process = process
        self._inbox = inbox
        self._standing = standing
        self._alarms = alarms
        self._beats = beats
        self._drift_looks = 0

    # --- in the desk's own task ---

    async def attach(self) -> None:
        """Say to the broker who we are; a link is up from here on, and nothing opens before both truths agree."""
        desk = self._desk
        await desk.link.attach(sim_link.setup_of(desk.engine.plan, self._identity.account))
        self._process.is_attached = True

    async def judge(self, differences: tuple[str, ...]) -> None:
        """Agree where nothing differs; else block and alarm at once, and trip at the third look."""
        desk = self._desk
        if not differences:
            self._drift_looks = 0
            self._alarms.clear(DRIFT)
            if not desk.engine.is_reconciled:
                await desk.agree()
            return
        self._drift_looks += 1
        text = differences[0] if len(differences) == 1 else f"{differences[0]}, and {len(differences) - 1} more"
        self._alarms.put(DRIFT, "urgent", text, desk.market_us)
        if self._drift_looks == 1 or desk.engine.is_reconciled:
            await desk.take(e.ReconDrift(ts_us=desk.market_us, differences=differences))
            await desk.commit()
        if self._drift_looks == DRIFT_LOOKS_MAX:
            await desk.trip("halt", f"ReconDrift: {differences[0]}", "guard", DRIFT)

    async def look(self) -> None:
        """Ask the broker, take in what was missed, and judge what differs still."""
        try:
            found = await self._desk.recover(self._desk.engine.session_open_us - 1)
        except BrokerUnavailable as error:
            await self._lose(str(error))
            return
        await self.judge((*found.differences, *found.foreign))

    async def _lose(self, reason: str) -> None:
        self._alarms.put(BROKER, "urgent", reason, self._desk.market_us)
        await self._desk.lose(reason)

    async def _find(self) -> None:
        desk = self._desk
        try:
            await self.attach()
        except BrokerUnavailable as error:
            await self._lose(str(error))
            return
        self._alarms.clear(BROKER)
        await desk.take(
            e.BrokerConnected(
                ts_us=desk.market_us, broker=self._identity.config.broker.kind, account=self._identity.account
            )
        )
        await self.look()
        await desk.ask_again()

    # --- tasks of its own ---

    async def watch(self) -> None:
        """Have both truths compared every few seconds."""
        while True:
            self._beats.beat("truth", monotonic_us())
            await anyio.sleep(LOOK_S)
            if self._standing.is_ready:
                self._inbox.put(Urgent(self.look, "truth"))

    async def keep_link(self) -> None:
        """Hear the broker; when its line breaks, say so, find or start it again, and reconcile."""
        while True:
            try:
                await self._desk.link.listen(self._hear)
            except BrokerUnavailable as error:
                if self._standing.is_asked_to_stop or self._standing.is_stopping:
                    return
                self._inbox.put(Urgent(partial(self._lose, str(error)), "lost"))
                self._desk.link = await sim_link.connect(self._process)
                self._inbox.put(Urgent(self._find, "found"))

    def _hear(self, reports: list[e.Event]) -> None:
        if not self._inbox.put(Urgent(lambda: self._desk.reports(reports))):
            # a look hears all that was not
            self._inbox.put(Urgent(self.look, "truth"))
