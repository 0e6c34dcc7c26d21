"""What a console is shown, over whole sessions of random markets: plain, true, and small where little changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from axiomd.config.binding import bind
from axiomd.contracts import events as e
from axiomd.contracts.control import Snapshot
from axiomd.contracts.patch import State, patched
from axiomd.contracts.runs import RunConfig
from axiomd.contracts.units import decimal_text, to_units
from axiomd.core.engine import Engine
from axiomd.core.guards.chain import GUARDS
from axiomd.core.guards.figures import UNITS
from axiomd.core.headroom import TRIPPING, Figures, headroom
from axiomd.core.plan import Plan
from axiomd.core.recent import EVENTS_MAX, GuardRecord, Recent
from axiomd.core.strategies.stage1 import listed
from axiomd.core.view import AlarmFact, Facts, LatchFact, TaskFact, delta, snapshot
from axiomd.replay.driver import Replay
from axiomd.replay.identity import Identity
from tests.parity import random_case

RUN_ID = "paper-SIM-2025-01-02"
LOOK_EVERY = 7


class Watching:
    """A log that folds what it is given and looks at the engine now and then."""

    def __init__(self, look: Callable[[Recent], None]) -> None:
        self.recent = Recent()
        self._look = look
        self._count = 0

    def append(self, event: e.Event, cause: int = 0) -> int:
        self._count += 1
        self.recent.take(self._count, event)
        if self._count % LOOK_EVERY == 0 or isinstance(event, e.PositionChanged):
            self._look(self.recent)
        return self._count

    def commit(self) -> None:
        pass


def facts(**given: Any) -> Facts:
    usual = {
        "run_id": RUN_ID, "mode": "paper", "account": "SIM", "instance": "main", "version": "0", "started_us": 1,
        "market_us": 0, "is_ready": True,
    }  # fmt: skip
    return Facts(**(usual | given))


def watched(seed: int, look: Callable[[Engine, Recent], None]) -> tuple[Engine, Recent]:
    """Replay a random case and look at every few events."""
    config, _, tape = random_case(seed)
    parsed = RunConfig.model_validate(config)
    plan = bind(parsed, tape.sessions, tape.timeframe_us, RUN_ID, "replay")
    chosen = {own.id: listed(own.symbols, max_candidates=50) for own in plan.strategies}
    log = Watching(lambda recent: look(replay.engine, recent))
    replay = Replay(plan, tape, log, lambda _: chosen, identity=Identity(RUN_ID, "", {}, "0"))
    replay.run()
    return replay.engine, log.recent


def unlooked(engine: Engine, recent: Recent) -> None:
    """Look at nothing."""


def has_none(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(has_none, value.values()))
    if isinstance(value, list):
        return any(map(has_none, value))
    return value is None or isinstance(value, float)


@pytest.mark.parametrize("seed", range(4))
def test_every_state_is_plain_and_patches_lead_from_one_to_the_next(seed: int) -> None:
    states: list[State] = []
    watched(seed, lambda engine, recent: states.append(snapshot(engine, recent, facts())))

    assert states
    known: State = {}
    for state in states:
        assert not has_none(state)
        assert state == Snapshot(seq=1, state=state).state
        known = patched(known, delta(known, state))
        assert state == known


@pytest.mark.parametrize("seed", range(4))
def test_shown_money_and_positions_are_the_engines(seed: int) -> None:
    looks = 0

    def look(engine: Engine, recent: Recent) -> None:
        nonlocal looks
        looks += 1
        state: Any = snapshot(engine, recent, facts())
        account = state["account"]
        positions = state["positions"]
        held = {engine.plan.symbols[index]: holding for index, holding in engine.holdings.items()}
        assert decimal_text(int(engine.account["equity"])) == account["equity"]
        assert to_units(account["equity"]) - int(engine.account["session_equity"]) == to_units(account["day_pnl"])
        assert {symbol: holding.qty for symbol, holding in held.items()} == {s: r["qty"] for s, r in positions.items()}
        assert {leg.order.idempotency_key for legs in engine.book.open.values() for leg in legs} == set(state["orders"])
        assert sum(to_units(row["unrealised"]) for row in positions.values()) == to_units(account["unrealised"])
        assert all(row["side"] == ("LONG" if held[s].sign > 0 else "SHORT") for s, row in positions.items())

    watched(seed, look)
    assert looks > 0


def test_looking_changes_nothing_in_the_engine() -> None:
    def look(engine: Engine, recent: Recent) -> None:
        before = [engine.board.account.tobytes(), engine.board.symbols.tobytes(), engine.board.slots.tobytes()]
        snapshot(engine, recent, facts())
        assert before == [engine.board.account.tobytes(), engine.board.symbols.tobytes(), engine.board.slots.tobytes()]

    engine, recent = watched(1, look)
    assert snapshot(engine, recent, facts()) == snapshot(engine, recent, facts())


def test_nothing_new_is_an_empty_delta_and_one_alarm_is_one_row() -> None:
    engine, recent = watched(0, unlooked)
    before = snapshot(engine, recent, facts())
    alarm = AlarmFact(priority="warn", text="the broker is lost", since_us=5)
    after = snapshot(engine, recent, facts(alarms={"broker": alarm}))

    assert {} == delta(before, snapshot(engine, recent, facts()))
    assert ["alarms"] == list(delta(before, after))
    assert {"alarms": {"broker": None}} == delta(after, before)


def test_a_strategy_that_a_person_paused_is_shown_so() -> None:
    engine, recent = watched(1, unlooked)
    name = engine.plan.strategies[0].id
    for args, is_paused in (({"strategy": name}, True), ({}, True), ({"symbol": engine.plan.symbols[0]}, False)):
        engine.handle(e.OperatorCommand(ts_us=engine.now_us, name="unpause", args={}, operator="op"))
        engine.handle(e.OperatorCommand(ts_us=engine.now_us, name="pause", args=args, operator="op"))

        state: Any = snapshot(engine, recent, facts())

        assert is_paused == state["strategies"][name]["is_paused"], args


def test_every_guard_has_its_row_and_its_unit() -> None:
    engine, recent = watched(2, unlooked)
    rows: Any = snapshot(engine, recent, facts())["guards"]

    assert [*GUARDS, *TRIPPING] == list(rows)
    assert set(UNITS) == set(rows)
    assert all(row["unit"] == UNITS[name] for name, row in rows.items())


def limited(risk: dict[str, Any]) -> Plan:
    config, _, tape = random_case(2)
    return bind(RunConfig.model_validate({**config, "risk": risk}), tape.sessions, tape.timeframe_us, RUN_ID, "replay")


def test_the_limits_shown_are_those_in_force_not_those_of_the_last_verdict() -> None:
    before, after = (
        limited(
            {
                "max_order_notional": 6 * unit, "per_symbol_max_qty": unit, "stale_data": {"lateness_minutes": unit},
                "slippage_sanity": {"entry_bp": unit}, "price_collar": {"atr": unit},
                "market_halt_proxy": {"silent_minutes": unit}, "message_rate": {"orders": unit, "seconds": 10},
            }
        )
        for unit in (100, 50)
    )  # fmt: skip
    recent, symbol = Recent(), before.symbols[0]
    names = ("MaxOrderNotional", "PerSymbolMaxQty", "StaleData", "SlippageSanity", "MarketHaltProxy", "MessageRate")
    standing = Figures(gross=0, net=0, working=0, legs=0, open=0)
    account = {"equity": 1, "loss_base": 1, "drawdown_peak": 1}
    for name in (*names, "PriceCollar"):
        record = recent.guards[name] = GuardRecord()
        record.figure, record.limit, record.subject = 2_000_000, 10**9, symbol
        record.is_current = True
    recent.take(1, e.ConfigLoaded(ts_us=1, config_hash="", config={}))

    def limits(plan: Plan) -> list[Any]:
        rows: Any = headroom(plan, recent, account, standing)
        assert ["figure" in rows[name] for name in names] == [True] * len(names)
        assert "figure" not in rows["PriceCollar"]
        return [rows[name]["limit"] for name in names]

    assert ["600.00", 100, 6000, "100.00", 6000, 100] == limits(before)
    assert ["300.00", 50, 3000, "50.00", 3000, 50] == limits(after)


def test_kill_state_is_the_stricter_of_latch_and_engine() -> None:
    engine, recent = watched(0, unlooked)
    engine.kill.level = ""
    latch = LatchFact(level="halt", trip_id="ab", reason="odd fills", by="op1", at_us=9)
    assert {
        "state": "TRIPPED", "level": "halt", "trip_id": "ab", "reason": "odd fills", "by": "op1", "at_us": 9,
        "seen_trip_id": "",
    } == snapshot(engine, recent, facts(latch=latch))["kill"]  # fmt: skip
    engine.kill.level = "flatten"
    assert "flatten" == snapshot(engine, recent, facts(latch=latch))["kill"]["level"]  # type: ignore[index, call-overload]
    engine.kill.level = ""
    assert "ARMED" == snapshot(engine, recent, facts())["kill"]["state"]  # type: ignore[index, call-overload]


def test_tasks_and_protection_are_shown_as_given() -> None:
    engine, recent = watched(0, unlooked)
    state: Any = snapshot(engine, recent, facts(tasks={"engine": TaskFact(is_hung=True, inbox=3, inbox_max=9)}))

    assert {"is_hung": True, "inbox": 3, "inbox_max": 9, "restarts": 0, "error": ""} == state["tasks"]["engine"]


def test_data_is_stale_inside_the_session_only() -> None:
    engine, recent = watched(0, unlooked)
    engine.plan.limits[0]["lateness_us"] = 5 * 60_000_000
    close_us = int(engine.account["close_us"])
    engine.account["now_us"] = 0
    engine.board.symbols["last_ts_us"] = close_us - 30 * 60_000_000

    def stale(market_us: int) -> set[bool]:
        rows: Any = snapshot(engine, recent, facts(market_us=market_us))["quality"]
        return {row["is_stale"] for row in rows.values()}

    assert {True} == stale(close_us - 60_000_000)
    assert {False} == stale(close_us)


def test_last_lines_are_bounded_and_begin_anew_with_nothing_lost_but_age() -> None:
    recent = Recent()
    for seq in range(1, 3 * EVENTS_MAX):
        recent.take(seq, e.OrderRejected(ts_us=seq, key="ab", reason="odd lot"))
    recent.take(999, e.BarsClosed(ts_us=999))

    assert EVENTS_MAX == len(recent.lines)
    assert (3 * EVENTS_MAX - 1, "order.rejected", "ab", "reason=odd lot") == (
        recent.lines[-1].seq, recent.lines[-1].event.KIND, e.key_of(recent.lines[-1].event), recent.lines[-1].text,
    )  # fmt: skip
    assert 999 == recent.seq


@pytest.mark.parametrize("seed", range(4))
def test_folded_figures_are_those_of_the_events(seed: int) -> None:
    events: list[e.Event] = []
    config, _, tape = random_case(seed)
    plan = bind(RunConfig.model_validate(config), tape.sessions, tape.timeframe_us, RUN_ID, "replay")
    chosen = {own.id: listed(own.symbols, max_candidates=50) for own in plan.strategies}
    recent = Recent()

    class Keeping:
        def append(self, event: e.Event, cause: int = 0) -> int:
            events.append(event)
            recent.take(len(events), event)
            return len(events)

        def commit(self) -> None:
            pass

    replay = Replay(plan, tape, Keeping(), lambda _: chosen, identity=Identity(RUN_ID, "", {}, "0"))
    replay.run()
    opened = max(place for place, event in enumerate(events) if isinstance(event, e.SessionOpened))
    trades = [event.trade for event in events[opened:] if isinstance(event, e.PositionChanged) and event.trade]
    blocked = [event.guard for event in events if isinstance(event, e.OrderBlocked)]
    judged = [event for event in events if isinstance(event, (e.OrderBlocked, e.OrderIntent))]

    assert (sum(trade.net_pnl for trade in trades), len(trades)) == (recent.realised, recent.trades)
    assert replay.engine.tripwires.losses_in_a_row == recent.losses_in_a_row
    assert {name: blocked.count(name) for name in set(blocked)} == {
        name: record.refused for name, record in recent.guards.items() if record.refused
    }
    assert len([event for event in judged if event.verdicts]) == (recent.guards["KillSwitch"].checked if judged else 0)
    assert len(events) == recent.seq
