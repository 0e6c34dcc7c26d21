"""I1 to I12 of 05, as far as one process and one broker can break them: checked at placements, steps, recoveries, ends.

A check that fails says which invariant, when and how. They look at the broker's own truth, the journal on the disk and
the latch file, never only at what the engine believes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from axiomd import latch
from axiomd.contracts import events as e
from axiomd.contracts.orders import Order, split_reference
from axiomd.contracts.units import DAY_US
from axiomd.core.engine import Engine
from axiomd.core.orders.reconcile import reconcile
from axiomd.journal.reading import Entry, entries
from axiomd.journal.verify import verify
from axiomd.replay.rejournal import decide_again

if TYPE_CHECKING:
    from tests.simulation.world import World


class Broken(AssertionError):
    """An invariant does not hold."""


class Invariants:
    """Hold one world against them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def at_placement(self, orders: Sequence[Order]) -> None:
        """Opening orders arrive: I1 once a key, I2 durable, I5 no latch, I6 limits, I8 candidates, I9 in session."""
        from tests.simulation.world import committed

        world = self._world
        state = latch.read(world.state_dir)
        self._need(not state.is_tripped, f"I5: {orders[0].idempotency_key} was sent past the latch ({state.reason})")
        for order in orders:
            key = order.idempotency_key
            self._need(world.broker.placed.get(key, 0) == 0, f"I1: {key} reached the broker a second time")
            self._need(committed(world.state_dir, key), f"I2: {key} was sent before its intent was durable")
            self._need(order.symbol in world.symbols, f"I8: {order.symbol} is no candidate")
            self._need(order.valid_to_us <= order.flatten_at_us, f"I9: {key} is valid beyond flattening")
        self._limits(orders)

    def _limits(self, orders: Sequence[Order]) -> None:
        """I6 against the broker's own positions and orders: a working group counts with its largest leg."""
        world = self._world
        limits = world.plan.limits[0]
        truth = world.broker.sim.truth()
        close = {name: int(world.engine.board.symbols[i]["close"]) for i, name in enumerate(world.plan.symbols)}
        rate = self._rate(world.engine.now_us)
        gross = rate * sum(abs(qty) * close[symbol] for symbol, qty in truth.positions.items())
        groups: dict[str, Fraction] = {}
        legs = 0
        for working in truth.orders:
            if not split_reference(working.reference).role:
                groups[working.oca] = max(groups.get(working.oca, Fraction(0)), rate * working.qty * working.price)
                legs += 1
        own = rate * max(order.qty * order.entry_level for order in orders)
        maximum = int(limits["max_gross_exposure"])
        total = gross + sum(groups.values()) + own
        self._need(maximum < 0 or total <= maximum, f"I6: gross exposure {total} beyond {maximum}")
        positions = int(limits["max_open_positions"])
        count = len(truth.positions) + len(groups)
        self._need(positions < 0 or count < positions, f"I6: {count} positions and groups, limit {positions}")
        most = int(limits["max_open_orders"])
        self._need(most < 0 or legs < most, f"I6: {legs} entry legs work, limit {most}")

    def after_step(self) -> None:
        """I1 closings, I4 protection at the broker, I11 the books add up."""
        world, engine = self._world, self._world.engine
        for reference, count in world.broker.closings.items():
            self._need(count < 50, f"I12: {reference} is asked for without end")
        equity = engine.board.account[0]
        value = sum(
            Fraction(int(record["fx_num"]), int(record["fx_den"])) * int(record["position"]) * int(record["close"])
            for record in engine.board.symbols
            if record["position"]
        )
        self._need(int(equity["cash"]) + value == int(equity["equity"]), "I11: cash and positions are not the equity")
        if engine.level and not world.desk.is_latch_lost:
            self._need(latch.read(world.state_dir).is_tripped, "I5: tripped in memory and armed on the disk")
        if (
            engine.is_reconciled
            and not world.broker.late
            and not world.broker.is_down
            and not world.desk.is_journal_dead
        ):
            self._same_truth()

    def _same_truth(self) -> None:
        """I4 and I7: what we believe is what the broker has."""
        world = self._world
        found = reconcile(
            world.engine, world.broker.sim.truth(tuple(world.broker.reports)), world.engine.session_open_us - 1
        )
        self._need(not found.foreign, f"I7: {found.foreign}")
        self._need(not found.differences, f"I7: {found.differences}")
        self._need(not found.unsure, f"I7: unsure {found.unsure}")
        if world.engine.level:
            left = [o.reference for o in world.broker.sim.truth().orders if not split_reference(o.reference).role]
            self._need(not left, f"I5: killed, and {left} still work")

    def after_recovery(self) -> None:
        """I7 right after a recovery: the fold of the file is the state in memory."""
        if not self._world.desk.is_journal_dead:
            self._same_fold()

    def _same_fold(self) -> None:
        world = self._world
        again = Engine(world.plan)
        for entry in entries(world.state_dir / "journal.sqlite"):
            again.fold(entry.event)
        self._same_state(again, world.engine)

    def _same_state(self, one: Engine, other: Engine) -> None:
        for name in ("cash", "equity", "peak", "positions", "session_equity"):
            a, b = int(one.account[name]), int(other.account[name])
            self._need(a == b, f"I7: {name} is {a} by the journal and {b} in memory")
        self._need(_held(one) == _held(other), f"I7: held by the journal {_held(one)}, in memory {_held(other)}")
        self._need(_open(one) == _open(other), f"I7: open by the journal {_open(one)}, in memory {_open(other)}")

    def at_end(self) -> None:
        """The end: I1, I3, I9, I10, I11 over the whole history."""
        world = self._world
        path = world.state_dir / "journal.sqlite"
        found = verify(path)
        self._need(found.is_sound, f"journal: {found.problems[:3]}")
        doubled = {key: count for key, count in world.broker.placed.items() if count > 1}
        self._need(not doubled, f"I1: {doubled}")
        journaled = Counter(
            entry.event.fill.exec_id for entry in entries(path) if isinstance(entry.event, e.FillReceived)
        )
        made = {report.fill.exec_id for report in world.broker.reports if isinstance(report, e.FillReceived)}
        self._need(set(journaled) == made, f"I3: lost {made - set(journaled)}, made up {set(journaled) - made}")
        self._need(all(count == 1 for count in journaled.values()), "I3: an execution stands there twice")
        self._need(not world.broker.sim.truth().positions, "I9: a position stays over night")
        self._same_fold()
        self._same_decisions()
        self._cash()
        self._pauses()
        if not world.is_rough and not world.has_operator:
            self._undisturbed()

    def _same_decisions(self) -> None:
        """I10: the journal's inputs lead to the journal's decisions, under the limits that held then."""
        world = self._world

        def rebind(engine: Engine, before: list[Entry], event: e.ConfigLoaded) -> Engine:
            plan = world.plans[event.config_hash]
            if not isinstance(before[-1].event, e.RunStarted):
                engine.take_limits(plan)
                return engine
            again = Engine(plan)
            for entry in before:
                again.fold(entry.event)
            return again

        found = decide_again(Engine(world.plans["0"]), entries(world.state_dir / "journal.sqlite"), rebind)
        self._need(not found.differences, f"I10: {[one.line()[:200] for one in found.differences[:1]]}")

    def _cash(self) -> None:
        """I11 against the broker's executions alone."""
        world = self._world
        cash = Fraction(world.plan.initial_cash)
        held: dict[str, int] = {}
        rates: dict[str, Fraction] = {}
        for report in world.broker.reports:
            if isinstance(report, e.FillReceived):
                fill = report.fill
                if not held.get(fill.symbol):
                    rates[fill.symbol] = self._rate(fill.bar_ts_us)
                signed_qty = fill.qty if fill.side == "BUY" else -fill.qty
                held[fill.symbol] = held.get(fill.symbol, 0) + signed_qty
                cash -= rates[fill.symbol] * (signed_qty * fill.price + fill.commission)
        self._need(cash == int(world.engine.account["cash"]), "I11: cash is not what the executions say")

    def _rate(self, ts_us: int) -> Fraction:
        """Give what a session's currency is worth; this market's prices and its rates of two digits leave no rest."""
        daily = self._world.plan.daily_rates.get("USD")
        return Fraction(1) if daily is None else Fraction(*daily.on(ts_us // DAY_US))

    def _pauses(self) -> None:
        """What was paused took no entry, read from the journal alone."""
        paused: dict[str, int] = {}
        for entry in entries(self._world.state_dir / "journal.sqlite"):
            match entry.event:
                case e.OperatorCommand(name="pause", args=args):
                    paused[args.get("symbol", "")] = args.get("until", 1 << 62)
                case e.OperatorCommand(name="unpause", args={"symbol": symbol}):
                    paused.pop(symbol, None)
                case e.OperatorCommand(name="unpause"):
                    paused.clear()
                case e.OrderIntent(order=order) if not order.parent_key:
                    until_us = max(paused.get("", 0), paused.get(order.symbol, 0))
                    self._need(order.created_at_us >= until_us, f"{order.idempotency_key} entered what was paused")

    def _undisturbed(self) -> None:
        """Crashes alone change nothing: the very trades of a replay that nobody disturbed."""
        from axiomd.core.strategies.api import Candidates
        from axiomd.replay.driver import Replay
        from axiomd.replay.identity import Identity

        world = self._world
        chosen = {own.id: Candidates(own.symbols) for own in world.plan.strategies}
        replay = Replay(world.plan, world.tape, None, lambda _: chosen, identity=Identity("x", "", {}, "0"))
        if any(level for level in (world.engine.level,)) or world.plan.levels:
            return  # a replay resumes by itself after a trip, a daemon waits for its operator
        replay.run()
        ours = sorted(
            (r.fill.symbol, r.fill.side, r.fill.qty, r.fill.price, r.fill.bar_ts_us)
            for r in world.broker.reports
            if isinstance(r, e.FillReceived)
        )
        theirs = sorted(
            (t.symbol, side, t.qty, price, ts)
            for t in replay.recorder.record.trades
            for side, price, ts in (
                (t.side, t.entry_price, t.entry_ts_us),
                ("SELL" if t.side == "BUY" else "BUY", t.exit_price, t.exit_ts_us),
            )
        )
        tripped = replay.recorder.record.operator_resumes or replay.engine.level
        self._need(bool(tripped) or ours == theirs, "the trades are not those of the undisturbed day")

    def _need(self, holds: bool, text: str) -> None:
        if not holds:
            raise Broken(text)


def _held(engine: Engine) -> dict[str, int]:
    return {engine.plan.instruments[i].symbol: h.sign * h.qty for i, h in engine.holdings.items()}


def _open(engine: Engine) -> list[str]:
    return sorted(leg.order.idempotency_key for legs in engine.book.open.values() for leg in legs)
