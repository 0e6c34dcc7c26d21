"""From what a user names to what a run needs: configuration, bars and daily bars read, checked and bound together.

Everything that can be wrong with the input is found here, before anything is written. Replay, backtest, signals and
sweep all begin with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from axiomd import __version__
from axiomd.config.binding import bind
from axiomd.config.identity import identified
from axiomd.config.load import load_run
from axiomd.config.rates import rate_files
from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.errors import InputError
from axiomd.contracts.orders import Source
from axiomd.contracts.runs import RunConfig
from axiomd.core.market.tape import Tape, TapeFile
from axiomd.core.plan import Plan
from axiomd.feeds.ahead import BarsAhead
from axiomd.feeds.files import load_daily, load_tape
from axiomd.feeds.frames import intraday_timeframe
from axiomd.replay.candidates import Select, Stage1, screens
from axiomd.replay.identity import Identity


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asked for; paths as typed, dates of sessions, both included."""

    bars: Path
    daily: Path | None = None
    config: Path | None = None
    symbols: tuple[str, ...] | None = None
    first: date | None = None
    last: date | None = None
    timeframe: str = "m1"
    run_id: str | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What a run needs."""

    config: DaemonConfig
    config_hash: str
    tape: Tape
    plan: Plan
    identity: Identity
    first_session: int
    daily: pl.DataFrame | None
    files: tuple[TapeFile, ...]
    request: Request

    @property
    def screens(self) -> bool:
        """Say whether candidates differ from session to session."""
        return screens(self.plan)

    @property
    def select(self) -> Select:
        """Give what runs Stage 1 of every strategy for a session of the tape's table."""
        return Stage1(self.daily).select(self.plan, self.tape.sessions)


def prepare(
    request: Request,
    source: Source = "replay",
    bars: BarsAhead | None = None,
    meanwhile: Callable[[RunConfig, int], None] | None = None,
) -> Prepared:
    """Read and check all that a run needs; `InputError` and its kind, each one line, before anything is written.

    `bars` are the request's own where somebody began to read them already. `meanwhile` is called with the configuration
    and the length of a bar in us, in a thread of its own while bars are checked, and over when this is.
    """
    flags: dict[str, object] = dict(request.overrides)
    if request.symbols is not None:
        flags["symbols"] = list(request.symbols)
    config = load_run(request.config, environ=os.environ, flags=flags).config
    ticks = {symbol: config.instrument_of(symbol).tick_size for symbol in config.all_symbols()}
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="meanwhile") as beside:
        if meanwhile is not None:
            beside.submit(meanwhile, config, intraday_timeframe(request.timeframe).us)
        tape = load_tape(
            request.bars,
            config.all_symbols(),
            config.calendar,
            timeframe=request.timeframe,
            first=request.first,
            last=request.last,
            tick_units=ticks,
            files=None if bars is None else bars.files(),
        )
    digest, document = identified(config, str(request.config or "settings.yml"))
    run_id = request.run_id or f"{source}-{digest[:8]}-{tape.sha256[:8]}"
    plan = bind(config, tape.sessions, tape.timeframe_us, run_id, source, str(request.config or "settings.yml"))
    first_session = 0
    if request.first is not None:
        opens = tape.sessions.date_days
        first_session = int(opens.searchsorted((request.first - date(1970, 1, 1)).days, "left"))
    daily, files = _daily(request, config), tape.files + rate_files(config)
    identity = Identity(run_id, digest, document, __version__)
    return Prepared(
        config, digest, tape, plan, identity, first_session, None if daily is None else daily[0],
        files if daily is None else files + daily[1], request,
    )  # fmt: skip


def _daily(request: Request, config: RunConfig) -> tuple[pl.DataFrame, tuple[TapeFile, ...]] | None:
    screens = [entry for entry in config.normalised() if entry.stage1.mode == "screen"]
    if request.daily is None:
        if screens:
            raise InputError(
                f"stage1 of {screens[0].id} screens daily bars and there are none", "--daily", "name their file"
            )
        return None
    bars = load_daily(request.daily, config.all_symbols())
    return bars.frame, bars.files
