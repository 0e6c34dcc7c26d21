"""The kernel's machine code, brought in by a run over no bars, for who has to wait for bars anyway.

Checking and hashing bars leaves the interpreter to others most of the time, and loading code needs little else.
"""

from __future__ import annotations

import numpy as np

from axiomd.config.binding import bind
from axiomd.contracts.errors import AxiomdError
from axiomd.contracts.orders import Source
from axiomd.contracts.runs import RunConfig
from axiomd.core.kernel_run import run_rows
from axiomd.core.market.sessions import SessionTable
from axiomd.core.market.tape import TAPE_WIDTH, Tape
from axiomd.core.plan import Plan


def load_code(config: RunConfig, bar_us: int) -> None:
    """Load what a backtest of a configuration calls. What is wrong with the configuration is for its own binding."""
    try:
        plan = plan_of_no_session(config, bar_us, "backtest")
    except AxiomdError:
        return
    tape = Tape(plan.symbols, np.empty((0, TAPE_WIDTH), np.int64), bar_us, plan.sessions, 0, 0, "", ())
    run_rows(plan, tape, None)


def plan_of_no_session(config: RunConfig, bar_us: int, source: Source) -> Plan:
    """Bind a configuration for what it calls, not for when. Raises as `bind` does."""
    none = np.empty(0, np.int64)
    sessions = SessionTable(config.calendar, none, none, none, np.empty(0, np.bool_), none, none)
    return bind(config, sessions, bar_us, "", source)
