"""A configuration bound to what it names: installed strategies, a calendar, exchange rates; the plan of a run.

Replay, backtest and daemon bind by this and nothing else, so that the same file means the same decisions in all.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Final

from axiomd.config.plugins import find_guard, find_strategy, guard_params, strategy_params
from axiomd.config.rates import rates_of
from axiomd.contracts.errors import ConfigError
from axiomd.contracts.orders import Source
from axiomd.contracts.runs import RunConfig
from axiomd.contracts.units import MINUTE_US
from axiomd.core.market.rates import DailyRates, Rate
from axiomd.core.market.sessions import SessionTable, WindowTable
from axiomd.core.plan import Plan, plan_of
from axiomd.core.strategies.api import WindowSpec
from axiomd.feeds.calendars import session_table, window_table

_SOME_MONTH: Final = date(2024, 1, 1), date(2024, 1, 31)


def bind(
    config: RunConfig,
    sessions: SessionTable,
    bar_us: int,
    run_id: str,
    source: Source,
    where: str = "configuration",
    rates: Mapping[str, Rate | DailyRates] | None = None,
) -> Plan:
    """Bind a configuration to installed strategies, a calendar and rates, its own unless they are given.

    Raises `ConfigError`.
    """
    intervals = {find_strategy(entry.name, entry.version, where).timeframe_us for entry in config.normalised()}
    if len(intervals) > 1:
        raise ConfigError("strategies of different timeframes", where, "run them as two instances")
    if max(intervals) % bar_us or max(intervals) < bar_us:
        raise ConfigError("the bars are longer than the strategy's", where, "give finer bars")
    return plan_of(
        config,
        run_id=run_id,
        source=source,
        sessions=sessions,
        bar_us=bar_us,
        find_strategy=lambda name, version: find_strategy(name, version, where),
        read_params=lambda strategy, entry: strategy_params(strategy, entry, where),
        find_windows=lambda table, spec: _placed(table, spec, where),
        rates=rates_of(config, where) if rates is None else rates,
        guards=tuple(
            (guard, guard_params(guard, key, params, where))
            for key, params in config.limits().plugins.items()
            for guard in [find_guard(key, where)]
        ),
    )


def check_bound(config: RunConfig, where: str) -> None:
    """Say whether a configuration can be bound at all, in the sessions of some month. Raises `ConfigError`."""
    try:
        sessions = session_table(config.calendar, *_SOME_MONTH)
    except ConfigError as problem:
        raise ConfigError(problem.what, f"{where} calendar", problem.remedy) from None
    bind(config, sessions, MINUTE_US, "check", "replay", where)


def _placed(sessions: SessionTable, spec: WindowSpec, where: str) -> WindowTable:
    try:
        return _windows(sessions, spec)
    except ConfigError as problem:
        raise ConfigError(problem.what, f"{where} {problem.where}", problem.remedy) from None


@lru_cache(maxsize=64)
def _windows(sessions: SessionTable, spec: WindowSpec) -> WindowTable:
    """Place windows into sessions; kept, since a sweep binds the same ones thousands of times."""
    return window_table(sessions, spec.windows, spec.tz)
