"""A sweep: many parameter sets over many symbols through the compiled backtest, on all cores or on a Dask cluster.

A trial is one run: a set of values, its symbols, and the sessions it may see. Trials are gathered into blocks of one
symbol set each, and a block is one task: it reads the bars once. Rows come back in an order that does not depend on who
computed them or when. No trial of a train part sees a session of its test part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import polars as pl

from axiomd.config.binding import bind
from axiomd.config.load import load_run
from axiomd.config.yaml_text import read_yaml
from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.errors import ConfigError, InputError
from axiomd.contracts.runs import Metrics
from axiomd.contracts.sweep import SweepConfig
from axiomd.contracts.units import PRICE_SCALE
from axiomd.core.kernel_figures import basis_of
from axiomd.core.kernel_record import Rows, run_rows
from axiomd.core.market.sessions import Int64Array, SessionTable
from axiomd.core.market.tape import SYMBOL_INDEX, Tape
from axiomd.core.metrics import figures_of
from axiomd.core.plan import Plan
from axiomd.feeds.files import load_tape

RUN_ID: Final = "sweep"
EULER_GAMMA: Final = 0.5772156649015329
BLOCK_TRIALS: Final = 200
SETS_KEPT_MAX: Final = 4_096
"""Sets whose configuration and plan a worker keeps."""
_LEFT_OUT: Final = ("counts", "by_strategy")


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


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """What a grid file asks for, with its paths found."""

    config: SweepConfig
    base: str
    bars: str
    symbols: tuple[str, ...]


Row = dict[str, Any]
RunBlocks = Callable[[Sequence[Block]], Iterator[list[Row]]]


def read_sweep(path: Path, base_folder: Path) -> Sweep:
    """Read a grid file. A base written inline is put into `base_folder`. Raises `ConfigError` for anything wrong."""
    from pydantic import ValidationError

    from axiomd.config.mistakes import config_error

    text = read_yaml(path)
    try:
        config = SweepConfig.model_validate(text.mapping)
    except ValidationError as problem:
        raise config_error(problem, SweepConfig, text.mapping, str(path), lambda key: f"{path} {key}") from None
    folder = path.resolve().parent
    if isinstance(config.base, str):
        base = (folder / config.base).resolve()
    else:
        import yaml

        base = base_folder / "base.yml"
        base.write_text(yaml.safe_dump(config.base, sort_keys=False), encoding="utf-8")
    bars = (folder / config.bars).resolve()
    if not bars.exists():
        raise InputError("there are no bars", str(bars), "name a file or a folder under bars")
    run = _configured(str(base), {}, config.symbols)
    for values in config.parameter_sets():
        _configured(str(base), values, config.symbols)
    return Sweep(config, str(base), str(bars), run.all_symbols())


def blocks_of(sweep: Sweep) -> list[Block]:
    """Lay the trials out: by symbol, then in blocks of sets."""
    config = sweep.config
    sets = list(enumerate(config.parameter_sets()))
    groups = [(symbol,) for symbol in sweep.symbols] if config.each_symbol_alone else [sweep.symbols]
    parts = _parts(sweep)
    blocks = []
    for symbols in groups:
        trials = [
            Trial(number, values, symbols, fold, part, first, last)
            for number, values in sets
            for fold, part, first, last in parts
            if part != "test"
        ]
        blocks += [
            Block(sweep.base, sweep.bars, sweep.symbols, tuple(trials[place : place + BLOCK_TRIALS]))
            for place in range(0, len(trials), BLOCK_TRIALS)
        ]
    return blocks


def run_sweep(sweep: Sweep, run_blocks: RunBlocks) -> pl.DataFrame:
    """Run everything and give the rows, sorted by set, symbol, fold and part."""
    rows = [row for block in run_blocks(blocks_of(sweep)) for row in block]
    if sweep.config.walk_forward is not None:
        rows += [row for block in run_blocks(_test_blocks(sweep, rows)) for row in block]
    order = {"all": 0, "train": 1, "test": 2}
    rows.sort(key=lambda row: (row["set"], row["symbol"], row["fold"], order[row["part"]]))
    return pl.DataFrame(rows, infer_schema_length=None)


def run_block(block: Block) -> list[Row]:
    """Run one block's trials: what a worker does."""
    tape = _tape(block.base, block.bars, block.all_symbols)
    rows = []
    for trial in block.trials:
        own = _part_of(_alone(block, trial.symbols, tape), trial)
        plan = _plan(block, trial, own)
        rows.append(_row(trial, plan, run_rows(plan, own, None, _first_session(own, trial))))
    return rows


def _row(trial: Trial, plan: Plan, run: Rows) -> Row:
    figures = figures_of(basis_of(plan, run), plan.initial_cash).model_dump(mode="json")
    figures |= {
        "initial_cash": plan.initial_cash / PRICE_SCALE,
        "final_cash": int(run.board.account[0]["cash"]) / PRICE_SCALE,
        "operator_resumes": int(run.state[0]["resumes"]),
    }
    symbol = trial.symbols[0] if len(trial.symbols) == 1 else ",".join(trial.symbols)
    values = {key: _plain(value) for key, value in trial.values.items()}
    return {"set": trial.set_number, "symbol": symbol, "fold": trial.fold, "part": trial.part, **values, **figures}


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, float, str, bool)) or value is None else str(value)


# --- walk forward ---


def _parts(sweep: Sweep) -> list[tuple[int, str, int, int]]:
    """Give (fold, part, first, last) of every part; one part without walk-forward."""
    forward = sweep.config.walk_forward
    if forward is None:
        return [(0, "all", 0, -1)]
    count = len(_session_rows(_tape(sweep.base, sweep.bars, sweep.symbols)))
    parts = []
    fold, first = 0, 0
    while first + forward.train_sessions + forward.test_sessions <= count:
        middle = first + forward.train_sessions
        parts += [(fold, "train", first, middle), (fold, "test", middle, middle + forward.test_sessions)]
        fold, first = fold + 1, first + forward.test_sessions
    if not parts:
        raise ConfigError(
            f"{count} sessions are fewer than one fold", "walk_forward", "shorten train_sessions or test_sessions"
        )
    return parts


def _test_blocks(sweep: Sweep, rows: Sequence[Row]) -> list[Block]:
    """Choose in each fold by its train part alone; the chosen set is run over the test part."""
    forward = sweep.config.walk_forward
    assert forward is not None
    if forward.choose not in rows[0]:
        known = ", ".join(sorted(set(Metrics.model_fields) - set(_LEFT_OUT)))
        raise ConfigError(f"{forward.choose} is no figure", "walk_forward.choose", f"known: {known}")
    values = dict(enumerate(sweep.config.parameter_sets()))
    tests = {fold: (first, last) for fold, part, first, last in _parts(sweep) if part == "test"}
    blocks = []
    for symbol in dict.fromkeys(row["symbol"] for row in rows):
        for fold, (first, last) in tests.items():
            trained = [row for row in rows if row["symbol"] == symbol and row["fold"] == fold]
            best = max(trained, key=lambda row: (_number(row[forward.choose]), -row["set"]))
            trial = Trial(best["set"], values[best["set"]], tuple(symbol.split(",")), fold, "test", first, last)
            blocks.append(Block(sweep.base, sweep.bars, sweep.symbols, (trial,)))
    return blocks


def _number(value: float | None) -> float:
    return -math.inf if value is None else value


# --- what a trial sees ---


def _plan(block: Block, trial: Trial, tape: Tape) -> Plan:
    """Bind a trial. Its set is read, checked and bound once for all symbols; of that its own are cut out.

    Where strategies name symbols of their own, what a trial's symbols leave of them is for the configuration to say.
    """
    whole = _bound(block.base, _flags_of(trial.values, block.all_symbols), tape.sessions, tape.timeframe_us)
    if any(own.symbols != block.all_symbols for own in whole.strategies):
        return _bound(block.base, _flags_of(trial.values, trial.symbols), tape.sessions, tape.timeframe_us)
    kept = [place for place, symbol in enumerate(whole.symbols) if symbol in trial.symbols]
    return replace(
        whole,
        instruments=tuple(whole.instruments[place] for place in kept),
        rates=tuple(whole.rates[place] for place in kept),
        strategies=tuple(replace(own, symbols=trial.symbols) for own in whole.strategies),
    )


@dataclass(frozen=True, slots=True)
class _Flags:
    """Flags of a configuration; a cache compares only their text."""

    text: tuple[tuple[str, str], ...]
    values: Mapping[str, object] = field(compare=False)


def _flags_of(values: Mapping[str, Any], symbols: Sequence[str] | None) -> _Flags:
    flags: dict[str, object] = dict(values)
    if symbols is not None:
        flags["symbols"] = list(symbols)
        flags.setdefault("stage1.max_candidates", max(50, len(symbols)))
    return _Flags(tuple(sorted((key, repr(value)) for key, value in flags.items())), flags)


def _configured(base: str, values: Mapping[str, Any], symbols: Sequence[str] | None) -> DaemonConfig:
    return _loaded(base, _flags_of(values, symbols))


@lru_cache(maxsize=SETS_KEPT_MAX)
def _loaded(base: str, flags: _Flags) -> DaemonConfig:
    return load_run(Path(base), flags=flags.values).config


@lru_cache(maxsize=SETS_KEPT_MAX)
def _bound(base: str, flags: _Flags, sessions: SessionTable, bar_us: int) -> Plan:
    return bind(_loaded(base, flags), sessions, bar_us, RUN_ID, "backtest")


@lru_cache(maxsize=2)
def _tape(base: str, bars: str, symbols: tuple[str, ...]) -> Tape:
    config = _configured(base, {}, None)
    ticks = {symbol: config.instrument_of(symbol).tick_size for symbol in symbols}
    return load_tape(Path(bars), symbols, config.calendar, tick_units=ticks, timeframe=_timeframe(bars))


def _timeframe(bars: str) -> str:
    """Tell M5 bars from M1 bars by how far apart the first ones are."""
    from axiomd.feeds.files import read_bars

    starts = np.unique(read_bars(bars, "m1")["ts"].to_physical().to_numpy()[:2000])
    gaps = np.diff(starts)
    return "m5" if len(gaps) and int(gaps.min()) >= 300_000_000 else "m1"


@lru_cache(maxsize=2)
def _rows_by_symbol(base: str, bars: str, symbols: tuple[str, ...]) -> list[Int64Array]:
    """Give the rows of every symbol of the tape, found once: to look for them by symbol reads all bars each time."""
    code = _tape(base, bars, symbols).bars[:, SYMBOL_INDEX]
    ends = np.cumsum(np.bincount(code, minlength=len(symbols)))
    return np.split(np.argsort(code, kind="stable"), ends[:-1])


@lru_cache(maxsize=4)
def _alone_cached(base: str, bars: str, all_symbols: tuple[str, ...], symbols: tuple[str, ...]) -> Tape:
    tape = _tape(base, bars, all_symbols)
    wanted = [index for index, symbol in enumerate(tape.symbols) if symbol in symbols]
    of_symbol = _rows_by_symbol(base, bars, all_symbols)
    rows = tape.bars[np.sort(np.concatenate([of_symbol[index] for index in wanted]))]
    names = tuple(tape.symbols[index] for index in wanted)
    rows[:, SYMBOL_INDEX] = np.searchsorted(np.array(wanted), rows[:, SYMBOL_INDEX])
    return Tape(names, rows, tape.timeframe_us, tape.sessions, 0, 0, "", ())


def _alone(block: Block, symbols: tuple[str, ...], tape: Tape) -> Tape:
    if set(symbols) == set(tape.symbols):
        return tape
    return _alone_cached(block.base, block.bars, block.all_symbols, symbols)


def _session_rows(tape: Tape) -> list[tuple[int, int]]:
    """Give (session, row behind its last bar) of every session that has a bar."""
    starts_us, table = tape.bars[:, 0], tape.sessions
    first, end = np.searchsorted(starts_us, table.open_us), np.searchsorted(starts_us, table.close_us)
    return [(int(session), int(end[session])) for session in np.flatnonzero(end > first)]


def _part_of(tape: Tape, trial: Trial) -> Tape:
    """Cut a tape behind a trial's last session: what comes later does not exist for it."""
    if trial.last < 0:
        return tape
    rows = _session_rows(tape)
    end = rows[min(trial.last, len(rows)) - 1][1]
    return Tape(tape.symbols, tape.bars[:end], tape.timeframe_us, tape.sessions, 0, 0, "", ())


def _first_session(tape: Tape, trial: Trial) -> int:
    return 0 if trial.first == 0 else _session_rows(tape)[trial.first][0]


# --- how much of it is luck ---


def deflated_sharpe(returns: Sequence[float], sharpes: Sequence[float], trials: int) -> float | None:
    """Give the probability that the best Sharpe ratio is not the luck of many trials; None where it has no meaning.

    Bailey and Lopez de Prado, The Deflated Sharpe Ratio (2014): `returns` of the best trial by session, `sharpes` of
    all trials by session (not annualised), their number. Skewness and kurtosis are the sample's.
    """
    values = np.asarray(returns, np.float64)
    if len(values) < 3 or trials < 1 or float(values.std()) == 0.0:
        return None
    centred = (values - values.mean()) / values.std()
    skew, kurtosis = float((centred**3).mean()), float((centred**4).mean())
    sharpe = float(values.mean() / values.std(ddof=1))
    spread = float(np.std(np.asarray(sharpes, np.float64), ddof=1)) if len(sharpes) > 1 else 0.0
    normal = NormalDist()
    expected = 0.0
    if trials > 1:
        expected = spread * (
            (1 - EULER_GAMMA) * normal.inv_cdf(1 - 1 / trials) + EULER_GAMMA * normal.inv_cdf(1 - 1 / (trials * math.e))
        )
    variance = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if variance <= 0:
        return None
    return normal.cdf((sharpe - expected) * math.sqrt(len(values) - 1) / math.sqrt(variance))


def summary_of(sweep: Sweep, frame: pl.DataFrame) -> dict[str, Any]:
    """Give sweep.json: the number of trials, the best set by Sharpe ratio, and its deflated Sharpe ratio."""
    judged = frame.filter((pl.col("part") != "test") & pl.col("sharpe").is_not_null())
    sets = sum(1 for _ in sweep.config.parameter_sets())
    base: dict[str, Any] = {"trials": frame.filter(pl.col("part") != "test").height, "sets": sets, "rows": frame.height}
    if judged.is_empty():
        return {**base, "best": None, "deflated_sharpe": None}
    best = judged.sort(["sharpe", "set"], descending=[True, False]).row(0, named=True)
    values = dict(enumerate(sweep.config.parameter_sets()))[best["set"]]
    symbols = tuple(best["symbol"].split(","))
    trials = [t for block in blocks_of(sweep) for t in block.trials]
    trial = next(t for t in trials if t.set_number == best["set"] and t.symbols == symbols and t.fold == best["fold"])
    block = Block(sweep.base, sweep.bars, sweep.symbols, (trial,))
    tape = _part_of(_alone(block, symbols, _tape(sweep.base, sweep.bars, sweep.symbols)), trial)
    plan = _plan(block, trial, tape)
    basis = basis_of(plan, run_rows(plan, tape, None, _first_session(tape, trial)))
    returns = [made / before for made, before in basis.returns]
    by_session = [float(value) / math.sqrt(252) for value in judged["sharpe"].to_list()]
    return {
        **base,
        "best": {name: best[name] for name in ("set", "symbol", "fold", "sharpe", "net_pnl", "num_trades")},
        "best_values": {key: _plain(value) for key, value in values.items()},
        "deflated_sharpe": deflated_sharpe(returns, by_session, base["trials"]),
    }


def local_blocks(jobs: int, done: Callable[[int], None]) -> RunBlocks:
    """Run blocks on this machine: in this process, or in `jobs` of them."""

    def run(blocks: Sequence[Block]) -> Iterator[list[Row]]:
        if jobs == 1 or len(blocks) == 1:
            for block in blocks:
                yield run_block(block)
                done(len(block.trials))
            return
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        # spawned, not forked: polars and numba keep threads that a fork would lose
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            for block, rows in zip(blocks, pool.map(run_block, blocks), strict=True):
                yield rows
                done(len(block.trials))

    return run


def dask_blocks(scheduler: str, done: Callable[[int], None]) -> RunBlocks:
    """Run blocks on a Dask cluster whose workers see the same paths. Raises `InputError` where it cannot be reached."""

    def run(blocks: Sequence[Block]) -> Iterator[list[Row]]:
        try:
            from distributed import Client
        except ImportError:
            raise InputError("dask.distributed is not installed", "--engine dask", "install axiomd[cluster]") from None
        try:
            client: Any = Client(scheduler, timeout="10s")  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise InputError(f"no scheduler answers: {error}", scheduler, "name one as tcp://HOST:PORT") from error
        with client:
            futures = client.map(run_block, list(blocks), pure=False)
            for block, future in zip(blocks, futures, strict=True):
                yield future.result()
                done(len(block.trials))

    return run


def write_results(frame: pl.DataFrame, path: Path) -> None:
    """Write results.parquet."""
    frame.write_parquet(path, compression="zstd")


def trials_in(blocks: Iterable[Block]) -> int:
    """Count trials."""
    return sum(len(block.trials) for block in blocks)
