"""The run folders of paper and live days: each session's record, folded as it happens and written when it is over.

A session's record begins anew with the session, so a folder is that day's and nothing else's. At start the folder of
any closed session that lacks one is written from the journal.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from axiomd import __version__
from axiomd.config.settings import Places
from axiomd.contracts import events as e
from axiomd.contracts.errors import StoreError
from axiomd.contracts.outcome import CurvePoint, RunRecord
from axiomd.contracts.quality import summarise
from axiomd.contracts.runs import DataFile, Manifest, RunConfig
from axiomd.contracts.units import iso_time
from axiomd.core.counts import left_out, no_setups_of, note_activity
from axiomd.core.engine import Engine
from axiomd.core.market.sessions import Int64Array
from axiomd.core.market.sla import measure_bars
from axiomd.core.market.tape import TAPE_WIDTH, TS_US, bars_sha256, count_between_ticks
from axiomd.core.metrics import metrics_of, percent_of_peak
from axiomd.journal.day_bars import Span, bars_of
from axiomd.journal.watched import symbols_of
from axiomd.runs.artifacts import write_run
from axiomd.runs.for_people import write_beside
from axiomd.runs.provenance import git_sha, packages
from axiomd.runs.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Day:
    """A session that is over: what it left behind, its rows in the journal, and the journal's head at its end.

    `loaded` are the configurations up to its close, the last of which was its own; `dropped` bars of its feed lay
    outside sessions.
    """

    run_id: str
    record: RunRecord
    started_us: int
    finished_us: int
    journal_head: str
    rows: Span
    loaded: tuple[e.ConfigLoaded, ...]
    dropped: int


class Days:
    """Fold events into the record of the session under way; keep those that are over until they are written."""

    def __init__(self, engine: Engine, artifacts_dir: Path, dropped_near: Callable[[int], int]) -> None:
        self._engine = engine
        self._artifacts_dir = artifacts_dir
        self._dropped_near = dropped_near
        self._recorder: Recorder | None = None
        self._opened: e.SessionOpened | None = None
        self._before = self._so_far()
        self._first_row = 0
        self._loaded: list[e.ConfigLoaded] = []
        self._loaded_before: tuple[e.ConfigLoaded, ...] = ()
        self._closed: RunRecord | None = None
        self.over: list[Day] = []

    def event(self, event: e.Event, journal_head: Callable[[], str], journal_count: int) -> None:
        """Take an event in: what the world says before the engine has it. `journal_head` is asked for at a close."""
        if isinstance(event, e.ConfigLoaded):
            self._loaded.append(event)
        if isinstance(event, e.SessionOpened):
            account = self._engine.account
            self._opened, self._closed = event, None
            self._first_row, self._loaded_before = journal_count, tuple(self._loaded)
            self._recorder = Recorder(int(account["cash"]), self._engine.plan.currency)
            self._before = self._so_far()
            self._recorder.record.curve.append(
                CurvePoint(
                    ts_us=event.open_us,
                    equity=int(account["equity"]),
                    cash=int(account["cash"]),
                    gross_exposure=0,
                    drawdown=0,
                )
            )
        if self._recorder is None:
            return
        self._recorder.take(event)
        if isinstance(event, e.KillReset):
            self._recorder.record.operator_resumes += 1
        if isinstance(event, e.SessionClosed) and self._opened is not None:
            self._close(self._recorder, self._opened, event, journal_head(), journal_count)
            self._recorder = None

    def mark(self, point: CurvePoint) -> None:
        """Take a point of the equity curve in; what it says of drawdown is from the day's own peak, as the figures are.

        Points come event by event, so that the peak is that of the point's moment.
        """
        today = int(point.equity - self._engine.account["session_peak"])
        point = msgspec.structs.replace(point, drawdown=today)
        if self._recorder is not None:
            self._recorder.record.curve.append(point)
        elif self._closed is not None:
            # the close's own point comes after the event
            self._closed.curve.append(point)

    def _so_far(self) -> RunRecord:
        """Give what the board has counted up to now."""
        account, counted = self._engine.account, RunRecord(0, "")
        counted.moments, counted.moments_exposed = int(account["moments"]), int(account["moments_exposed"])
        note_activity(counted, self._engine.plan, self._engine.board)
        counted.counts = no_setups_of(self._engine.plan, self._engine.board)
        return counted

    def _close(
        self, recorder: Recorder, opened: e.SessionOpened, closed: e.SessionClosed, head: str, count: int
    ) -> None:
        record, account = recorder.record, self._engine.account
        self._closed = record
        record.final_cash = int(account["cash"])
        record.session_closes.append((closed.ts_us, int(account["equity"])))
        record.max_drawdown = int(account["session_drawdown"])
        record.max_drawdown_pct = percent_of_peak(record.max_drawdown, account["session_drawdown_peak"])
        now, before = self._so_far(), self._before
        record.moments = now.moments - before.moments
        record.moments_exposed = now.moments_exposed - before.moments_exposed
        record.by_strategy = {name: own.since(before.by_strategy[name]) for name, own in now.by_strategy.items()}
        record.counts = {why: number - before.counts[why] for why, number in now.counts.items()}
        if not (self._artifacts_dir / "runs" / opened.run_id / "manifest.json").is_file():
            rows = Span(self._first_row, count, self._loaded_before)
            dropped = self._dropped_near(opened.open_us)
            loaded = tuple(self._loaded)
            self.over.append(Day(opened.run_id, record, opened.open_us, closed.ts_us, head, rows, loaded, dropped))


def clear_half_written(artifacts_dir: Path, mode: str, account: str) -> None:
    """Take away what a daemon left that was killed while it wrote a folder; the caller holds the state dir's lock."""
    for left in (artifacts_dir / "runs").glob(f".{mode}-{account}-*"):
        shutil.rmtree(left, ignore_errors=True)


def write_day(
    day: Day, places: Places, engine: Engine, created_us: int, mode: Literal["paper", "live"]
) -> Path:  # fmt: skip
    """Write a day's run folder and give its path. Raises `InputError` where it cannot be written.

    It says under which configuration the day closed: the one of today may be another by now.
    """
    plan, own = engine.plan, day.loaded[-1]
    config = RunConfig.model_validate(own.config)
    known = {symbol for loaded in day.loaded for symbol in symbols_of(loaded.config)}
    instruments = [instrument for instrument in plan.instruments if instrument.symbol in known]
    symbols = tuple(instrument.symbol for instrument in instruments)
    bars, strategies = _bars_of(day, places.journal, symbols), config.normalised()
    data: tuple[DataFile, ...] = ()
    quality = None
    if len(bars):
        file = DataFile(
            path=str(places.journal),
            sha256=bars_sha256(symbols, bars, plan.bar_us),
            rows=len(bars),
            first_ts=iso_time(int(bars[0, TS_US])),
            last_ts=iso_time(int(bars[-1, TS_US])),
        )
        data, quality = (file,), summarise(measure_bars(symbols, bars, plan.sessions, plan.bar_us))
    manifest = Manifest(
        run_id=day.run_id,
        created_at=iso_time(created_us),
        engine="daemon",
        mode=mode,
        strategy="+".join(entry.id for entry in strategies),
        strategy_version="+".join(entry.version for entry in strategies),
        params=strategies[0].params if len(strategies) == 1 else {entry.id: entry.params for entry in strategies},
        symbols=tuple(config.all_symbols()),
        calendar=config.calendar,
        tz=config.tz,
        data=data,
        config_hash=own.config_hash,
        code_version=__version__,
        git_sha=git_sha(),
        packages=packages(),
        seed=config.seed,
        costs=config.costs,
        initial_cash=config.initial_cash,
        currency=config.currency,
        journal_head=day.journal_head,
        journal_count=day.rows.last,
        started_at=iso_time(day.started_us),
        finished_at=iso_time(day.finished_us),
    )
    ticks = np.array([instrument.tick_size for instrument in instruments], np.int64)
    day.record.counts = {**day.record.counts, **left_out(day.dropped, count_between_ticks(bars, ticks))}
    metrics = metrics_of(day.record, [entry.id for entry in strategies])
    folder = places.artifacts_dir / "runs" / day.run_id
    return write_run(
        folder, day.record, manifest, metrics, quality=quality, living_journal=places.journal, for_people=write_beside
    )


def _bars_of(day: Day, journal: Path, symbols: tuple[str, ...]) -> Int64Array:
    try:
        return bars_of(journal, day.rows, symbols)
    except (StoreError, sqlite3.Error):
        # a folder without its quality is more than none: the journal died, and the day's orders are known all the same
        return np.empty((0, TAPE_WIDTH), np.int64)
