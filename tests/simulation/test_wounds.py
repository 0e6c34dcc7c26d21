"""The known wounds of other systems, each as a scenario of its own: what happened to them must not happen here.

Each drives the real desk, engine and journal against the simulated broker, by hand, one fault at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from axiomd import latch
from axiomd.contracts import events as e
from axiomd.contracts.commands import ClosePosition, SendEntries
from axiomd.contracts.errors import BrokerUnavailable
from axiomd.contracts.orders import split_reference
from axiomd.core.engine import Engine
from axiomd.core.orders.lifecycle import State
from axiomd.daemon import desk as desk_module
from axiomd.daemon.desk import Desk
from axiomd.daemon.ears import Ears
from axiomd.daemon.memory import fold
from axiomd.daemon.sim_link import Leave
from axiomd.journal.log import Journal
from axiomd.journal.reading import Entry, entries
from axiomd.journal.verify import verify
from tests.simulation.broker import RoughBroker
from tests.simulation.run import without_threads
from tests.simulation.world import World


class Stage:
    """A quiet world whose day is played by hand, moment by moment."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        for drawn in [seed] if seed else range(1, 2000):
            self.world = World(drawn, folder)
            if not self.world.is_rough and not self.world.config.limits().model_dump(exclude_defaults=True):
                break
        self.world.crashes_left = 0
        self.world.has_operator = False
        self.broker: RoughBroker = self.world.broker
        latch.create(folder, at_us=0, by="test")
        self.folder = folder
        self.start()

    def start(self) -> None:
        """A process begins: fold, connect, agree."""
        path = self.folder / "journal.sqlite"
        self.engine = Engine(self.world.plan)
        self.world.engine = self.engine
        if path.is_file():
            fold(path, self.engine, lambda *_: None, lambda _: None)
        self.journal = Journal(path, "paper-SIM-x")
        self.desk = Desk(self.engine, self.journal, self.broker, self.folder, ears=Ears(), age_us_max=5_000_000)

    def die(self) -> None:
        """The process is gone; what was not committed is lost."""
        self.journal.abandon()

    async def recover(self) -> None:
        """What a start does."""
        await self.desk.take(e.BrokerConnected(ts_us=self.desk.market_us, broker="sim", account="SIM"))
        await self.desk.recover(self.engine.session_open_us - 1)
        await self.desk.agree()

    def entries(self) -> list[Entry]:
        """Every row so far."""
        return list(entries(self.folder / "journal.sqlite"))

    def closes(self) -> list[e.OrderIntent]:
        """Every order so far that closes a position."""
        events = [entry.event for entry in self.entries()]
        return [event for event in events if isinstance(event, e.OrderIntent) and event.order.parent_key]

    def items(self) -> Iterator[object]:
        """Everything the feed says."""
        from axiomd.feeds.playback import Position, items

        bar_us = self.world.tape.timeframe_us
        return items(self.world.table, self.world._bars_of, bar_us=bar_us, interval_us=bar_us, after=Position())

    async def play_until(self, stop: object) -> Iterator[object]:
        """Play the day until `stop()` holds; gives what is left of it."""
        from axiomd.config.settings import Places
        from axiomd.daemon.identity import Identity

        places = Places("sim", *[self.folder] * 4)
        identity = Identity(self.world.config, places, "paper", "SIM", "digest", 0)
        self.world.desk = self.desk
        rest = self.items()
        for item in rest:
            await self.world._take(identity, item)  # type: ignore[arg-type]
            if stop():  # type: ignore[operator]
                return rest
        raise AssertionError("the day ended before")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with without_threads():
        made = Stage(tmp_path)
        yield made
        made.journal.abandon()


def test_a_restart_sends_nothing_twice(stage: Stage) -> None:
    """NautilusTrader #3176, ib_insync #80: orders that work at the broker were sent again after a restart."""

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.engine.book.open)
        placed = dict(stage.broker.placed)
        stage.die()
        stage.start()
        await stage.recover()
        assert placed == stage.broker.placed
        assert {leg.state for legs in stage.engine.book.open.values() for leg in legs} == {State.WORKING}

    anyio.run(story)


def test_a_lost_answer_leaves_one_working_order(stage: Stage) -> None:
    """NautilusTrader #4564: connectivity was lost in the middle of a change and two orders worked afterwards."""

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.engine.holdings)
        holding = next(iter(stage.engine.holdings.values()))
        key = holding.order.idempotency_key
        close = ClosePosition(key=key, reference=f"{key}-KILL", symbol=holding.order.symbol, qty=holding.qty)
        await stage.broker.execute(close, stage.desk.market_us)  # the answer never reached us
        await stage.broker.execute(close, stage.desk.market_us)
        working = [o for o in stage.broker.sim.truth().orders if split_reference(o.reference).key == key]
        assert [f"{key}-KILL"] == [order.reference for order in working]

    anyio.run(story)


def test_working_orders_of_yesterday_are_over(stage: Stage) -> None:
    """NautilusTrader #5057: orders of the day before could not be managed; here none outlives its session."""

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.broker.ended_us > 0)
        assert () == stage.broker.sim.truth().orders
        assert {} == stage.engine.book.open

    anyio.run(story)


def test_a_fill_before_its_acknowledgement_counts(stage: Stage) -> None:
    """NautilusTrader #4970, ib_insync #130: a fill came before the order was mapped and was dropped."""

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.engine.holdings)
        fills = [x.event for x in entries(stage.folder / "journal.sqlite") if isinstance(x.event, e.FillReceived)]
        intent = next(
            x.event for x in entries(stage.folder / "journal.sqlite")
            if isinstance(x.event, e.OrderIntent) and x.event.order.idempotency_key == fills[0].fill.reference
        )  # fmt: skip
        fresh = Engine(stage.world.plan)
        fresh.fold(intent)
        fresh.handle(fills[0])
        fresh.handle(e.OrderAcked(ts_us=fills[0].ts_us, key=intent.order.idempotency_key, broker_id=1))
        assert State.FILLED is fresh.book.legs[intent.order.idempotency_key].state
        assert fills[0].fill.qty == next(iter(fresh.holdings.values())).qty

    anyio.run(story)


def test_ids_of_the_broker_that_begin_anew_confuse_nobody(stage: Stage) -> None:
    """LEAN IB #242: order ids were rolled back and given out again after a gateway restart."""

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.engine.book.open)
        stage.broker.sim._next_id = 1
        for group in [group for state in stage.broker.sim.states for group in state.groups]:
            for entry in group:
                entry.broker_id += 1000
        stage.die()
        stage.start()
        await stage.recover()
        assert stage.engine.is_reconciled
        assert all(count == 1 for count in stage.broker.placed.values())

    anyio.run(story)


def test_a_cancelled_entry_with_a_part_filled_is_a_position(stage: Stage) -> None:
    """freqtrade #10436 the other way round: a cancelled entry is exactly as much of a position as was filled of it."""

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.engine.book.open)
        leg = next(iter(stage.engine.book.open.values()))[0]
        key = leg.order.idempotency_key
        await stage.desk.take(e.OrderCancelled(ts_us=stage.desk.market_us, key=key, reason="broker:rest", filled=0))
        assert {} == stage.engine.holdings
        assert State.CANCELLED is leg.state

    anyio.run(story)


def test_a_cancellation_that_counts_fills_waits_for_them(stage: Stage) -> None:
    """freqtrade #10436: what is said to be filled in part holds its symbol until the fill is told."""

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.engine.book.open)
        leg = next(iter(stage.engine.book.open.values()))[0]
        key = leg.order.idempotency_key
        await stage.desk.take(e.OrderCancelled(ts_us=stage.desk.market_us, key=key, reason="broker:rest", filled=10))
        assert leg.is_open

    anyio.run(story)


def test_an_old_stop_fill_never_closes_a_new_trade(stage: Stage) -> None:
    """freqtrade #13399: a stop of the trade before was attached to the next one."""

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.engine.holdings)
        index, holding = next(iter(stage.engine.holdings.items()))
        other = next(leg for leg in stage.engine.book.legs.values() if leg.order is not holding.order)
        stray = msgspec.structs.replace(
            next(
                x.event.fill for x in entries(stage.folder / "journal.sqlite") if isinstance(x.event, e.FillReceived)
            ),
            exec_id="stray", reference=f"{other.order.idempotency_key}-SL",
        )  # fmt: skip
        qty = holding.qty
        stage.engine.handle(e.FillReceived(ts_us=stage.desk.market_us, fill=stray))
        assert qty == stage.engine.holdings[index].qty

    anyio.run(story)


def test_cancelling_an_order_that_is_gone_is_no_crash(stage: Stage) -> None:
    """freqtrade #12360: cancelling an order that was gone ended the bot, again at every start."""

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.engine.book.open)
        await stage.desk.cancel(["0123456789abcdef"], "cancelled:operator")
        key = next(iter(stage.engine.book.open.values()))[0].order.idempotency_key
        await stage.desk.cancel([key], "cancelled:operator")
        await stage.desk.cancel([key], "cancelled:operator")
        assert State.CANCELLED is stage.engine.book.legs[key].state

    anyio.run(story)


def test_executions_that_repeat_stop_the_day() -> None:
    """Knight Capital 2012: old code filled the same child orders over and over, and nothing stopped it."""
    from axiomd.core.guards.loss import Burst

    burst = Burst(8, 300_000_000)

    counts = [burst.add(second * 1_000_000, f"order-{second}") for second in range(8)]

    assert burst.is_over(counts[-1])
    assert not burst.is_over(counts[-2])


def test_another_daemon_on_the_account_is_noticed_before_anything_is_sent(stage: Stage) -> None:
    """Knight Capital 2012, one host with old code: orders that our journal does not explain stop us."""

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.engine.book.open)
        stage.die()
        (stage.folder / "journal.sqlite").unlink()
        for name in ("journal.sqlite-wal", "journal.sqlite-shm"):
            (stage.folder / name).unlink(missing_ok=True)
        stage.start()
        await stage.desk.take(e.BrokerConnected(ts_us=1, broker="sim", account="SIM"))
        found = await stage.desk.recover(-1)
        assert found.foreign

    anyio.run(story)


def test_shares_that_only_the_journal_had_are_written_off_when_the_broker_is_adopted(stage: Stage) -> None:
    """A position that was closed where no journal saw it: adopted, the books add up and the day goes on without it."""

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.engine.holdings)
        index, holding = next(iter(stage.engine.holdings.items()))
        symbol = holding.order.symbol
        stage.broker.sim.states[index].position = None
        found = await stage.desk.recover(stage.engine.session_open_us - 1)
        assert found.differences

        adopted = await stage.desk.adopt("closed elsewhere", "op1", stage.engine.session_open_us - 1)

        assert adopted.dropped == {symbol: holding.sign * holding.order.qty}
        assert symbol not in {held.order.symbol for held in stage.engine.holdings.values()}
        after = await stage.desk.recover(stage.engine.session_open_us - 1)
        assert (after.differences, after.foreign) == ((), ())
        again = Engine(stage.world.plan)
        stage.journal.commit()
        fold(stage.folder / "journal.sqlite", again, lambda *_: None, lambda _: None)
        assert int(again.account["cash"]) == int(stage.engine.account["cash"])
        assert verify(stage.folder / "journal.sqlite").is_sound

    anyio.run(story)


def test_a_close_by_hand_that_the_broker_never_heard_is_given_up(stage: Stage) -> None:
    """No command outlives a disconnect: the position goes on under its own exits, and can be closed again."""

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.engine.holdings)
        holding = next(iter(stage.engine.holdings.values()))
        symbol, now_us = holding.order.symbol, stage.desk.market_us
        ask = e.OperatorCommand(ts_us=now_us, name="close", operator="op1", args={"symbol": symbol, "qty": 1})
        stage.broker.is_down = True
        await stage.desk.operate(ask)
        stage.broker.is_down = False
        was_closing = holding.closing

        await stage.recover()

        assert was_closing.endswith("-MANUAL")
        assert holding.closing == ""
        assert await stage.desk.operate(ask) == ""
        assert [event.order.idempotency_key.partition("-")[2] for event in stage.closes()] == ["MANUAL", "MANUAL2"]

    anyio.run(story)


def test_a_position_found_at_a_sessions_open_is_closed_at_once(stage: Stage) -> None:
    """04: no position over night in an intraday strategy; one that was left over goes with the first bar."""

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.engine.holdings)
        holding = next(iter(stage.engine.holdings.values()))
        open_us = holding.order.flatten_at_us + 17 * 3600 * 1_000_000
        opened = e.SessionOpened(
            ts_us=open_us, session="2099-01-02", run_id="next", open_us=open_us, close_us=open_us + 3600 * 1_000_000
        )

        await stage.desk.open_session(opened, ())

        key = holding.order.idempotency_key
        assert [f"{key}-KILL"] == [event.order.idempotency_key for event in stage.closes()]
        working = [o.reference for o in stage.broker.sim.truth().orders if split_reference(o.reference).key == key]
        assert [f"{key}-KILL"] == working

    anyio.run(story)


def test_a_latch_that_falls_between_two_writes_of_a_moment_keeps_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I5: writes of one moment leave one after the other, and the latch is read right before each."""
    real, sent = RoughBroker.prepare, list[str]()

    def prepare(self: RoughBroker, commands: Sequence[SendEntries], ts_us: int) -> Leave:
        def leave() -> Any:
            answer = real(self, commands, ts_us)()
            sent.extend(command.oco_id for command in commands)
            if len(sent) == stop_at:
                latch.trip(tmp_path, latch.HALT, at_us=1, by="operator", reason="between two writes")
            return answer

        return leave

    async def story(stage: Stage) -> None:
        await stage.recover()
        await stage.play_until(lambda: latch.read(tmp_path).is_tripped)
        intents = [entry.event.order for entry in stage.entries() if isinstance(entry.event, e.OrderIntent)]
        kept = {order.idempotency_key for order in intents if not order.parent_key and order.oco_id not in sent}
        ended = {
            event.key
            for event in (entry.event for entry in stage.entries())
            if isinstance(event, e.OrderCancelled) and event.reason == "killed"
        }
        assert kept
        assert kept <= ended
        assert not kept & set(stage.broker.placed)

    with without_threads():
        stop_at = _first_of_two_at_once(tmp_path / "look")
        monkeypatch.setattr(RoughBroker, "prepare", prepare)
        monkeypatch.setattr(desk_module, "SENT_TOGETHER_MAX", 1)
        stage = Stage(tmp_path, seed=SEED_OF_THREE)
        anyio.run(story, stage)
        stage.journal.abandon()


SEED_OF_THREE = 3


def _first_of_two_at_once(folder: Path) -> int:
    """Say which opening order of the day is the first to share its moment with another."""
    folder.mkdir()
    sent: list[int] = []

    async def story(stage: Stage) -> int:
        await stage.recover()
        await stage.play_until(lambda: _shares_a_moment(stage, sent))
        return len(sent) - 1

    stage = Stage(folder, seed=SEED_OF_THREE)
    first = anyio.run(story, stage)
    stage.journal.abandon()
    return first


def _shares_a_moment(stage: Stage, sent: list[int]) -> bool:
    groups = {
        entry.event.order.oco_id: entry.event.ts_us
        for entry in stage.entries()
        if isinstance(entry.event, e.OrderIntent) and not entry.event.order.parent_key
    }
    sent[:] = groups.values()
    return len(sent) > 1 and sent[-1] == sent[-2]


def test_a_moment_is_decided_ahead_of_the_brokers_answer_only_where_nothing_rests_there(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """04, order within a moment: fills come before decisions, wherever a bar could fill something."""
    tell, mark = RoughBroker.tell_moment, Engine.mark
    walk, could_fill = list[str](), list[bool]()

    def tell_moment(self: RoughBroker, ts_us: int, rows: Any) -> Any:
        truth, answer = self.sim.truth(), tell(self, ts_us, rows)
        could_fill.append(bool(truth.orders) or any(truth.positions.values()))
        walk.append("told")

        async def heard() -> list[e.Event]:
            walk.append("heard")
            return await answer

        return heard()

    def marks(self: Engine, event: e.BarsClosed) -> Any:
        walk.append("decided")
        return mark(self, event)

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: stage.broker.ended_us > 0)

    monkeypatch.setattr(RoughBroker, "tell_moment", tell_moment)
    monkeypatch.setattr(Engine, "mark", marks)
    anyio.run(story)

    moments = [tuple(walk[at : at + 3]) for at in range(0, len(walk), 3)]
    assert {True, False} == set(could_fill)
    waited = {moment for moment, fills in zip(moments, could_fill, strict=True) if fills}
    assert {("told", "heard", "decided")} == waited
    assert {("told", "decided", "heard")} == set(moments) - waited


def test_a_moment_whose_answer_is_lost_behind_its_decision_is_decided_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I1: the line breaks while the first orders of the day are decided; they are sent once, or never."""
    tell = RoughBroker.tell_moment

    def tell_moment(self: RoughBroker, ts_us: int, rows: Any) -> Any:
        answer = tell(self, ts_us, rows)

        async def heard() -> list[e.Event]:
            if stage.engine.book.open and not lost:
                lost.append(ts_us)
                raise BrokerUnavailable("its answer was lost", "test", "wait")
            return await answer

        return heard()

    async def story() -> None:
        await stage.recover()
        await stage.play_until(lambda: lost)
        assert not stage.engine.is_connected
        await stage.recover()
        placed = dict(stage.broker.placed)
        assert {1} == set(placed.values())
        intents = [entry.event for entry in stage.entries() if isinstance(entry.event, e.OrderIntent)]
        assert {intent.order.idempotency_key for intent in intents} == set(placed)
        told = [entry.event.ts_us for entry in stage.entries() if isinstance(entry.event, e.BarsClosed)]
        assert sorted(set(told)) == told

    lost: list[int] = []
    monkeypatch.setattr(RoughBroker, "tell_moment", tell_moment)
    anyio.run(story)


def test_who_listens_hears_of_a_decision_behind_its_send_and_in_the_journals_order(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of a log takes as long as a decision: no order waits for one."""
    prepare = RoughBroker.prepare
    walk: list[tuple[str, int]] = []

    def prepares(self: RoughBroker, commands: Any, ts_us: int) -> Any:
        leave = prepare(self, commands, ts_us)

        def leaves() -> Any:
            walk.append(("sent", 0))
            return leave()

        return leaves

    async def story() -> None:
        await stage.recover()
        stage.desk.ears.event.append(lambda seq, event: walk.append((event.KIND, seq)))
        await stage.play_until(lambda: stage.engine.book.open)

    monkeypatch.setattr(RoughBroker, "prepare", prepares)
    anyio.run(story)

    kinds = [kind for kind, _ in walk]
    seqs = [seq for kind, seq in walk if kind != "sent"]
    assert list(range(seqs[0], seqs[0] + len(seqs))) == seqs
    assert seqs[-1] == stage.journal.count
    assert kinds.index("sent") < kinds.index(e.SignalEmitted.KIND) < kinds.index(e.OrderIntent.KIND)
