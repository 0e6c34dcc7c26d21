"""The desk's task: one message after the other, what cannot wait first; nobody else touches the engine.

Who asks on and on over the socket must not stop the market: after so many messages in a row a moment that waits has its
turn. A kill loses nothing by that, since the latch is read before each send.

A moment of the market that the broker could not be told of is kept and tried again once both truths agree; until then
commands, looks and the kill switch go on. Where market time waits for us, the next session is kept likewise until the
folder of the one before is written: a fast tape would pile days up. It ends when the daemon stops, or when the journal
is dead and all is flat.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import anyio.to_thread

from axiomd.config.rates import rates_of
from axiomd.contracts import events as e
from axiomd.contracts.errors import BrokerUnavailable, ConfigError
from axiomd.core.kill_switch import is_left_over
from axiomd.core.market.rates import AGE_DAYS_MAX, UNKNOWN, DailyRates, Rate
from axiomd.core.strategies.api import Candidates
from axiomd.core.strategies.stage1 import listed, screened
from axiomd.daemon.alarms import Alarms
from axiomd.daemon.clock import monotonic_us
from axiomd.daemon.desk import Desk
from axiomd.daemon.health import Heartbeats
from axiomd.daemon.identity import Identity
from axiomd.daemon.inbox import FeedEnded, Inbox, Urgent
from axiomd.daemon.pacing import Pacing
from axiomd.daemon.source import Source
from axiomd.daemon.standing import Standing
from axiomd.feeds.playback import Item, Moment, SessionBegins, SessionEnds

IDLE_S: Final = 0.5
WAITING_S: Final = 0.02
IN_A_ROW_MAX: Final = 16
"""So many urgent messages go before a moment that waits."""
LEFT_OVER: Final = "LeftOver"
FX_RATE: Final = "FxRate"


class JournalDead(RuntimeError):
    """Report that the journal cannot be written any more, and that nothing is left to protect."""


class Trader:
    """Work the inbox. `on_session` is called when a session has begun, `on_tape_over` when the feed has ended.

    `waits_for_day` says that the next session has to wait.
    """

    def __init__(
        self,
        desk: Desk,
        identity: Identity,
        source: Source,
        *,
        inbox: Inbox,
        pacing: Pacing,
        standing: Standing,
        beats: Heartbeats,
        alarms: Alarms,
        on_session: Callable[[], None],
        on_tape_over: Callable[[], Awaitable[None]],
        waits_for_day: Callable[[], bool] = lambda: False,
    ) -> None:
        self._desk = desk
        self._identity = identity
        self._source = source
        self._inbox = inbox
        self._pacing = pacing
        self._standing = standing
        self._beats = beats
        self._alarms = alarms
        self._on_session = on_session
        self._on_tape_over = on_tape_over
        self._waits_for_day = waits_for_day
        self._kept: Item | None = None
        self._in_a_row = 0

    async def run(self) -> None:
        """Work until the daemon stops."""
        while not self._standing.is_stopping:
            await self._turn()
            if self._desk.is_journal_dead and not self._desk.engine.holdings:
                raise JournalDead("the journal is dead and the account is flat")

    async def _turn(self) -> None:
        is_early = isinstance(self._kept, SessionBegins) and self._waits_for_day()
        is_due = self._in_a_row >= IN_A_ROW_MAX
        may_go = is_due or not self._inbox.is_urgent
        if self._kept is not None and not is_early and self._desk.engine.is_connected and may_go:
            item, self._kept, self._in_a_row = self._kept, None, 0
            await self._take(item)
            return
        is_warm = self._standing.is_warm
        message = await self._inbox.get(
            IDLE_S if is_warm and not is_early else WAITING_S,
            only_urgent=self._kept is not None or not is_warm,
            market_first=is_due,
        )
        self._in_a_row = self._in_a_row + 1 if isinstance(message, Urgent) else 0
        self._beats.beat("desk", monotonic_us())
        match message:
            case None:
                return
            case Urgent(job=job):
                await job()
            case FeedEnded():
                await self._on_tape_over()
            case SessionBegins() if self._waits_for_day():
                self._kept = message
            case _:
                await self._take(message)

    async def _take(self, item: Item) -> None:
        try:
            await self._happen(item)
        except BrokerUnavailable as error:
            # it was told to the broker or not; both take it a second time, since the broker knows what it has seen
            self._kept = item
            await self._desk.lose(str(error))

    async def _happen(self, item: Item) -> None:
        sessions = self._source.table
        match item:
            case SessionBegins(ts_us=ts_us, session=session):
                await self._open(ts_us, session)
            case Moment(ts_us=ts_us, rows=rows):
                heard_us = 0 if self._identity.follows_feed else self._pacing.now_us()
                await self._desk.moment(ts_us, rows, heard_us if heard_us > ts_us else 0)
            case SessionEnds(ts_us=ts_us, session=session):
                await self._desk.end_session(ts_us, sessions.date(session).isoformat())

    async def _open(self, ts_us: int, session: int) -> None:
        sessions = self._source.table
        date = sessions.date(session).isoformat()
        rates = await self._rates(int(sessions.date_days[session]), ts_us)
        opened = e.SessionOpened(
            ts_us=ts_us,
            session=date,
            run_id=self._identity.run_id(date),
            open_us=int(sessions.open_us[session]),
            close_us=int(sessions.close_us[session]),
            rates=rates,
        )
        chosen = [
            e.CandidatesSelected(ts_us=ts_us, strategy=strategy, symbols=tuple(symbols))
            for strategy, symbols in self._candidates(session).items()
        ]
        for holding in self._desk.engine.holdings.values():
            if is_left_over(holding, opened.open_us):
                text = f"{holding.order.symbol}: {holding.qty} held from a session before, closed now"
                self._alarms.put(LEFT_OVER, "urgent", text, ts_us)
        await self._desk.open_session(opened, chosen)
        self._on_session()

    async def _rates(self, day: int, ts_us: int) -> dict[str, Rate]:
        """Give the exchange rates of a session, by their files of today: those of yesterday are a row longer by now."""
        daily = dict(self._desk.engine.plan.daily_rates)
        if not daily:
            return {}
        troubles = []
        try:
            read = await anyio.to_thread.run_sync(rates_of, self._identity.config, "configuration")
            daily = {currency: rates for currency, rates in read.items() if isinstance(rates, DailyRates)}
        except ConfigError as problem:
            troubles.append(f"{problem} (rates read before hold until they are stale)")
        rates = {currency: of_days.on(day) for currency, of_days in daily.items()}
        unknown = ", ".join(currency for currency, rate in rates.items() if rate == UNKNOWN)
        if unknown:
            troubles.append(f"{unknown}: no exchange rate of the last {AGE_DAYS_MAX} days, nothing is bought in it")
        if troubles:
            self._alarms.put(FX_RATE, "urgent", "; ".join(troubles), ts_us)
        else:
            self._alarms.clear(FX_RATE)
        return rates

    def _candidates(self, session: int) -> dict[str, Candidates]:
        """Stage 1 of every strategy for a session."""
        chosen: dict[str, Candidates] = {}
        # the plan may hold symbols that are only watched on: the configuration's own are the ones to choose from
        symbols = {entry.id: entry.symbols for entry in self._identity.config.normalised()}
        for own in self._desk.engine.plan.strategies:
            if own.stage1.mode == "list":
                chosen[own.id] = listed(symbols[own.id], max_candidates=own.stage1.max_candidates)
            else:
                from axiomd.feeds.store import daily_of

                daily = daily_of(self._identity.places.state_dir, symbols[own.id])
                ranked = own.strategy.screen(daily, self._source.table.date(session), own.stage1.model_dump())
                chosen[own.id] = screened(ranked, among=symbols[own.id], max_candidates=own.stage1.max_candidates)
        return chosen
