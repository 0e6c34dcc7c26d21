"""``axiomd backtest``: the compiled backtest, with the run folder of a replay but for the journal.

The same decisions as `axiomd replay`, by the same functions; what it leaves out is the journal, since nothing could
crash in between. Guards that refuse or trip are a result: exit 0.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from axiomd.cli.running import add_run_options, request_of, run_folder, show_run
from axiomd.cli.turns import short_turns
from axiomd.contracts.errors import EXIT_OK, ConfigError
from axiomd.core.uncollected import uncollected


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = "example: axiomd backtest --bars bars.parquet --config configs/runs/inside_bar.yml"
    add_run_options(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run folder itself; default artifacts/runs/RUN_ID")
    parser.add_argument("--no-plots", action="store_true", help="leave the two pictures out")


def run(args: argparse.Namespace) -> int:
    """Run the backtest."""
    with uncollected(), short_turns():
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    from axiomd.feeds.ahead import BarsAhead

    # before the imports below, which take as long as it takes to read a million bars
    bars = BarsAhead(args.bars)
    from axiomd.cli.unwinding import unwinding
    from axiomd.core.kernel_record import backtest
    from axiomd.daemon.clock import wall_us
    from axiomd.replay.code_ahead import load_code
    from axiomd.replay.finish import Times, finish, quality_of
    from axiomd.replay.prepare import prepare
    from axiomd.runs.artifacts import check_target
    from axiomd.runs.table_files import tables_beside

    started_us = wall_us()
    prepared = prepare(request_of(args), "backtest", bars, load_code)
    folder = run_folder(args.out, prepared.plan.run_id)
    check_target(folder.resolve())
    select = prepared.select if prepared.screens else None
    if prepared.plan.guards:
        names = ", ".join(guard.name for guard, _ in prepared.plan.guards)
        raise ConfigError(f"{names} is not compiled", "risk", "run axiomd replay instead")
    with (
        unwinding(),
        tables_beside(len(prepared.tape)) as writer,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="quality") as beside,
    ):
        # whole columns of bars, which hold the interpreter hardly at all, and go before the record fills the memory
        quality = beside.submit(quality_of, prepared)
        hear_first = None if writer is None else writer.send_first
        record = backtest(prepared.plan, prepared.tape, select, prepared.first_session, hear_first)
        times = Times(started_us, wall_us())
        folder, metrics = finish(
            prepared, record, folder, times, engine="kernel", quality=quality.result(), plots=not args.no_plots,
            writer=writer,
        )  # fmt: skip
    show_run(record, metrics, folder, as_json=args.json)
    return EXIT_OK
