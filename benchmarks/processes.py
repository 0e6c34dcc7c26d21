"""P6, P7, S1, S2 and S4: whole processes from the shell's view, seconds on the wall and peak memory.

Each figure is of one process from its start to its end, nothing warmed up but the disk's and the compiler's caches.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from axiomd.contracts.units import PRICE_SCALE
from axiomd.core.market.tape import Tape
from axiomd.runs.report import write_report
from benchmarks import product
from benchmarks.bench import Bench
from benchmarks.job import document_of
from benchmarks.measure import Ended, Goal, Measure, NotBuiltError, Row, in_turn, seconds, whole_process
from benchmarks.peers import CHILD, python

WHOLE_PEER = CHILD.with_name("whole_raptorbt.py")
PASS = (sys.executable, "-c", "pass")


def write_parquet(tape: Tape, path: Path) -> Path:
    """Write a tape as a Parquet file of the contract's bars."""
    bars = tape.bars
    pl.DataFrame(
        {
            "symbol": pl.Series([tape.symbols[index] for index in bars[:, 1].tolist()]),
            "ts": pl.Series(bars[:, 0]).cast(pl.Datetime("us", "UTC")),
            **{
                name: bars[:, column] / PRICE_SCALE
                for column, name in enumerate(("OPEN", "HIGH", "LOW", "CLOSE"), start=2)
            },
            "VOLUME": pl.Series(bars[:, 6]),
        }
    ).write_parquet(path, compression="zstd")
    return path


def p6(bench: Bench) -> list[Row]:
    """Parquet to run folder against raptorbt's Parquet to CSV of trades; and the peak memory of both (P7)."""
    bars = write_parquet(bench.tape(), bench.folder / "bars.parquet")
    config = bench.folder / "run.json"
    config.write_text(json.dumps(document_of(bench.tape().symbols), default=str), encoding="utf-8")
    out = bench.folder / "run"

    def ours(command: list[str]) -> Callable[[], Ended]:
        def run() -> Ended:
            shutil.rmtree(out, ignore_errors=True)
            return whole_process(
                [*command, "--bars", bars, "--config", config, "--timeframe", "m5", "--out", out], cwd=bench.folder
            )

        return run

    def theirs() -> Ended:
        return whole_process([python(), WHOLE_PEER, bars, bench.folder / "trades.csv"])

    rows = []
    for name, flags, suffix, time_goal, memory_goal in (
        ("backtest", ["--no-plots"], "", Goal("<=", 3, 1), Goal("<=", 2, 1)),
        ("backtest", [], ", plots too", None, None),
        ("replay", ["--no-plots"], "", None, None),
    ):
        what = f"axiomd {name}, Parquet to run folder{suffix}"
        note = (
            "the whole run folder; where there is a goal, its report is a line of its own; "
            "raptorbt finds inside bars in fixed hours "
            "of UTC, long only, all cash a trade, a stop in percent, and writes nothing but its trades"
        )
        try:
            run = ours([*product.command(name), *flags])
            if not bench.has_peers:
                ended = run()
                why = "needs the peers: make bench-peers"
                rows.append(Row("P6", what, "raptorbt", "s", None, ended.seconds, None, time_goal, why))
                rows.append(Row("P7", what, "raptorbt", "bytes", None, ended.peak_bytes, None, memory_goal, why))
                continue
            times, peaks = _both(theirs, run, bench.pairs)
            if time_goal is not None:
                report_s = in_turn([seconds(lambda: write_report(out))], bench.pairs)[0]
                share = report_s / times[1]
                rows.append(Row("P6", "its report.html, apart", "the whole command", "s", times[1], report_s, share))
                times = (times[0], times[1] - report_s)
            rows.append(Row("P6", what, "raptorbt", "s", *times, times[1] / times[0], time_goal, note))
            rows.append(Row("P7", what, "raptorbt", "bytes", *peaks, peaks[1] / peaks[0], memory_goal, note))
        except NotBuiltError as missing:
            rows.append(Row("P6", what, "raptorbt", "s", goal=time_goal, note=str(missing)))
            rows.append(Row("P7", what, "raptorbt", "bytes", goal=memory_goal, note=str(missing)))
    return rows


def s1(bench: Bench) -> list[Row]:
    """`axiomd kill`, from the shell to the durable latch."""
    goal = Goal("<=", 3, 1.5)
    try:
        command = product.command("kill")
    except NotBuiltError as missing:
        return [Row("S1", "axiomd kill", "python -c pass", "s", goal=goal, note=str(missing))]
    state = bench.folder / "state"
    state.mkdir(exist_ok=True)
    note = "exit 3, latched and no daemon known, is what it ends with here"
    return [_start_up("S1", "axiomd kill", command, goal, bench.pairs, note, {"AXIOMD_STATE_DIR": str(state)})]


def s2(bench: Bench) -> list[Row]:
    """`axiomd --help` and `axiomd status`."""
    goal = Goal("<=", 8, 3)
    rows = [_start_up("S2", "axiomd --help", [str(product.AXIOMD), "--help"], goal, bench.pairs)]
    try:
        rows.append(_start_up("S2", "axiomd status", product.command("status"), goal, bench.pairs, "no daemon running"))
    except NotBuiltError as missing:
        rows.append(Row("S2", "axiomd status", "python -c pass", "s", goal=goal, note=str(missing)))
    return rows


def s4(bench: Bench) -> list[Row]:
    """The console's first paint against importing textual."""
    return _later(bench, "S4", "console first paint", "importing textual", Goal("<=", 2, 1.3), "tui.app")


def _start_up(
    number: str,
    what: str,
    command: list[str],
    goal: Goal,
    pairs: int,
    note: str = "",
    env: Mapping[str, str] | None = None,
) -> Row:
    figures = in_turn([_process(list(PASS), {}), _process(command, env or {})], max(pairs, 11))
    return Row(number, what, "python -c pass", "s", *figures, figures[1] / figures[0], goal, note)


def _process(command: list[str], env: Mapping[str, str]) -> Measure:
    full = {**os.environ, **env}

    def measure() -> float:
        begin = time.perf_counter()
        subprocess.run(command, check=False, env=full, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - begin

    return measure


def _later(bench: Bench, number: str, what: str, reference: str, goal: Goal, module: str) -> list[Row]:
    del bench
    try:
        product.module(module)
        note = f"{module} is there: measure it in benchmarks/processes.py"
    except NotBuiltError as missing:
        note = str(missing)
    return [Row(number, what, reference, "s", goal=goal, note=note)]


def _both(
    theirs: Callable[[], Ended], ours: Callable[[], Ended], pairs: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Take both in turn and give (seconds, seconds), (bytes, bytes), each reference first."""
    peaks: dict[str, list[float]] = {"theirs": [], "ours": []}

    def seen(name: str, run: Callable[[], Ended]) -> Measure:
        def measure() -> float:
            ended = run()
            peaks[name].append(ended.peak_bytes)
            return ended.seconds

        return measure

    times = in_turn([seen("theirs", theirs), seen("ours", ours)], pairs)
    middle = {name: sorted(figures)[len(figures) // 2] for name, figures in peaks.items()}
    return (times[0], times[1]), (middle["theirs"], middle["ours"])
