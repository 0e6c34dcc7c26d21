"""The simulated broker's desk: requests in, answers out, written down in between.

Every request that changes something is written down before it is answered; at start the record is played again through
the same matching. It takes no decision of ours, and knows no socket.
"""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import Final

import msgspec

from axiomd.broker import sim_wire as wire
from axiomd.broker.sim import SimBroker
from axiomd.broker.sim_record import IdleState, SimRecord
from axiomd.contracts.commands import Approved, CancelEntry, ClosePosition, SendEntries
from axiomd.contracts.truth import Report

_CHANGES: Final = frozenset({"attach", "place", "cancel", "close", "moment", "end_session", "kill"})


class SimDesk:
    """The broker behind the socket: requests in, answers out, written down in between."""

    def __init__(self, record: SimRecord) -> None:
        self._record = record
        self._broker: SimBroker | None = None
        self._setup: wire.Setup | None = None
        self._symbols: list[str] = []
        self._ticks: list[int] = []
        self._own_index: list[int] = []
        self._moment_us = 0
        self._session_end_us = 0
        self._session_before_us = 0
        self._restore()

    def _restore(self) -> None:
        idle = self._record.idle_state()
        if idle is not None:
            self._setup_from(idle.setup)
            assert self._broker is not None
            self._broker.resume_from(idle.next_id, idle.fills, idle.last)
            self._moment_us = idle.moment_us
            self._session_end_us = idle.session_end_us
            self._session_before_us = idle.session_before_us
        for body in self._record.inputs():
            self._change(wire.read_request(body))

    def answer(self, line: bytes) -> wire.Answer:
        """Answer one request, durably."""
        answer, _ = self.take(line)
        self.commit()
        return answer

    def commit(self) -> None:
        """Make durable what the requests so far led to: only then may they be answered."""
        self._record.commit()

    def take(self, line: bytes) -> tuple[wire.Answer, list[Report]]:
        """Do what one request asks and give its answer, and what it made happen. Never raises for a bad request."""
        try:
            request = wire.read_request(line)
        except msgspec.MsgspecError as error:
            return wire.Answer(id=0, error=f"not understood: {error}"), []
        if request.op == "truth":
            truth = None if self._broker is None else self._broker.truth()
            return wire.Answer(
                id=request.id,
                # a daemon that died while a session closed asks for that session; nobody asks for older ones
                reports=self._record.reports(max(self._session_before_us, request.ts_us)),
                positions={} if truth is None else truth.positions,
                orders=() if truth is None else truth.orders,
            ), []
        if request.op not in _CHANGES:
            return wire.Answer(id=request.id, error=f"unknown request {request.op}"), []
        if self._broker is None and request.op not in ("attach", "kill"):
            return wire.Answer(id=request.id, error="nobody has attached yet"), []
        if lack := self._lack(request):
            return wire.Answer(id=request.id, error=lack), []
        before = (self._moment_us, self._session_end_us)
        reports = self._change(request)
        is_news = bool(reports) or request.op != "attach" or self._setup_is_new
        if is_news and (request.op not in ("moment", "end_session") or before != self._times()):
            self._record.write(line.strip(), reports, is_quiet=request.op == "moment" and not reports)
        if request.op == "end_session" and self._broker is not None and self._broker.is_idle:
            self._checkpoint(self._broker)
        return wire.Answer(id=request.id, reports=tuple(map(wire.pack, reports))), reports

    def _lack(self, request: wire.Request) -> str:
        """Say what a request lacks to be carried out, before anything of it is: half of one cannot be taken back."""
        match request.op:
            case "attach":
                setup = request.setup
                return "" if setup is not None and len(setup.symbols) == len(setup.ticks) else "no setup"
            case "place":
                unknown = next((order.symbol for order in request.orders if order.symbol not in self._symbols), None)
                return "" if unknown is None else f"unknown symbol {unknown}"
            case "close":
                is_whole = request.reference and request.symbol in self._symbols and request.qty > 0
                return "" if is_whole else "nothing to close is named"
            case "moment":
                is_known = all(0 <= bar[1] < len(self._own_index) for bar in request.bars)
                return "" if is_known else "a bar of a symbol that was not named"
            case _:
                return ""

    def _times(self) -> tuple[int, int]:
        return self._moment_us, self._session_end_us

    def _checkpoint(self, broker: SimBroker) -> None:
        next_id, fills = broker.counters
        self._record.checkpoint(
            IdleState(
                setup=self._whole_setup(),
                next_id=next_id,
                fills=fills,
                last=broker.last_bars,
                moment_us=self._moment_us,
                session_end_us=self._session_end_us,
                session_before_us=self._session_before_us,
            )
        )

    def _whole_setup(self) -> wire.Setup:
        assert self._setup is not None
        return msgspec.structs.replace(self._setup, symbols=tuple(self._symbols), ticks=tuple(self._ticks))

    def _change(self, request: wire.Request) -> list[Report]:
        self._setup_is_new = False
        broker = self._broker
        match request.op:
            case "attach":
                assert request.setup is not None
                self._setup_from(request.setup)
                return []
            case _ if broker is None:
                return []
            case "place":
                placed: list[Report] = []
                for oco, orders in groupby(request.orders, attrgetter("oco_id")):
                    legs = tuple(Approved(order) for order in orders)
                    placed += broker.execute(SendEntries(oco_id=oco, legs=legs), request.ts_us)
                return placed
            case "cancel":
                return broker.execute(CancelEntry(key=request.key, reason=request.reason), request.ts_us)
            case "close":
                return broker.execute(
                    ClosePosition(
                        key=request.key,
                        reference=request.reference,
                        symbol=request.symbol,
                        qty=request.qty,
                        is_urgent=request.is_urgent,
                    ),
                    request.ts_us,
                )
            case "moment":
                if request.ts_us <= self._moment_us:
                    return []
                self._moment_us = request.ts_us
                own = self._own_index
                return broker.match([(bar[0], own[bar[1]], *bar[2:]) for bar in request.bars], request.ts_us)
            case "end_session":
                if request.ts_us <= self._session_end_us:
                    return []
                self._session_before_us, self._session_end_us = self._session_end_us, request.ts_us
                return broker.end_session(request.ts_us)
            case _:
                return broker.kill(self._moment_us or request.ts_us, flattens=request.flattens)

    def _setup_from(self, setup: wire.Setup) -> None:
        """Take a client's symbols in; those it no longer names keep their place, and what is held in them."""
        if self._broker is not None and self._setup == setup:
            return
        self._setup_is_new = True
        self._setup = setup
        for symbol, tick in zip(setup.symbols, setup.ticks, strict=True):
            if symbol not in self._symbols:
                self._symbols.append(symbol)
                self._ticks.append(tick)
        self._own_index = [self._symbols.index(symbol) for symbol in setup.symbols]
        if self._broker is None:
            self._broker = SimBroker(
                self._symbols, self._ticks, setup.costs, bar_us=setup.bar_us, skips_ambiguous=setup.skips_ambiguous
            )
        else:
            self._broker.set_up(self._symbols, self._ticks, setup.costs, skips_ambiguous=setup.skips_ambiguous)
