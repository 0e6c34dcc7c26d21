"""How a daemon ends: asked to by a signal, because the tape is over, or because something died that must not.

A clean stop takes entries off by policy, closes the journal, writes the days and ends the broker's process, within ten
seconds of the signal: one deadline for all of it, of which a broker that hangs has the first part. What works on is
named. A failure latches first, cancels what it can, leaves the protection at the broker, and ends with 7; the journal
keeps what was durable and one row that says why.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskStatus

from axiomd import latch
from axiomd.contracts import events as e
from axiomd.contracts.commands import CancelEntry
from axiomd.contracts.errors import EXIT_INTERNAL, EXIT_REFUSED, AxiomdError
from axiomd.contracts.units import iso_time
from axiomd.daemon.clock import wall_us
from axiomd.daemon.day_writer import DayWriter
from axiomd.daemon.desk import LATCHED_REASON_MAX, Desk
from axiomd.daemon.hearing import hearing
from axiomd.daemon.identity import Identity
from axiomd.daemon.inbox import Inbox, Urgent
from axiomd.daemon.recovery import Foreign
from axiomd.daemon.sim_link import SimLink
from axiomd.daemon.standing import Standing
from axiomd.daemon.supervisor import Failed, Supervisor
from axiomd.daemon.systemd import Notifier
from axiomd.journal.log import Journal
from axiomd.observe.logging import Log, Note

STOP_S_MAX: Final = 8.0
"""From the signal on, and for a failure from the fall on."""
BROKER_S_MAX: Final = 5.0
"""So much of it may pass before nobody waits for the broker any more: the rest is the journal's."""
LAST_S_MIN: Final = 1.0
"""A stop that comes to its turn late has so long all the same."""
LEFT_NAMED_MAX: Final = 100
OS_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
"""Blocked from the first line of the program on, so that none is lost before somebody listens."""


class Ending:
    """End one daemon. Until `engage` nothing has begun, and a signal ends the start."""

    def __init__(
        self,
        identity: Identity,
        log: Log,
        notifier: Notifier,
        *,
        inbox: Inbox,
        standing: Standing,
        supervisor: Supervisor,
    ) -> None:
        self._identity = identity
        self._log = log
        self._notifier = notifier
        self._inbox = inbox
        self._standing = standing
        self._supervisor = supervisor
        self._desk: Desk | None = None
        self._day_writer: DayWriter | None = None
        self._reconnect: Callable[[], Awaitable[SimLink]]
        self._asked_s = 0.0

    def engage(self, desk: Desk, day_writer: DayWriter, reconnect: Callable[[], Awaitable[SimLink]]) -> None:
        """Name whom to stop from here on, and how the broker is reached when the line's reader is gone."""
        self._desk, self._day_writer, self._reconnect = desk, day_writer, reconnect

    async def listen(
        self, start: anyio.CancelScope, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Hear signals until cancelled: SIGUSR1 latches at once, SIGTERM, SIGINT and a terminal that closes stop."""
        # who starts it by nohup wants it to outlive the terminal
        deaf = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else set()
        heard = (number for number in OS_SIGNALS if number not in deaf)
        with anyio.open_signal_receiver(*heard) as received:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, OS_SIGNALS)
            task_status.started()
            async with anyio.create_task_group() as group:
                async for number in received:
                    if number == signal.SIGUSR1:
                        self._latch("SIGUSR1", "SIGUSR1")
                        continue
                    name = signal.Signals(number).name
                    self._notifier.stopping("stopping")
                    self._log.note(Note.DAEMON_STOPPING, {"reason": name})
                    if self._desk is None:
                        start.cancel()
                        continue
                    self._inbox.put(Urgent(partial(self.stop, name, cancels=True), "stop"))
                    if not self._standing.is_asked_to_stop:
                        self._standing.is_asked_to_stop = True
                        self._asked_s = anyio.current_time()
                        group.start_soon(self._hold_to_time, self._desk, name)

    async def _hold_to_time(self, desk: Desk, reason: str) -> None:
        """Keep a desk that waits for the broker, or for whatever, from keeping the stop waiting."""
        await anyio.sleep(BROKER_S_MAX)
        desk.link.give_up()
        await anyio.sleep(STOP_S_MAX - BROKER_S_MAX)
        if not self._standing.is_stopping:
            self._say_stopped(desk, reason)
            self._supervisor.stop()

    def _latch(self, reason: str, by: str) -> None:
        state_dir = self._identity.places.state_dir
        try:
            state = latch.trip(state_dir, "halt", at_us=wall_us(), by=by, reason=reason[:LATCHED_REASON_MAX])
        except latch.LatchError as error:
            self._log.note(Note.LATCH_FAILED, {"error": str(error)})
            if self._desk is not None:
                desk = self._desk
                self._inbox.put(Urgent(lambda: desk.trip("halt", reason, "os_signal", by), "trip"))
            return
        if self._desk is not None:
            desk = self._desk
            self._inbox.put(Urgent(lambda: desk.found_tripped(state, "os_signal"), "latch"))

    async def stop(self, reason: str, *, cancels: bool) -> None:
        """Stop in order; runs in the desk's own task."""
        desk, day_writer = self._desk, self._day_writer
        assert desk is not None
        assert day_writer is not None
        if self._standing.is_stopping:
            return
        self._standing.is_stopping = True
        now_s = anyio.current_time()
        asked_s = self._asked_s or now_s
        with anyio.CancelScope(shield=True, deadline=max(asked_s + STOP_S_MAX, now_s + LAST_S_MIN)):
            if cancels and self._identity.config.daemon.on_shutdown == "cancel":
                with anyio.CancelScope(deadline=max(asked_s + BROKER_S_MAX, now_s + LAST_S_MIN)):
                    await desk.cancel_entries("cancelled:shutdown")
            await desk.take(e.RunStopped(ts_us=desk.market_us, reason=reason))
            await desk.commit()
            if self._standing.is_tape_over and not await day_writer.write_all():
                self._standing.exit_code = EXIT_INTERNAL
            await desk.link.stop()
        if desk.is_journal_dead:
            self._standing.exit_code = EXIT_INTERNAL
        desk.journal.close()
        self._say_stopped(desk, reason)
        self._supervisor.stop()

    def _say_stopped(self, desk: Desk, reason: str) -> None:
        """Name the entries that work on at the broker, until their validity ends them."""
        keys = desk.open_keys()
        if keys:
            fields: dict[str, int | str] = {
                "count": len(keys),
                "keys": " ".join(keys[:LEFT_NAMED_MAX]),
                "until": _last_end(desk),
            }
            self._log.note(Note.ENTRIES_LEFT, fields)
        self._log.note(Note.DAEMON_STOPPED, {"reason": reason, "exit_code": self._standing.exit_code})

    async def fall(self, failure: Failed) -> None:
        """A vital task died: latch, take the entries off, leave the protection where it is, end with 7."""
        cause = failure.cause
        if isinstance(cause, Foreign):
            self._standing.exit_code = EXIT_REFUSED
            for line in cause.lines:
                self._log.note(Note.RECOVERY_STEP, {"foreign": line})
            return
        desk = self._desk
        self.latch_failure(f"task {failure.task} died: {_told(cause)}")
        if desk is None:
            return
        # what was not durable when it died may be what killed it: the broker is asked for it again
        desk.journal.abandon()
        with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_S_MAX):
            await self._cancel_unjournaled(desk)
        if not desk.is_journal_dead:
            self._write_why(self._identity.places.journal, desk)

    def latch_failure(self, reason: str) -> None:
        """Latch because of a failure of ours, say so, and end with 7; a trip that is in force keeps its reason."""
        self._standing.exit_code = EXIT_INTERNAL
        self._log.note(Note.DAEMON_FAILED, {"error": reason})
        state_dir = self._identity.places.state_dir
        if latch.read(state_dir).is_tripped:
            return
        try:
            latch.trip(state_dir, "halt", at_us=wall_us(), by="supervisor", reason=reason[:LATCHED_REASON_MAX])
        except latch.LatchError as error:
            self._log.note(Note.LATCH_FAILED, {"error": str(error)})

    async def _cancel_unjournaled(self, desk: Desk) -> None:
        """Take the entries off over a line of our own: who read the old one is gone. Recovery hears of it later."""
        with suppress(AxiomdError):
            link = await self._reconnect()
            async with hearing(link):
                for key in desk.open_keys():
                    for report in await link.execute(CancelEntry(key=key, reason="killed"), desk.market_us):
                        self._log.note(Note.BROKER_MESSAGE, {"kind": report.KIND, "order": e.key_of(report)})

    def _write_why(self, path: Path, desk: Desk) -> None:
        """Let the journal say why it ends here, behind what was durable."""
        state = latch.read(self._identity.places.state_dir)
        level: e.KillLevel = "flatten" if state.level == latch.FLATTEN else "halt"
        with suppress(AxiomdError), Journal(path, desk.journal.run_id) as journal:
            journal.append(
                e.KillTripped(
                    ts_us=desk.market_us, level=level, reason=state.reason, trip_id=state.trip_id, source="supervisor"
                )
            )


def _last_end(desk: Desk) -> str:
    return iso_time(max(leg.order.valid_to_us for legs in desk.engine.book.open.values() for leg in legs))


def _told(cause: BaseException) -> str:
    return str(cause) if isinstance(cause, AxiomdError) else f"{type(cause).__name__}: {cause}"
