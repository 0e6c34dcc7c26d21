"""One account on a day of its own, for one scenario: the engine, given bars and a broker's word as a daemon gives them.

It carries out what the engine asks for as an obliging broker and a latch would, keeps what was decided, and judges
nothing: every rule that a scenario meets is the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final

from axiomd.config.shipped import shipped
from axiomd.config.yaml_text import read_yaml
from axiomd.contracts import commands as c
from axiomd.contracts import events as e
from axiomd.contracts.fills import Fill
from axiomd.contracts.orders import Order
from axiomd.contracts.runs import RunConfig
from axiomd.contracts.units import SECOND_US, Side, to_units
from axiomd.core.engine import Engine
from axiomd.core.market.sessions import SessionTable
from axiomd.core.plan import Plan, plan_of
from axiomd.feeds.calendars import session_table, window_table
from tests.risk.ticket import ASKS, QUIET, Ticket, strategy_of

DAY: Final = date(2024, 3, 5)
RUN_ID: Final = "risk-test"
RANGE_UNITS: Final = 10_000
"""From LOW to HIGH of every bar: with CLOSE in the middle and at rest, the ATR of all."""
AT_CLOSE: Final = Ticket()
OTHER: Final[dict[Side, Side]] = {"BUY": "SELL", "SELL": "BUY"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a scenario starts from; `risk` lays keys over the packaged limits, `qty` is what each order is for."""

    symbols: tuple[str, ...] = ("SPY",)
    ticket: Ticket = AT_CLOSE
    qty: int = 100
    lot: int = 1
    cash: int = 1_000_000
    bar_s: int = 60
    frame_s: int = 0
    risk: tuple[tuple[str, Any], ...] = ()

    @property
    def frame_us(self) -> int:
        """Give how long the strategy's bars are: as those of the feed, unless said otherwise."""
        return (self.frame_s or self.bar_s) * SECOND_US


class Stage:
    """Drive one engine through a session and keep what it decided, in order."""

    def __init__(self, setting: Setting) -> None:
        self.plan = _plan(setting)
        self.engine = Engine(self.plan)
        self.judged: list[e.OrderIntent | e.OrderBlocked] = []
        self.tripped: list[e.GuardTripped] = []
        self.latched: list[c.TripLatch] = []
        self.cancelled: list[c.CancelEntry] = []
        self.closed: list[c.ClosePosition] = []
        self._bar_us = self.plan.bar_us
        self._count = 0
        sessions = _sessions()
        self.open_us, self.close_us = int(sessions.open_us[0]), int(sessions.close_us[0])
        self.now_us = self.open_us
        self.take(e.BrokerConnected(ts_us=self.now_us, broker="sim", account="SIM"))
        self.take(e.ReconCompleted(ts_us=self.now_us, positions={}))
        self.take(
            e.SessionOpened(
                ts_us=self.now_us, session=DAY.isoformat(), run_id=RUN_ID, open_us=self.open_us, close_us=self.close_us
            )
        )
        self.take(e.CandidatesSelected(ts_us=self.now_us, strategy="ticket", symbols=self.plan.strategies[0].symbols))

    # --- the market ---

    def bar(self, closes: Mapping[str, str], asking: Collection[str] = ()) -> None:
        """Let one bar of each symbol close at a price; those that ask are setups."""
        start_us = self.now_us
        rows = []
        for symbol, price in sorted(closes.items()):
            close = to_units(price)
            high, low = close + RANGE_UNITS // 2, max(close - RANGE_UNITS // 2, 1)
            volume = ASKS if symbol in asking else QUIET
            rows.append((start_us, self.plan.symbols.index(symbol), close, high, low, close, volume))
        self.now_us += self._bar_us
        self.take(e.BarsClosed(ts_us=self.now_us, rows=tuple(rows)))

    def bars(self, count: int, closes: Mapping[str, str]) -> None:
        """Let so many bars close at rest."""
        for _ in range(count):
            self.bar(closes)

    def ask(self, closes: Mapping[str, str]) -> None:
        """Let every symbol of these ask for an order at its CLOSE."""
        self.bar(closes, closes)

    def skip_until(self, ts_us: int) -> None:
        """Let time pass without a bar."""
        self.now_us = ts_us
        self.take(e.BarsClosed(ts_us=ts_us))

    def wait(self, seconds: int) -> None:
        """Let time pass in which no interval ends."""
        self.now_us += seconds * SECOND_US

    # --- the broker ---

    def order(self, at: int = -1) -> Order:
        """Give an order that was judged, the last unless said otherwise."""
        return self.judged[at].order

    def fill(self, order: Order, price: str, *, qty: int = 0, role: str = "") -> None:
        """Execute an order or, by its role, an exit of it."""
        self._count += 1
        self.take(
            e.FillReceived(
                ts_us=self.now_us,
                fill=Fill(
                    exec_id=f"x{self._count}", reference=order.idempotency_key + role, symbol=order.symbol,
                    side=OTHER[order.side] if role else order.side, qty=qty or order.qty, price=to_units(price),
                    commission=0, bar_ts_us=self.now_us - self._bar_us,
                ),
            )
        )  # fmt: skip

    def hold(self, symbol: str, price: str) -> Order:
        """Ask for an order and have it filled at its price."""
        self.ask({symbol: price})
        order = self.order()
        self.fill(order, price)
        return order

    def reject(self, order: Order) -> None:
        """Refuse an order at the broker."""
        self.take(e.OrderRejected(ts_us=self.now_us, key=order.idempotency_key, reason="simulated"))

    # --- the operator ---

    def kill(self, level: e.KillLevel = "halt") -> None:
        """Latch by hand."""
        self.take(e.KillTripped(ts_us=self.now_us, level=level, reason="by hand", trip_id="1", source="operator"))

    def resume(self) -> None:
        """Release the latch."""
        trip_id = self.engine.trip_id
        self.take(e.KillReset(ts_us=self.now_us, trip_id=trip_id, operator="tester", reason="looked at it"))

    # --- the daemon's part ---

    def take(self, event: e.Event) -> None:
        """Give the engine an event and carry out what it asks for, the setups of that moment last."""
        self._carry_out(self.engine.handle(event))
        if self.engine.has_setups_left:
            self._carry_out(self.engine.take_setups())

    def _carry_out(self, commands: list[c.Command]) -> None:
        keeping: dict[type[Any], Callable[[Any], None]] = {
            e.OrderIntent: self.judged.append,
            e.OrderBlocked: self.judged.append,
            e.GuardTripped: self.tripped.append,
            c.ClosePosition: self.closed.append,
            c.TripLatch: self._latch,
            c.CancelEntry: self._cancel,
            c.SendEntries: self._send,
        }
        for command in commands:
            keep = keeping.get(type(command))
            if keep is not None:
                keep(command)

    def _send(self, command: c.SendEntries) -> None:
        for approved in command.legs:
            self.take(e.OrderSent(ts_us=self.now_us, key=approved.value.idempotency_key))

    def _cancel(self, command: c.CancelEntry) -> None:
        self.cancelled.append(command)
        self.take(e.OrderCancelled(ts_us=self.now_us, key=command.key, reason=command.reason))

    def _latch(self, command: c.TripLatch) -> None:
        self.latched.append(command)
        trip_id = f"guard-{len(self.latched)}"
        self.take(
            e.KillTripped(
                ts_us=self.now_us, level=command.level, reason=command.reason, trip_id=trip_id, source="guard"
            )
        )


@lru_cache(1)
def packaged_limits() -> dict[str, Any]:
    """Read the limits as they ship."""
    return dict(read_yaml(shipped("risk.yml")).mapping)


@lru_cache(1)
def _sessions() -> SessionTable:
    return session_table("XNYS", DAY, DAY)


def _plan(setting: Setting) -> Plan:
    config = RunConfig.model_validate(
        {
            "strategy": {"name": "ticket"},
            "symbols": list(setting.symbols),
            "stage1": {"max_candidates": len(setting.symbols)},
            # the cap of a position is sizing's, and lies far beyond what is asked for here
            "sizing": {"fixed_qty": setting.qty, "max_pos_pct": 1_000_000},
            "instrument": {"lot": setting.lot},
            "initial_cash": setting.cash,
            "risk": packaged_limits() | dict(setting.risk),
        }
    )
    ticket = setting.ticket.model_copy(update={"frame_us": setting.frame_us})
    return plan_of(
        config,
        run_id=RUN_ID,
        source="replay",
        sessions=_sessions(),
        bar_us=setting.bar_s * SECOND_US,
        find_strategy=lambda *_: strategy_of(setting.frame_us),
        read_params=lambda *_: ticket,
        find_windows=lambda table, spec: window_table(table, spec.windows, spec.tz),
        rates={},
    )
