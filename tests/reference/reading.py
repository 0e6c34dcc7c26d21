"""The second reading: one walk over recorded bars, from setups to trades, in the order of moments that the rules give.

It decides nothing that is not written in the design pages; where those leave something open, README.md beside this file
says what was taken. It must stay apart from the product: it imports nothing of it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.reference import guards, matching
from tests.reference.exact import MINUTE_US, exact, iso, text
from tests.reference.figures import figures
from tests.reference.matching import Exit, Leg
from tests.reference.sessions import Session, sessions_between, windows_of
from tests.reference.settings import Settings, Strategy, read_settings
from tests.reference.setups import Bar, Levels, WilderAtr, is_inside, levels_of, whole_five_minutes

RawBar = tuple[str, int, Decimal, Decimal, Decimal, Decimal, int]
SETUP = "inside_bar"


@dataclass
class Reading:
    """What came of a run. Rows are dicts; prices and money are Fractions, times `*_us` UTC microseconds."""

    run_id: str
    signals: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    filled_orders: list[dict[str, Any]] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)
    equity_curve: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    activity: dict[str, tuple[Fraction, int, int]] = field(default_factory=dict)
    """By strategy: notional of its fills, closes with a position of its open, fills beyond a tenth of VOLUME."""
    trips: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Position:
    """An open position and what is watched about it."""

    leg: Leg
    qty: int
    entry_price: Fraction
    entry_commission: Fraction
    entry_ts_us: int
    bars_held: int = 0
    worst: Fraction = Fraction(0)
    best: Fraction = Fraction(0)
    ambiguous: bool = False
    kill_from_us: int | None = None

    @property
    def side(self) -> int:
        """+1 long, -1 short."""
        return self.leg.side

    def saw(self, price: Fraction) -> None:
        """Remember the open result at a price."""
        result = self.side * (price - self.entry_price) * self.qty
        self.worst, self.best = min(self.worst, result), max(self.best, result)


def read_day(
    config: Mapping[str, Any],
    bars: Iterable[RawBar],
    timeframe: str = "m1",
    first: date | str | None = None,
    last: date | str | None = None,
    run_id: str | None = None,
) -> Reading:
    """Read bars (symbol, start in UTC microseconds, open, high, low, close, volume) under a run configuration.

    `first` and `last` are session dates, both included; what lies before `first` warms up and is not traded. Without
    `run_id` one is derived from the configuration and the bars.
    """
    walk = _Walk(read_settings(config), list(bars), timeframe, _day(first), _day(last), run_id)
    walk.run()
    return walk.reading


class _Walk:
    """The state of a run and one method for each step of a moment."""

    def __init__(
        self,
        settings: Settings,
        raw: list[RawBar],
        timeframe: str,
        first: date | None,
        last: date | None,
        run_id: str | None,
    ) -> None:
        self.settings = settings
        self.length_us = {"m1": 1, "m5": 5}[timeframe] * MINUTE_US
        self.first = first
        self.symbols = settings.symbols()
        self.rates = dict.fromkeys(self.symbols, Fraction(1))
        self.unpriced: set[str] = set()
        wanted = [_bar(row) for row in raw if row[0] in self.symbols]
        sessions = sessions_between(settings.calendar, (bar.ts_us for bar in wanted), settings.flatten_minutes)
        self.days: list[tuple[Session, list[Bar]]] = []
        inside = 0
        for session in sessions:
            held = [bar for bar in wanted if session.holds(bar.ts_us, self.length_us)]
            inside += len(held)
            if held and (last is None or session.day <= last):
                self.days.append((session, held))
        if run_id is None:
            data_hash = hashlib.sha256(repr(sorted(raw)).encode()).hexdigest()
            run_id = f"replay-{settings.config_hash[:8]}-{data_hash[:8]}"
        self.reading = Reading(run_id)
        self.counts = self.reading.counts
        self.counts.update(
            dict.fromkeys(("mother_bar_outside_window", "warm_up", "zero_validity", "blocked:paused"), 0),
            dropped_outside_session=len(wanted) - inside,
        )

        self.cash = settings.initial_cash
        self.equity = settings.initial_cash
        self.peak = settings.initial_cash
        self.max_drawdown = Fraction(0)
        self.max_drawdown_pct = Fraction(0)
        self.open_equity = settings.initial_cash
        self.closes: list[Fraction] = []
        self.moments = 0
        self.moments_exposed = 0
        self.exposed: Counter[str] = Counter()
        self.positions: dict[str, Position] = {}
        self.legs: list[Leg] = []
        self.fills: list[dict[str, Any]] = []
        self.ambiguous_bars: set[tuple[str, int]] = set()
        self.last_close: dict[str, Fraction] = {}
        self.last_bar: dict[str, Bar] = {}
        self.newest_close_us: dict[str, int] = {}
        self.jumped_us: dict[str, int] = {}
        self.sent_us: list[int] = []

        self.level: str | None = None
        self.trips_now: list[tuple[str, str]] = []
        self.tripped_by: set[str] = set()
        self.losses_in_a_row = 0
        self.order_fills: list[tuple[str, int, int]] = []
        self.operator_resumes = 0
        self.strategy_money: dict[str, Fraction] = {strategy.id: Fraction(0) for strategy in settings.strategies}
        self.strategy_open: dict[str, Fraction] = {}
        self.paused: set[str] = set()

        periods = {14} | {int(strategy.params["atr_period"]) for strategy in settings.strategies}
        self.atrs = {(symbol, period): WilderAtr(period) for symbol in self.symbols for period in periods}
        self.mothers: dict[str, Bar] = {}
        self.armed: set[tuple[str, str, int]] = set()
        self.intervals_with_bars: dict[str, set[int]] = {}

    # The walk -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        traded = [day for day in self.days if self.first is None or day[0].day >= self.first]
        if traded:
            self._row(traded[0][0].open_us)
        for session, bars in self.days:
            if self.first is not None and session.day < self.first:
                self._warm_up(session, bars)
            else:
                self._trade(session, bars)
        self._report()

    def _warm_up(self, session: Session, bars: list[Bar]) -> None:
        self._begin_session(session)
        for now_us in self._moments(session, bars):
            self._marks(session, bars, now_us)
            self._five_minutes(session, bars, now_us)

    def _trade(self, session: Session, bars: list[Bar]) -> None:
        self._begin_session(session)
        if self.level is not None and self.settings.resume == "next_session" and "max_drawdown" not in self.tripped_by:
            self.level = None
            self.tripped_by.clear()
            self.losses_in_a_row = 0
            self.operator_resumes += 1
        self.open_equity = self.equity
        self.strategy_open = {name: self._strategy_result(name) for name in self.strategy_money}
        self.paused.clear()

        for now_us in self._moments(session, bars):
            fills_before = len(self.fills)
            for bar in self._closing(bars, now_us):
                self._match(session, bar, now_us)
            self._expire(now_us)
            self._marks(session, bars, now_us)
            if self._closing(bars, now_us):
                self.moments += 1
                self.moments_exposed += bool(self.positions)
                self.exposed.update({position.leg.strategy for position in self.positions.values()})
            self._judge_account(now_us)
            self._cancel_stale(session, now_us)
            completed = self._five_minutes(session, bars, now_us)
            self._decide(session, completed, now_us)
            if len(self.fills) > fills_before and now_us < session.close_us:
                self._row(now_us)
        self._close_session(session)

    def _begin_session(self, session: Session) -> None:
        self.unpriced.clear()
        for symbol in self.symbols:
            rate = self.settings.rate(symbol, session.day)
            if rate is None:
                self.unpriced.add(symbol)
            else:
                self.rates[symbol] = rate
        self.armed.clear()
        self.mothers.clear()
        self.intervals_with_bars = {symbol: set() for symbol in self.symbols}

    def _close_session(self, session: Session) -> None:
        for symbol in self.symbols:
            if symbol in self.positions:
                bar = self.last_bar[symbol]
                self._leave(bar, Exit(bar.close, "EOD", None, False, False), session.close_us, at_close=True)
        self._expire(session.close_us)
        self._mark_equity()
        self._judge_account(session.close_us)
        self.closes.append(self.equity)
        self._row(session.close_us)

    def _moments(self, session: Session, bars: list[Bar]) -> list[int]:
        closes = {bar.ts_us + self.length_us for bar in bars}
        return sorted(closes | {session.interval_end(bar.ts_us) for bar in bars})

    def _closing(self, bars: list[Bar], now_us: int) -> list[Bar]:
        closing = [bar for bar in bars if bar.ts_us + self.length_us == now_us]
        return sorted(closing, key=lambda bar: self.symbols.index(bar.symbol))

    # Fills --------------------------------------------------------------------------------------------------------

    def _match(self, session: Session, bar: Bar, now_us: int) -> None:
        if bar.symbol in self.positions:
            self._match_position(session, bar, now_us)
        else:
            self._match_entries(bar, now_us)

    def _match_position(self, session: Session, bar: Bar, now_us: int) -> None:
        position = self.positions[bar.symbol]
        position.bars_held += 1
        if position.kill_from_us is not None and bar.ts_us >= position.kill_from_us:
            self._leave(bar, Exit(bar.open, "KILL", None, True, False), now_us)
        elif bar.ts_us >= session.flatten_us:
            self._leave(bar, Exit(bar.open, "EOD", None, True, False), now_us)
        else:
            leg = position.leg
            found = matching.exit_in_later_bar(leg.side, leg.stop_loss, leg.target, bar)
            if found is not None:
                self._leave(bar, found, now_us)
            else:
                position.saw(bar.high)
                position.saw(bar.low)

    def _match_entries(self, bar: Bar, now_us: int) -> None:
        eligible = [leg for leg in self._working(bar.symbol) if leg.is_eligible(bar, self.length_us)]
        touches = {leg.key: touch for leg in eligible if (touch := matching.entry_touch(leg, bar)) is not None}
        touched = [leg for leg in eligible if leg.key in touches]
        if not touched:
            return
        both = len(touched) > 1
        chosen = touched[0]
        if both:
            self.ambiguous_bars.add((bar.symbol, bar.ts_us))
            if self.settings.ambiguity == "skip":
                for leg in touched:
                    self._end(leg, "cancelled", "ambiguous")
                return
            chosen = matching.nearer_to_open(touched, bar)
            if touches[chosen.key].price is None:
                chosen.rests_as_limit = True
                chosen = next(leg for leg in touched if leg is not chosen)
        touch = touches[chosen.key]
        if touch.price is None:
            chosen.rests_as_limit = True
            return
        self._enter(chosen, touch, bar, now_us, both_touched=both)

    def _enter(self, leg: Leg, touch: matching.Touch, bar: Bar, now_us: int, *, both_touched: bool) -> None:
        assert touch.price is not None
        tick = self.settings.tick(bar.symbol)
        ticks = Fraction(0) if touch.as_limit else matching.slippage_ticks(touch.price, self.settings.costs, tick)
        price = touch.price + leg.side * ticks * tick
        if leg.limit is not None and (price - leg.limit) * leg.side > 0:  # a limit is never paid beyond
            price = leg.limit
            ticks = abs(price - touch.price) / tick
        paid = self._book(leg.strategy, bar, leg.side, leg.qty, price, now_us)
        leg.status = "filled"
        leg.fill = {
            "fill_ts_us": bar.ts_us, "fill_price": price, "fill_qty": leg.qty, "commission": paid,
            "slippage_ticks": ticks,
        }  # fmt: skip
        for other in self._working(bar.symbol):
            if other.oco == leg.oco:
                self._end(other, "cancelled", "oco_cancelled")
        position = Position(leg, leg.qty, price, paid, bar.ts_us, ambiguous=both_touched)
        self.positions[bar.symbol] = position
        self._check_fill(price, leg.level)

        found, undecided = matching.exit_in_entry_bar(leg, touch, bar)
        if undecided:
            position.ambiguous = True
            self.ambiguous_bars.add((bar.symbol, bar.ts_us))
        if found is not None:
            self._leave(bar, found, now_us)
        else:
            position.saw(bar.high)
            position.saw(bar.low)

    def _leave(self, bar: Bar, found: Exit, now_us: int, *, at_close: bool = False) -> None:
        position = self.positions.pop(bar.symbol)
        leg, side = position.leg, position.side
        tick, rate = self.settings.tick(bar.symbol), self.rates[bar.symbol]
        ticks = Fraction(0) if found.reason == "TP" else matching.slippage_ticks(found.price, self.settings.costs, tick)
        price = found.price - side * ticks * tick
        paid = self._book(leg.strategy, bar, -side, position.qty, price, now_us)
        if found.ambiguous:
            position.ambiguous = True
            self.ambiguous_bars.add((bar.symbol, bar.ts_us))
        if found.level is not None:
            self._check_fill(price, found.level)
        if found.reason == "TP" and not found.at_open:
            position.saw(bar.low if side > 0 else bar.high)
        if at_close:
            position.saw(bar.high)
            position.saw(bar.low)
        position.saw(price)
        gross = side * (price - position.entry_price) * position.qty * rate
        costs = position.entry_commission + paid
        at_risk = abs(leg.stop - leg.stop_loss) * position.qty * rate
        self.reading.trades.append({
            "idempotency_key": leg.key, "symbol": leg.symbol, "side": _word(side), "qty": position.qty,
            "entry_ts_us": position.entry_ts_us, "entry_price": position.entry_price, "exit_ts_us": bar.ts_us,
            "exit_price": price, "exit_reason": found.reason, "gross_pnl": gross, "costs": costs,
            "net_pnl": gross - costs, "r_multiple": (gross - costs) / at_risk if at_risk else None,
            "currency": self.settings.currency, "bars_held": position.bars_held, "mae": position.worst * rate,
            "mfe": position.best * rate, "ambiguous": position.ambiguous, "strategy": leg.strategy,
        })  # fmt: skip
        self.losses_in_a_row = self.losses_in_a_row + 1 if gross - costs < 0 else 0
        limit = guards.loss_limit(self.settings.risk, "consecutive_losses", "count")
        if limit is not None and self.losses_in_a_row >= limit[0]:
            self.trips_now.append(("consecutive_losses", limit[1]))

    def _book(self, strategy: str, bar: Bar, side: int, qty: int, price: Fraction, now_us: int) -> Fraction:
        """Move the cash of one fill and remember it; give its commission in account currency."""
        rate = self.rates[bar.symbol]
        paid = matching.commission(qty, price, self.settings.costs) * rate
        moved = -side * qty * price * rate - paid
        self.cash += moved
        self.strategy_money[strategy] += moved
        self.fills.append({
            "strategy": strategy, "notional": qty * price * rate, "commission": paid,
            "beyond_volume": qty * 10 > bar.volume,
        })  # fmt: skip
        self.order_fills.append((bar.symbol, side, now_us))
        limits = self.settings.risk.get("repeated_execution")
        if limits is not None:
            limits = {"fills": 8, "seconds": 300, **limits}
            since = now_us - int(exact(limits["seconds"]) * 1_000_000)
            recent = sum(entry[:2] == (bar.symbol, side) and entry[2] >= since for entry in self.order_fills)
            if recent >= limits["fills"]:
                self.trips_now.append(("repeated_execution", "halt"))
        return paid

    def _check_fill(self, price: Fraction, level: Fraction) -> None:
        limits = self.settings.risk.get("slippage_sanity")
        limit = None if limits is None else limits.get("fill_bp", 50)
        if limit is not None and guards.bp_between(price, level) > exact(limit):
            self.trips_now.append(("slippage_sanity", "halt"))

    # Marks and judgements -----------------------------------------------------------------------------------------

    def _expire(self, now_us: int) -> None:
        for leg in self._working():
            if leg.valid_to_us <= now_us:
                self._end(leg, "expired", "expired")

    def _marks(self, session: Session, bars: list[Bar], now_us: int) -> None:
        for bar in self._closing(bars, now_us):
            self._watch_for_jump(bar, now_us)
            self.last_close[bar.symbol] = bar.close
            self.last_bar[bar.symbol] = bar
            self.newest_close_us[bar.symbol] = now_us
            self.intervals_with_bars[bar.symbol].add(session.interval_end(bar.ts_us))
        self._mark_equity()

    def _watch_for_jump(self, bar: Bar, now_us: int) -> None:
        limits = self.settings.risk.get("market_halt_proxy")
        before = self.last_close.get(bar.symbol)
        if limits is None or before is None:
            return
        if guards.bp_between(bar.close, before) >= exact(limits.get("jump_bp", 1000)):
            self.jumped_us[bar.symbol] = now_us

    def _mark_equity(self) -> None:
        self.equity = self.cash + sum((self._worth(symbol) for symbol in self.positions), Fraction(0))
        self.peak = max(self.peak, self.equity)
        self.max_drawdown = min(self.max_drawdown, self.equity - self.peak)
        self.max_drawdown_pct = min(self.max_drawdown_pct, 100 * (self.equity - self.peak) / self.peak)

    def _judge_account(self, now_us: int) -> None:
        risk = self.settings.risk
        daily = guards.loss_limit(risk, "max_daily_loss", "limit")
        if daily is not None and self.equity <= self.open_equity - daily[0]:
            self.trips_now.append(("max_daily_loss", daily[1]))
        drawdown = guards.loss_limit(risk, "max_drawdown", "limit")
        if drawdown is not None and self.equity <= self.peak - drawdown[0]:
            self.trips_now.append(("max_drawdown", drawdown[1]))
        for guard, level in self.trips_now:
            self._trip(guard, level, now_us)
        self.trips_now.clear()
        for strategy in self.settings.strategies:
            limit = strategy.max_daily_loss
            if limit is not None:
                lost = self.strategy_open[strategy.id] - self._strategy_result(strategy.id)
                if lost >= limit:
                    self.paused.add(strategy.id)

    def _trip(self, guard: str, level: str, now_us: int) -> None:
        if guard not in self.tripped_by:
            self.reading.trips.append({"ts_us": now_us, "guard": guard, "level": level})
        self.tripped_by.add(guard)
        self.level = "flatten" if "flatten" in (level, self.level) else "halt"
        for leg in self._working():
            self._end(leg, "cancelled", "killed")
        if self.level == "flatten":
            for position in self.positions.values():
                if position.kill_from_us is None:
                    position.kill_from_us = now_us

    def _cancel_stale(self, session: Session, now_us: int) -> None:
        for symbol in self.symbols:
            working = self._working(symbol)
            if working and guards.is_stale(symbol, self._picture(session, symbol, "", now_us), self.settings.risk):
                for leg in working:
                    self._end(leg, "cancelled", "stale")

    # Decisions ----------------------------------------------------------------------------------------------------

    def _five_minutes(self, session: Session, bars: list[Bar], now_us: int) -> dict[str, tuple[Bar, Bar | None]]:
        """The five-minute bars that are complete now, each with the one before it; indicators take them in."""
        completed: dict[str, tuple[Bar, Bar | None]] = {}
        for symbol in self.symbols:
            pieces = [bar for bar in bars if bar.symbol == symbol and session.interval_end(bar.ts_us) == now_us]
            if not pieces:
                continue
            start_us = session.open_us + (pieces[0].ts_us - session.open_us) // (5 * MINUTE_US) * 5 * MINUTE_US
            bar = whole_five_minutes(pieces, start_us)
            for (name, _), atr in self.atrs.items():
                if name == symbol:
                    atr.add(bar)
            completed[symbol] = bar, self.mothers.get(symbol)
            self.mothers[symbol] = bar
        return completed

    def _decide(self, session: Session, completed: Mapping[str, tuple[Bar, Bar | None]], now_us: int) -> None:
        for strategy in self.settings.strategies:
            for rank, symbol in enumerate(strategy.symbols, start=1):
                if symbol in completed:
                    self._look_for_setup(session, strategy, rank, *completed[symbol], now_us)

    def _look_for_setup(
        self, session: Session, strategy: Strategy, rank: int, bar: Bar, mother: Bar | None, now_us: int
    ) -> None:
        params = strategy.params
        if mother is None or not matching_inside(bar, mother, params):
            return
        windows = windows_of(session, params["windows"], params["windows_tz"] or self.settings.tz)
        for number, (start, end) in enumerate(windows):
            if not start <= bar.ts_us < end or (strategy.id, bar.symbol, number) in self.armed:
                continue
            if not start <= mother.ts_us < end:
                self.counts["mother_bar_outside_window"] += 1
                continue
            atr = self.atrs[bar.symbol, int(params["atr_period"])].value
            if atr is None:
                self.counts["warm_up"] += 1
                continue
            if mother.high - mother.low < exact(params["min_mother_range_atr"]) * atr:
                continue
            until = min(session.flatten_us, end if params["validity"] == "window_end" else session.close_us)
            if until <= now_us:
                self.counts["zero_validity"] += 1
                continue
            levels = levels_of(mother, params, self.settings.tick(bar.symbol))
            if levels.long_entry is None and levels.short_entry is None:
                continue
            self.armed.add((strategy.id, bar.symbol, number))
            self._place(session, strategy, rank, bar, levels, now_us, until)

    def _place(
        self, session: Session, strategy: Strategy, rank: int, bar: Bar, levels: Levels, now_us: int, until_us: int
    ) -> None:
        name, symbol = strategy.id, bar.symbol
        signal: dict[str, Any] = {
            "signal_id": _sha1(f"{name}|{strategy.version}|{symbol}|{SETUP}|{now_us}")[:16], "schema_version": 1,
            "run_id": self.reading.run_id, "symbol": symbol, "ts_us": now_us, "timeframe": "m5",
            "long_entry": levels.long_entry, "short_entry": levels.short_entry, "sl_long": levels.sl_long,
            "sl_short": levels.sl_short, "tp_long": levels.tp_long, "tp_short": levels.tp_short, "setup": SETUP,
            "strategy": name, "strategy_version": strategy.version, "valid_from_us": now_us, "valid_to_us": until_us,
            "entry_type": "stop", "stage1_rank": rank, "outcome": "",
        }  # fmt: skip
        self.reading.signals.append(signal)
        if symbol in self.positions or self._working(symbol):
            signal["outcome"] = "blocked:netting"
            return
        if name in self.paused:
            self.counts["blocked:paused"] += 1
            signal["outcome"] = "blocked:paused"
            return
        if symbol in self.unpriced:
            signal["outcome"] = "blocked:fx_rate"
            return
        oco = _sha1(f"{name}|{symbol}|{session.day.isoformat()}|{SETUP}|{now_us}")[:12]
        sides = (
            (1, levels.long_entry, levels.limit_long, levels.sl_long, levels.tp_long),
            (-1, levels.short_entry, levels.limit_short, levels.sl_short, levels.tp_short),
        )
        placed = False
        for side, entry, limit, stop_loss, target in sides:
            if entry is None or stop_loss is None:
                continue
            qty = self._size(strategy, symbol, entry, stop_loss, bar.volume)
            if qty == 0:
                continue
            placed = True
            key = f"{self.reading.run_id}|{name}|{strategy.version}|{symbol}|{_word(side)}|{oco}"
            leg = Leg(
                key=_sha1(key)[:16], oco=oco, strategy=name, version=strategy.version, symbol=symbol, side=side,
                qty=qty, stop=entry, limit=limit, stop_loss=stop_loss, target=target, valid_from_us=now_us,
                valid_to_us=until_us, created_us=now_us, session=session.day.isoformat(),
                signal_id=signal["signal_id"], setup_volume=bar.volume,
            )  # fmt: skip
            refused = guards.refusal(leg, self._picture(session, symbol, oco, now_us), self.settings.risk)
            self.legs.append(leg)
            if refused is not None:
                self._end(leg, "rejected", f"rejected:{refused}")
            else:
                self.sent_us.append(now_us)
        if not placed:
            signal["outcome"] = "below_min_qty"

    def _size(self, strategy: Strategy, symbol: str, entry: Fraction, stop_loss: Fraction, volume: int) -> int:
        """The quantity of one leg, zero where it is below the least."""
        sizing, rate = strategy.sizing, self.rates[symbol]
        tick, lot = self.settings.tick(symbol), self.settings.lot(symbol)
        equity = self.equity * strategy.budget

        def whole_lots(quantity: Fraction) -> int:
            return max(0, int(quantity // lot) * lot)

        if sizing["mode"] == "pct_equity":
            qty = whole_lots(equity * exact(sizing["pos_pct"]) / 100 / (entry * rate))
        elif sizing["mode"] == "risk":
            distance = max(1, round(abs(entry - stop_loss) / tick))
            qty = whole_lots(equity * exact(sizing["risk_pct"]) / 100 / (distance * tick * rate))
        else:
            qty = int(sizing["fixed_qty"])
        if qty * entry * rate > equity * exact(sizing["max_pos_pct"]) / 100:
            qty = whole_lots(equity * exact(sizing["max_pos_pct"]) / 100 / (entry * rate))
        if sizing["max_volume_pct"] is not None:
            most = volume * exact(sizing["max_volume_pct"]) / 100
            qty = whole_lots(most) if qty > most else qty
        return qty if qty > 0 and qty >= sizing["min_qty"] else 0

    # What is asked of the state -----------------------------------------------------------------------------------

    def _working(self, symbol: str | None = None) -> list[Leg]:
        return [leg for leg in self.legs if leg.status == "working" and symbol in (None, leg.symbol)]

    def _end(self, leg: Leg, status: str, reason: str) -> None:
        leg.status, leg.reason = status, reason

    def _worth(self, symbol: str) -> Fraction:
        position = self.positions[symbol]
        return position.side * position.qty * self.last_close[symbol] * self.rates[symbol]

    def _strategy_result(self, name: str) -> Fraction:
        held = (symbol for symbol, position in self.positions.items() if position.leg.strategy == name)
        return self.strategy_money[name] + sum((self._worth(symbol) for symbol in held), Fraction(0))

    def _picture(self, session: Session, symbol: str, own_group: str, now_us: int) -> guards.Picture:
        groups: dict[str, list[Leg]] = {}
        for leg in self._working():
            if leg.oco != own_group:
                groups.setdefault(leg.oco, []).append(leg)
        seen = {leg.key for leg in self.legs} | {(leg.oco, leg.side) for leg in self.legs}
        return guards.Picture(
            now_us=now_us,
            session=session,
            latched=self.level is not None,
            equity=self.equity,
            positions={name: position.side * position.qty for name, position in self.positions.items()},
            last_close=self.last_close,
            rates=self.rates,
            other_groups=groups,
            seen=frozenset(seen),
            sent_us=self.sent_us,
            newest_close_us=self.newest_close_us,
            intervals_with_bars=self.intervals_with_bars,
            jumped_us=self.jumped_us,
            atr14={name: self.atrs[name, 14].value for name in self.symbols},
            tick=self.settings.tick(symbol),
            lot=self.settings.lot(symbol),
        )

    # What is handed back ------------------------------------------------------------------------------------------

    def _row(self, ts_us: int) -> None:
        self.reading.equity_curve.append({
            "ts_us": ts_us, "equity": self.equity, "cash": self.cash,
            "gross_exposure": sum((abs(self._worth(symbol)) for symbol in self.positions), Fraction(0)),
            "drawdown": self.equity - self.peak,
        })  # fmt: skip

    def _report(self) -> None:
        reading = self.reading
        for leg in self.legs:
            row = self._order_row(leg)
            if leg.status != "rejected":
                reading.orders.append(row)
            fill = leg.fill or dict.fromkeys(("fill_ts_us", "fill_price", "fill_qty", "commission", "slippage_ticks"))
            reading.filled_orders.append({**row, **fill, "status": leg.status, "reason": leg.reason})
        for name in self.strategy_money:
            fills = [fill for fill in self.fills if fill["strategy"] == name]
            reading.activity[name] = (
                sum((fill["notional"] for fill in fills), Fraction(0)), self.exposed[name],
                sum(fill["beyond_volume"] for fill in fills),
            )  # fmt: skip
        reading.metrics = figures(
            initial_cash=self.settings.initial_cash,
            final_cash=self.cash,
            trades=reading.trades,
            fills=self.fills,
            closes=self.closes,
            max_drawdown=self.max_drawdown,
            max_drawdown_pct=self.max_drawdown_pct,
            exposed=Fraction(self.moments_exposed, self.moments or 1),
            num_signals=len(reading.signals),
            num_orders=len(reading.orders),
            num_filled=sum(leg.status == "filled" for leg in self.legs),
            ambiguous_bars=len(self.ambiguous_bars),
            operator_resumes=self.operator_resumes,
        )

    def _order_row(self, leg: Leg) -> dict[str, Any]:
        return {
            "order_id": leg.key, "idempotency_key": leg.key, "oco_id": leg.oco, "run_id": self.reading.run_id,
            "symbol": leg.symbol, "side": _word(leg.side), "qty": leg.qty, "limit_price": leg.limit,
            "stop_price": leg.stop, "take_profit_price": leg.target, "valid_from_us": leg.valid_from_us,
            "valid_to_us": leg.valid_to_us, "session": leg.session, "time_in_force": "GTD", "source": "replay",
            "strategy": leg.strategy, "strategy_version": leg.version, "entry_type": "stop",
            "stop_loss_price": leg.stop_loss, "parent_key": "", "signal_id": leg.signal_id,
            "currency": self.settings.instrument(leg.symbol)["currency"], "tick_size": self.settings.tick(leg.symbol),
            "created_at_us": leg.created_us,
        }  # fmt: skip


def as_text(row: Mapping[str, Any]) -> dict[str, str]:
    """Write a row as a CSV holds it: `*_us` keys lose their suffix and become ISO times."""
    written: dict[str, str] = {}
    for key, value in row.items():
        if key.endswith("_us"):
            written[key.removesuffix("_us")] = "" if value is None else iso(value)
        elif isinstance(value, Fraction):
            written[key] = text(value)
        else:
            written[key] = "" if value is None else str(value)
    return written


def matching_inside(bar: Bar, mother: Bar, params: Mapping[str, Any]) -> bool:
    """Whether the two bars are a mother and her inside bar under a strategy's parameters."""
    return is_inside(bar, mother, params["inside_bar_mode"])


def _bar(row: RawBar) -> Bar:
    symbol, ts_us, open_, high, low, close, volume = row
    return Bar(symbol, ts_us, exact(open_), exact(high), exact(low), exact(close), volume)


def _day(given: date | str | None) -> date | None:
    return date.fromisoformat(given) if isinstance(given, str) else given


def _sha1(text_: str) -> str:
    return hashlib.sha1(text_.encode()).hexdigest()


def _word(side: int) -> str:
    return "BUY" if side > 0 else "SELL"
