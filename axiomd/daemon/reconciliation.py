"""Both truths side by side where no daemon runs, and the broker's adopted on request, under the daemon's own locks.

A look writes nothing: the journal is folded and the broker asked. Adopting is a start that ends at once: latched before
anything else, everything that is still explained taken in, the rest adopted, and the latch left tripped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import anyio.to_thread

from axiomd import latch
from axiomd.contracts import events as e
from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.runs import RunConfig
from axiomd.contracts.truth import Truth
from axiomd.core.engine import Engine
from axiomd.core.orders.reconcile import reconcile, unheard_reports
from axiomd.core.recent import Recent
from axiomd.daemon import locks, sim_link
from axiomd.daemon.alarms import Alarms
from axiomd.daemon.broker_process import BrokerProcess
from axiomd.daemon.clock import wall_us
from axiomd.daemon.desk import LATCHED_REASON_MAX, Desk
from axiomd.daemon.ears import Ears
from axiomd.daemon.health import Heartbeats
from axiomd.daemon.hearing import hearing
from axiomd.daemon.identity import Identity
from axiomd.daemon.inbox import Inbox
from axiomd.daemon.memory import open_journal, remember
from axiomd.daemon.reconciler import Reconciler
from axiomd.daemon.recovery import Adopts, Recovery
from axiomd.daemon.sim_link import SimLink
from axiomd.daemon.standing import Standing
from axiomd.journal.watched import last_loaded


@dataclass(frozen=True, slots=True)
class Sides:
    """Positions, signed, and working orders of the journal and of the broker; what differs; what was adopted before."""

    ours: dict[str, int]
    theirs: dict[str, int]
    our_orders: tuple[str, ...]
    their_orders: tuple[str, ...]
    adopted: dict[str, int]
    differences: tuple[str, ...]


def as_journaled(identity: Identity) -> Identity:
    """Give who the daemon was by its journal: the configuration that holds there, whatever lies in a file today."""
    loaded = last_loaded(identity.places.journal)
    if loaded is None:
        return identity
    # of a file of rates the journal has the hash: where it lies the configuration says
    fx = {
        pair: identity.config.fx.get(pair, rate) if isinstance(rate, str) else rate
        for pair, rate in loaded.config.get("fx", {}).items()
    }
    config = DaemonConfig.model_validate({**_of_the_daemon(identity.config), **loaded.config, "fx": fx})
    return replace(identity, config=config, digest=loaded.config_hash)


def _of_the_daemon(config: DaemonConfig) -> dict[str, Any]:
    """Everything that is no run's: mode, feed, broker and the like."""
    return config.model_dump(mode="json", exclude=set(RunConfig.model_fields))


async def look(identity: Identity, process: BrokerProcess) -> Sides:
    """Fold and ask; changes nothing."""
    _, engine, memory, _ = await anyio.to_thread.run_sync(remember, identity, Recent())
    link = await _link(identity, process)
    async with hearing(link):
        truth = await link.truth(memory.reports_known_us)
    for report in unheard_reports(engine, truth, memory.reports_known_us):
        engine.handle(report)
    return _sides(engine, truth, memory.reports_known_us)


async def adopt(identity: Identity, process: BrokerProcess, reason: str, operator: str) -> Sides:
    """Journal the broker's truth as ours, latched before and after. The caller holds the lock on the state dir."""
    state_dir = identity.places.state_dir
    await anyio.to_thread.run_sync(locks.wait_for_kill, state_dir, abandon_on_cancel=True)
    latch.create(state_dir, at_us=wall_us(), by="axiomd reconcile", mode=identity.latch_mode)
    if not latch.read(state_dir).is_tripped:
        why = f"adopting: {reason}"[:LATCHED_REASON_MAX]
        latch.trip(state_dir, latch.HALT, at_us=wall_us(), by=operator, reason=why)
    source, engine, memory, _ = await anyio.to_thread.run_sync(remember, identity, Recent())
    journal = open_journal(
        identity.places.journal, identity.run_id(memory.position.session_date), identity.presence_mode
    )
    link = await _link(identity, process)
    async with hearing(link):
        desk = Desk(engine, journal, link, state_dir, ears=Ears(), age_us_max=identity.signal_age_us_max)
        reconciler = Reconciler(
            desk, identity, process, inbox=Inbox(), standing=Standing(), alarms=Alarms(lambda *_: None),
            beats=Heartbeats(),
        )  # fmt: skip
        await Recovery(desk, reconciler, identity, source, memory, Adopts(reason, operator)).run()
        await desk.take(e.RunStopped(ts_us=desk.market_us, reason="reconciled"))
        await desk.commit()
        truth = await link.truth(memory.reports_known_us)
    journal.close()
    return _sides(engine, truth, memory.reports_known_us)


async def _link(identity: Identity, process: BrokerProcess) -> SimLink:
    if identity.config.broker.sim.inside:
        return sim_link.InsideLink(identity.places.state_dir)
    return await sim_link.connect(process)


def _sides(engine: Engine, truth: Truth, since_us: int) -> Sides:
    found = reconcile(engine, truth, since_us)
    unsure = tuple(f"order {key}: works in the journal, unknown to the broker" for key in found.unsure)
    return Sides(
        ours={holding.order.symbol: holding.sign * holding.qty for holding in engine.holdings.values()},
        theirs={symbol: qty for symbol, qty in truth.positions.items() if qty},
        our_orders=tuple(leg.order.idempotency_key for legs in engine.book.open.values() for leg in legs),
        their_orders=tuple(order.reference for order in truth.orders),
        adopted={symbol: qty for symbol, qty in engine.foreign.items() if qty},
        differences=(*found.differences, *found.foreign, *unsure),
    )
