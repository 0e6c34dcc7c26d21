"""Find strategies by entry point, by name and version, and check the parameters a run gives them.

It decides which installed plug-in a name means. It never imports one that was not asked for, so that a broken package
beside ours cannot stop a run of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ValidationError

from axiomd.config.mistakes import config_error
from axiomd.contracts.errors import ConfigError
from axiomd.contracts.runs import StrategyConfig

if TYPE_CHECKING:
    # with numpy behind them: a daemon reads its configuration before anything heavy is loaded
    from axiomd.core.guards.api import Guard
    from axiomd.core.strategies.api import Strategy

STRATEGIES: Final = "axiomd.strategies"
GUARDS: Final = "axiomd.guards"


def known_strategies() -> tuple[str, ...]:
    """Return the names of the installed strategies, sorted; none is imported for it."""
    return tuple(sorted({point.name for point in entry_points(group=STRATEGIES)}))


@lru_cache(maxsize=64)
def find_strategy(name: str, version: str, where: str = "strategy") -> Strategy:
    """Load the strategy of a name and version; `ConfigError` that lists the known ones where there is none.

    Kept: to look through everything installed takes 5 ms, and a run asks more than once.
    """
    points = entry_points(group=STRATEGIES, name=name)
    if not points:
        known = ", ".join(known_strategies()) or "none is installed"
        raise ConfigError(f"unknown strategy {name}", where, f"known: {known}")
    found = [_load(point, where) for point in points]
    for strategy in found:
        if strategy.version == version:
            return strategy
    versions = ", ".join(sorted(strategy.version for strategy in found))
    raise ConfigError(f"strategy {name} has no version {version}", where, f"known: {versions}")


def strategy_params(strategy: Strategy, entry: StrategyConfig, where: str = "params") -> BaseModel:
    """Parse the parameters a run gives a strategy into the strategy's own model; `ConfigError` names a wrong one."""
    document: Mapping[str, object] = entry.params
    try:
        return strategy.params.model_validate(document)
    except ValidationError as problem:
        raise config_error(
            problem, strategy.params, document, where, lambda key: f"{where} {entry.id}.params.{key}"
        ) from None


def known_guards() -> tuple[str, ...]:
    """Return the keys of the installed plug-in guards, sorted; none is imported for it."""
    return tuple(sorted({point.name for point in entry_points(group=GUARDS)}))


def find_guard(key: str, where: str = "risk") -> Guard:
    """Load the plug-in guard of a key; `ConfigError` where it is none."""
    from axiomd.core.guards.api import Guard

    for point in entry_points(group=GUARDS, name=key):
        guard = _named_by(point, "guard", where)
        if isinstance(guard, Guard):
            return guard
        raise ConfigError(f"{point.value} is no Guard", where, "point the entry at a Guard object")
    raise ConfigError(f"unknown guard {key}", where, f"known: {', '.join(known_guards()) or 'none is installed'}")


def guard_params(guard: Guard, key: str, params: object, where: str = "risk") -> BaseModel:
    """Parse what stands under a guard's key into the guard's own model; `ConfigError` names a wrong value."""
    document = params if isinstance(params, Mapping) else {}
    try:
        return guard.params.model_validate(document)
    except ValidationError as problem:
        raise config_error(problem, guard.params, document, where, lambda name: f"{where} risk.{key}.{name}") from None


def _load(point: EntryPoint, where: str) -> Strategy:
    from axiomd.core.strategies.api import Strategy

    plugin = _named_by(point, "strategy", where)
    if not isinstance(plugin, Strategy):
        raise ConfigError(f"{point.value} is no Strategy", where, "point the entry at a Strategy object")
    return plugin


def _named_by(point: EntryPoint, kind: str, where: str) -> object:
    try:
        return point.load()
    except Exception as problem:
        # somebody else's module runs as it is imported: whatever it raises, it is theirs to mend
        said = f"{type(problem).__name__}: {problem}"
        raise ConfigError(f"{kind} {point.name} cannot be loaded: {said}", where, f"mend {point.value}") from None
