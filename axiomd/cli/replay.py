"""``axiomd replay``: the whole daemon over recorded bars under a virtual clock, or a recorded day decided again.

A replay in which guards refuse or trip ends with 0: that is a result. A journal whose decisions do not come out again
ends with 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from axiomd.cli.recorded import journal_as_input, journal_path
from axiomd.cli.running import add_run_options, request_of, run_folder, show_run
from axiomd.cli.turns import short_turns
from axiomd.contracts.errors import EXIT_OK, EXIT_REFUSED, InputError, UsageError
from axiomd.core.uncollected import uncollected

if TYPE_CHECKING:
    from datetime import date

    from axiomd.contracts.events import RunStarted
    from axiomd.contracts.outcome import RunRecord
    from axiomd.contracts.runs import RunConfig
    from axiomd.core.market.tape import Tape
    from axiomd.replay.finish import JournalEnd
    from axiomd.replay.prepare import Prepared

DIFFERENCES_SHOWN = 20
BAR_FROM_ROWS = 50_000
"""A replay of fewer bars is over before a progress bar could be read."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = (
        "example: axiomd replay --bars bars.parquet --config configs/runs/inside_bar.yml --symbols SPY,IBM\n"
        "example: axiomd replay --journal artifacts/runs/RUN/journal.sqlite"
    )
    add_run_options(parser, needs_bars=False)
    parser.add_argument("--speed", default="max", metavar="max|N", help="N times as fast as the market; default max")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run folder itself; default artifacts/runs/RUN_ID")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="decide a recorded day again and compare")
    parser.add_argument("--no-plots", action="store_true", help="leave the two pictures out")


def run(args: argparse.Namespace) -> int:
    """Replay bars, or a journal."""
    if args.journal is not None:
        return _decide_again(args)
    if args.bars is None:
        raise UsageError("no bars are named", "axiomd replay", "give --bars PATH or --journal FILE")
    return _replay(args)


def _replay(args: argparse.Namespace) -> int:
    speed = _speed(args.speed)
    with uncollected(), short_turns():
        from axiomd.feeds.ahead import BarsAhead

        # before the imports below, which take as long as it takes to read a million bars
        bars = BarsAhead(args.bars)
        from axiomd.daemon.clock import wall_us
        from axiomd.replay.finish import Times, finish
        from axiomd.replay.prepare import prepare
        from axiomd.runs.artifacts import check_target
        from axiomd.runs.table_files import tables_beside

        started_us = wall_us()
        prepared = prepare(request_of(args), bars=bars)
    folder = run_folder(args.out, prepared.plan.run_id)
    check_target(folder.resolve())
    with _journal_beside(folder) as path, tables_beside(len(prepared.tape)) as writer:
        record, end = _drive(prepared, path, speed)
        times = Times(started_us, wall_us())
        with short_turns():
            folder, metrics = finish(
                prepared, record, folder, times, journal=end, plots=not args.no_plots, writer=writer
            )
    show_run(record, metrics, folder, as_json=args.json)
    return EXIT_OK


def _drive(prepared: Prepared, path: Path, speed: float | None) -> tuple[RunRecord, JournalEnd]:
    from time import sleep

    from axiomd.daemon.clock import monotonic_us
    from axiomd.journal.bulk import BulkJournal
    from axiomd.replay.driver import Pace, Replay
    from axiomd.replay.finish import JournalEnd

    with BulkJournal(path, prepared.plan.run_id) as journal, _progress(len(prepared.tape)) as step:
        replay = Replay(
            prepared.plan,
            prepared.tape,
            journal,
            prepared.select,
            identity=prepared.identity,
            first_session=prepared.first_session,
            progress=step,
            pace=None if speed is None else Pace(speed, monotonic_us, sleep),
        )
        replay.run()
    return replay.recorder.record, JournalEnd(path, journal.head.hex(), journal.count)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError(f"{text!r} is no speed", "--speed", "write max or a number above 0")
    return speed


@contextmanager
def _journal_beside(folder: Path) -> Iterator[Path]:
    """Give a place for the journal on the disk of the run folder, of this run alone: the same run may be made twice at
    a time. Nothing is left of it when the run breaks off.
    """
    from tempfile import TemporaryDirectory

    from axiomd.cli.unwinding import unwinding

    folder = folder.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-", ignore_cleanup_errors=True)
    except OSError as error:
        raise InputError(
            f"the run cannot be written ({error.strerror})", str(folder.parent), "check the folder and its permissions"
        ) from error
    with unwinding(), place as beside:
        yield Path(beside) / "journal.sqlite"


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None] | None]:
    if not sys.stderr.isatty() or total < BAR_FROM_ROWS:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:-1], TextColumn("{task.completed:,.0f} bars"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replay", total=total)
        yield lambda rows: bar.update(task, advance=rows)


def _decide_again(args: argparse.Namespace) -> int:
    from axiomd.cli.printing import print_json
    from axiomd.replay.rejournal import replay_journal

    path = journal_path(args.journal)
    with journal_as_input():
        found = replay_journal(path, lambda started, config, last: _tape(args, path, started, config, last))
    if args.json:
        print_json(
            {
                "events": found.events,
                "decisions": found.decisions,
                "differences": [difference.line() for difference in found.differences],
            }
        )
    else:
        verdict = "every decision came out again" if not found.differences else f"{len(found.differences)} differ"
        print(f"{found.decisions} decisions of {found.events} events: {verdict}")
        for difference in found.differences[:DIFFERENCES_SHOWN]:
            print(f"  {difference.line()}")
    return EXIT_REFUSED if found.differences else EXIT_OK


def _tape(args: argparse.Namespace, journal: Path, started: RunStarted, config: RunConfig, last: date) -> Tape:
    """Find the bars a replay's journal refers to: those named, else those of the manifest beside it."""
    import json

    from axiomd.contracts.errors import DataContractError
    from axiomd.contracts.units import MINUTE_US
    from axiomd.feeds.files import load_tape

    places: list[Path] = [args.bars] if args.bars is not None else []
    if not places:
        try:
            manifest = json.loads((journal.parent / "manifest.json").read_text("utf-8"))
            places = [Path(entry["path"]) for entry in manifest["data"]]
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError("the bars of this journal are not known", str(journal), "name them by --bars") from None
    ticks = {symbol: config.instrument_of(symbol).tick_size for symbol in config.all_symbols()}
    # a manifest names bars first, then files of rates and daily bars, and does not say where the first end
    for count in range(len(places), 0, -1):
        try:
            tape = load_tape(
                places[:count],
                config.all_symbols(),
                config.calendar,
                timeframe="m1" if started.bar_us == MINUTE_US else "m5",
                last=last,
                tick_units=ticks,
            )
        except DataContractError:
            continue
        except InputError:  # one of them is no intraday file, or the bars themselves cannot be read
            if count == 1:
                raise
            continue
        if tape.sha256 == started.market_sha256:
            return tape
    raise InputError("these are not the bars of the journal", str(places[0]), "name the right ones by --bars")
