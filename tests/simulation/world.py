"""One seed, one history: a market, a configuration, a daemon that dies and comes back, an operator, a rough broker.

The desk, the engine, the journal, the recovery and the reconciliation are the daemon's own; only the clock, the feed's
pacing, the threads and the broker's line are the world's. Everything that happens is drawn from the seed.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, Final

from axiomd import latch
from axiomd.config.binding import bind
from axiomd.config.identity import identified
from axiomd.config.settings import Places
from axiomd.contracts import events as e
from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.errors import BrokerUnavailable, JournalWriteFailed
from axiomd.contracts.orders import Order
from axiomd.contracts.risk import RiskConfig
from axiomd.core.engine import Engine
from axiomd.core.market.sessions import SessionTable
from axiomd.core.strategies.stage1 import listed
from axiomd.daemon.alarms import Alarms
from axiomd.daemon.desk import Desk
from axiomd.daemon.ears import Ears
from axiomd.daemon.health import Heartbeats
from axiomd.daemon.identity import Identity
from axiomd.daemon.inbox import Inbox
from axiomd.daemon.memory import fold
from axiomd.daemon.reconciler import Reconciler
from axiomd.daemon.recovery import Foreign, Recovery
from axiomd.daemon.rejudge import rejudge
from axiomd.daemon.source import Source
from axiomd.daemon.standing import Standing
from axiomd.feeds.playback import Item, Moment, SessionBegins, SessionEnds, items
from axiomd.journal.log import Journal
from tests.markets import SPANS, random_market, tape_of, write_rates
from tests.parity import random_risk
from tests.simulation.broker import RoughBroker
from tests.simulation.corpus import CORPUS
from tests.simulation.invariants import Broken, Invariants

STEP_MINUTES: Final = 5
LIVES_MAX: Final = 12
WINDOWS: Final = tuple(
    f"{hour:02d}:{minute:02d}-{hour + (minute + 30) // 60:02d}:{(minute + 30) % 60:02d}"
    for hour in range(9, 16)
    for minute in (0, 30)
)
NAMED_FROM: Final = 50_000
"""Seeds from here on die at a named kind of point half of the time, so that rare kinds get their share."""
MONEY_FROM: Final = 60_000
"""Seeds from here on trade in another currency now and then."""
POINTS: Final = (
    "before append", "after append", "before commit", "after commit", "before send", "after send", "before moment",
    "before truth", "before end of session",
)  # fmt: skip

CHANCES: Final = {
    "partial": 0.15,
    "reject": 0.03,
    "late": 0.06,
    "twice": 0.05,
    "mixed up": 0.1,
    "answer lost": 0.01,
    "down at request": 0.01,
    "down at moment": 0.004,
    "down at end": 0.02,
    "down at truth": 0.02,
    "down at attach": 0.05,
    "disk full": 0.002,
    "moment twice": 0.01,
    "bar late": 0.01,
    "bar lost": 0.01,
    "bars out of order": 0.02,
}


class Crash(BaseException):
    """The process is gone, right here."""


class SimJournal(Journal):
    """The journal, with places to die before and after every append and commit, and a disk that may be full."""

    world: World

    def append(self, event: e.Event, cause: int = 0, key: str | None = None) -> int:
        """Append between two crash points."""
        self.world.point("before append")
        seq = super().append(event, cause, key)
        self.world.point("after append")
        return seq

    def append_all(self, events: Sequence[e.Event], causes: Sequence[int], keys: Sequence[str]) -> int:
        """Append each between two crash points."""
        for event, cause, key in zip(events, causes, keys, strict=True):
            self.append(event, cause, key)
        return self.count

    def commit(self) -> None:
        """Commit between two crash points."""
        self.world.point("before commit")
        if self.is_dirty and self.world.is_disk_full():
            raise JournalWriteFailed("the disk is full", "simulated", "free it")
        super().commit()
        self.world.point("after commit")


@dataclass
class Script:
    """What a seed draws: how often to die, whether the broker is rough, whether an operator meddles."""

    seed: int
    is_rough: bool
    crashes: int
    operator: bool
    disk: bool
    steps: list[str] = field(default_factory=list)


@lru_cache(maxsize=8)
def _table(span: int) -> SessionTable:
    from tests.markets import sessions_of

    return sessions_of(SPANS[span])


class World:
    """One history. `run` raises `Broken` where an invariant does not hold."""

    def __init__(self, seed: int, folder: Path, kept: frozenset[int] | None = None) -> None:
        self.dice = Random(seed)
        self._kept = kept
        self.strikes = 0
        self.seed = seed
        kind = self.dice.choice(("crashes", "crashes", "rough", "rough", "everything"))
        self.is_rough = kind != "crashes"
        self.has_operator = kind == "everything" or self.dice.random() < 0.2
        self.has_disk_faults = kind == "everything"
        self.has_feed_faults = self.is_rough and seed >= NAMED_FROM
        self._before: list[Any] = []
        self.crashes_left = self.dice.choice((0, 1, 2, 4, 6)) if kind != "rough" else self.dice.choice((0, 0, 2))
        self.state_dir = folder
        self.days = 0
        self.lives = 0
        self.points = 0
        self.faults: list[str] = []
        self._crash_at = -1
        self._crash_name = ""
        self._names = Random(seed + 1)
        self._hands = Random(seed + 2)
        self._may_trade_by_hand = seed not in CORPUS
        self._disk_full_left = 0
        self._span = self.dice.randrange(len(SPANS))
        whole = _table(self._span)
        first = self.dice.randrange(len(whole) - 1)
        count = self.dice.choice((1, 1, 2))
        self.table = _cut(whole, first, min(len(whole), first + count))
        self.symbols = ["AAA", "BBB", "CCC"][: self.dice.choice((1, 2, 3))]
        rows = random_market(
            seed, self.symbols, self.table, step_minutes=STEP_MINUTES, missing=self.dice.choice((0, 0.02)), wildness=8
        )
        self.tape = tape_of(rows, self.table, STEP_MINUTES)
        self.config = DaemonConfig.model_validate(self._config())
        self.plan = bind(self.config, self.table, self.tape.timeframe_us, "", "paper")
        self.digest = "0"
        self.plans = {self.digest: self.plan}
        """Every plan that has held, by the hash that the journal knows it by."""
        self.broker = RoughBroker(self.plan, self)
        self.invariants = Invariants(self)
        self.engine: Engine
        self.desk: Desk

    def _config(self) -> dict[str, Any]:
        dice = self.dice
        return {
            "strategy": {
                "name": "inside_bar",
                "params": {
                    "windows": list(WINDOWS),
                    "min_mother_range_atr": 0,
                    "atr_period": 2,
                    "validity": dice.choice(("window_end", "session_end")),
                    "risk_reward": dice.choice((1, 2, "0.5")),
                },
            },
            "symbols": self.symbols,
            "sizing": {"mode": dice.choice(("fixed", "risk")), "fixed_qty": 50},
            "costs": {"commission_per_share": "0.01", "slippage_ticks": dice.choice((0, 1))},
            "risk": random_risk(dice, self.symbols) if dice.random() < 0.5 else {},
            "clock": {"kind": "feed"},
            **self._money(),
        }

    def _money(self) -> dict[str, Any]:
        """Trade in another currency at rates by day, some of which are missing; the older seeds stay as they were."""
        dice = Random(self.seed + 3)
        if self.seed < MONEY_FROM or self.seed in CORPUS or dice.random() < 0.7:
            return {}
        first = self.table.date(0)
        days = [first + timedelta(days=back) for back in range(-9, (self.table.date(len(self.table) - 1) - first).days)]
        rates = {day: Decimal(dice.randrange(70, 130)) / 100 for day in days if dice.random() < 0.5}
        path = write_rates(self.state_dir / "usdeur.parquet", "USDEUR", rates or {days[0]: Decimal(1)})
        return {"currency": "EUR", "fx": {"USDEUR": path}}

    # --- chance ---

    def point(self, name: str) -> None:
        """A place where the process may die."""
        self.points += 1
        if name == self._crash_name and self.points >= self._crash_at:
            self._crash_name, self._crash_at = "", self.points
        if self.points == self._crash_at and not self._crash_name and self._may_strike():
            self.faults.append(f"{self.points}: crash {name}")
            raise Crash(name)

    def chance(self, name: str) -> bool:
        """Say whether a fault strikes; without roughness none does."""
        if not self.is_rough:
            return False
        strikes = self.dice.random() < CHANCES[name] and self._may_strike()
        if strikes:
            self.faults.append(f"{self.points}: {name}")
        return strikes

    def _may_strike(self) -> bool:
        """Count a fault that is about to strike; a shrunk history keeps only some of them."""
        self.strikes += 1
        return self._kept is None or self.strikes in self._kept

    def is_disk_full(self) -> bool:
        """Say whether the disk takes nothing now; it stays so for the life."""
        strikes = self._disk_full_left == 0 and self.has_disk_faults and self.dice.random() < CHANCES["disk full"]
        if strikes and self._may_strike():
            self.faults.append(f"{self.points}: disk full")
            self._disk_full_left = 1
        return self._disk_full_left > 0

    def at_placement(self, orders: Sequence[Order]) -> None:
        """Opening orders arrive at the broker: hold them against the invariants."""
        self.invariants.at_placement(orders)

    # --- lives ---

    async def run(self) -> None:
        """Live until the tape is over, dying as often as drawn, then look at everything once more."""
        latch.create(self.state_dir, at_us=0, by="simulation")
        while not await self._live():
            self.lives += 1
            assert self.lives < LIVES_MAX + 20, "it does not come to an end"
        self.invariants.at_end()

    async def _live(self) -> bool:
        """One life of the process: True where it saw the end of the tape."""
        self._crash_at, self._crash_name = -1, ""
        if self.crashes_left > 0:
            self.crashes_left -= 1
            self._crash_at = self.points + self.dice.randrange(1, self.dice.choice((20, 200, 1500)))
            if self.seed >= NAMED_FROM and self._names.random() < 0.5:
                self._crash_name = self._names.choice(POINTS)
        self._disk_full_left = 0
        journal: SimJournal | None = None
        try:
            self.engine = Engine(self.plan)
            path = self.state_dir / "journal.sqlite"
            identity = Identity(
                self.config, Places("sim", self.state_dir, self.state_dir, self.state_dir, self.state_dir), "paper",
                "SIM", self.digest, 0,
            )  # fmt: skip
            from axiomd.daemon.memory import Memory

            memory = fold(path, self.engine, _nobody, _nobody) if path.is_file() else Memory()  # type: ignore[arg-type]
            SimJournal.world = self
            journal = SimJournal(path, identity.run_id(memory.position.session_date))
            self.desk = Desk(self.engine, journal, self.broker, self.state_dir, ears=Ears(), age_us_max=5_000_000)
            return await self._trade(identity, memory)
        except Crash:
            return False
        finally:
            if journal is not None:
                journal.abandon()

    async def _trade(self, identity: Identity, memory: Any) -> bool:
        desk, dice = self.desk, self.dice
        source = Source(self.table, self._bars_of, self.tape.timeframe_us, is_endless=False)
        process: Any = _Process()
        reconciler = Reconciler(
            desk, identity, process, inbox=Inbox(), standing=Standing(), alarms=Alarms(_nobody), beats=Heartbeats()
        )
        recovery = Recovery(desk, reconciler, identity, source, memory)
        await self._until_reached(recovery.run)
        await self._agree(reconciler)
        self.invariants.after_recovery()
        for item in items(
            self.table, self._bars_of, bar_us=self.tape.timeframe_us, interval_us=self.tape.timeframe_us,
            after=memory.position,
        ):  # fmt: skip
            await self._step(identity, reconciler, item)
            if self.has_operator:
                await self._meddle()
            if self.broker.late and dice.random() < 0.5:
                await desk.reports(self.broker.overdue())
            if desk.is_journal_dead and not self.engine.holdings:
                return False
            self.invariants.after_step()
        while self.broker.late:
            await desk.reports(self.broker.overdue())
        self.broker.is_down = False
        await self._agree(reconciler)
        return not desk.is_journal_dead

    async def _step(self, identity: Identity, reconciler: Reconciler, item: Item) -> None:
        """One thing the feed says; a broker that is away is found again first, as the daemon does."""
        while True:
            try:
                await self._take(identity, item)
                return
            except BrokerUnavailable as error:
                await self.desk.take(e.BrokerLost(ts_us=self.desk.market_us, reason=str(error)))
                await self.desk.commit()
                await self._find(reconciler)

    async def _find(self, reconciler: Reconciler) -> None:
        self.broker.is_down = False
        while True:
            try:
                await reconciler.attach()
                await self.desk.take(e.BrokerConnected(ts_us=self.desk.market_us, broker="sim", account="SIM"))
                await reconciler.look()
                if self.engine.is_connected:
                    await self.desk.ask_again()
                    await self._agree(reconciler)
                    return
            except BrokerUnavailable:
                pass
            self.broker.is_down = False

    async def _agree(self, reconciler: Reconciler) -> None:
        """Look until both truths agree, as the daemon's watch does; what is said late is heard meanwhile."""
        for _ in range(8):
            if self.engine.is_reconciled:
                return
            self.broker.is_down = False
            while self.broker.late:
                await self.desk.reports(self.broker.overdue())
            await reconciler.look()

    async def _until_reached(self, job: Any) -> None:
        while True:
            try:
                await job()
                return
            except BrokerUnavailable:
                self.broker.is_down = False
            except Foreign as error:
                raise Broken(f"foreign: {error.lines}") from error

    async def _take(self, identity: Identity, item: Item) -> None:
        desk = self.desk
        match item:
            case SessionBegins(ts_us=ts_us, session=session):
                date = self.table.date(session).isoformat()
                opened = e.SessionOpened(
                    ts_us=ts_us, session=date, run_id=identity.run_id(date), open_us=int(self.table.open_us[session]),
                    close_us=int(self.table.close_us[session]),
                    rates=self.plan.rates_on(int(self.table.date_days[session])),
                )  # fmt: skip
                chosen = [
                    e.CandidatesSelected(ts_us=ts_us, strategy=own.id, symbols=listed(own.symbols, max_candidates=50))
                    for own in self.plan.strategies
                ]
                if self.engine.session != date:
                    await desk.open_session(opened, chosen)
            case Moment(ts_us=ts_us, rows=rows):
                said = self._feed_says(rows)
                await desk.moment(ts_us, said)
                if self.has_feed_faults and self.chance("moment twice"):
                    await desk.moment(ts_us, said)
            case SessionEnds(ts_us=ts_us, session=session):
                await desk.end_session(ts_us, self.table.date(session).isoformat())
                self.days += 1

    def _feed_says(self, rows: Any) -> Any:
        """What the feed makes of a moment: a bar lost, a bar of before said again, bars in any order."""
        if not self.has_feed_faults or not rows:
            return rows
        said = list(rows)
        if self.chance("bar lost"):
            said.pop(self.dice.randrange(len(said)))
        if self._before and self.chance("bar late"):
            said.append(self.dice.choice(self._before))
        if self.chance("bars out of order"):
            self.dice.shuffle(said)
        self._before = list(rows)
        return tuple(said)

    async def _meddle(self) -> None:
        """An operator: kills by the file or by the console, resumes, cancels."""
        dice, desk = self.dice, self.desk
        state = latch.read(self.state_dir)
        if state.is_tripped and state.trip_id != self.engine.trip_id and dice.random() < 0.7:
            await self._try(desk.found_tripped(state))
        roll = dice.random()
        if roll < 0.004:
            level = dice.choice((latch.HALT, latch.FLATTEN))
            self.faults.append(f"{self.points}: kill by the file, {level}")
            latch.trip(self.state_dir, level, at_us=1, by="operator", reason="axiomd kill")
        elif roll < 0.008:
            self.faults.append(f"{self.points}: kill by the console")
            await self._try(desk.trip(dice.choice(("halt", "flatten")), "console", "operator", "operator"))
        elif roll < 0.05 and state.is_tripped and self.engine.is_reconciled and self.engine.trip_id == state.trip_id:
            self.faults.append(f"{self.points}: resume")
            await self._try(desk.resume(state.trip_id, "operator", "simulated", new_peak=True))
        elif roll < 0.06 and self.engine.book.open:
            legs = next(iter(self.engine.book.open.values()))
            await self._try(desk.cancel([legs[0].order.idempotency_key], "cancelled:operator"))
        if self._may_trade_by_hand:
            await self._trade_by_hand()

    async def _trade_by_hand(self) -> None:
        """An operator closes or cuts a position, pauses entries and lifts that again."""
        dice, desk, roll = self._hands, self.desk, self._hands.random()
        args: dict[str, Any] = {}
        if roll < 0.02 and self.engine.holdings:
            holding = dice.choice(list(self.engine.holdings.values()))
            name, args = "close", {"symbol": holding.order.symbol}
            if dice.random() < 0.6:
                args["qty"] = dice.randrange(1, holding.qty + 1)
        elif roll < 0.03:
            name = dice.choice(("pause", "pause", "unpause"))
            if dice.random() < 0.7:
                args = {"symbol": dice.choice(self.symbols)}
            if name == "pause" and dice.random() < 0.7:
                args["until"] = desk.market_us + dice.choice((5, 30, 90)) * 60_000_000
        elif roll < 0.034:
            await self._try(self._reload())
            return
        else:
            return
        self.faults.append(f"{self.points}: {name} {args}")
        command = e.OperatorCommand(ts_us=desk.market_us, name=name, operator="by hand", args=args)
        await self._try(desk.operate(command))

    async def _reload(self) -> None:
        """An operator changes the limits while the daemon runs; they hold over restarts."""
        desk = self.desk
        if desk.is_journal_dead:
            return
        self.digest = str(len(self.plans))
        self.faults.append(f"{self.points}: limits {self.digest}")
        risk = RiskConfig.model_validate(random_risk(self._hands, self.symbols))
        self.config = self.config.model_copy(update={"risk": risk})
        self.plan = bind(self.config, self.table, self.tape.timeframe_us, "", "paper")
        self.plans[self.digest] = self.plan
        self.engine.take_limits(self.plan)
        loaded = e.ConfigLoaded(ts_us=desk.market_us, config_hash=self.digest, config=identified(self.config)[1])
        await desk.take(loaded)
        await desk.commit()
        await rejudge(desk)

    async def _try(self, action: Any) -> None:
        try:
            await action
        except BrokerUnavailable:
            self.broker.is_down = True
        except latch.LatchError:
            self.faults.append(f"{self.points}: a resume lost against a trip")

    def _bars_of(self, session: int) -> Any:
        starts = self.tape.bars[:, 0]
        first = int(starts.searchsorted(int(self.table.open_us[session]), "left"))
        return self.tape.bars[first : int(starts.searchsorted(int(self.table.close_us[session]), "left"))]


class _Process:
    is_attached = False


def _nobody(*_: object) -> None:
    return None


def _cut(table: SessionTable, first: int, last: int) -> SessionTable:
    part = slice(first, last)
    return SessionTable(
        calendar=table.calendar,
        date_days=table.date_days[part],
        open_us=table.open_us[part],
        close_us=table.close_us[part],
        early=table.early[part],
        break_start_us=table.break_start_us[part],
        break_end_us=table.break_end_us[part],
    )


def run_seed(seed: int, kept: frozenset[int] | None = None) -> World:
    """Run one seed in a folder of its own and give the world as it ended; raises what was found.

    `kept` names the faults by number that may strike: the way to a shorter script of a failure.
    """
    import anyio

    base = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="axiomd-sim-", dir=base))
    try:
        world = World(seed, folder, kept)
        try:
            anyio.run(world.run)
        except Exception as error:
            error.world = world  # type: ignore[attr-defined]
            raise
        return world
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def committed(folder: Path, key: str) -> bool:
    """Say whether an intent stands in the journal on the disk, as another process would see it."""
    db = sqlite3.connect(f"{(folder / 'journal.sqlite').absolute().as_uri()}?mode=ro", uri=True)
    try:
        return bool(db.execute("SELECT 1 FROM events WHERE kind = 'order.intent' AND key = ?", (key,)).fetchone())
    finally:
        db.close()
