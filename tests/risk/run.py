"""Play every scenario and print what came of it: `python -m tests.risk [--json] [--config FILE]`.

1 where a scenario ended otherwise than it should, or a guard lacks one that it lets pass, or one that it speaks in.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from axiomd.cli.printing import print_json
from axiomd.config.load import load_run
from axiomd.contracts.errors import AxiomdError
from tests.risk import scenarios
from tests.risk.outcome import PASSED
from tests.risk.scenario import Row
from tests.risk.table import Report, document_of, print_report

PLUGIN_UNTRIED = "of another package: its own tests hold it"


def report_of(plugins: Sequence[str] = ()) -> Report:
    """Play all; `plugins` are the keys of guards of other packages."""
    rows = tuple(Row(each, each.play(each.guard)) for each in scenarios.SCENARIOS)
    passing = {row.scenario.guard for row in rows if row.scenario.expected == PASSED}
    speaking = {row.scenario.speaker for row in rows}
    return Report(
        rows=rows,
        missing=tuple(name for name in scenarios.EXISTING if name not in passing & speaking),
        untried=(*scenarios.UNTRIED.items(), *((key, PLUGIN_UNTRIED) for key in plugins)),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Play, print, and say by the exit code whether all is as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.risk", description="Put every guard through scenarios.")
    parser.add_argument("--json", action="store_true", help="one document instead of the table")
    parser.add_argument("--config", type=Path, metavar="FILE", help="name the guards of other packages that it uses")
    args = parser.parse_args(argv)
    try:
        plugins = tuple(load_run(args.config).config.limits().plugins) if args.config else ()
    except AxiomdError as problem:
        print(problem.line(), file=sys.stderr)
        return problem.exit_code
    report = report_of(plugins)
    if args.json:
        print_json(document_of(report))
    else:
        print_report(report)
    return 0 if report.is_as_expected else 1
