"""The product's entries that are measured, each found when it is asked for.

A part that is not there raises `NotBuiltError` and its row says so; nothing else in the benchmarks knows how a part of
the product is called.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from axiomd.contracts.fills import Trade
from axiomd.core.market.tape import Tape
from axiomd.core.plan import Plan
from benchmarks.measure import NotBuiltError

AXIOMD = Path(sys.executable).with_name("axiomd")


def compiled_backtest(tape: Tape, plan: Plan) -> Callable[[], Sequence[Trade]]:
    """Give the compiled backtest of a tape: called, it does the whole job and gives the trades."""
    try:
        kernel = importlib.import_module("axiomd.core.kernel")
    except ImportError:
        raise NotBuiltError("axiomd.core.kernel is not built yet") from None
    run = getattr(kernel, "trades_of", None)
    if run is None:
        raise NotBuiltError("axiomd.core.kernel has no trades_of(plan, tape): say in benchmarks/product.py what it has")
    return lambda: run(plan, tape)


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
