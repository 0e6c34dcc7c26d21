"""The product's entries that are measured, each found when it is asked for.

A part that is not there raises `NotBuiltError` and its row says so; nothing else in the benchmarks knows how a part of
the product is called.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from axiomd.contracts.outcome import RunRecord
from axiomd.core.ahead import forget_observed
from axiomd.core.kernel_run import Room, Start, run_from
from axiomd.core.market.strip import strip_of
from axiomd.core.market.tape import Tape
from axiomd.core.plan import Plan
from benchmarks.measure import NotBuiltError

AXIOMD = Path(sys.executable).with_name("axiomd")


def compiled_backtest(tape: Tape, plan: Plan) -> Callable[[], object]:
    """Give the compiled backtest of a tape of one symbol: called, it leaves trades, orders and curve as rows.

    What a run observed of the bars serves the next one, which a sweep lives on; here it is forgotten before each. What
    the plan says of every run is laid out beforehand, as the bare loop's calendar is, and the rows go where those of
    the run before lay, as the bare loop's do.
    """
    strip, room, start = strip_of(tape), Room(), Start(plan)

    def run() -> object:
        forget_observed(strip)
        start.again(plan.instruments[0], plan.rates[0])
        return run_from(start, tape, None, 0, room)

    return run


def backtest_record(tape: Tape, plan: Plan) -> Callable[[], RunRecord]:
    """Give the same with every row made a record with its names and ids, as the run folder is written from."""
    kernel = _kernel()
    return lambda: kernel.backtest(plan, tape, None)  # type: ignore[no-any-return]


def _kernel() -> Any:
    return module("axiomd.core.kernel_record")


def command(name: str) -> list[str]:
    """Give the command line of a command of the product."""
    from axiomd.cli.main import COMMANDS

    if name not in COMMANDS:
        raise NotBuiltError(f"axiomd {name} is not built yet")
    return [str(AXIOMD), name]


def module(name: str) -> object:
    """Import a part of the product."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise NotBuiltError(f"{name} is not built yet") from None
