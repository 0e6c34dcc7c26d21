"""The composition root: one daemon put together, started, run and ended.

Everything is made here and handed to who needs it; nothing else in the daemon reaches for a singleton. The order of the
start is 05's: locks, latch, journal, fold, broker, reconciliation, and only then readiness.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Final

import anyio
import anyio.to_thread

from axiomd import latch, presence
from axiomd.config.settings import Places
from axiomd.contracts import events as e
from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.errors import AxiomdError, JournalWriteFailed
from axiomd.core.recent import Recent
from axiomd.core.uncollected import collect_again, set_apart
from axiomd.core.warm_up import warm_up
from axiomd.daemon import locks, sim_link
from axiomd.daemon.alarms import Alarms
from axiomd.daemon.broker_process import BrokerProcess
from axiomd.daemon.clock import monotonic_us, wall_us
from axiomd.daemon.control import ControlServer
from axiomd.daemon.control_socket import gid_of
from axiomd.daemon.day_writer import DayWriter
from axiomd.daemon.days import Days
from axiomd.daemon.desk import Desk
from axiomd.daemon.ears import Ears
from axiomd.daemon.ending import Ending
from axiomd.daemon.health import Heartbeats
from axiomd.daemon.identity import Identity
from axiomd.daemon.inbox import Inbox, Urgent
from axiomd.daemon.journal_thread import JournalThread
from axiomd.daemon.memory import Memory, open_journal, remember
from axiomd.daemon.metrics_server import MetricsServer
from axiomd.daemon.operator import OperatorDesk
from axiomd.daemon.pacing import Pacing, between_sessions
from axiomd.daemon.player import READY_LOOK_S, play
from axiomd.daemon.portrait import Portrait
from axiomd.daemon.reconciler import Reconciler
from axiomd.daemon.recovery import Recovery
from axiomd.daemon.reload import Reload
from axiomd.daemon.sharing import share
from axiomd.daemon.sim_link import SimLink
from axiomd.daemon.source import Source
from axiomd.daemon.standing import Standing
from axiomd.daemon.supervisor import Failed, Supervisor, Task
from axiomd.daemon.systemd import Notifier
from axiomd.daemon.trader import Trader
from axiomd.daemon.watchers import watch_clock, watch_health, watch_latch
from axiomd.feeds.playback import items
from axiomd.feeds.recorded import TapeProcess
from axiomd.journal.beside import Writer, WriterGone, wait_for_writer
from axiomd.journal.live import LiveJournal
from axiomd.journal.log import Journal, LostJournal
from axiomd.observe.logging import Log, Note
from axiomd.observe.metrics import Metrics

BEATING: Final = ("desk", "feed", "latch", "truth", "artifacts")


async def run_daemon(
    identity: Identity,
    process: BrokerProcess,
    reader: TapeProcess | None,
    log: Log,
    notifier: Notifier,
    reread: Callable[[], DaemonConfig],
) -> int:
    """Run until stopped and give the exit code. Raises `AxiomdError` where it must not start.

    The caller holds the lock on the state dir, has the broker's process come up and a recorded feed's file read;
    `reread` reads the configuration again.
    """
    return await Daemon(identity, process, reader, log, notifier, reread).run()


class Daemon:
    """One daemon's parts and its life."""

    def __init__(
        self,
        identity: Identity,
        process: BrokerProcess,
        reader: TapeProcess | None,
        log: Log,
        notifier: Notifier,
        reread: Callable[[], DaemonConfig],
    ) -> None:
        config = identity.config
        self._reread = reread
        self._identity = identity
        self._log = log
        self._notifier = notifier
        self._beats = Heartbeats()
        self._inbox = Inbox()
        self._standing = Standing()
        self._alarms = Alarms(log.note)
        self._recent = Recent()
        self._supervisor = Supervisor(self._note_death)
        self._metrics = Metrics([entry.id for entry in config.normalised()])
        self._metrics_server = MetricsServer(
            config.metrics.host,
            config.metrics.port,
            render=self._metrics.render,
            health=lambda: self._beats.judge(monotonic_us()),
        )
        self._process = process
        self._reader = reader
        self._ending = Ending(
            identity, log, notifier, inbox=self._inbox, standing=self._standing, supervisor=self._supervisor
        )

    async def run(self) -> int:
        """Start, recover, run, stop."""
        problem: list[AxiomdError] = []
        async with anyio.create_task_group() as group:
            await group.start(self._ending.listen, group.cancel_scope)
            try:
                await self._live()
            except Failed as failure:
                await self._ending.fall(failure)
            except AxiomdError as error:
                problem.append(error)
            except Exception as error:
                # a start that breaks on our own mistake may have been trading a minute ago
                self._ending.latch_failure(f"the start failed: {type(error).__name__}: {error}")
            group.cancel_scope.cancel()
        if problem:
            raise problem[0]
        return self._standing.exit_code

    async def _live(self) -> None:
        places = self._identity.places
        await anyio.to_thread.run_sync(_wait_for_others, places, abandon_on_cancel=True)
        is_shared = self._share()
        latch.create(places.state_dir, at_us=wall_us(), by="axiomd run", mode=self._identity.latch_mode)
        source, engine, memory, days = remember(self._identity, self._recent, self._reader)
        run_id = self._identity.run_id(memory.position.session_date)
        journal: Journal
        try:
            journal = open_journal(places.journal, run_id, self._identity.presence_mode, memory.count)
        except JournalWriteFailed as error:
            # there may be entries to cancel and positions to watch: latched, it stays until the account is flat
            self._ending.latch_failure(f"JournalFailure: {error.what}")
            journal = LostJournal(places.journal, run_id, memory.count)
        if is_shared:
            self._share()
        thread = JournalThread()
        desk = Desk(
            engine,
            journal,
            await self._link(),
            places.state_dir,
            ears=self._ears(days, lambda: journal.head.hex()),
            age_us_max=self._identity.signal_age_us_max,
            beside=thread.run,
        )
        if isinstance(journal, LostJournal):
            desk.begin_without_journal()
        day_writer = DayWriter(days, engine, self._identity, self._beats, self._alarms)
        self._ending.engage(desk, day_writer, self._link)
        try:
            await self._supervise(desk, source, memory, day_writer)
        finally:
            thread.close()
            self._metrics_server.stop()
            presence.remove(places.state_dir, pid=os.getpid())

    def _share(self) -> bool:
        """Give a group of operators what it needs; what may not be given is said, and the daemon goes on."""
        group = self._identity.config.control.group
        if group is None:
            return False
        problem = share(self._identity.places, gid_of(group))
        if problem:
            self._log.note(
                Note.CONTROL_FAILED,
                {"group": group, "problem": problem, "remedy": "run as a member of the group: it cannot kill as it is"},
            )
        return not problem

    async def _link(self) -> SimLink:
        if self._identity.config.broker.sim.inside:
            return sim_link.InsideLink(self._identity.places.state_dir)
        return await sim_link.connect(self._process)

    def _ears(self, days: Days, head: Callable[[], str]) -> Ears:
        def hear(seq: int, event: e.Event) -> None:
            days.event(event, head, seq)
            self._recent.take(seq, event)
            self._metrics.take(event)
            self._log.event(seq, event)

        return Ears(
            event=[hear],
            mark=[days.mark],
            latency=[self._metrics.latency],
            commit=[self._metrics.commit],
            trip=[lambda level, reason: self._log.note(Note.LATCH_SEEN, {"level": level, "reason": reason})],
        )

    async def _supervise(self, desk: Desk, source: Source, memory: Memory, day_writer: DayWriter) -> None:
        own, inbox, standing, beats = self._identity, self._inbox, self._standing, self._beats
        engine = desk.engine
        pacing = pacing_of(own, source, memory)
        if not own.follows_feed:
            desk.between_sessions = partial(between_sessions, pacing, source.table.open_us)
        reconciler = Reconciler(
            desk, own, self._process, inbox=inbox, standing=standing, alarms=self._alarms, beats=beats
        )
        recovery = Recovery(desk, reconciler, own, source, memory)
        portrait = Portrait(
            desk, own, self._recent, inbox=inbox, pacing=pacing, standing=standing, beats=beats, alarms=self._alarms,
            broker_address="" if own.config.broker.sim.inside else str(self._process.socket),
            restarts=lambda: self._supervisor.restarts,
            clients=lambda: tuple((client.name, client.role) for client in control.clients),
        )  # fmt: skip
        trader = Trader(
            desk, own, source, inbox=inbox, pacing=pacing, standing=standing, beats=beats, alarms=self._alarms,
            on_session=portrait.renew_presence, on_tape_over=lambda: self._ending.stop("tape ended", cancels=False),
            waits_for_day=lambda: pacing.waits_for_us and day_writer.is_behind,
        )  # fmt: skip
        reload = Reload(desk, own, source, self._reread)
        operators = OperatorDesk(
            desk, own, inbox=inbox, standing=standing, alarms=self._alarms, reconciler=reconciler, reload=reload
        )  # fmt: skip
        control = ControlServer(
            own.places.control_socket,
            welcome=portrait.welcome,
            state=portrait.state,
            handle=operators.command,
            now_us=wall_us,
            group=own.config.control.group,
            note=self._log.note,
        )
        happenings = items(
            source.table,
            source.bars_of,
            bar_us=source.bar_us,
            interval_us=int(engine.account["interval_us"]),
            after=memory.position,
        )

        async def work() -> None:
            if not standing.is_ready:
                await recovery.run()
                self._say_ready(portrait)
            await trader.run()

        async def hand_over() -> None:
            if not isinstance(desk.journal, LiveJournal):
                return
            try:
                writer = await anyio.to_thread.run_sync(Writer, own.places.journal)
            except (OSError, WriterGone) as error:
                # it is for speed alone
                self._log.note(Note.TASK_FAILED, {"task": "writer", "error": str(error)})
                return
            inbox.put(Urgent(lambda: desk.hand_over(writer), "writer"))

        async def warm() -> None:
            # not beside the recovery, which it would slow down, and which needs the compiler only for bars to fold
            while not standing.is_ready:
                await anyio.sleep(READY_LOOK_S)
            # beside the desk, which waits with the first bar and with nothing else: a new version compiles for long
            await anyio.to_thread.run_sync(warm_up, engine.plan)
            # the compiler came in with it, and a collector that walks over it would make bars wait
            set_apart()
            standing.is_warm = True
            await hand_over()

        tasks = [
            Task("broker", reconciler.keep_link),
            Task("rules", warm, is_vital=True),  # what does not compile now never will, and no bar would be taken
            Task("desk", work, is_vital=True),
            Task(
                "feed",
                lambda: play(happenings, pacing=pacing, inbox=inbox, standing=standing, beats=beats),
                is_vital=True,  # where it stood is known to the journal alone
            ),
            Task("latch", lambda: watch_latch(desk, own, inbox=inbox, standing=standing, beats=beats)),
            Task("truth", reconciler.watch),
            Task("control", control.serve),
            Task("artifacts", day_writer.run),
            Task(
                "health",
                lambda: watch_health(
                    portrait, self._notifier, self._metrics, inbox=inbox, standing=standing, beats=beats
                ),
            ),
        ]
        for name in BEATING:
            beats.expect(name, monotonic_us())
        if not own.follows_feed:
            beats.expect("clock", monotonic_us())
            tasks.append(
                Task(
                    "clock",
                    lambda: watch_clock(
                        desk,
                        lambda: reload.config.limits().clock_skew,
                        inbox=inbox,
                        standing=standing,
                        beats=beats,
                        alarms=self._alarms,
                    ),
                )
            )
        host, port = self._metrics_server.start()
        control.bind()
        try:
            portrait.metrics_at = {"host": host, "port": port}
            portrait.write_presence()
            collect_again()
            await self._supervisor.run(tasks)
        finally:
            control.close()

    def _say_ready(self, portrait: Portrait) -> None:
        self._standing.is_ready = True
        portrait.renew_presence()
        self._notifier.ready(f"ready: {self._identity.mode} {self._identity.account}")
        self._log.note(Note.DAEMON_READY, {"ms": (wall_us() - self._identity.started_us) // 1000})
        self._metrics.show(portrait.state()[1])

    def _note_death(self, task: str, error: str, restarts: int) -> None:
        self._metrics.restarted(task)
        self._log.note(Note.TASK_RESTARTED, {"task": task, "error": error, "restarts": restarts})


def _wait_for_others(places: Places) -> None:
    locks.wait_for_kill(places.state_dir)
    wait_for_writer(places.journal)


def pacing_of(identity: Identity, source: Source, memory: Memory) -> Pacing:
    """Give market time's pace, and where it stands at the start."""
    config = identity.config
    speed = None if config.feed.speed == "max" else float(config.feed.speed)
    if identity.follows_feed:
        start_us = max(memory.position.now_us, 0)
    elif source.is_endless:
        start_us = wall_us()
    else:
        start_us = memory.position.now_us if memory.count else int(source.table.open_us[0])
    return Pacing(speed, follows_feed=identity.follows_feed, market_us=start_us)
