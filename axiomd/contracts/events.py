"""All that can happen, one class a journal kind.

An event is past tense, immutable and complete: the state of the engine is a fold over events, so whatever is not in one
did not happen. Inputs come from the world (bars, reports, operators, timers); decisions are what the engine answered,
recorded so that a replay of the journal can hold its own answers against them. Times are UTC microseconds of the market
clock, prices and money 1/10,000 units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar, Final, Literal

import msgspec

from axiomd.contracts.fills import Fill, Trade
from axiomd.contracts.orders import Order
from axiomd.contracts.signals import Signal
from axiomd.contracts.verdicts import Verdict, read

KillLevel = Literal["halt", "flatten"]


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What every event has: the moment it happened, in market time."""

    KIND: ClassVar[str] = ""
    ts_us: int


# --- the world: inputs of the engine ---


class RunStarted(Event, frozen=True, kw_only=True):
    """A run began; `market_sha256` names the tape that bar ranges of a replay refer to."""

    KIND: ClassVar[str] = "run.started"
    run_id: str
    mode: str
    account: str
    code_version: str
    config_hash: str
    market_sha256: str = ""
    bar_us: int = 0
    signal_age_us_max: int = 5_000_000
    """A setup heard of later than this after its moment is not placed."""


class ConfigLoaded(Event, frozen=True, kw_only=True):
    """The whole effective run configuration from here on, as plain values."""

    KIND: ClassVar[str] = "config.loaded"
    config_hash: str
    config: dict[str, Any]


class SessionOpened(Event, frozen=True, kw_only=True):
    """A session of the calendar began; orders are named by `run_id` from here on.

    `equity_units` is the broker's figure where that is the truth, else None. `rates` is, by the currency of an
    instrument, what one of it is in the account's currency, as a fraction: of those that are another every day, (0, 0)
    where it is not known.
    """

    KIND: ClassVar[str] = "session.opened"
    session: str
    run_id: str
    open_us: int
    close_us: int
    equity_units: int | None = None
    rates: dict[str, tuple[int, int]] = {}


class CandidatesSelected(Event, frozen=True, kw_only=True):
    """Stage 1 chose, best first; Stage 2 of that strategy sees these symbols and no other."""

    KIND: ClassVar[str] = "candidates.selected"
    strategy: str
    symbols: tuple[str, ...]


class BarsClosed(Event, frozen=True, kw_only=True):
    """All bars that closed at or before `ts_us` and after the event before it.

    Live carries the rows (start_us, symbol index, O, H, L, C, V); a replay names a range of its hashed tape instead.
    """

    KIND: ClassVar[str] = "bar.closed"
    rows: tuple[tuple[int, int, int, int, int, int, int], ...] = ()
    first: int = 0
    last: int = 0
    heard_us: int = 0
    """Market time when the bars were heard of, where that is later than `ts_us`; 0 where it is the same."""


class SessionClosed(Event, frozen=True, kw_only=True):
    """A session of the calendar ended."""

    KIND: ClassVar[str] = "session.closed"
    session: str


class OrderSent(Event, frozen=True, kw_only=True):
    """An order left for the broker."""

    KIND: ClassVar[str] = "order.sent"
    key: str


class OrderAcked(Event, frozen=True, kw_only=True):
    """The broker has the order and works it."""

    KIND: ClassVar[str] = "order.acked"
    key: str
    broker_id: int


class OrderRejected(Event, frozen=True, kw_only=True):
    """The broker refused the order."""

    KIND: ClassVar[str] = "order.rejected"
    key: str
    reason: str


class OrderCancelled(Event, frozen=True, kw_only=True):
    """The broker took the order off, `filled` shares of it executed; `reason` is ours where we asked for it."""

    KIND: ClassVar[str] = "order.cancelled"
    key: str
    reason: str
    filled: int = 0


class OrderExpired(Event, frozen=True, kw_only=True):
    """The order's validity ended, `filled` shares of it executed, or its setup was too old to be placed (`missed`)."""

    KIND: ClassVar[str] = "order.expired"
    key: str
    reason: str = "expired"
    filled: int = 0


class FillReceived(Event, frozen=True, kw_only=True):
    """The broker executed (a part of) an order."""

    KIND: ClassVar[str] = "fill.received"
    fill: Fill


class BrokerConnected(Event, frozen=True, kw_only=True):
    """The link to the broker is up; nothing opens before the reconciliation is through."""

    KIND: ClassVar[str] = "broker.connected"
    broker: str
    account: str


class BrokerLost(Event, frozen=True, kw_only=True):
    """The link to the broker is down."""

    KIND: ClassVar[str] = "broker.lost"
    reason: str


class FeedStale(Event, frozen=True, kw_only=True):
    """Bars of a symbol that should be there are not."""

    KIND: ClassVar[str] = "feed.stale"
    symbol: str
    lateness_us: int


class ClockSkewed(Event, frozen=True, kw_only=True):
    """Wall clock and reference are further apart than allowed."""

    KIND: ClassVar[str] = "clock.skewed"
    skew_us: int
    against: str


class ReconStarted(Event, frozen=True, kw_only=True):
    """Both truths are being compared."""

    KIND: ClassVar[str] = "recon.started"


class ReconDrift(Event, frozen=True, kw_only=True):
    """Both truths differ; each line names what the journal and what the broker says."""

    KIND: ClassVar[str] = "recon.drift"
    differences: tuple[str, ...]


class ReconAdopted(Event, frozen=True, kw_only=True):
    """An operator took the broker's truth for ours.

    `positions` are the broker's. `dropped` are shares, signed, that only our books had; `foreign` shares that only the
    broker has, which are the operator's from here on; `references` the keys of orders and `executions` the ids that
    explain them.
    """

    KIND: ClassVar[str] = "recon.adopted"
    reason: str
    positions: dict[str, int]
    operator: str = ""
    dropped: dict[str, int] = {}
    foreign: dict[str, int] = {}
    references: tuple[str, ...] = ()
    executions: tuple[str, ...] = ()


class ReconCompleted(Event, frozen=True, kw_only=True):
    """Both truths agree."""

    KIND: ClassVar[str] = "recon.completed"
    positions: dict[str, int]


class OperatorCommand(Event, frozen=True, kw_only=True):
    """A person asked for something; `name` as in the control protocol."""

    KIND: ClassVar[str] = "operator.command"
    name: str
    operator: str = ""
    args: dict[str, Any] = {}


class KillTripped(Event, frozen=True, kw_only=True):
    """The kill switch is latched at this level."""

    KIND: ClassVar[str] = "kill.tripped"
    level: KillLevel
    reason: str
    trip_id: str
    source: str
    """Who tripped it: guard, operator, latch (found tripped), os_signal, journal."""


class KillReset(Event, frozen=True, kw_only=True):
    """An operator released the trip of that id."""

    KIND: ClassVar[str] = "kill.reset"
    trip_id: str
    operator: str
    reason: str
    new_peak: bool = False


class RunStopped(Event, frozen=True, kw_only=True):
    """The run ended in order."""

    KIND: ClassVar[str] = "run.stopped"
    reason: str


# --- the answers: decisions of the engine ---


class SignalEmitted(Event, frozen=True, kw_only=True):
    """A strategy's setup completed; `signal.outcome` says why no order was tried, where none was."""

    KIND: ClassVar[str] = "signal.emitted"
    signal: Signal


class OrderSized(Event, frozen=True, kw_only=True):
    """A leg was given its quantity, or 0 with the reason."""

    KIND: ClassVar[str] = "order.sized"
    key: str
    symbol: str
    side: str
    qty: int
    equity_units: int
    reason: str = ""


class _Judged:
    """What an event of an order that was judged has: `told`, its verdicts as the journal has them."""

    __slots__ = ()
    __struct_encode_fields__: ClassVar[tuple[str, ...]]
    told: msgspec.Raw

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Read `told`: guard, figure and limit of each."""
        return read(self.told)

    def __repr__(self) -> str:
        """Show it by the names that its payload has."""
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__struct_encode_fields__)
        return f"{type(self).__name__}({fields})"


class OrderBlocked(_Judged, Event, frozen=True, kw_only=True):
    """A guard refused the leg; all verdicts up to the refusal, with figure and limit."""

    KIND: ClassVar[str] = "order.blocked"
    order: Order
    guard: str
    told: msgspec.Raw = msgspec.field(name="verdicts")


class OrderIntent(_Judged, Event, frozen=True, kw_only=True):
    """The order will be sent: this row is durable before the broker hears of it.

    An order with a `parent_key` closes that entry's position; it passed no entry guard and has no verdicts.
    """

    KIND: ClassVar[str] = "order.intent"
    order: Order
    told: msgspec.Raw = msgspec.field(name="verdicts")


class PositionChanged(Event, frozen=True, kw_only=True):
    """A fill moved a position; `trade` is set where it closed one."""

    KIND: ClassVar[str] = "position.changed"
    symbol: str
    qty: int
    cash_units: int
    trade: Trade | None = None


class GuardTripped(Event, frozen=True, kw_only=True):
    """A guard asks for the kill switch."""

    KIND: ClassVar[str] = "guard.tripped"
    guard: str
    figure: int
    limit: int
    level: KillLevel


EVENTS: Final[tuple[type[Event], ...]] = (
    RunStarted, ConfigLoaded, SessionOpened, CandidatesSelected, BarsClosed, SessionClosed, OrderSent, OrderAcked,
    OrderRejected, OrderCancelled, OrderExpired, FillReceived, BrokerConnected, BrokerLost, FeedStale, ClockSkewed,
    ReconStarted, ReconDrift, ReconAdopted, ReconCompleted, OperatorCommand, KillTripped, KillReset, RunStopped,
    SignalEmitted, OrderSized, OrderBlocked, OrderIntent, PositionChanged, GuardTripped,
)  # fmt: skip
DECISIONS: Final = (SignalEmitted, OrderSized, OrderBlocked, OrderIntent, PositionChanged, GuardTripped)
BY_KIND: Final[dict[str, type[Event]]] = {event.KIND: event for event in EVENTS}


def readers() -> dict[str, Callable[[str | bytes], Event]]:
    """Give what reads a payload back, by kind; `msgspec.MsgspecError` where any of it is not as it was written."""
    by_kind: dict[str, Callable[[str | bytes], Event]] = {
        kind: msgspec.json.Decoder(event).decode for kind, event in BY_KIND.items()
    }
    return by_kind | {event.KIND: partial(_read_judged, event) for event in (OrderBlocked, OrderIntent)}


def _read_judged(kind: type[OrderBlocked] | type[OrderIntent], payload: str | bytes) -> Event:
    event = msgspec.json.decode(payload, type=kind)
    read(event.told)
    return event


_KEYS: Final[dict[type[Event], Callable[[Any], str]]] = {
    **dict.fromkeys(EVENTS, lambda _: ""),
    **dict.fromkeys((OrderIntent, OrderBlocked), attrgetter("order.idempotency_key")),
    FillReceived: attrgetter("fill.reference"),
    SignalEmitted: attrgetter("signal.signal_id"),
    **dict.fromkeys(
        (OrderSent, OrderAcked, OrderRejected, OrderCancelled, OrderExpired, OrderSized), attrgetter("key")
    ),
}


def key_of(event: Event) -> str:
    """Give the key an event is filed under: of its order, its signal, or nothing."""
    return _KEYS[type(event)](event)


def keys_of(events: Sequence[Event]) -> list[str]:
    """Give the key of each: a call of `key_of` for each takes half as long again."""
    keys = _KEYS
    return [keys[type(event)](event) for event in events]
