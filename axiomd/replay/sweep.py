"""A sweep: many parameter sets over many symbols through the compiled backtest, on all cores or on a Dask cluster.

Trials are gathered into blocks of one symbol set each, and a few blocks are one task. Rows stand in an order that does
not depend on who computed them or when. No trial of a train part sees a session of its test part.
"""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import NormalDist
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import polars as pl

from axiomd.contracts.errors import ConfigError, InputError
from axiomd.replay.grid import Sweep
from axiomd.replay.sweep_table import Columns, plain_value, table_of
from axiomd.replay.swept_bars import TapeBars
from axiomd.replay.trials import (
    Block,
    Trial,
    basis_of_trial,
    begin_worker,
    bind_sets,
    market_of,
    run_blocks,
    sessions_with_bars,
)

EULER_GAMMA: Final = 0.5772156649015329
BLOCK_TRIALS: Final = 200

RunBlocks = Callable[[Sequence[Block]], Iterator[Columns]]


def blocks_of(sweep: Sweep) -> list[Block]:
    """Lay the trials out: by symbol, then in blocks of sets."""
    config = sweep.config
    groups = [(symbol,) for symbol in sweep.symbols] if config.each_symbol_alone else [sweep.symbols]
    parts = [part for part in _parts(sweep) if part[1] != "test"]
    trials = [Trial(number, values, *part) for number, values in enumerate(config.parameter_sets()) for part in parts]
    cut = [tuple(trials[place : place + BLOCK_TRIALS]) for place in range(0, len(trials), BLOCK_TRIALS)]
    return [Block(sweep.market, symbols, some) for symbols in groups for some in cut]


def trial_count(sweep: Sweep) -> int:
    """Count the trials of all blocks."""
    groups = len(sweep.symbols) if sweep.config.each_symbol_alone else 1
    parts = sum(part != "test" for _, part, _, _ in _parts(sweep))
    return groups * parts * sum(1 for _ in sweep.config.parameter_sets())


def run_sweep(sweep: Sweep, run: RunBlocks) -> pl.DataFrame:
    """Run everything and give the rows, sorted by set, symbol, fold and part."""
    found = list(run(blocks_of(sweep)))
    if sweep.config.walk_forward is not None:
        found += run(_test_blocks(sweep, table_of(found, sweep.config.parameter_sets())))
    return table_of(found, sweep.config.parameter_sets())


# --- walk forward ---


def _parts(sweep: Sweep) -> list[tuple[int, str, int, int]]:
    """Give (fold, part, first session, last session) of every part; one part without walk-forward.

    Folds are cut by the sessions that any swept symbol has a bar in: the same dates for all symbols, also for one that
    was listed later or lacks a day.
    """
    forward = sweep.config.walk_forward
    if forward is None:
        return [(0, "all", 0, -1)]
    there = sessions_with_bars(market_of(sweep.market).bars.tape_of(sweep.symbols))
    count = len(there)
    parts = []
    fold, first = 0, 0
    while first + forward.train_sessions + forward.test_sessions <= count:
        middle = first + forward.train_sessions
        end = middle + forward.test_sessions
        parts += [(fold, "train", there[first], there[middle - 1]), (fold, "test", there[middle], there[end - 1])]
        fold, first = fold + 1, first + forward.test_sessions
    if not parts:
        raise ConfigError(
            f"{count} sessions are fewer than one fold", "walk_forward", "shorten train_sessions or test_sessions"
        )
    return parts


def _test_blocks(sweep: Sweep, trained: pl.DataFrame) -> list[Block]:
    """Choose in each fold by its train part alone; the chosen set is run over the test part."""
    forward = sweep.config.walk_forward
    assert forward is not None
    values = dict(enumerate(sweep.config.parameter_sets()))
    tests = {fold: (first, last) for fold, part, first, last in _parts(sweep) if part == "test"}
    columns = (trained[name] for name in ("symbol", "fold", "set", forward.choose))
    best: dict[str, dict[int, tuple[float, int]]] = {}
    for symbol, fold, number, figure in zip(*columns, strict=True):
        chosen = best.setdefault(symbol, {})
        # of equal sets the first, and sets rise
        if fold not in chosen or _number(figure) > chosen[fold][0]:
            chosen[fold] = _number(figure), number
    blocks = []
    for symbol, chosen in best.items():
        trials = (Trial(number, values[number], fold, "test", *tests[fold]) for fold, (_, number) in chosen.items())
        blocks.append(Block(sweep.market, tuple(symbol.split(",")), tuple(trials)))
    return blocks


def _number(value: float | None) -> float:
    return -math.inf if value is None else value


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
    symbols, key = tuple(best["symbol"].split(",")), (best["fold"], best["part"])
    first, last = next((first, last) for fold, part, first, last in _parts(sweep) if (fold, part) == key)
    trial = Trial(best["set"], values, *key, first, last)
    basis = basis_of_trial(market_of(sweep.market), symbols, trial)
    returns = [made / before for made, before in basis.returns.tolist()]
    by_session = [float(value) / math.sqrt(252) for value in judged["sharpe"].to_list()]
    return {
        **base,
        "best": {name: best[name] for name in ("set", "symbol", "fold", "sharpe", "net_pnl", "num_trades")},
        "best_values": {key: plain_value(value) for key, value in values.items()},
        "deflated_sharpe": deflated_sharpe(returns, by_session, base["trials"]),
    }


def local_blocks(jobs: int, done: Callable[[int], None]) -> RunBlocks:
    """Run blocks on this machine: in this process, or in `jobs` of them."""

    def run(blocks: Sequence[Block]) -> Iterator[Columns]:
        if jobs == 1 or len(blocks) == 1:
            for block in blocks:
                yield run_blocks((block,))
                done(len(block.trials))
            return
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import active_children, get_context

        with TemporaryDirectory(prefix="axiomd-sweep-") as folder:
            path = Path(folder) / "bars"
            # spawned, not forked: polars and numba keep threads that a fork would lose
            others = set(active_children())
            pool = ProcessPoolExecutor(
                jobs, mp_context=get_context("spawn"), initializer=begin_worker, initargs=(blocks[0].market, path)
            )
            try:
                with _uninterrupted():
                    for _ in range(jobs):  # a process each, which starts and loads its code while the bars are read
                        pool.submit(int)
                # where a block is all sets of one symbol, each process will come to need them all
                waiting = jobs if len(blocks[0].symbols) == 1 else 0
                _lay_out(blocks[0], path, lambda: [pool.submit(bind_sets, blocks[0]) for _ in range(waiting)])
                tasks = tasks_of(blocks, jobs)
                for task, found in zip(tasks, pool.map(run_blocks, tasks), strict=True):
                    yield found
                    done(sum(len(block.trials) for block in task))
            except BaseException as problem:
                # broken off, or one of them failed: what the others are at is for nobody, and may take minutes
                if not isinstance(problem, Exception):  # this process ends
                    threading.excepthook = lambda _: None  # the pool's threads find their ends gone: that says nothing
                for worker in set(active_children()) - others:
                    worker.terminate()
                raise
            finally:
                # until all have ended takes time, and they have nothing left to say
                pool.shutdown(wait=False, cancel_futures=True)

    return run


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Begin processes that hear of ^C only once they can end without a word; ours hears of it when this is over."""
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # which lets signals through when it begins
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def tasks_of(blocks: Sequence[Block], jobs: int) -> list[Sequence[Block]]:
    """Gather blocks into tasks for `jobs` processes: few to hand over, and towards the end ever smaller ones, so that
    nobody waits long for the last.
    """
    tasks = []
    place = 0
    while place < len(blocks):
        fair, full = (len(blocks) - place) // (4 * jobs), BLOCK_TRIALS // len(blocks[place].trials)
        tasks.append(blocks[place : place + max(1, min(fair, full))])
        place += len(tasks[-1])
    return tasks


def _lay_out(block: Block, path: Path, announced: Callable[[], object]) -> None:
    """Lay out the bars of a sweep for its workers."""
    bars = market_of(block.market).bars
    assert isinstance(bars, TapeBars)
    try:
        bars.share(path, by_symbol=len(block.symbols) == 1, announced=announced)
    except OSError as error:
        reason = f"the bars cannot be laid out ({error.strerror})"
        raise InputError(reason, str(path.parent), "make room there, name another TMPDIR, or give --jobs 1") from error


def write_results(frame: pl.DataFrame, path: Path) -> None:
    """Write results.parquet."""
    frame.write_parquet(path, compression="zstd")
