"""L1 and L2: the daemon's desk with a real journal and the simulated broker in a process of its own.

Everything from a closed bar to the bytes of the order is the daemon's own; what is left out is the feed and the inbox
before it. The clock stops when the socket has taken the bytes.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import numpy as np

from axiomd import latch
from axiomd.config.binding import bind
from axiomd.contracts import events as e
from axiomd.contracts.runs import RunConfig
from axiomd.core.engine import Engine
from axiomd.core.market.tape import Tape
from axiomd.core.plan import Plan
from axiomd.core.warm_up import warm_up
from axiomd.daemon.broker_process import BrokerProcess
from axiomd.daemon.desk import Desk
from axiomd.daemon.ears import Ears
from axiomd.daemon.journal_thread import JournalThread
from axiomd.daemon.sim_link import ProcessLink, setup_of
from axiomd.journal.beside import Writer
from axiomd.journal.live import LiveJournal
from benchmarks.bench import Bench
from benchmarks.job import document_of
from benchmarks.live import raw_commits
from benchmarks.market import dense_tape
from benchmarks.measure import Goal, NotBuiltError, Row, percentile

WINDOWS: Final = tuple(
    f"{m // 60:02d}:{m % 60:02d}-{(m + 30) // 60:02d}:{(m + 30) % 60:02d}" for m in range(570, 960, 30)
)
"""Half hours of the whole session, so that orders come often."""
SESSIONS: Final = 20
SYMBOLS: Final = 500
LEGS: Final = {"long": 1, "both": 2}
"""Orders of a group by the sides that a strategy trades."""
ORDERS_RATE_MAX: Final = 10_000
"""The brake on runaways, which can be raised and not be switched off."""
MOMENTS: Final = 3
"""Moments of L2 with an order of every symbol that a round waits for."""
RAW_ROUNDS: Final = 100


def l1(bench: Bench) -> list[Row]:
    """Last bar in, durable intent, bytes out, one symbol."""
    tape = dense_tape(SESSIONS * 390, 1, step_minutes=1)
    ours = _Rounds(bench, tape, lambda sent: sent[0], orders_min=1, moments_max=10_000)
    raw = ours.against(lambda: raw_commits(bench.folder / "raw.sqlite", RAW_ROUNDS))
    what = "last M1 bar in to bytes out, one symbol"
    note = f"{ours.count} orders a round; the moment's broker round trip, the commit and its thread hop are in it"
    return [
        Row("L1", f"{what}, {name}", f"raw FULL commit, {name}", "s", *figures, figures[1] / figures[0],
            Goal("<=", 5, 2.5), note)
        for name, figures in raw.items()
    ]  # fmt: skip


def l2(bench: Bench) -> list[Row]:
    """The same with 500 symbols that each send an order, then with two each: until the last one is out."""
    tape = _alike(dense_tape(2 * 390, 1, step_minutes=1), SYMBOLS)
    rows = []
    for sides, each, goal in (("long", "an order each", Goal("<=", 80, 20)), ("both", "an OCO group each", None)):
        count = LEGS[sides] * SYMBOLS
        ours = _Rounds(bench, tape, lambda sent: sent[-1], orders_min=count, moments_max=MOMENTS, sides=sides)
        figures = ours.against(lambda: raw_commits(bench.folder / "raw.sqlite", RAW_ROUNDS))["p50"]
        note = f"{count} orders in one minute, one transaction, then sent, some dozens a write; answers come behind"
        what = f"bar in to the last of {SYMBOLS} symbols sent, {each}"
        rows.append(Row("L2", what, "raw FULL commit", "s", *figures, figures[1] / figures[0], goal, note))
    return rows


class _Rounds:
    """Rounds of a whole desk over a tape, each in a fresh folder, in turn with a reference."""

    def __init__(
        self, bench: Bench, tape: Tape, pick: Callable[[list[float]], float], *, orders_min: int, moments_max: int,
        sides: str = "both",
    ) -> None:  # fmt: skip
        self._bench = bench
        self._tape = tape
        self._plan = _plan(tape, sides)
        self._pick = pick
        self._orders_min = orders_min
        self._moments_max = moments_max
        self.count = 0

    def against(self, reference: Callable[[], list[float]]) -> dict[str, tuple[float, float]]:
        """Give p50 and p95 of reference and desk: the medians over the pairs, after one round that warms up."""
        taken: list[tuple[list[float], list[float]]] = []
        for _ in range(self._bench.pairs + 1):
            taken.append((reference(), anyio.run(self._round)))
        self.count = len(taken[-1][1])
        return {
            name: tuple(percentile([percentile(pair[side], part) for pair in taken[1:]], 0.5) for side in (0, 1))  # type: ignore[misc]
            for name, part in (("p50", 0.5), ("p95", 0.95))
        }

    async def _round(self) -> list[float]:
        found: list[float] = []
        async with _at_the_desk(self._bench.folder / "desk", self._plan) as (desk, line):
            for happening in _minutes(self._plan, self._tape):
                if isinstance(happening, e.BarsClosed):
                    line.begin()
                    begin = time.perf_counter()
                    await desk.moment(happening.ts_us, happening.rows)
                    sent = line.sent
                    if len(sent) >= self._orders_min:
                        found.append(self._pick(sent) - begin)
                        if len(found) >= self._moments_max:
                            break
                elif isinstance(happening, e.SessionClosed):
                    await desk.end_session(happening.ts_us, happening.session)
                else:
                    chosen = [
                        e.CandidatesSelected(ts_us=happening.ts_us, strategy=own.id, symbols=own.symbols)
                        for own in self._plan.strategies
                    ]
                    await desk.open_session(happening, chosen)
        if not found:
            raise NotBuiltError("no order left the desk: nothing was measured")
        return found


class _Line(ProcessLink):
    """The line to the broker, with the times at which the socket had taken what was written."""

    def __init__(self) -> None:
        super().__init__()
        self._taken: list[tuple[float, bytes]] = []
        self._held: list[bytes] = []

    @property
    def sent(self) -> list[float]:
        """Give the time of each opening order; counting them takes as long as sending, so it is done behind it."""
        return [at_s for at_s, data in self._taken if b'"op":"place"' in data for _ in range(data.count(b'"order_id"'))]

    def begin(self) -> None:
        """Forget what was written so far."""
        self._taken.clear()

    def write(self, data: bytes) -> None:
        super().write(data)
        assert self._transport is not None
        if self._transport.get_write_buffer_size():
            self._held.append(data)
        else:
            self._taken.append((time.perf_counter(), data))

    def resume_writing(self) -> None:
        super().resume_writing()
        now_s = time.perf_counter()
        self._taken += [(now_s, data) for data in self._held]
        self._held.clear()


@asynccontextmanager
async def _at_the_desk(folder: Path, plan: Plan) -> Any:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    latch.create(folder, at_us=0, by="bench")
    process = BrokerProcess(folder, folder)
    process.start()
    link: _Line | None = None
    with anyio.fail_after(20):
        while link is None:
            try:
                _, link = await asyncio.get_running_loop().create_unix_connection(_Line, str(process.socket))
            except OSError:  # its socket is there a little before it listens
                await anyio.sleep(0.01)
    async with anyio.create_task_group() as group:
        await group.start(link.listen, lambda events: None)  # noqa: ARG005
        try:
            await link.attach(setup_of(plan, "SIM"))
            warm_up(plan)
            with LiveJournal(folder / "journal.sqlite", "bench") as journal:
                thread = JournalThread()
                desk = Desk(Engine(plan), journal, link, folder, ears=Ears(), age_us_max=5_000_000, beside=thread.run)
                await desk.take(e.BrokerConnected(ts_us=0, broker="sim", account="SIM"))
                await desk.agree()
                await desk.hand_over(Writer(journal.path))
                yield desk, link
                thread.close()
        finally:
            await link.stop()
            group.cancel_scope.cancel()


def _plan(tape: Tape, sides: str) -> Plan:
    document = document_of(tape.symbols, 0.0)
    document["strategy"]["params"] |= {"windows": list(WINDOWS), "atr_period": 2, "sides": sides}
    document["sizing"] = {"mode": "fixed", "fixed_qty": 10}
    document["risk"] = {"message_rate": {"orders": ORDERS_RATE_MAX, "seconds": 1}}
    return bind(RunConfig.model_validate(document), tape.sessions, tape.timeframe_us, "bench", "paper")


def _minutes(plan: Plan, tape: Tape) -> Iterator[e.SessionOpened | e.BarsClosed | e.SessionClosed]:
    """Play a tape as a feed would: what closes together comes together."""
    bars, sessions = tape.bars, tape.sessions
    for session in range(len(sessions)):
        open_us, close_us = int(sessions.open_us[session]), int(sessions.close_us[session])
        first, last = np.searchsorted(bars[:, 0], (open_us, close_us))
        if first == last:
            continue
        date = sessions.date(session).isoformat()
        yield e.SessionOpened(ts_us=open_us, session=date, run_id=f"bench-{date}", open_us=open_us, close_us=close_us)
        rows = [tuple(row) for row in bars[first:last].tolist()]
        for begin in range(0, len(rows), len(tape.symbols)):
            together = tuple(rows[begin : begin + len(tape.symbols)])
            yield e.BarsClosed(ts_us=together[0][0] + plan.bar_us, rows=together)  # type: ignore[arg-type]
        yield e.SessionClosed(ts_us=close_us, session=date)


def _alike(one: Tape, count: int) -> Tape:
    """Give many symbols the bars of one, so that all of them find their setups in the same minutes."""
    bars = np.repeat(one.bars, count, axis=0)
    bars[:, 1] = np.tile(np.arange(count), len(one.bars))
    names = tuple(f"S{index:03d}" for index in range(count))
    return Tape(names, bars, one.timeframe_us, one.sessions, 0, 0, "", ())
