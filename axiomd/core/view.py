"""What a console shows: the engine's state as plain JSON values, and the patch from one such state to the next.

It reads and never writes: a view that is wrong misleads a person, and can do nothing else. It is built once a beat, not
once an event, and only while somebody looks. Money and prices are decimal strings, ratios whole ppm, times UTC
microseconds; nothing is None, what is not known is left out, so that a patch can take things away
(`axiomd.contracts.patch`). Ages and lateness are not here, since they would change with every beat: a console counts
them from `clock.market_us`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from axiomd.contracts.events import KillLevel, key_of
from axiomd.contracts.patch import State
from axiomd.contracts.patch import changes_between as delta
from axiomd.contracts.truth import Truth
from axiomd.contracts.units import PPM, decimal_text
from axiomd.core.compiled import plain
from axiomd.core.engine import Engine
from axiomd.core.guards.api import COMPLETENESS_FROM
from axiomd.core.guards.chain import notional
from axiomd.core.guards.health import is_stale
from axiomd.core.headroom import Figures, headroom, limit_of
from axiomd.core.orders.book import Leg
from axiomd.core.portfolio import Holding
from axiomd.core.recent import Recent
from axiomd.core.sizing import fraction

# of single numbers; and a console that looks in before the first bar must not wait for the compiler
_fraction, _is_stale, _notional = plain(fraction), plain(is_stale), plain(notional)


class TaskFact(msgspec.Struct, frozen=True, kw_only=True):
    """One task of the daemon; `inbox_max` 0 for one without an inbox."""

    is_hung: bool = False
    inbox: int = 0
    inbox_max: int = 0
    restarts: int = 0
    error: str = ""


class AlarmFact(msgspec.Struct, frozen=True, kw_only=True):
    """One cause that a person should look at."""

    priority: str
    text: str
    since_us: int
    is_acknowledged: bool = False


class LatchFact(msgspec.Struct, frozen=True, kw_only=True):
    """What the latch file says; `level` is empty while armed."""

    level: KillLevel | str = ""
    trip_id: str = ""
    reason: str = ""
    by: str = ""
    at_us: int = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the daemon knows and the engine does not. `market_us` is market time now, `started_us` wall time.

    `truth` is the broker's word at the last of so many `looks`, `protection` names the exits confirmed there by symbol,
    `clients` are (name, role).
    """

    run_id: str
    mode: str
    account: str
    instance: str
    version: str
    started_us: int
    market_us: int
    is_ready: bool
    broker: str = "sim"
    is_journal_ok: bool = True
    truth: Truth = Truth()
    looks: int = 0
    latch: LatchFact = LatchFact()
    protection: dict[str, str] = {}
    tasks: dict[str, TaskFact] = {}
    alarms: dict[str, AlarmFact] = {}
    clients: tuple[tuple[str, str], ...] = ()


def snapshot(engine: Engine, recent: Recent, facts: Facts) -> State:
    """Give the whole state; its seq is `recent.seq`."""
    account = {name: int(engine.account[name]) for name in _ACCOUNT}
    now_us = max(account["now_us"], facts.market_us)
    symbols = engine.board.symbols
    column = {name: symbols[name].tolist() for name in _COLUMNS}
    values = [
        _fraction(position * column["close"][s], column["fx_num"][s], column["fx_den"][s]) if position else 0
        for s, position in enumerate(column["position"])
    ]
    figures = Figures(
        gross=sum(map(abs, values)),
        net=sum(values),
        working=sum(map(_notional, column["work_long"], column["work_short"])),
        legs=sum(column["work_legs"]),
        open=sum(1 for p, legs in zip(column["position"], column["work_legs"], strict=True) if p or legs),
    )
    positions, unrealised = _positions(engine, facts, values)
    return {
        "run": {
            "run_id": facts.run_id, "mode": facts.mode, "account": facts.account, "instance": facts.instance,
            "version": facts.version, "started_us": facts.started_us, "is_ready": facts.is_ready,
        },
        "clock": _clock(engine.session, account, now_us),
        "kill": _kill(engine, recent, facts),
        "broker": {
            "kind": facts.broker, "is_connected": engine.is_connected, "is_reconciled": engine.is_reconciled,
            "differences": list(recent.differences), "recon_us": recent.recon_us, "looks": facts.looks,
            "adopted": {symbol: qty for symbol, qty in engine.foreign.items() if qty}, **_truth(facts.truth),
        },
        "journal": {"seq": recent.seq, "is_ok": facts.is_journal_ok},
        "account": _account(engine, recent, account, figures, unrealised),
        "positions": positions,
        "orders": {leg.order.idempotency_key: _order(leg) for legs in engine.book.open.values() for leg in legs},
        "candidates": _candidates(engine),
        "strategies": _strategies(engine, now_us),
        "guards": headroom(engine.plan, recent, account, figures),
        "quality": _quality(engine, account, now_us, column),
        "pauses": dict(engine.pauses.at(now_us)),
        "tasks": {name: _plain(task) for name, task in facts.tasks.items()},
        "alarms": {name: _plain(alarm) for name, alarm in facts.alarms.items()},
        "clients": [{"name": name, "role": role} for name, role in facts.clients],
        "events": {
            str(line.seq): {
                "ts_us": line.event.ts_us, "kind": line.event.KIND, "key": key_of(line.event), "text": line.text,
            }
            for line in recent.lines
        },
    }  # fmt: skip


def _truth(truth: Truth) -> State:
    """The broker's side: its positions, signed, and its orders."""
    return {
        "positions": {symbol: qty for symbol, qty in truth.positions.items() if qty},
        "orders": {
            order.reference: {
                "symbol": order.symbol, "side": order.side, "qty": order.qty, "type": order.kind,
                "price": decimal_text(order.price),
            }
            for order in truth.orders
        },
    }  # fmt: skip


_ACCOUNT: Final = (
    "now_us", "open_us", "close_us", "flatten_us", "cash", "equity", "peak", "max_drawdown", "session_equity",
    "loss_base", "drawdown_peak", "positions", "bar_us", "interval_us",
)  # fmt: skip
_COLUMNS: Final = (
    "position", "close", "fx_num", "fx_den", "work_long", "work_short", "work_legs", "last_ts_us", "intervals",
)  # fmt: skip


def _clock(session: str, account: dict[str, int], now_us: int) -> State:
    is_open = account["open_us"] <= now_us < account["close_us"]
    return {
        "market_us": now_us,
        "session": session,
        "is_open": is_open,
        "open_us": account["open_us"],
        "close_us": account["close_us"],
        "flatten_us": account["flatten_us"],
    }


def _kill(engine: Engine, recent: Recent, facts: Facts) -> State:
    """The stricter of what the file and the engine say: where the two disagree, tripped wins."""
    latch, trip = facts.latch, recent.trip
    levels = ("", "halt", "flatten")
    level = max(latch.level, engine.level, key=levels.index)
    known = latch.level or not trip
    return {
        "state": "TRIPPED" if level else "ARMED",
        "level": level,
        "trip_id": (latch.trip_id or engine.trip_id) if level else "",
        "seen_trip_id": engine.trip_id,
        "reason": latch.reason if known else trip.reason if trip else "",
        "by": latch.by if known else trip.source if trip else "",
        "at_us": latch.at_us if known else trip.ts_us if trip else 0,
    }


def _account(engine: Engine, recent: Recent, account: dict[str, int], figures: Figures, unrealised: int) -> State:
    equity, base = account["equity"], account["session_equity"]
    return {
        "currency": engine.plan.currency,
        "equity": decimal_text(equity),
        "cash": decimal_text(account["cash"]),
        "day_pnl": decimal_text(equity - base),
        "day_pnl_ppm": (equity - base) * PPM // base if base > 0 else 0,
        "realised": decimal_text(recent.realised),
        "unrealised": decimal_text(unrealised),
        "costs": decimal_text(recent.costs),
        "trades": recent.trades,
        "won": recent.won,
        "gross": decimal_text(figures.gross),
        "net": decimal_text(figures.net),
        "working": decimal_text(figures.working),
        "drawdown": decimal_text(equity - account["peak"]),
        "max_drawdown": decimal_text(account["max_drawdown"]),
    }


def _positions(engine: Engine, facts: Facts, values: list[int]) -> tuple[State, int]:
    rows: State = {}
    unrealised = 0
    for index, holding in engine.holdings.items():
        symbol = engine.plan.instruments[index].symbol
        close = int(engine.board.symbols[index]["close"])
        result = _open_result(holding, close, engine.books.rates[symbol])
        unrealised += result
        order = holding.order
        row: State = {
            "side": "LONG" if holding.sign > 0 else "SHORT",
            "qty": holding.qty,
            "average": decimal_text((2 * holding.entry_value + holding.entered) // (2 * holding.entered)),
            "last": decimal_text(close),
            "notional": decimal_text(abs(values[index])),
            "unrealised": decimal_text(result),
            "since_us": holding.entry_ts_us,
            "strategy": order.strategy,
            "key": order.idempotency_key,
            "protected_by": facts.protection.get(symbol, ""),
            "is_closing": bool(holding.closing),
        }
        if order.stop_loss_price is not None:
            row["stop"] = decimal_text(order.stop_loss_price)
        if order.take_profit_price is not None:
            row["target"] = decimal_text(order.take_profit_price)
        rows[symbol] = row
    return rows, unrealised


def _open_result(holding: Holding, close: int, rate: tuple[int, int]) -> int:
    """What the open shares would bring at the last CLOSE, in account units, before costs."""
    paid = holding.entry_value * holding.qty // holding.entered
    return (holding.qty * close - paid) * holding.sign * rate[0] // rate[1]


def _order(leg: Leg) -> State:
    order = leg.order
    row: State = {
        "symbol": order.symbol,
        "side": order.side,
        "type": order.entry_type,
        "qty": order.qty,
        "filled": leg.filled,
        "state": leg.state.value,
        "oco_id": order.oco_id,
        "strategy": order.strategy,
        "valid_to_us": order.valid_to_us,
        "created_us": order.created_at_us,
    }
    if leg.cancelling:
        row["cancelling"] = leg.cancelling
    for name, price in (
        ("stop", order.stop_price),
        ("limit", order.limit_price),
        ("stop_loss", order.stop_loss_price),
        ("take_profit", order.take_profit_price),
    ):
        if price is not None:
            row[name] = decimal_text(price)
    return row


def _candidates(engine: Engine) -> State:
    """The symbols of each strategy that Stage 1 chose, best first."""
    chosen: list[list[tuple[int, str]]] = [[] for _ in engine.plan.strategies]
    for k, index, is_candidate, rank in engine.board.slots.tolist():
        if is_candidate:
            chosen[k].append((rank, engine.plan.instruments[index].symbol))
    return {
        own.id: [symbol for _, symbol in sorted(ranked)]
        for own, ranked in zip(engine.plan.strategies, chosen, strict=True)
    }


def _strategies(engine: Engine, now_us: int) -> State:
    board = engine.board
    rows: State = {}
    for k, own in enumerate(engine.plan.strategies):
        record = board.strategies[k]
        # without a position it is the cash, which asks for no compiler
        equity = engine.frame.strategy_equity(k) if engine.account["positions"] else int(record["cash"])
        rows[own.id] = {
            "version": own.strategy.version,
            "symbols": len(own.symbols),
            "day_pnl": decimal_text(equity - int(record["session_equity"])),
            "is_paused": bool(record["is_paused"]) or engine.pauses.holds(own.id, "", now_us),
        }
    return rows


def _quality(engine: Engine, account: dict[str, int], now_us: int, column: dict[str, list[int]]) -> State:
    """By symbol: when its newest bar started, how complete this session is, whether entries are off for it."""
    limits = engine.plan.limits[0]
    lateness_us_max, completeness_ppm = limit_of(limits, "lateness_us"), limit_of(limits, "completeness_ppm")
    is_open = account["open_us"] <= now_us < account["close_us"]
    due = max(0, (min(now_us, account["close_us"]) - account["open_us"]) // account["interval_us"]) if is_open else 0
    rows: State = {}
    for index, instrument in enumerate(engine.plan.instruments):
        last_us, seen = column["last_ts_us"][index], column["intervals"][index]
        row: State = {"intervals": seen, "is_stale": False}
        if last_us >= 0:
            row["last_bar_us"] = last_us
        if due >= COMPLETENESS_FROM:
            row["completeness_ppm"] = min(seen * PPM // due, PPM)
        if is_open:
            late_us = now_us - max(last_us + account["bar_us"], account["open_us"])
            stale, _, _ = _is_stale(late_us, seen, due, lateness_us_max, completeness_ppm)
            row["is_stale"] = bool(stale)
        rows[instrument.symbol] = row
    return rows


def _plain(fact: msgspec.Struct) -> State:
    plain: State = msgspec.structs.asdict(fact)
    return plain


__all__ = ["AlarmFact", "Facts", "LatchFact", "TaskFact", "delta", "snapshot"]
