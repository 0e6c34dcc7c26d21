"""``axiomd sweep``: many parameter sets over many symbols, on all cores or on a Dask cluster, same results."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from axiomd.contracts.errors import EXIT_OK, InputError, UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = "example: axiomd sweep --grid grid.yml --out artifacts/sweep"
    parser.add_argument("--grid", type=Path, required=True, metavar="FILE", help="base, bars and the values to try")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="results.parquet, sweep.json, pictures")
    parser.add_argument("--engine", choices=("local", "dask"), default="local")
    parser.add_argument("--scheduler", metavar="ADDR", help="of the Dask cluster, as tcp://HOST:PORT")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes of the local engine; default all cores")
    parser.add_argument("--no-plots", action="store_true", help="leave the pictures out")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Run the sweep."""
    from axiomd.cli.unwinding import unwinding
    from axiomd.replay.cluster import dask_blocks
    from axiomd.replay.grid import read_sweep
    from axiomd.replay.sweep import (
        local_blocks,
        run_sweep,
        summary_of,
        trial_count,
        write_results,
    )

    jobs = args.jobs if args.jobs is not None else (os.cpu_count() or 1)
    if jobs < 1:
        raise UsageError(f"{jobs} processes", "--jobs", "give 1 or more")
    if (args.engine == "dask") != (args.scheduler is not None):
        raise UsageError("--engine dask and --scheduler go together", "axiomd sweep", "give both or none")
    sweep = read_sweep(args.grid)
    with unwinding(), _made(args.out):
        with _progress(trial_count(sweep)) as step:
            engine = local_blocks(jobs, step) if args.engine == "local" else dask_blocks(args.scheduler, step)
            frame = run_sweep(sweep, engine)
        write_results(frame, args.out / "results.parquet")
        summary = summary_of(sweep, frame)
        (args.out / "sweep.json").write_text(json.dumps(summary, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        if not args.no_plots:
            from axiomd.runs.sweep_plots import draw_sweep

            keys = list(next(iter(sweep.config.parameter_sets())))
            draw_sweep(frame, keys, args.out)
    _show(summary, args.out, as_json=args.json)
    return EXIT_OK


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder for results; where there come to be none, take away what was made for them."""
    made: list[Path] = []
    try:
        try:
            made = [each for each in (folder, *folder.parents) if not each.exists()]
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"it cannot be written ({error.strerror})", str(folder), "name another folder") from error
        yield
    except BaseException:
        for each in made:
            with suppress(OSError):  # somebody put something into it
                each.rmdir()
        raise


def _show(summary: dict[str, Any], folder: Path, *, as_json: bool) -> None:
    from axiomd.cli.printing import print_json, print_table

    if as_json:
        print_json({"folder": str(folder), **summary})
        return
    print_table(("figure", "value"), _rows_of(summary), title="sweep")
    print(f"results: {folder / 'results.parquet'}")


def _rows_of(summary: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [(name, str(summary[name])) for name in ("trials", "sets", "rows")]
    best = summary["best"]
    if best is not None:
        rows.append(("best set by Sharpe ratio", f"{best['set']} ({best['symbol']}, fold {best['fold']})"))
        rows += [(f"  {key}", "null" if value is None else str(value)) for key, value in summary["best_values"].items()]
        rows += [("  Sharpe ratio", f"{best['sharpe']:.2f}"), ("  net P&L", f"{best['net_pnl']:,.2f}")]
        rows.append(("  trades", str(best["num_trades"])))
    deflated = summary["deflated_sharpe"]
    return [*rows, ("deflated Sharpe ratio", "–" if deflated is None else f"{deflated:.4f}")]


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("trials", total=total)
        yield lambda count: bar.update(task, advance=count)
