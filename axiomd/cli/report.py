"""``axiomd report``: write a run's report again from the files of its folder, for one run or for all.

It reads run folders and writes report.html and the two pictures in them; the figures stay as the run left them. Of all
runs, those that are damaged are told behind the others and keep no report from being written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from axiomd.cli.printing import print_json
from axiomd.config.settings import places
from axiomd.contracts.errors import EXIT_INPUT, EXIT_OK, InputError, UsageError

_EXAMPLE = """example:
  axiomd report artifacts/runs/replay-0a1b2c3d-4e5f6071
  axiomd report replay-0a1b2c3d-4e5f6071 --no-plots
  axiomd report --all"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = _EXAMPLE
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run folder, or a run_id under artifacts/runs")
    parser.add_argument("--all", action="store_true", help="every run under artifacts/runs")
    parser.add_argument("--no-plots", action="store_true", help="leave the pictures as they are")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Write what was asked for and print each path; raises `UsageError`, and `InputError` for a run that was named."""
    folders = _folders(args.run, is_all=args.all)
    reports: list[Path] = []
    failures: list[InputError] = []
    for folder in folders:
        try:
            reports.append(_write(folder, plots=not args.no_plots))
        except InputError as error:
            if not args.all:
                raise
            failures.append(error)
    _print(reports, as_json=args.json)
    for failure in failures:
        print(failure.line(), file=sys.stderr)
    return EXIT_INPUT if failures else EXIT_OK


def _print(reports: Sequence[Path], *, as_json: bool) -> None:
    if as_json:
        print_json({"reports": [str(path) for path in reports]})
        return
    for path in reports:
        print(path)


def _folders(named: str | None, *, is_all: bool) -> list[Path]:
    # Reading a run loads nothing heavy, but the command's help should load nothing at all
    from axiomd.runs.folder import find_runs

    if (named is None) != is_all:
        raise UsageError("name one run or say --all", "axiomd report", "see axiomd report --help")
    where = places()
    homes = list(dict.fromkeys((where.run_artifacts_dir, where.artifacts_dir)))
    if named is None:
        found = [folder for home in homes for folder in find_runs(home)]
        if not found:
            raise InputError(
                "there is no run", " and ".join(str(home / "runs") for home in homes), "replay a day first"
            )
        return found
    candidates = [Path(named), *(home / "runs" / named for home in homes)]
    return [next((path for path in candidates if path.is_dir()), candidates[0])]


def _write(folder: Path, *, plots: bool) -> Path:
    from axiomd.runs.report import write_report

    try:
        if plots:
            # matplotlib takes longer to load than all the rest
            from axiomd.runs.plots import draw_curves

            draw_curves(folder)
        return write_report(folder)
    except (OSError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError) as error:
        # the files are there with their columns, and one of them holds what is no number, time or zone
        raise InputError(
            f"the run cannot be shown ({type(error).__name__}: {error})", str(folder), "write the run again"
        ) from error
