"""The composition root: one daemon put together, recovered, run and taken down.

Everything is made here and handed to who needs it; nothing else in the daemon reaches for a singleton. The order of
the start is 05's: locks, latch, journal, fold, broker, reconciliation, and only then readiness.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, Literal

import anyio
import anyio.to_thread

from axiomd import __version__, latch, presence
from axiomd.broker.sim_process import SOCKET_FILE
from axiomd.config.binding import bind
from axiomd.config.settings import Places
from axiomd.contracts import events as e
from axiomd.contracts.control import PROTOCOL_VERSION, ControlCommand, Welcome
from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.errors import (
    EXIT_INTERNAL,
    EXIT_OK,
    EXIT_REFUSED,
    AxiomdError,
    BrokerUnavailable,
    ConfigError,
    RefusedError,
)
from axiomd.contracts.runs import config_document, config_hash
from axiomd.core.engine import Engine
from axiomd.core.recent import Recent
from axiomd.core.strategies.api import Candidates
from axiomd.core.strategies.stage1 import listed, screened
from axiomd.core.view import Facts, LatchFact, TaskFact, snapshot
from axiomd.core.warm_up import warm_up
from axiomd.daemon import locks, sim_link
from axiomd.daemon.clock import monotonic_us, wall_us
from axiomd.daemon.control import Client, ControlServer
from axiomd.daemon.days import Days, write_day
from axiomd.daemon.desk import Desk, Ears
from axiomd.daemon.health import Heartbeats
from axiomd.daemon.inbox import FeedEnded, Inbox, Urgent
from axiomd.daemon.memory import Memory, check_owner, fold
from axiomd.daemon.metrics_server import MetricsServer
from axiomd.daemon.pacing import Pacing
from axiomd.daemon.source import Source, source_of
from axiomd.daemon.supervisor import Failed, Supervisor, Task
from axiomd.daemon.systemd import Notifier
from axiomd.feeds.playback import Item, Moment, SessionBegins, SessionEnds, items
from axiomd.journal.log import Journal
from axiomd.observe.logging import Log, Note
from axiomd.observe.metrics import Metrics

ACCOUNT_SIM: Final = "SIM"
LATCH_LOOK_S: Final = 0.1
TRUTH_LOOK_S: Final = 3.0
DRIFT_LOOKS_MAX: Final = 3
IDLE_S: Final = 0.5
COMMAND_S_MAX: Final = 5.0
STOP_S_MAX: Final = 8.0


async def run_daemon(
    config: DaemonConfig, places: Places, mode: Literal["paper", "live"], log: Log, notifier: Notifier
) -> int:
    """Run until stopped and give the exit code. Raises `AxiomdError` where it must not start."""
    account = ACCOUNT_SIM if config.broker.kind == "sim" else config.broker.ib.account
    if config.broker.kind != "sim":
        raise ConfigError("broker.kind ib is not in this version", "broker.kind", "use sim")
    if mode == "live":
        raise RefusedError("live needs Interactive Brokers", "--mode live", "run paper on the simulated broker")
    places.state_dir.mkdir(parents=True, exist_ok=True)
    places.runtime_dir.mkdir(parents=True, exist_ok=True)
    lock = locks.hold(places.state_dir / locks.STATE_LOCK, "the state dir")
    await anyio.to_thread.run_sync(locks.wait_for_kill, places.state_dir, abandon_on_cancel=True)
    daemon = Daemon(config, places, mode, account, log, notifier, lock)
    return await daemon.run()


class Daemon:
    """One daemon's parts and its life."""

    def __init__(
        self, config: DaemonConfig, places: Places, mode: Literal["paper", "live"], account: str, log: Log,
        notifier: Notifier, lock: IO[str],
    ) -> None:  # fmt: skip
        self.config = config
        self.places = places
        self.mode = mode
        self.account = account
        self._log = log
        self._notifier = notifier
        self._lock = lock
        self._started_us = wall_us()
        self._beats = Heartbeats()
        self._inbox = Inbox()
        self._supervisor = Supervisor(self._note_death)
        self._metrics = Metrics([entry.id for entry in config.normalised()])
        self._metrics_server = MetricsServer(
            config.metrics.host,
            config.metrics.port,
            render=self._metrics.render,
            health=lambda: self._beats.judge(monotonic_us()),
        )
        self._recent = Recent()
        self._exit_code = EXIT_OK
        self._is_ready = False
        self._drift_looks = 0
        self._is_tape_over = False
        self._is_stopped = False
        self._pauses: dict[str, int] = {}

    # --- start ---

    async def run(self) -> int:
        """Start, recover, run, stop."""
        state_dir = self.places.state_dir
        if not self.config.broker.sim.inside:
            # it comes up while we fold
            with suppress(OSError):
                if not (self.places.runtime_dir / SOCKET_FILE).exists():
                    sim_link.start_process(state_dir, self.places.runtime_dir)
        latch.create(state_dir, at_us=wall_us(), by="axiomd run")
        source, engine, memory = self._remember()
        warm_up(engine.plan)
        self._digest = config_hash(self.config, {})
        self._source, self.engine = source, engine
        journal = Journal(self.places.journal, self._run_id(memory.position.session_date))
        self._journal = journal
        link = await self._link()
        ears = Ears(
            event=[self._hear],
            mark=[self._days.mark],
            latency=[lambda stage, seconds: self._metrics.latency(stage, seconds)],  # type: ignore[arg-type]
            commit=[self._metrics.commit],
            trip=[lambda level, reason: self._log.note(Note.LATCH_SEEN, {"level": level, "reason": reason})],
        )
        self.desk = Desk(
            engine, journal, link, state_dir, ears=ears, age_us_max=int(self.config.daemon.max_signal_age_s * 1_000_000)
        )
        self._pacing = self._pace(source, memory)
        self._items = items(
            source.table,
            source.bars_of,
            bar_us=source.bar_us,
            interval_us=int(engine.account["interval_us"]),
            after=memory.position,
        )
        self._write_presence()
        host, port = self._metrics_server.start()
        self._metrics_at = {"host": host, "port": port}
        try:
            return await self._live(memory)
        finally:
            self._metrics_server.stop()
            presence.remove(state_dir, pid=os.getpid())

    def _remember(self) -> tuple[Source, Engine, Memory]:
        """Fold the journal. The feed's table must reach back to the journal's first session, so it is read twice."""
        path = self.places.journal
        first = _first_session(path) if path.is_file() else ""
        source = source_of(self.config, first, wall_us())
        plan = bind(self.config, source.table, source.bar_us, "", self.mode)
        engine = Engine(plan)
        self._days = Days(engine, self.places.artifacts_dir)
        memory = Memory()
        if path.is_file():
            memory = fold(path, engine, self._hear_again, self._days.mark)
            check_owner(memory, self.mode, self.account)
        return source, engine, memory

    def _hear_again(self, seq: int, event: e.Event) -> None:
        self._days.event(event, "", seq)
        self._recent.take(seq, event)

    def _hear(self, seq: int, event: e.Event) -> None:
        self._days.event(event, self._journal.head.hex(), seq)
        self._recent.take(seq, event)
        self._metrics.take(event)
        self._log.event(seq, event)

    async def _link(self) -> sim_link.SimLink:
        if self.config.broker.sim.inside:
            return sim_link.InsideLink(self.places.state_dir)
        return await sim_link.connect(self.places.state_dir, self.places.runtime_dir)

    def _pace(self, source: Source, memory: Memory) -> Pacing:
        speed = None if self.config.feed.speed == "max" else float(self.config.feed.speed)
        follows_feed = self.config.clock.kind == "feed"
        if follows_feed:
            start_us = max(memory.position.now_us, 0)
        elif source.is_endless:
            start_us = wall_us()
        else:
            start_us = memory.position.now_us if memory.count else int(source.table.open_us[0])
        return Pacing(speed, follows_feed=follows_feed, market_us=start_us)

    async def _live(self, memory: Memory) -> int:
        async with anyio.create_task_group() as outer:
            outer.start_soon(self._listen_to_signals)
            try:
                await self._supervise(memory)
            except Failed as failure:
                await self._fall(failure)
            outer.cancel_scope.cancel()
        return self._exit_code

    async def _supervise(self, memory: Memory) -> None:
        for name in ("desk", "feed", "latch", "truth", "artifacts"):
            self._beats.expect(name, monotonic_us())
        control = ControlServer(
            self.places.control_socket,
            welcome=self._welcome,
            state=self._state,
            handle=self._command,
            now_us=wall_us,
            group=self.config.control.group,
            note=self._log.note,
        )
        self._control = control
        await self._supervisor.run(
            [
                Task("broker", self._keep_link),
                Task("desk", lambda: self._work(memory), is_vital=True),
                Task("feed", self._feed),
                Task("latch", self._watch_latch),
                Task("truth", self._watch_truth),
                Task("control", control.serve),
                Task("artifacts", self._write_days),
                Task("health", self._watch_health),
            ]
        )

    # --- recovery ---

    async def _recover(self, memory: Memory) -> None:
        """05's start: the broker's truth against the fold, then whatever was asked and not answered, then readiness."""
        desk, engine = self.desk, self.engine
        await desk.link.attach(sim_link.setup_of(engine.plan, self.account))
        now_us = max(desk.market_us, 0)
        if not memory.count:
            now_us = int(self._source.table.open_us[0]) if len(self._source.table) else wall_us()
        self._journal.run_id = self._run_id(memory.position.session_date)
        await desk.take(
            e.RunStarted(
                ts_us=now_us,
                run_id=self._journal.run_id,
                mode=self.mode,
                account=self.account,
                code_version=__version__,
                config_hash=self._digest,
                bar_us=engine.plan.bar_us,
            )
        )
        await desk.take(e.ConfigLoaded(ts_us=now_us, config_hash=self._digest, config=config_document(self.config, {})))
        state = latch.read(self.places.state_dir)
        if state.is_tripped:
            await desk.found_tripped(state)
        elif engine.level:
            # the file was armed while the journal says tripped: tripped wins
            await desk.trip(
                "flatten" if engine.level == "flatten" else "halt", "tripped in the journal", "journal", "recovery"
            )
        await desk.take(e.BrokerConnected(ts_us=now_us, broker=self.config.broker.kind, account=self.account))
        found = await desk.recover(memory.reports_known_us)
        if found.foreign:
            await desk.trip("halt", f"UnknownPosition: {found.foreign[0]}", "guard", "UnknownPosition")
            raise _Foreign(found.foreign)
        await desk.carry_out(engine.forget_requests())
        if memory.has_orphaned_setups and engine.has_setups_left:
            await desk.carry_out(engine.take_setups())
        await self._judge_drift(found.differences)

    async def _judge_drift(self, differences: tuple[str, ...]) -> None:
        """A difference blocks at once with an alarm, and trips when it is still there after three looks."""
        desk = self.desk
        if not differences:
            if not self.engine.is_reconciled:
                await desk.agree()
            self._drift_looks = 0
            return
        self._drift_looks += 1
        if self._drift_looks == 1 or self.engine.is_reconciled:
            await desk.take(e.ReconDrift(ts_us=desk.market_us, differences=differences))
            await desk.commit()
        if self._drift_looks == DRIFT_LOOKS_MAX:
            await desk.trip("halt", f"ReconDrift: {differences[0]}", "guard", "ReconDrift")

    # --- the tasks ---

    async def _work(self, memory: Memory) -> None:
        """The desk's own task: the engine's only owner."""
        await self._recover(memory)
        self._is_ready = True
        self._write_presence()
        self._notifier.ready(f"ready: {self.mode} {self.account}")
        self._log.note(Note.DAEMON_READY, {"ms": (wall_us() - self._started_us) // 1000})
        while True:
            message = await self._inbox.get(IDLE_S)
            self._beats.beat("desk", monotonic_us())
            match message:
                case Urgent(job=job):
                    await job()
                case FeedEnded():
                    await self._stop("tape ended", cancels=False)
                    return
                case None:
                    pass
                case _:
                    await self._take_item(message)
            if self._is_stopped:
                return
            if self.desk.is_journal_dead and not self.engine.holdings:
                raise RuntimeError("the journal is dead and the account is flat")

    async def _take_item(self, item: Item) -> None:
        sessions = self._source.table
        match item:
            case SessionBegins(ts_us=ts_us, session=session):
                date = sessions.date(session).isoformat()
                opened = e.SessionOpened(
                    ts_us=ts_us,
                    session=date,
                    run_id=self._run_id(date),
                    open_us=int(sessions.open_us[session]),
                    close_us=int(sessions.close_us[session]),
                )
                chosen = [
                    e.CandidatesSelected(ts_us=ts_us, strategy=strategy, symbols=tuple(symbols))
                    for strategy, symbols in self._select(session).items()
                ]
                await self.desk.open_session(opened, chosen)
                self._write_presence()
            case Moment(ts_us=ts_us, rows=rows):
                heard_us = 0 if self.config.clock.kind == "feed" else self._pacing.now_us()
                await self.desk.moment(ts_us, rows, heard_us if heard_us > ts_us else 0)
            case SessionEnds(ts_us=ts_us, session=session):
                await self.desk.end_session(ts_us, sessions.date(session).isoformat())

    def _select(self, session: int) -> dict[str, Candidates]:
        chosen: dict[str, Candidates] = {}
        for own in self.engine.plan.strategies:
            if own.stage1.mode == "list":
                chosen[own.id] = listed(own.symbols, max_candidates=own.stage1.max_candidates)
            else:
                from axiomd.feeds.store import daily_of

                daily = daily_of(self.places.state_dir, own.symbols)
                ranked = own.strategy.screen(daily, self._source.table.date(session), own.stage1.model_dump())
                chosen[own.id] = screened(ranked, among=own.symbols, max_candidates=own.stage1.max_candidates)
        return chosen

    async def _feed(self) -> None:
        """Play the feed at market time's pace; the inbox holds it to the desk's."""
        while not self._is_ready:
            self._beats.beat("feed", monotonic_us())
            await anyio.sleep(0.005)
        async with anyio.create_task_group() as group:
            group.start_soon(self._beat_while, "feed")
            for item in self._items:
                await self._pacing.wait_for(item.ts_us, begins_session=isinstance(item, SessionBegins))
                await self._inbox.put_item(item)
            self._is_tape_over = True
            await self._inbox.put_item(FeedEnded())
            group.cancel_scope.cancel()

    async def _beat_while(self, name: str) -> None:
        """Waiting for market time or for the desk is no hang."""
        while True:
            self._beats.beat(name, monotonic_us())
            await anyio.sleep(IDLE_S)

    async def _watch_latch(self) -> None:
        while True:
            self._beats.beat("latch", monotonic_us())
            if self._is_ready:
                state = latch.read(self.places.state_dir)
                if state.is_tripped and state.trip_id != self.engine.trip_id:
                    self._inbox.put(Urgent(lambda state=state: self.desk.found_tripped(state), "latch"))  # type: ignore[misc]
            await anyio.sleep(LATCH_LOOK_S)

    async def _watch_truth(self) -> None:
        while True:
            self._beats.beat("truth", monotonic_us())
            await anyio.sleep(TRUTH_LOOK_S)
            if self._is_ready:
                self._inbox.put(Urgent(self._look_at_truth, "truth"))

    async def _look_at_truth(self) -> None:
        try:
            found = await self.desk.recover(self.engine.session_open_us - 1)
        except BrokerUnavailable as error:
            await self._lose_broker(str(error))
            return
        await self._judge_drift((*found.differences, *found.foreign))

    async def _keep_link(self) -> None:
        """Hear the broker; when its line breaks, say so, find or start it again, and reconcile."""
        while True:
            try:
                await self.desk.link.listen(self._hear_push)
            except BrokerUnavailable as error:
                if self._is_stopped:
                    return
                self._inbox.put(Urgent(lambda reason=str(error): self._lose_broker(reason), "lost"))  # type: ignore[misc]
                self.desk.link = await sim_link.connect(self.places.state_dir, self.places.runtime_dir)
                self._inbox.put(Urgent(self._find_broker, "found"))

    def _hear_push(self, reports: list[e.Event]) -> None:
        self._inbox.put(Urgent(lambda: self.desk.reports(reports)))

    async def _lose_broker(self, reason: str) -> None:
        if self.engine.is_connected:
            await self.desk.take(e.BrokerLost(ts_us=self.desk.market_us, reason=reason))
            await self.desk.commit()

    async def _find_broker(self) -> None:
        """No command outlives a disconnect: reconcile, then decide afresh."""
        await self.desk.link.attach(sim_link.setup_of(self.engine.plan, self.account))
        await self.desk.take(e.BrokerConnected(ts_us=self.desk.market_us, broker="sim", account=self.account))
        await self._look_at_truth()

    async def _write_days(self) -> None:
        while True:
            self._beats.beat("artifacts", monotonic_us())
            await self._write_one_day()
            await anyio.sleep(IDLE_S / 5)

    async def _write_one_day(self) -> None:
        if not self._days.over:
            return
        day = self._days.over.pop(0)
        async with anyio.create_task_group() as group:
            group.start_soon(self._beat_while, "artifacts")
            await anyio.to_thread.run_sync(
                write_day, day, self.places.artifacts_dir, self.config, self.engine, self._digest, wall_us(), self.mode
            )
            group.cancel_scope.cancel()

    async def _watch_health(self) -> None:
        """The watchdog is fed only while every task lives: a hung engine stops it."""
        beat_s = min(self._notifier.beat_s or 1.0, 1.0)
        while True:
            now_us = monotonic_us()
            health = self._beats.judge(now_us)
            if health.is_healthy:
                self._notifier.alive()
            self._notifier.status(health.status if not health.is_healthy else self._status_line())
            for name, age_s in self._beats.ages_s(now_us).items():
                depth = self._inbox.depth if name == "desk" else 0
                self._metrics.task(name, heartbeat_age_s=age_s, depth=depth, depth_max=256 if name == "desk" else 0)
            if self._is_ready:
                self._metrics.show(self._state()[1])
            await anyio.sleep(beat_s)

    # --- control ---

    async def _command(self, command: ControlCommand, client: Client) -> str | None:
        """Carry an operator's command out in the desk's own task, and answer when it is done."""
        if not self._is_ready:
            return "the daemon is recovering: try again"
        done = anyio.Event()
        problem: list[str] = []

        async def job() -> None:
            try:
                answer = await self._obey(command, client)
                problem.extend([answer] if answer else [])
            except (AxiomdError, latch.LatchError) as error:
                problem.append(str(error))
            finally:
                done.set()

        if not self._inbox.put(Urgent(job)):
            return "the daemon is busy: try again"
        with anyio.move_on_after(COMMAND_S_MAX):
            await done.wait()
            return problem[0] if problem else None
        return "no answer yet: look at the state"

    async def _obey(self, command: ControlCommand, client: Client) -> str | None:
        args: dict[str, Any] = dict(command.args)
        await self.desk.take(
            e.OperatorCommand(ts_us=self.desk.market_us, name=command.name, operator=client.name, args=args)
        )
        match command.name:
            case "kill" | "flatten":
                level: e.KillLevel = (
                    "flatten" if command.name == "flatten" or args.get("level") == "flatten" else "halt"
                )
                await self.desk.trip(level, str(args.get("reason") or "operator"), "operator", client.name)
            case "resume":
                return await self._resume(args, client)
            case "cancel":
                await self.desk.cancel_one(str(args.get("key", "")))
            case "note":
                await self.desk.commit()
            case _:
                await self.desk.commit()
                return f"{command.name} is not in this version"
        return None

    async def _resume(self, args: dict[str, Any], client: Client) -> str | None:
        state = latch.read(self.places.state_dir)
        if not state.is_tripped:
            return "the latch is armed already"
        if args.get("account") != self.account:
            return f"the account is {self.account}: name it"
        if not self.engine.is_reconciled:
            return "journal and broker disagree: reconcile first"
        if "MaxDrawdown" in state.reason and not args.get("new_peak"):
            return "after MaxDrawdown only a raised limit or --new-peak resumes"
        trip_id = str(args.get("trip_id") or "")
        if trip_id != state.trip_id:
            return f"the trip in force is {state.trip_id}: look at it, then resume that one"
        await self.desk.resume(trip_id, client.name, str(args.get("reason") or ""), new_peak=bool(args.get("new_peak")))
        return None

    def _welcome(self) -> Welcome:
        return Welcome(
            version=PROTOCOL_VERSION,
            run_id=self.engine.run_id or self._run_id(""),
            mode=self.mode,
            account=self.account,
        )

    def _state(self) -> tuple[int, dict[str, Any]]:
        latched = latch.read(self.places.state_dir)
        health = self._beats.judge(monotonic_us())
        restarts = self._supervisor.restarts
        facts = Facts(
            run_id=self.engine.run_id,
            mode=self.mode,
            account=self.account,
            instance=self.places.instance,
            version=__version__,
            started_us=self._started_us,
            market_us=max(self._pacing.now_us(), 0),
            is_ready=self._is_ready,
            broker="sim",
            is_journal_ok=not self.desk.is_journal_dead,
            protection=self._protected(),
            latch=LatchFact(
                level=latched.level, trip_id=latched.trip_id, reason=latched.reason, by=latched.by, at_us=latched.at_us
            ),
            tasks={
                name: TaskFact(is_hung=name in health.hung, restarts=restarts.get(name, 0))
                for name in ("desk", "feed", "latch", "truth", "artifacts")
            },
            clients=tuple((client.name, client.role) for client in self._control.clients),
        )
        return self._recent.seq, snapshot(self.engine, self._recent, facts)

    def _protected(self) -> dict[str, str]:
        """Name the exits of each open position that the broker has confirmed."""
        return {
            holding.order.symbol: "KILL" if holding.closing else self.desk.protection.get(holding.order.symbol, "")
            for holding in self.engine.holdings.values()
        }

    # --- the end ---

    async def _listen_to_signals(self) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGUSR1) as received:
            async for number in received:
                if number == signal.SIGUSR1:
                    self._inbox.put(Urgent(lambda: self.desk.trip("halt", "SIGUSR1", "os_signal", "SIGUSR1")))
                else:
                    self._notifier.stopping("stopping")
                    name = signal.Signals(number).name
                    self._inbox.put(Urgent(lambda name=name: self._stop(name, cancels=True)))  # type: ignore[misc]

    async def _stop(self, reason: str, *, cancels: bool) -> None:
        """A clean stop: no new entries, working ones off by policy, journal closed, days written."""
        self._is_stopped = True
        with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_S_MAX):
            if cancels and self.config.daemon.on_shutdown == "cancel":
                await self.desk.cancel_entries("cancelled:shutdown")
            await self.desk.take(e.RunStopped(ts_us=self.desk.market_us, reason=reason))
            await self.desk.commit()
            while self._days.over and self._is_tape_over:
                await self._write_one_day()
            await self.desk.link.stop()
        self._journal.close()
        self._supervisor.stop()

    async def _fall(self, failure: Failed) -> None:
        """A vital task died: latch, take the entries off, leave the protection where it is, end with 7."""
        if isinstance(failure.cause, _Foreign):
            self._exit_code = EXIT_REFUSED
            for line in failure.cause.lines:
                self._log.note(Note.RECOVERY_STEP, {"foreign": line})
            return
        self._exit_code = EXIT_INTERNAL
        self._log.note(Note.DAEMON_FAILED, {"task": failure.task, "error": str(failure.cause)})
        with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_S_MAX):
            with suppress(Exception):
                latch.trip(
                    self.places.state_dir, "halt", at_us=wall_us(), by="supervisor",
                    reason=f"task {failure.task} died: {failure.cause}"[:160],
                )  # fmt: skip
            with suppress(Exception):
                await self.desk.cancel_entries("killed")

    def _note_death(self, task: str, error: str, restarts: int) -> None:
        self._metrics.restarted(task)
        self._log.note(Note.TASK_RESTARTED, {"task": task, "error": error, "restarts": restarts})

    # --- who we are ---

    def _run_id(self, session_date: str) -> str:
        date = session_date or datetime.fromtimestamp(self._started_us / 1e6, UTC).date().isoformat()
        return f"{self.mode}-{self.account}-{date}"

    def _status_line(self) -> str:
        level = self.engine.level
        kill = f"KILLED ({level})" if level else "armed"
        return f"{self.mode} {self.account} {self.engine.session or 'no session yet'}: {kill}"

    def _write_presence(self) -> None:
        presence.write(
            self.places.state_dir,
            presence.Presence(
                pid=os.getpid(),
                start_time=presence.start_time_of(os.getpid()) or 0,
                version=__version__,
                instance=self.places.instance,
                account=self.account,
                mode=self.mode,
                run_id=self.engine.run_id or self._run_id(""),
                socket=str(self.places.control_socket),
                broker={
                    "kind": "sim",
                    "address": ""
                    if self.config.broker.sim.inside
                    else str(self.places.runtime_dir / SOCKET_FILE),
                },
                metrics=dict(getattr(self, "_metrics_at", {})),
                is_ready=self._is_ready,
            ),
        )


class _Foreign(Exception):
    """Orders or executions at the broker that no journal of ours explains."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__(lines[0])
        self.lines = lines


def _first_session(path: Path) -> str:
    from axiomd.journal.log import entries

    for entry in entries(path):
        if isinstance(entry.event, e.SessionOpened):
            return entry.event.session
    return ""
