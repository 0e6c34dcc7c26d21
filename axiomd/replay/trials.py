"""The trials of a sweep: each is one run of the compiled backtest, of which nothing but its figures is kept.

A trial is a set of values, its symbols, and the sessions it may see; a block of them over the same symbols is what a
worker is given. Bars are read, and a set is read, checked and bound, once a process. No trial sees a session after its
own last.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from axiomd.config.binding import bind
from axiomd.config.load import load_run
from axiomd.config.yaml_text import YamlText, read_yaml
from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.runs import CANDIDATES_MAX
from axiomd.contracts.units import PRICE_SCALE
from axiomd.core.kernel_figures import basis_of
from axiomd.core.kernel_run import Room, Rows, Start, run_from
from axiomd.core.market.tape import TS_US, Tape
from axiomd.core.metrics import Basis, figure_values
from axiomd.core.plan import Plan
from axiomd.feeds.files import load_tape, read_files, timeframe_of
from axiomd.replay.swept_bars import SweptBars, TapeBars

RUN_ID: Final = "sweep"
SETS_KEPT_MAX: Final = 4_096
"""Sets whose configuration and plan a process keeps."""

Row = dict[str, Any]
MarketKey = tuple[str, str, tuple[str, ...]]
"""Base, bars and symbols of a sweep."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run: the number and values of its set, its symbols, and its part of the sessions.

    `first` and `last` are positions among the sessions that have a bar, `last` excluded; -1 means to the end.
    """

    set_number: int
    values: Mapping[str, Any]
    symbols: tuple[str, ...]
    fold: int = 0
    part: str = "all"
    first: int = 0
    last: int = -1


@dataclass(frozen=True, slots=True)
class Block:
    """Trials over the same symbols, and where their bars and their base are; everything a worker needs."""

    base: str
    bars: str
    all_symbols: tuple[str, ...]
    trials: tuple[Trial, ...]


def run_block(block: Block) -> list[Row]:
    """Run one block's trials: what a worker does."""
    market = market_of(block.base, block.bars, block.all_symbols)
    return [_row(trial, *_run(market, trial)) for trial in block.trials]


def basis_of_trial(market: Market, trial: Trial) -> Basis:
    """Run one trial and give what its figures are made of."""
    return basis_of(*_run(market, trial))


def _run(market: Market, trial: Trial) -> tuple[Plan, Rows]:
    tape = _part_of(market.bars.tape_of(trial.symbols), trial)
    start = market.start_of(trial)
    return start.plan, run_from(start, tape, None, _first_session(tape, trial), market.room)


def _row(trial: Trial, plan: Plan, run: Rows) -> Row:
    figures = figure_values(basis_of(plan, run), plan.initial_cash)
    figures |= {
        "initial_cash": plan.initial_cash / PRICE_SCALE,
        "final_cash": int(run.board.account[0]["cash"]) / PRICE_SCALE,
        "operator_resumes": int(run.state[0]["resumes"]),
    }
    symbol = trial.symbols[0] if len(trial.symbols) == 1 else ",".join(trial.symbols)
    values = {key: plain_value(value) for key, value in trial.values.items()}
    return {"set": trial.set_number, "symbol": symbol, "fold": trial.fold, "part": trial.part, **values, **figures}


def plain_value(value: Any) -> Any:
    """Give a value of a set as a column holds it."""
    return value if isinstance(value, (int, float, str, bool)) or value is None else str(value)


class Market:
    """A sweep's bars and its sets bound to them; what was read or bound once is kept."""

    def __init__(self, base: str, symbols: tuple[str, ...], bars: SweptBars) -> None:
        self.bars = bars
        self.room = Room()
        self._base = base
        self._symbols = symbols
        self._sets: dict[str, _Set] = {}

    def start_of(self, trial: Trial) -> Start:
        """Bind a trial and make its run ready. A later trial may be given the same start, made ready anew.

        A set is read, checked and bound once for all symbols, and what its runs begin with is laid out once for all
        that trade one. Where strategies name symbols of their own, what a trial's symbols leave of them is for the
        configuration to say.
        """
        bound = self._bound(trial.values)
        whole, symbols = bound.plan, trial.symbols
        if not bound.names_all:
            return Start(whole if symbols == self._symbols else self._plan(trial.values, symbols))
        if len(symbols) > 1:
            return Start(whole)
        place = bisect_left(self.bars.symbols, symbols[0])
        instrument, rate = whole.instruments[place], whole.rates[place]
        if bound.start is None:
            strategies = tuple(replace(own, symbols=symbols) for own in whole.strategies)
            bound.start = Start(replace(whole, instruments=(instrument,), rates=(rate,), strategies=strategies))
        bound.start.again(instrument, rate)
        return bound.start

    def _bound(self, values: Mapping[str, Any]) -> _Set:
        key = repr(values)
        if key not in self._sets:
            if len(self._sets) >= SETS_KEPT_MAX:
                self._sets.clear()
            plan = self._plan(values, self._symbols)
            self._sets[key] = _Set(plan, all(own.symbols == self._symbols for own in plan.strategies))
        return self._sets[key]

    def _plan(self, values: Mapping[str, Any], symbols: tuple[str, ...]) -> Plan:
        config = configured(self._base, values, symbols)
        return bind(config, self.bars.sessions, self.bars.timeframe_us, RUN_ID, "backtest")


@dataclass(slots=True, eq=False)
class _Set:
    """A set bound for all symbols, whether its strategies name all of them, and the start of a run of one."""

    plan: Plan
    names_all: bool
    start: Start | None = None


def market_of(base: str, bars: str, symbols: tuple[str, ...]) -> Market:
    """Give the market of a sweep: the one that this process has, or else read its bars."""
    key = (base, bars, symbols)
    if key not in _markets:
        config = configured(base, {}, None)
        ticks = {symbol: config.instrument_of(symbol).tick_size for symbol in symbols}
        files = read_files(bars)
        timeframe = timeframe_of(files[0])
        tape = load_tape(Path(bars), symbols, config.calendar, tick_units=ticks, timeframe=timeframe, files=files)
        keep_market(key, TapeBars(tape))
    return _markets[key]


def keep_market(key: MarketKey, bars: SweptBars) -> None:
    """Have this process take a sweep's bars from here on."""
    _markets.clear()
    _markets[key] = Market(key[0], key[2], bars)


_markets: Final[dict[MarketKey, Market]] = {}
"""The market of the sweep under way."""


def configured(base: str, values: Mapping[str, Any], symbols: Sequence[str] | None) -> DaemonConfig:
    """Read a base with the values of a set, for some symbols or for those it names. Raises `ConfigError`."""
    flags: dict[str, object] = dict(values)
    if symbols is not None:
        flags["symbols"] = list(symbols)
        flags.setdefault("stage1.max_candidates", max(CANDIDATES_MAX, len(symbols)))
    return load_run(Path(base), flags=flags, read=_read_once).config


@lru_cache(maxsize=4)
def _read_once(path: Path) -> YamlText:
    return read_yaml(path)


def session_rows(tape: Tape) -> list[tuple[int, int]]:
    """Give (session, row behind its last bar) of every session that has a bar."""
    starts_us, table = tape.bars[:, TS_US], tape.sessions
    first, end = np.searchsorted(starts_us, table.open_us), np.searchsorted(starts_us, table.close_us)
    return [(int(session), int(end[session])) for session in np.flatnonzero(end > first)]


def _part_of(tape: Tape, trial: Trial) -> Tape:
    """Cut a tape behind a trial's last session: what comes later does not exist for it."""
    if trial.last < 0:
        return tape
    rows = session_rows(tape)
    end = rows[min(trial.last, len(rows)) - 1][1]
    return Tape(tape.symbols, tape.bars[:end], tape.timeframe_us, tape.sessions, 0, 0, "", ())


def _first_session(tape: Tape, trial: Trial) -> int:
    return 0 if trial.first == 0 else session_rows(tape)[trial.first][0]
