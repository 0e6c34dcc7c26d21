"""What a start does before anything may open (05): remember, ask the broker, settle what is unsure, agree.

The journal is folded first, and a file that fails its chain is never mended here. Then the broker's truth is taken in:
what was missed is journaled, each intent without an answer is decided, and whatever was asked and never answered is
asked anew. A latch found tripped is obeyed throughout. A configuration that changed is held against what works, also
where the one before us loaded it and was killed before it came to that.
"""

from __future__ import annotations

from dataclasses import dataclass

from axiomd import __version__, latch
from axiomd.config.identity import identified
from axiomd.contracts import events as e
from axiomd.daemon.clock import wall_us
from axiomd.daemon.desk import Desk
from axiomd.daemon.identity import Identity
from axiomd.daemon.memory import Memory
from axiomd.daemon.reconciler import Reconciler
from axiomd.daemon.rejudge import rejudge
from axiomd.daemon.source import Source


class Foreign(Exception):
    """Report orders or executions at the broker that no journal of ours explains: another daemon, or an old journal."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__(lines[0])
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Adopts:
    """Somebody takes the broker's truth for ours, and says why."""

    reason: str
    operator: str


class Recovery:
    """Bring a desk that was folded from its journal into agreement with the broker."""

    def __init__(
        self,
        desk: Desk,
        reconciler: Reconciler,
        identity: Identity,
        source: Source,
        memory: Memory,
        adopts: Adopts | None = None,
    ) -> None:
        self._desk = desk
        self._reconciler = reconciler
        self._identity = identity
        self._source = source
        self._memory = memory
        self._adopts = adopts
        self._has_begun = False

    async def run(self) -> None:
        """Recover. `BrokerUnavailable` where the broker went away meanwhile: run it again; `Foreign` is final."""
        desk, engine, memory = self._desk, self._desk.engine, self._memory
        await self._reconciler.attach()
        if not self._has_begun:
            await self._begin()
        await self._obey_latch()
        await desk.take(
            e.BrokerConnected(
                ts_us=desk.market_us, broker=self._identity.config.broker.kind, account=self._identity.account
            )
        )
        found = await desk.recover(memory.reports_known_us)
        if self._adopts is not None:
            await desk.adopt(self._adopts.reason, self._adopts.operator, memory.reports_known_us)
            found = await desk.recover(memory.reports_known_us)
        if found.foreign:
            await desk.trip("halt", f"UnknownPosition: {found.foreign[0]}", "guard", "UnknownPosition")
            raise Foreign(found.foreign)
        await desk.ask_again()
        if memory.has_orphaned_setups and engine.has_setups_left:
            await desk.carry_out(engine.take_setups())
        await self._reconciler.judge(found.differences)
        if memory.has_unjudged or memory.config_hash not in ("", self._identity.digest):
            await self._leave_dropped()
            await rejudge(desk)

    async def _begin(self) -> None:
        desk, own = self._desk, self._identity
        now_us, date, table = max(desk.market_us, 0), self._memory.position.session_date, self._source.table
        if not date and len(table):
            # a tape's first rows are of its own time, whenever it is played
            date = table.date(0).isoformat()
        if not self._memory.count:
            now_us = int(table.open_us[0]) if len(table) else wall_us()
            if self._source.is_endless and not own.follows_feed:
                now_us = min(now_us, wall_us())
        run_id = own.run_id(date)
        desk.journal.run_id = run_id
        await desk.take(
            e.RunStarted(
                ts_us=now_us,
                run_id=run_id,
                mode=own.mode,
                account=own.account,
                code_version=__version__,
                config_hash=own.digest,
                bar_us=desk.engine.plan.bar_us,
                signal_age_us_max=own.signal_age_us_max,
            )
        )
        _, document = identified(own.config)
        await desk.take(e.ConfigLoaded(ts_us=now_us, config_hash=own.digest, config=document))
        self._has_begun = True

    async def _leave_dropped(self) -> None:
        """Symbols that the configuration no longer names are no candidates from here on, and no entry works in them."""
        desk, memory = self._desk, self._memory
        if not memory.position.is_open:
            return
        symbols = {entry.id: set(entry.symbols) for entry in self._identity.config.normalised()}
        for strategy, chosen in memory.candidates.items():
            kept = tuple(symbol for symbol in chosen if symbol in symbols[strategy])
            if kept != chosen:
                await desk.take(e.CandidatesSelected(ts_us=desk.market_us, strategy=strategy, symbols=kept))
        named = set().union(*symbols.values())
        legs = [leg for group in desk.engine.book.open.values() for leg in group]
        await desk.cancel(
            [leg.order.idempotency_key for leg in legs if leg.order.symbol not in named], "cancelled:operator"
        )

    async def _obey_latch(self) -> None:
        desk, engine = self._desk, self._desk.engine
        state = latch.read(self._identity.places.state_dir)
        if state.is_tripped:
            await desk.found_tripped(state)
        elif engine.level:
            # the file is armed while the journal says tripped: tripped wins
            await desk.trip(
                "flatten" if engine.level == "flatten" else "halt", "tripped in the journal", "journal", "recovery"
            )
