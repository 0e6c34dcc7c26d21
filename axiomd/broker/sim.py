"""The simulated broker: it matches resting orders against bars by first touch and keeps its own truth.

Orders, executions, positions and ids are its own; it shares no state with the engine, only the rules of `core.fills`.
An entry's children lie with it from the start and wake when it fills; legs of one OCA group end with the first fill.
It is what a replay trades against and what paper trading uses without a broker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from axiomd.broker.port import BrokerCommand
from axiomd.broker.sim_orders import OpenPosition, RestingEntry, SymbolState, resting
from axiomd.contracts.commands import CancelEntry, ClosePosition, SendEntries
from axiomd.contracts.events import (
    FillReceived,
    OrderAcked,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
    OrderSent,
)
from axiomd.contracts.fills import Fill
from axiomd.contracts.orders import SUFFIX_EOD, SUFFIX_KILL, SUFFIX_STOP, SUFFIX_TARGET, Order
from axiomd.contracts.truth import OpenOrder, Report, Truth
from axiomd.contracts.units import NEVER_US
from axiomd.core import matching
from axiomd.core.compiled import ready
from axiomd.core.fills import EXIT_EOD, EXIT_KILL, EXIT_STOP, EXIT_TARGET, FILLED, NO_EXIT, UNTOUCHED, Costs
from axiomd.core.matching import AMBIGUOUS, NO_LEG, Entered

Bar = Sequence[int]
"""A row of a tape: start in UTC us, symbol index, O, H, L, C in price units, V in shares."""
LastBar = Callable[[int], tuple[int, int, int]]
"""Gives (start in UTC us, CLOSE, VOLUME) of the last bar of a symbol index."""

_IDS_A_LEG = 4
_LEGS_A_GROUP_MAX = 2
_SUFFIXES = {EXIT_STOP: SUFFIX_STOP, EXIT_TARGET: SUFFIX_TARGET, EXIT_EOD: SUFFIX_EOD}


def _costs_of(costs: Mapping[str, int]) -> Costs:
    """Give costs by name as the rules read them; one that is not named is none."""
    return Costs(**{name: costs.get(name, 0) for name in Costs._fields})


class SimBroker:
    """Match orders against bars. `ticks` are the tick sizes by symbol index, in price units."""

    def __init__(
        self,
        symbols: Sequence[str],
        ticks: Sequence[int],
        costs: Mapping[str, int],
        *,
        bar_us: int,
        skips_ambiguous: bool,
    ) -> None:
        self._symbols = tuple(symbols)
        self._index_of = {symbol: index for index, symbol in enumerate(symbols)}
        self._ticks = tuple(ticks)
        self._costs = _costs_of(costs)
        self._bar_us = bar_us
        self._skips_ambiguous = skips_ambiguous
        self._match_legs = ready(matching.match_group, Costs(), 1, NO_LEG, NO_LEG, 0, 0, 0, 0, 0, False)
        self._match_exit = ready(matching.match_exit, Costs(), 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)
        self._price_exit = ready(matching.leave, Costs(), 1, 1, 0, EXIT_KILL, 0)
        self.states = [SymbolState() for _ in symbols]
        """What it holds and works, by symbol index."""
        self._fills = 0
        self._next_id = 1
        self._expiry_us = NEVER_US
        """No entry ends before."""

    def set_up(
        self, symbols: Sequence[str], ticks: Sequence[int], costs: Mapping[str, int], *, skips_ambiguous: bool
    ) -> None:
        """Take new symbols, costs and rules from here on; symbols keep their index."""
        assert tuple(symbols[: len(self._symbols)]) == self._symbols, "a symbol's index is its own for ever"
        self._symbols = tuple(symbols)
        self._index_of = {symbol: index for index, symbol in enumerate(symbols)}
        self.states += [SymbolState() for _ in symbols[len(self.states) :]]
        self._ticks = tuple(ticks)
        self._costs = _costs_of(costs)
        self._skips_ambiguous = skips_ambiguous

    @property
    def is_idle(self) -> bool:
        """Say whether it holds nothing and works nothing."""
        return not any(state.position or state.groups for state in self.states)

    @property
    def counters(self) -> tuple[int, int]:
        """Give the next order id and the number of executions so far, which no restart may repeat."""
        return self._next_id, self._fills

    def resume_from(self, next_id: int, fills: int, last: dict[int, tuple[int, int, int]]) -> None:
        """Take up the counters and last bars of an idle broker that ended."""
        assert self.is_idle, "counters of a broker at work are its own"
        self._next_id, self._fills = next_id, fills
        for index, (ts_us, close, volume) in last.items():
            self.states[index].last = (ts_us, index, 0, 0, 0, close, volume)

    @property
    def last_bars(self) -> dict[int, tuple[int, int, int]]:
        """Give (start in UTC us, CLOSE, VOLUME) of the last bar matched of each symbol index."""
        return {
            index: (bar[0], bar[5], bar[6])
            for index, state in enumerate(self.states)
            if (bar := state.last) is not None
        }

    # --- commands ---

    def execute(self, command: BrokerCommand, ts_us: int) -> list[Report]:
        """Carry out a command; everything is acknowledged at once."""
        if isinstance(command, SendEntries):
            return self.place([leg.value for leg in command.legs], ts_us)
        if isinstance(command, CancelEntry):
            return self._cancel(command, ts_us)
        return self._close(command, ts_us)

    def place(self, orders: Sequence[Order], ts_us: int) -> list[Report]:
        """Take the legs of one group as they are: orders of a file were judged when they were exported."""
        out: list[Report] = []
        index, broker_id, expiry_us = self._index_of[orders[0].symbol], self._next_id, self._expiry_us
        group = []
        for order in orders[:_LEGS_A_GROUP_MAX]:
            entry = resting(order, index, broker_id)
            group.append(entry)
            key, until_us = entry.key, order.valid_to_us
            if until_us < expiry_us:
                expiry_us = until_us
            out.append(OrderSent(ts_us=ts_us, key=key))
            out.append(OrderAcked(ts_us=ts_us, key=key, broker_id=broker_id))
            broker_id += _IDS_A_LEG
        for order in orders[_LEGS_A_GROUP_MAX:]:
            reason = f"a group has {_LEGS_A_GROUP_MAX} legs at most"
            out.append(OrderRejected(ts_us=ts_us, key=order.idempotency_key, reason=reason))
        self._next_id, self._expiry_us = broker_id, expiry_us
        if group[0].leg.side < group[-1].leg.side:
            group.reverse()
        self.states[index].groups.append(group)
        return out

    def _cancel(self, command: CancelEntry, ts_us: int) -> list[Report]:
        for state in self.states:
            for group in state.groups:
                for entry in group:
                    if entry.key == command.key:
                        self._drop(group, entry)
                        return [OrderCancelled(ts_us=ts_us, key=command.key, reason=command.reason)]
        return []

    def _close(self, command: ClosePosition, ts_us: int) -> list[Report]:
        position = self.states[self._index_of[command.symbol]].position
        if position is None or not position.kept or command.reference in position.closed_under:
            return []
        if position.closing == command.reference:
            return []
        position.close(command.reference, min(command.qty, position.qty))
        self._next_id += 1
        out: list[Report] = [
            OrderSent(ts_us=ts_us, key=command.reference),
            OrderAcked(ts_us=ts_us, key=command.reference, broker_id=self._next_id - 1),
        ]
        if command.is_urgent:
            self._close_now(out, position, ts_us)
        return out

    def _close_now(self, out: list[Report], position: OpenPosition, ts_us: int) -> None:
        """Fill a position's closing order at the last CLOSE seen, where there is one."""
        last = self.states[position.entry.index].last
        if last is not None:
            start_us, _, _, _, _, close, volume = last
            self._leave(out, position, position.closing, EXIT_KILL, close, start_us, ts_us, volume)

    def kill(self, ts_us: int, *, flattens: bool) -> list[Report]:
        """Cancel every entry and, at flatten, close every position at the last CLOSE: what `axiomd kill` asks for."""
        out: list[Report] = []
        for state in self.states:
            for group in list(state.groups):
                for entry in list(group):
                    self._drop(group, entry)
                    out.append(OrderCancelled(ts_us=ts_us, key=entry.key, reason="killed"))
        if flattens:
            for state in self.states:
                position = state.position
                if position is None:
                    continue
                if position.kept:
                    position.close(position.entry.key + SUFFIX_KILL, position.qty)
                self._close_now(out, position, ts_us)
        return out

    # --- the market ---

    def match(self, bars: Sequence[Bar], closes_us: int) -> list[Report]:
        """Match all bars that close together: fills and exits over all symbols first, then expiries."""
        out: list[Report] = []
        states = self.states
        for bar in bars:
            state = states[bar[1]]
            state.last = bar
            position, groups = state.position, state.groups
            if position is not None:
                self._match_exits(out, position, bar, closes_us)
            if groups:
                is_held, fills = position is not None, self._fills
                for group in list(groups):
                    # what another group opened in this very bar is held too, whatever became of it there
                    self._match_group(out, group, bar, closes_us, is_held or self._fills > fills)
        if closes_us >= self._expiry_us:
            self._expire(out, closes_us)
        return out

    def _expire(self, out: list[Report], now_us: int) -> None:
        self._expiry_us = NEVER_US
        for state in self.states:
            for group in list(state.groups):
                for entry in list(group):
                    if entry.leg.valid_to_us > now_us:
                        self._expiry_us = min(self._expiry_us, entry.leg.valid_to_us)
                    else:
                        self._drop(group, entry)
                        out.append(OrderExpired(ts_us=now_us, key=entry.key))

    def end_session(self, close_us: int, last_bar: LastBar | None = None) -> list[Report]:
        """Close what should have been flat by now at the CLOSE of the session's last bar; then expiries."""
        out: list[Report] = []
        last_bar = last_bar or self.last_bars.__getitem__
        for index, state in enumerate(self.states):
            position = state.position
            if position is not None and position.flatten_at_us:
                start_us, close, volume = last_bar(index)
                reference = position.entry.key + SUFFIX_EOD
                self._leave(out, position, reference, EXIT_EOD, close, start_us, close_us, volume)
        if close_us >= self._expiry_us:
            self._expire(out, close_us)
        return out

    def _match_exits(self, out: list[Report], position: OpenPosition, bar: Bar, closes_us: int) -> None:
        start_us, index, open_, high, low, _, volume = bar
        if position.closing:
            self._leave(out, position, position.closing, EXIT_KILL, open_, start_us, closes_us, volume)
            if not position.qty:
                return
        code, price, slipped_ticks, commission, is_ambiguous = self._match_exit(
            self._costs, self._ticks[index], position.sign, position.qty, position.stop, position.target,
            position.flatten_at_us, start_us, open_, high, low,
        )  # fmt: skip
        if code != NO_EXIT:
            reference = position.entry.key + _SUFFIXES[code]
            self._left(
                out, position, reference, position.qty, price, slipped_ticks, commission, start_us, closes_us, volume,
                is_ambiguous,
            )  # fmt: skip

    def _match_group(
        self, out: list[Report], group: list[RestingEntry], bar: Bar, closes_us: int, is_held: bool
    ) -> None:
        start_us, index, open_, high, low, _, _ = bar
        entered = self._match_legs(
            self._costs, self._ticks[index], group[0].leg, group[1].leg if len(group) > 1 else NO_LEG, start_us,
            closes_us, open_, high, low, self._skips_ambiguous,
        )  # fmt: skip
        what, triggered = entered[0], entered[-1]
        if what == UNTOUCHED:
            return
        if is_held:
            self._end_group(out, group, index, OrderRejected, closes_us, "netting")
        elif what == AMBIGUOUS:
            self._end_group(out, group, index, OrderCancelled, closes_us, "ambiguous")
        else:
            for place, entry in enumerate(group if triggered else ()):
                if triggered >> place & 1:
                    entry.leg = entry.leg._replace(is_triggered=1)
            if what == FILLED:
                self._enter(out, group, entered, bar, closes_us)

    def _enter(self, out: list[Report], group: list[RestingEntry], entered: Entered, bar: Bar, closes_us: int) -> None:
        """A leg fills: its exits wake, the other leg goes, and it may leave again in the same bar."""
        _, place, price, slipped_ticks, commission, is_ambiguous, code, print_, exit_is_ambiguous, _ = entered
        start_us, index, _, _, _, _, volume = bar
        entry = group.pop(place)
        order, leg = entry.order, entry.leg
        qty = order.qty
        position = OpenPosition(entry, leg.side, qty, leg.stop_loss, leg.target, order.flatten_at_us)
        self.states[index].position = position
        self._fills += 1
        # by place, in the order of the record's fields: it takes a fifth of the time that names take
        fill = Fill(
            f"S{self._fills}", entry.key, order.symbol, order.side, qty, price, commission, start_us, slipped_ticks,
            is_ambiguous, leg.is_triggered == 1, volume < qty * 10,
        )  # fmt: skip
        out.append(FillReceived(ts_us=closes_us, fill=fill))
        self._end_group(out, group, index, OrderCancelled, closes_us, "oco_cancelled")
        if code != NO_EXIT:
            reference = entry.key + _SUFFIXES[code]
            self._leave(out, position, reference, code, print_, start_us, closes_us, volume, exit_is_ambiguous)

    def _leave(
        self, out: list[Report], position: OpenPosition, reference: str, code: int, print_: int, start_us: int,
        closes_us: int, volume: int, is_ambiguous: bool = False,
    ) -> None:  # fmt: skip
        """A position, or the part of it that is being closed, leaves at a print."""
        qty = position.qty
        if reference == position.closing:
            qty = position.closing_qty
            position.closed_under = (*position.closed_under, reference)
            position.closing, position.closing_qty = "", 0
        tick = self._ticks[position.entry.index]
        price, slipped_ticks, commission = self._price_exit(self._costs, tick, position.sign, qty, code, print_)
        self._left(
            out, position, reference, qty, price, slipped_ticks, commission, start_us, closes_us, volume, is_ambiguous
        )

    def _left(
        self, out: list[Report], position: OpenPosition, reference: str, qty: int, price: int, slipped_ticks: int,
        commission: int, start_us: int, closes_us: int, volume: int, is_ambiguous: bool,
    ) -> None:  # fmt: skip
        entry = position.entry
        position.qty -= qty
        if not position.qty:
            self.states[entry.index].position = None
        self._fills += 1
        # by place, in the order of the record's fields: it takes a fifth of the time that names take
        fill = Fill(
            f"S{self._fills}", reference, entry.order.symbol, "SELL" if position.sign > 0 else "BUY", qty, price,
            commission, start_us, slipped_ticks, is_ambiguous, False, volume < qty * 10,
        )  # fmt: skip
        out.append(FillReceived(ts_us=closes_us, fill=fill))

    def _drop(self, group: list[RestingEntry], entry: RestingEntry) -> None:
        group.remove(entry)
        if not group:
            self._forget(group, entry.index)

    def _end_group(
        self, out: list[Report], group: list[RestingEntry], index: int,
        report: type[OrderCancelled] | type[OrderRejected], ts_us: int, reason: str,
    ) -> None:  # fmt: skip
        for entry in group:
            out.append(report(ts_us=ts_us, key=entry.key, reason=reason))
        group.clear()
        self._forget(group, index)

    def _forget(self, group: list[RestingEntry], index: int) -> None:
        groups = self.states[index].groups
        if len(groups) == 1:
            groups.clear()
        else:
            # by identity: two empty groups are equal
            groups[:] = [known for known in groups if known is not group]

    # --- its own truth ---

    def truth(self, reports: Sequence[Report] = ()) -> Truth:
        """Give positions and open orders; the reports are kept by whoever keeps its record."""
        orders = [
            OpenOrder(
                broker_id=entry.broker_id,
                reference=entry.key,
                symbol=entry.order.symbol,
                side=entry.order.side,
                qty=entry.order.qty,
                kind=entry.order.entry_type,
                price=entry.order.entry_level,
                oca=entry.order.oco_id,
                valid_to_us=entry.order.valid_to_us,
            )
            for state in self.states
            for group in state.groups
            for entry in group
        ]
        positions = [state.position for state in self.states if state.position is not None]
        for position in positions:
            orders.extend(position.working_exits())
        return Truth(
            positions={self._symbols[position.entry.index]: position.sign * position.qty for position in positions},
            orders=tuple(orders),
            reports=tuple(reports),
        )
