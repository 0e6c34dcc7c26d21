"""What an event says in a few plain fields: for a log line, for a line on a console.

It decides what is worth a reader's eye, never what happens. Prices and money become decimal strings, times stay UTC
microseconds under names that end in `_us`. A whole configuration, a bar's rows and an order's every column are left to
the journal, where the seq leads.
"""

from __future__ import annotations

from axiomd.contracts import events as e
from axiomd.contracts.orders import Order
from axiomd.contracts.signals import Signal
from axiomd.contracts.units import decimal_text
from axiomd.core.guards.figures import COUNT, MONEY, PRICE, UNITS, shown, unit_of

Fields = dict[str, str | int | bool]

DIFFERENCES_SHOWN_MAX = 5
ASKED = ("symbol", "strategy", "qty", "until")
"""Arguments of a command that name things; free text stays in the journal."""


def fields_of(event: e.Event, currency: str = MONEY) -> Fields:
    """Give an event's telling fields; kind, key and time are the caller's, who may know the account's currency."""
    match event:
        case e.OrderIntent():
            return _order(event.order)
        case e.OrderBlocked():
            figure, limit = next(((f, m) for name, f, m in event.verdicts[-1:] if name == event.guard), (0, 0))
            unit = unit_of(event.guard, figure, event.order)
            money = {MONEY: currency, PRICE: event.order.currency}.get(unit)
            return {**_order(event.order), "guard": event.guard, **_verdict(figure, limit, unit, money)}
        case e.FillReceived():
            fill = event.fill
            return {
                "symbol": fill.symbol, "side": fill.side, "qty": fill.qty, "price": decimal_text(fill.price),
                "commission": decimal_text(fill.commission), "exec_id": fill.exec_id,
            }  # fmt: skip
        case e.SignalEmitted():
            return _signal(event.signal)
        case e.OrderSized():
            sized: Fields = {"symbol": event.symbol, "side": event.side, "qty": event.qty}
            return {**sized, "reason": event.reason} if event.reason else sized
        case e.PositionChanged():
            changed: Fields = {
                "symbol": event.symbol, "qty": event.qty, "cash": decimal_text(event.cash_units),
            }  # fmt: skip
            if event.trade is not None:
                changed |= {"net_pnl": decimal_text(event.trade.net_pnl), "exit_reason": event.trade.exit_reason}
            return changed
        case e.GuardTripped():
            unit = UNITS.get(event.guard, COUNT)
            money = currency if unit == MONEY else None
            return {"guard": event.guard, **_verdict(event.figure, event.limit, unit, money), "kill_level": event.level}
        case e.KillTripped():
            return {
                "kill_level": event.level, "reason": event.reason, "trip_id": event.trip_id, "source": event.source,
            }  # fmt: skip
        case e.KillReset():
            return {"trip_id": event.trip_id, "operator": event.operator, "reason": event.reason}
        case e.OrderAcked():
            return {"broker_id": event.broker_id}
        case (
            e.OrderRejected() | e.OrderCancelled() | e.OrderExpired() | e.BrokerLost() | e.ReconAdopted()
            | e.RunStopped()
        ):  # fmt: skip
            return {"reason": event.reason}
        case e.BrokerConnected():
            return {"broker": event.broker, "account": event.account}
        case e.FeedStale():
            return {"symbol": event.symbol, "lateness_us": event.lateness_us}
        case e.ClockSkewed():
            return {"skew_us": event.skew_us, "against": event.against}
        case e.ReconDrift():
            shown = "; ".join(event.differences[:DIFFERENCES_SHOWN_MAX])
            return {"differences": len(event.differences), "detail": shown}
        case e.ReconCompleted():
            return {"positions": len(event.positions)}
        case e.SessionOpened():
            return {"session": event.session, "open_us": event.open_us, "close_us": event.close_us}
        case e.SessionClosed():
            return {"session": event.session}
        case e.CandidatesSelected():
            return {"strategy": event.strategy, "candidates": len(event.symbols)}
        case e.BarsClosed():
            return {"bars": len(event.rows) or event.last - event.first}
        case e.RunStarted():
            return {"mode": event.mode, "account": event.account, "version": event.code_version}
        case e.ConfigLoaded():
            return {"config_hash": event.config_hash}
        case e.OperatorCommand():
            asked = " ".join(f"{name}={event.args[name]}" for name in ASKED if name in event.args)
            told_command: Fields = {"command": event.name, "operator": event.operator}
            return {**told_command, "detail": asked} if asked else told_command
    return {}


def text_of(fields: Fields) -> str:
    """Write fields as one line: ``symbol=SPY side=BUY qty=100``."""
    return " ".join(f"{name}={value}" for name, value in fields.items())


def _verdict(figure: int, limit: int, unit: str, currency: str | None) -> Fields:
    if currency is None:
        return {"figure": figure, "limit": limit}
    return {"figure": shown(figure, unit), "limit": shown(limit, unit), "unit": currency}


def _order(order: Order) -> Fields:
    told: Fields = {
        "symbol": order.symbol, "side": order.side, "qty": order.qty, "entry_type": order.entry_type,
        "strategy": order.strategy,
    }  # fmt: skip
    for name in ("stop_price", "limit_price", "stop_loss_price", "take_profit_price"):
        price = getattr(order, name)
        if price is not None:
            told[name] = decimal_text(price)
    return told


def _signal(signal: Signal) -> Fields:
    told: Fields = {"symbol": signal.symbol, "strategy": signal.strategy, "setup": signal.setup}
    for name in ("long_entry", "short_entry"):
        price = getattr(signal, name)
        if price is not None:
            told[name] = decimal_text(price)
    return {**told, "outcome": signal.outcome} if signal.outcome else told
