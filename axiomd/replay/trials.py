"""The trials of a sweep: each is one run of the compiled backtest, of which nothing but its figures is kept.

A trial is a set of values and the sessions it may see; a block is trials over the same symbols, and a worker is given
some blocks at a time. Bars are read, and a set is read, checked and bound, once a process. No trial sees a session
after its own last.
"""

from __future__ import annotations

import os
import signal
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np

from axiomd.config.binding import bind
from axiomd.contracts.errors import EXIT_OK
from axiomd.contracts.units import MINUTE_US, PRICE_SCALE
from axiomd.core.board import Ints
from axiomd.core.kernel_figures import basis_of
from axiomd.core.kernel_run import Room, Rows, Start, run_from
from axiomd.core.market.tape import TS_US, Tape
from axiomd.core.metrics import Basis, figure_values
from axiomd.core.plan import Plan
from axiomd.replay.candidates import Select, Stage1, screens
from axiomd.replay.code_ahead import load_code
from axiomd.replay.sweep_table import Columns, columns_of
from axiomd.replay.swept_bars import SharedBars, SweptBars, TapeBars
from axiomd.replay.swept_base import Base, configured

RUN_ID: Final = "sweep"
_USUAL_BAR_US: Final = 5 * MINUTE_US
"""Of other bars some code is loaded only when they come."""
_LAST: Final = -1
SETS_KEPT_MAX: Final = 4_096
"""Sets whose configuration and plan a process keeps."""

MarketKey = tuple[Base, str, str | None, tuple[str, ...]]
"""Base, bars, daily bars and symbols of a sweep."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run: the number and values of its set, and its part of the sessions.

    `first` and `last` are sessions of the market's table, both included, whether or not its symbols have a bar in them;
    -1 means to the end.
    """

    set_number: int
    values: Mapping[str, Any]
    fold: int = 0
    part: str = "all"
    first: int = 0
    last: int = -1


@dataclass(frozen=True, slots=True)
class Block:
    """Trials over the same symbols of a market; everything a worker needs."""

    market: MarketKey
    symbols: tuple[str, ...]
    trials: tuple[Trial, ...]


def run_blocks(blocks: Sequence[Block]) -> Columns:
    """Run the trials of blocks: what a worker does.

    Trials that see the same bars, and that observe the same of them, come one after the other, in whatever order a grid
    names its keys: what was found of the bars for one serves the next.
    """
    rows = []
    for block in blocks:
        market = market_of(block.market)
        bound = [(trial, market.bound(trial.values)) for trial in block.trials]
        bound.sort(key=lambda pair: (pair[0].last, pair[1].observed_by))
        name = block.symbols[0] if len(block.symbols) == 1 else ",".join(block.symbols)
        rows += [_row(trial, name, *_run(market, block.symbols, trial, own)) for trial, own in bound]
    return columns_of(rows)


def bind_sets(block: Block) -> None:
    """Bind the sets of a block's trials, for a worker that waits for its bars anyway."""
    market = market_of(block.market)
    for trial in block.trials:
        market.bound(trial.values)


def basis_of_trial(market: Market, symbols: tuple[str, ...], trial: Trial) -> Basis:
    """Run one trial and give what its figures are made of."""
    return basis_of(*_run(market, symbols, trial, market.bound(trial.values)))


def _run(market: Market, symbols: tuple[str, ...], trial: Trial, own: BoundSet) -> tuple[Plan, Rows]:
    tape, first_session = market.part_of(symbols, trial)
    start = market.start_of(symbols, trial.values, own)
    return start.plan, run_from(start, tape, market.select_for(own, start.plan), first_session, market.room)


def _row(trial: Trial, symbol: str, plan: Plan, run: Rows) -> dict[str, Any]:
    return {
        "set": trial.set_number,
        "symbol": symbol,
        "fold": trial.fold,
        "part": trial.part,
        **figure_values(basis_of(plan, run), plan.initial_cash),
        "initial_cash": plan.initial_cash / PRICE_SCALE,
        "final_cash": int(run.board.account[0]["cash"]) / PRICE_SCALE,
        "operator_resumes": int(run.state[0]["resumes"]),
    }


class Market:
    """A sweep's bars and its sets bound to them; what was read or bound once is kept."""

    def __init__(self, key: MarketKey, bars: SweptBars) -> None:
        self.bars = bars
        self.room = Room()
        self._base, _, self._daily, self._symbols = key
        self._stage1: Stage1 | None = None
        self._sets: dict[str, BoundSet] = {}
        self._windows: dict[bytes, Ints] = {}
        self._parts: _Parts | None = None

    def part_of(self, symbols: tuple[str, ...], trial: Trial) -> tuple[Tape, int]:
        """Give the bars of some symbols that a trial may see, and the session it begins in."""
        tape = self.bars.tape_of(symbols)
        if trial.first == 0 and trial.last < 0:
            return tape, 0
        if self._parts is None or self._parts.tape is not tape:
            self._parts = _Parts(tape)
        return self._parts.of(trial)

    def select_for(self, bound: BoundSet, plan: Plan) -> Select | None:
        """Give what chooses a plan's candidates; None where they are those listed, in every session."""
        if not bound.screens:
            return None
        if self._stage1 is None:
            from axiomd.feeds.files import load_daily

            assert self._daily is not None, "whoever read the grid saw that there are daily bars"
            self._stage1 = Stage1(load_daily(self._daily, self._symbols).frame)
        return self._stage1.select(plan, self.bars.sessions)

    def start_of(self, symbols: tuple[str, ...], values: Mapping[str, Any], bound: BoundSet) -> Start:
        """Bind a set to some symbols and make its run ready. A later one may be given the same start, made ready anew.

        A set is read, checked and bound once for all symbols, and what its runs begin with is laid out once for all
        that trade one. Where strategies name symbols of their own, what a trial's symbols leave of them is for the
        configuration to say.
        """
        whole = bound.plan
        if not bound.names_all:
            return Start(whole if symbols == self._symbols else self._plan(values, symbols))
        if len(symbols) > 1:
            return Start(whole)
        place = bisect_left(self.bars.symbols, symbols[0])
        instrument, rate = whole.instruments[place], whole.rates[place]
        if bound.start is None or bound.screens:
            # who screens looks up the symbol in the plan, and the plan of a start made ready anew is the first symbol's
            strategies = tuple(replace(own, symbols=symbols) for own in whole.strategies)
            bound.start = Start(replace(whole, instruments=(instrument,), rates=(rate,), strategies=strategies))
        bound.start.again(instrument, rate)
        return bound.start

    def bound(self, values: Mapping[str, Any]) -> BoundSet:
        """Give a set bound for all symbols; kept."""
        key = repr(values)
        if key not in self._sets:
            if len(self._sets) >= SETS_KEPT_MAX:
                self._sets.clear()
                self._windows.clear()
            plan = self._plan(values, self._symbols)
            # sets with the same windows share one array: where it lies in bars is then found once, and known again
            strategies = tuple(
                replace(own, windows=self._windows.setdefault(own.windows.tobytes(), own.windows))
                for own in plan.strategies
            )
            plan = replace(plan, strategies=strategies)
            names_all = all(own.symbols == self._symbols for own in plan.strategies)
            self._sets[key] = BoundSet(plan, names_all, screens(plan), _observed_by(plan))
        return self._sets[key]

    def _plan(self, values: Mapping[str, Any], symbols: tuple[str, ...]) -> Plan:
        config = configured(self._base, values, symbols)
        return bind(config, self.bars.sessions, self.bars.timeframe_us, RUN_ID, "backtest", self._base.where)


@dataclass(slots=True, eq=False)
class BoundSet:
    """A set bound for all symbols, whether its strategies name all of them and whether they screen, and the start of a
    run of one.

    Sets that are `observed_by` the same find the same of the same bars before they are asked for a setup."""

    plan: Plan
    names_all: bool
    screens: bool
    observed_by: str
    start: Start | None = None


def _observed_by(plan: Plan) -> str:
    named = []
    for own in plan.strategies:
        memory = own.strategy.memory
        if memory is not None:
            ints, floats = own.strategy.numbers(own.params)
            numbers = [ints[at : at + 1] for at in memory.ints], [floats[at : at + 1] for at in memory.floats]
            named.append((crc32(own.windows.tobytes()), *numbers))
    return repr(named)


class _Parts:
    """The parts of a tape by its sessions; of the last that was asked for it is kept, with what was found of it."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._ends = np.searchsorted(tape.bars[:, TS_US], tape.sessions.close_us)
        self._cut = tape

    def of(self, trial: Trial) -> tuple[Tape, int]:
        """Cut the tape behind a trial's last session, since what comes later does not exist for it.

        Nothing is left where its symbols were not there yet: a run without a bar makes no trade.
        """
        if trial.last < 0:
            return self.tape, trial.first
        tape, end = self.tape, int(self._ends[trial.last])
        if len(self._cut) != end:
            self._cut = Tape(tape.symbols, tape.bars[:end], tape.timeframe_us, tape.sessions, 0, 0, "", ())
        return self._cut, trial.first


def market_of(key: MarketKey) -> Market:
    """Give the market of a sweep: the one that this process has, or else read its bars."""
    if key not in _markets:
        _markets.clear()
        _markets[key] = Market(key, SharedBars.at(_laid_out[key]) if key in _laid_out else _read(key))
    return _markets[key]


def _read(key: MarketKey) -> TapeBars:
    # a worker on the same machine reads no file, and is ready a fifth of a second earlier without what that loads
    from axiomd.feeds.files import load_tape, read_files, timeframe_of

    base, bars, _, symbols = key
    config = configured(base, {}, symbols)
    ticks = {symbol: config.instrument_of(symbol).tick_size for symbol in symbols}
    files = read_files(bars)
    timeframe = timeframe_of(files[0])
    return TapeBars(load_tape(Path(bars), symbols, config.calendar, tick_units=ticks, timeframe=timeframe, files=files))


def expect_market(key: MarketKey, path: Path) -> None:
    """Have this process take a sweep's bars from where they lie by the time of its first block, and load its code."""
    _laid_out[key] = path
    base, _, _, symbols = key
    load_code(configured(base, {}, symbols), _USUAL_BAR_US)


def begin_worker(key: MarketKey, path: Path) -> None:
    """Do likewise in a process that does nothing else. It ends at once when it is told to: taking apart what goes with
    it anyway took 0.15 s of the core on which others still work.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(EXIT_OK))  # whoever began it says that it was broken off
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    Finalize(None, os._exit, (EXIT_OK,), exitpriority=_LAST)
    expect_market(key, path)


_markets: Final[dict[MarketKey, Market]] = {}
"""The market of the sweep under way."""
_laid_out: Final[dict[MarketKey, Path]] = {}


def sessions_with_bars(tape: Tape) -> list[int]:
    """Give the sessions of a tape's table in which any of its symbols has a bar."""
    starts_us, table = tape.bars[:, TS_US], tape.sessions
    first, end = np.searchsorted(starts_us, table.open_us), np.searchsorted(starts_us, table.close_us)
    sessions: list[int] = np.flatnonzero(end > first).tolist()
    return sessions
