"""A grid file read and checked: which base, bars and symbols a sweep has, and that every set of it can be bound.

Whatever is wrong with a grid is told here, before a bar is read. It runs nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from axiomd.config.load import variables_in
from axiomd.config.yaml_text import read_yaml
from axiomd.contracts.errors import ConfigError, InputError
from axiomd.contracts.exact import canonical
from axiomd.contracts.runs import Metrics
from axiomd.contracts.sweep import SweepConfig
from axiomd.replay.sweep_table import plain_value
from axiomd.replay.swept_base import Base, configured
from axiomd.replay.trials import MarketKey

_LEFT_OUT: Final = ("counts", "by_strategy")
_SHARED: Final = {
    "symbols": "name them under symbols; each_symbol_alone: true runs each by itself",
    "calendar": "bars are read once for all sets: write a grid for each calendar",
}
"""Keys that all sets have in common, and what to do instead of varying them."""


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """What a grid file asks for, with its paths found."""

    config: SweepConfig
    market: MarketKey
    symbols: tuple[str, ...]


def read_sweep(path: Path) -> Sweep:
    """Read a grid file, and the environment that holds over its base.

    Raises `ConfigError` for anything wrong, `InputError` for bars that are not there.
    """
    from pydantic import ValidationError

    from axiomd.config.mistakes import config_error

    text = read_yaml(path)
    try:
        config = SweepConfig.model_validate(text.mapping)
    except ValidationError as problem:
        raise config_error(problem, SweepConfig, text.mapping, str(path), lambda key: f"{path} {key}") from None
    folder = path.resolve().parent
    bars = (folder / config.bars).resolve()
    daily = None if config.daily is None else (folder / config.daily).resolve()
    for name, place in (("bars", bars), ("daily", daily)):
        if place is not None and not place.exists():
            raise InputError("there are no bars", str(place), f"name a file or a folder under {name}")
    _check_varied(config, path)
    _check_apart(config, path)
    _check_once(config, path)
    environ = variables_in(os.environ)
    if isinstance(config.base, str):
        base = Base(str((folder / config.base).resolve()), environ=environ)
    else:
        base = Base.within(text, environ)
    symbols = _checked(config, base, daily, path)
    return Sweep(config, (base, str(bars), None if daily is None else str(daily), symbols), symbols)


def _checked(config: SweepConfig, base: Base, daily: Path | None, path: Path) -> tuple[str, ...]:
    """Give the symbols of a sweep every set of which can be bound."""
    run = configured(base, {}, config.symbols)
    symbols = run.all_symbols()
    idle = sorted(set(config.symbols or ()) - set(symbols))
    if idle:
        raise ConfigError(f"no strategy of the base trades {', '.join(idle)}", f"{path} symbols", "leave it out")
    for number, values in enumerate(config.parameter_sets()):
        _check_set(base, values, symbols, daily, f"{path} set {number}")
    return symbols


def _check_varied(config: SweepConfig, path: Path) -> None:
    """Refuse keys of sets that every set shares, and a figure to choose by that there is none of."""
    for key in dict.fromkeys(key for values in config.sets or (config.grid or {},) for key in values):
        if key in _SHARED:
            raise ConfigError(f"{key} cannot be varied", f"{path} {key}", _SHARED[key])
    known = sorted(set(Metrics.model_fields) - set(_LEFT_OUT))
    if config.walk_forward is not None and config.walk_forward.choose not in known:
        choose = config.walk_forward.choose
        raise ConfigError(f"{choose} is no figure", f"{path} walk_forward.choose", f"known: {', '.join(known)}")


def _check_apart(config: SweepConfig, path: Path) -> None:
    """Refuse a set that says one key twice: as itself, and within another that contains it.

    Whichever was put in last would hold, and the row would be labelled with both.
    """
    for keys in dict.fromkeys(tuple(values) for values in config.sets or (config.grid or {},)):
        for key in keys:
            whole = next((other for other in keys if key.startswith(f"{other}.")), None)
            if whole is not None:
                raise ConfigError(f"{key} is part of {whole}", f"{path} {key}", "vary one of them in a set")


def _check_once(config: SweepConfig, path: Path) -> None:
    """Refuse what would be run twice: each trial more makes the best of them more of a stroke of luck."""
    for key, values in (config.grid or {}).items():
        for place, first in _again(values):
            raise ConfigError(
                f"{plain_value(values[place])} is {plain_value(values[first])} again", f"{path} {key}", "name it once"
            )
    for number, first in _again(config.sets or []):
        raise ConfigError(f"set {number} is set {first} again", f"{path} set {number}", "leave it out")


def _again(values: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Yield the places of values that stand there before, and where: 2.0 is 2, and keys may stand in any order."""
    seen: dict[str, int] = {}
    for place, value in enumerate(values):
        first = seen.setdefault(json.dumps(canonical(value), sort_keys=True), place)
        if first != place:
            yield place, first


def _check_set(base: Base, values: Mapping[str, Any], symbols: Sequence[str], daily: Path | None, where: str) -> None:
    try:
        config = configured(base, values, symbols)
    except ConfigError as problem:
        raise ConfigError(problem.what, where, problem.remedy) from None
    # not by its strategies brought into one form, which takes as long as reading a set
    stages = [config.stage1] if config.strategies is None else [entry.stage1 for entry in config.strategies]
    if daily is None and any(stage1.mode == "screen" for stage1 in stages):
        raise ConfigError("stage1 screens daily bars and there are none", where, "name them: daily")
