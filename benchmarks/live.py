"""L3 and L4: the pipeline and the journal, measured as the daemon's desk calls them.

The desk itself is in `desk`, the whole daemon in `daemons`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import aiosqlite
import polars as pl

from axiomd.config.binding import bind
from axiomd.contracts import events as e
from axiomd.contracts.runs import RunConfig
from axiomd.contracts.units import MINUTE_US
from axiomd.core.engine import Engine
from axiomd.journal.log import Journal
from benchmarks.bench import Bench
from benchmarks.job import document_of
from benchmarks.market import dense_tape
from benchmarks.measure import Goal, Row, in_turn, percentile

SYMBOLS: Final = 500
MINUTES: Final = 390
TOGETHER: Final = 32
NEVER_A_SETUP_ATR: Final = 1000.0


def l3(bench: Bench) -> list[Row]:
    """500 symbols, one minute, no order: the whole pipeline against one call of polars on one symbol."""
    steps = _pipeline()
    frame = _one_symbol()

    def polars_call() -> object:
        return frame.group_by_dynamic("ts", every="5m", closed="left", label="left").agg(
            pl.col("OPEN").first(),
            pl.col("HIGH").max(),
            pl.col("LOW").min(),
            pl.col("CLOSE").last(),
            pl.col("VOLUME").sum(),
        )

    def ours() -> float:
        engine, minutes = steps()
        return percentile([_timed(lambda event=event: engine.handle(event)) for event in minutes], 0.95)  # type: ignore[misc]

    def theirs() -> float:
        return percentile([_timed(polars_call) for _ in range(MINUTES)], 0.95)

    reference, product = in_turn([theirs, ours], bench.pairs)
    what = f"{SYMBOLS} symbols, a minute through Engine.handle, p95"
    note = "one session of 390 minutes; the p95 falls on minutes in which all M5 bars finish; decoding, journal apart"
    return [
        Row(
            "L3",
            what,
            "polars group_by_dynamic, p95",
            "s",
            reference,
            product,
            product / reference,
            Goal("<=", 1, 0.2),
            note,
        )
    ]


def l4(bench: Bench) -> list[Row]:
    """32 events at once, all durable: our journal against aiosqlite one by one, and against one raw commit."""
    events = [e.OrderAcked(ts_us=index, key=f"{index:016x}", broker_id=index) for index in range(TOGETHER)]
    rounds = 20
    folder = bench.folder

    def journal() -> float:
        path = folder / "group.sqlite"
        _forget(path)
        with Journal(path, "bench") as log:

            def group() -> None:
                for event in events:
                    log.append(event)
                log.commit()

            return percentile([_timed(group) for _ in range(rounds)], 0.5)

    figures = in_turn(
        [
            lambda: asyncio.run(_one_by_one(folder / "aio.sqlite", rounds)),
            journal,
            lambda: percentile(raw_commits(folder / "raw.sqlite", rounds), 0.5),
        ],
        bench.pairs,
    )
    what = f"journal: {TOGETHER} events hashed, chained, durable"
    return [
        Row(
            "L4", what, f"aiosqlite, {TOGETHER} inserts and a commit", "s", figures[0], figures[1],
            figures[1] / figures[0],
            Goal("<=", 0.5, 0.2), "called in the process; the daemon's hop to its writer thread is not in it",
        ),
        Row(
            "L4", what, "raw FULL commit of one row", "s", figures[2], figures[1], figures[1] / figures[2], None,
            "how much the disk's own part of it is",
        ),
    ]  # fmt: skip


def raw_commits(path: Path, rounds: int) -> list[float]:
    """Give the seconds of so many durable commits of one row each, bare SQLite."""
    _forget(path)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute(_TABLE)
    try:
        return [_timed(lambda: db.execute(_INSERT, _ROW)) for _ in range(rounds)]
    finally:
        db.close()


def _pipeline() -> Callable[[], tuple[Engine, list[e.BarsClosed]]]:
    tape = dense_tape(SYMBOLS * MINUTES, SYMBOLS, step_minutes=1)
    document = RunConfig.model_validate(document_of(tape.symbols, NEVER_A_SETUP_ATR))
    plan = bind(document, tape.sessions, MINUTE_US, "bench", "paper")
    rows = [tuple(row) for row in tape.bars.tolist()]
    minutes = [
        e.BarsClosed(ts_us=rows[first][0] + MINUTE_US, rows=tuple(rows[first : first + SYMBOLS]))  # type: ignore[arg-type]
        for first in range(0, len(rows), SYMBOLS)
    ]
    open_us, close_us = int(tape.sessions.open_us[0]), int(tape.sessions.close_us[0])

    def fresh() -> tuple[Engine, list[e.BarsClosed]]:
        engine = Engine(plan)
        engine.handle(e.BrokerConnected(ts_us=open_us, broker="sim", account="SIM"))
        engine.handle(e.ReconCompleted(ts_us=open_us, positions={}))
        engine.handle(
            e.SessionOpened(ts_us=open_us, session="1971-01-04", run_id="bench", open_us=open_us, close_us=close_us)
        )
        engine.handle(e.CandidatesSelected(ts_us=open_us, strategy="inside_bar", symbols=tape.symbols))
        return engine, minutes

    return fresh


def _one_symbol() -> pl.DataFrame:
    bars = dense_tape(MINUTES, 1, step_minutes=1).bars
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "ts": [begin + timedelta(microseconds=ts_us) for ts_us in bars[:, 0].tolist()],
            **{name: bars[:, column] / 10_000 for column, name in enumerate(("OPEN", "HIGH", "LOW", "CLOSE"), start=2)},
            "VOLUME": bars[:, 6],
        }
    ).set_sorted("ts")


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _forget(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


_TABLE: Final = "CREATE TABLE events (seq INTEGER PRIMARY KEY, ts_us INTEGER, kind TEXT, payload TEXT)"
_INSERT: Final = "INSERT INTO events (ts_us, kind, payload) VALUES (?, ?, ?)"
_ROW: Final = (1, "order.acked", '{"ts_us":1,"key":"0000000000000001","broker_id":1}')


async def _one_by_one(path: Path, rounds: int) -> float:
    _forget(path)
    async with aiosqlite.connect(path) as db:
        await db.execute("PRAGMA journal_mode=WAL")
        await db.execute("PRAGMA synchronous=FULL")
        await db.execute(_TABLE)
        await db.commit()
        taken = []
        for _ in range(rounds):
            begin = time.perf_counter()
            for _ in range(TOGETHER):
                await db.execute(_INSERT, _ROW)
            await db.commit()
            taken.append(time.perf_counter() - begin)
        return percentile(taken, 0.5)
