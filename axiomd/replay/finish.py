"""The end of a run: what it was and what came of it, written to its folder.

It binds record, figures, quality and journal together for a command that drove the run and ends with it. It is told the
time; nothing in a folder but three times of the manifest depends on when or where it was written.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from axiomd import __version__
from axiomd.contracts.outcome import RunRecord
from axiomd.contracts.quality import QualitySummary, summarise
from axiomd.contracts.runs import DataFile, Manifest, Metrics, RunConfig
from axiomd.contracts.units import iso_time
from axiomd.core.market.sla import measure_tape
from axiomd.core.market.tape import TapeFile
from axiomd.core.metrics import metrics_of
from axiomd.core.plan import Plan
from axiomd.core.uncollected import uncollected
from axiomd.replay.prepare import Prepared
from axiomd.runs.artifacts import write_run
from axiomd.runs.provenance import git_sha, packages, params_of
from axiomd.runs.table_files import TablesBeside


@dataclass(frozen=True, slots=True)
class JournalEnd:
    """A finished journal: where it lies, its head and its count."""

    path: Path
    head: str
    count: int


@dataclass(frozen=True, slots=True)
class Times:
    """Wall-clock times of a run, UTC microseconds."""

    started_us: int
    finished_us: int


def finish(
    prepared: Prepared,
    record: RunRecord,
    folder: Path,
    times: Times,
    *,
    engine: Literal["replay", "kernel"] = "replay",
    journal: JournalEnd | None = None,
    quality: QualitySummary | None = None,
    plots: bool = True,
    writer: TablesBeside | None = None,
) -> tuple[Path, Metrics]:
    """Write a run folder and give its path and the figures. Raises `InputError` where it cannot be written.

    `quality` is what `quality_of` says, where it was asked before; `writer` writes some tables beside this process.
    """
    with uncollected():
        metrics = metrics_of(record, [own.id for own in prepared.plan.strategies])
        manifest = manifest_of(
            prepared.plan, prepared.config, prepared.files, prepared.config_hash, times, engine, journal
        )
        path = write_run(
            folder,
            record,
            manifest,
            metrics,
            quality=quality or quality_of(prepared),
            journal=None if journal is None else journal.path,
            plots=plots,
            writer=writer,
        )
    # what a run left lives until the process ends; walking over it there took 0.3 s of a million bars
    gc.freeze()
    return path, metrics


def quality_of(prepared: Prepared) -> QualitySummary:
    """Measure the bars of a run against the SLAs."""
    return summarise(measure_tape(prepared.tape))


def manifest_of(
    plan: Plan,
    config: RunConfig,
    files: Sequence[TapeFile],
    digest: str,
    times: Times,
    engine: Literal["replay", "kernel"],
    journal: JournalEnd | None,
) -> Manifest:
    """Say what a run was."""
    return Manifest(
        run_id=plan.run_id,
        created_at=iso_time(times.finished_us),
        engine=engine,
        mode="replay" if engine == "replay" else "backtest",
        strategy="+".join(own.id for own in plan.strategies),
        strategy_version="+".join(own.strategy.version for own in plan.strategies),
        params=params_of(plan.strategies),
        symbols=tuple(config.all_symbols()),
        calendar=config.calendar,
        tz=config.tz,
        data=tuple(
            DataFile(
                path=file.path,
                sha256=file.sha256,
                rows=file.rows,
                first_ts=iso_time(file.first_ts_us) if file.rows else None,
                last_ts=iso_time(file.last_ts_us) if file.rows else None,
            )
            for file in files
        ),
        config_hash=digest,
        code_version=__version__,
        git_sha=git_sha(),
        packages=packages(),
        seed=config.seed,
        costs=config.costs,
        initial_cash=config.initial_cash,
        currency=config.currency,
        journal_head=None if journal is None else journal.head,
        journal_count=None if journal is None else journal.count,
        started_at=iso_time(times.started_us),
        finished_at=iso_time(times.finished_us),
    )
