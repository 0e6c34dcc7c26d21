"""Merge the layers of a configuration (defaults < file < environment < flags) and say where each value came from.

It decides which layer wins, what a relative path counts from, and how a mistake is told: one line with the file, the
dotted key and what to do. It reads files and the environment it is given, never a clock or the shell's own state, and
what comes out is parsed: everything after it trusts the values.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from axiomd.config.mistakes import config_error, config_keys
from axiomd.config.plugins import known_guards
from axiomd.config.shipped import shipped
from axiomd.config.yaml_text import Value, YamlText, read_scalar, read_yaml
from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.errors import ConfigError
from axiomd.contracts.risk import RiskConfig
from axiomd.contracts.runs import FX_FROM_BROKER, RISK_PACKAGED

ENV_PREFIX: Final = "AXIOMD_"
ENV_NESTING: Final = "__"
ENV_RESERVED: Final = frozenset({"STATE_DIR", "RUNTIME_DIR", "ARTIFACTS_DIR", "INSTANCE", "DEBUG", "NATIVE", "NO_SKIP"})
"""Variables with our prefix that are no configuration keys: see settings.py."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Say where a value came from: ``layer`` is default, file, environment or flag; ``place`` a file with its line,
    a variable or an option.
    """

    layer: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.layer} {self.place}".strip()


_DEFAULT: Final = Origin("default")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Hold a parsed configuration, the file it came from, and the origin of each value by dotted key.

    ``config.risk`` is always a mapping and every path in it is absolute.
    """

    config: DaemonConfig
    path: Path
    origins: Mapping[str, Origin]

    def origin_of(self, key: str) -> Origin:
        """Return where the value under a dotted key came from; a key inside a given value has that value's origin."""
        while key:
            if key in self.origins:
                return self.origins[key]
            key = key.rpartition(".")[0]
        return _DEFAULT


def load_run(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    values: Mapping[str, object] | None = None,
    read: Callable[[Path], YamlText] = read_yaml,
) -> Loaded:
    """Read a run or daemon configuration; without a path, the shipped settings.yml.

    ``environ`` is searched for AXIOMD_ variables, two underscores for a dot (AXIOMD_COSTS__SLIPPAGE_BPS), values as in
    YAML. ``flags`` maps dotted keys to values; None means not given. ``values`` likewise, over all of these, and there
    None is a value, null. ``read`` is for who keeps what a file says, to load it with thousands of values. Raises
    `ConfigError`.
    """
    merge = _layered(shipped("settings.yml") if path is None else path, environ, read)
    for key, given in (flags or {}).items():
        if given is not None:
            merge.put(key, given, Origin("flag", f"--{key.replace('_', '-')}"))
    for key, given in (values or {}).items():
        merge.put(key, given, Origin("flag", key))
    merge.gather_plugins()
    merge.resolve_paths()
    try:
        config = DaemonConfig.model_validate(merge.mapping)
    except ValidationError as problem:
        raise config_error(problem, DaemonConfig, merge.mapping, merge.place_of(""), merge.place_of) from None
    return Loaded(config, merge.path, merge.origins)


def document_of(
    path: Path, *, environ: Mapping[str, str] | None = None, read: Callable[[Path], YamlText] = read_yaml
) -> Mapping[str, object]:
    """Give what a file and the environment say together, before any of it is judged; for who lays flags over it.

    ``environ`` and ``read`` are those of `load_run`. Raises `ConfigError`.
    """
    return _layered(path, environ, read).mapping


def _layered(path: Path, environ: Mapping[str, str] | None, read: Callable[[Path], YamlText]) -> _Merge:
    merge = _Merge(read(path), read)
    merge.expand_risk()
    for key, name, value in _from_environment(variables_in(environ or {})):
        merge.put(key, value, Origin("environment", name))
    return merge


class _Merge:
    """Hold the mapping as it grows, the origin of each value, and the folder that relative paths count from."""

    def __init__(self, source: YamlText, read: Callable[[Path], YamlText]) -> None:
        self.mapping: dict[str, object] = dict(source.mapping)
        file = str(source.path)
        self.origins = {key: Origin("file", f"{file}:{line}") for key, line in source.lines.items() if key}
        self.path, self._key = source.path, source.key
        self._read = read
        self._folder = source.path.resolve().parent

    def expand_risk(self) -> None:
        """Write the limits in where ``risk`` names a file; left out, they are those of the packaged copy."""
        if "risk" not in self.mapping:
            self._write_risk_in(shipped("risk.yml"))
            return
        named = self.mapping["risk"]
        if isinstance(named, str):
            path = self._absolute(named, self.origins.get("risk", _DEFAULT))
            # The documented default, copied into a file elsewhere, still means the packaged copy.
            self._write_risk_in(shipped("risk.yml") if named == RISK_PACKAGED and not path.is_file() else path)
        elif named is None:
            raise ConfigError("risk is empty", self.place_of("risk"), "write risk: {} for no limits, or leave it out")

    def _write_risk_in(self, path: Path) -> None:
        limits = self._read(path)
        is_default = "risk" not in self.mapping
        self.mapping["risk"] = dict(limits.mapping)
        self.origins.pop("risk", None)
        for key, line in limits.lines.items():
            if key:
                self.origins[f"risk.{key}"] = Origin("default" if is_default else "file", f"{path}:{line}")

    def put(self, key: str, value: object, origin: Origin) -> None:
        """Set the value under a dotted key, making mappings on the way."""
        *parents, last = key.split(".")
        inside: dict[str, object] = self.mapping
        for depth, name in enumerate(parents):
            item = inside.get(name)
            if name in inside and not isinstance(item, dict):
                whole = ".".join(parents[: depth + 1])
                raise ConfigError(f"{whole} is no mapping", str(origin), f"set {whole} as a whole or mend it")
            copy: dict[str, object] = dict(item) if isinstance(item, dict) else {}
            inside[name] = copy
            inside = copy
        inside[last] = value
        for known in [known for known in self.origins if known == key or known.startswith(f"{key}.")]:
            del self.origins[known]
        self.origins[key] = origin
        if key == "risk":
            self.expand_risk()

    def gather_plugins(self) -> None:
        """Put the keys of installed plug-in guards apart from ours: a plug-in brings its own key and model."""
        risk = self.mapping.get("risk")
        if not isinstance(risk, dict) or set(risk) <= set(RiskConfig.model_fields):
            return
        plugins = {key: risk[key] for key in risk if key in known_guards() and key not in RiskConfig.model_fields}
        if plugins:
            self.mapping["risk"] = {
                **{key: value for key, value in risk.items() if key not in plugins},
                "plugins": {key: value for key, value in plugins.items() if value is not None},
            }

    def resolve_paths(self) -> None:
        """Make the paths of ``fx`` and ``feed.path`` absolute, counted from the file that names them."""
        rates = self.mapping.get("fx")
        if isinstance(rates, dict):
            self.mapping["fx"] = {pair: self._rate(f"fx.{pair}", rate) for pair, rate in rates.items()}
        feed = self.mapping.get("feed")
        if isinstance(feed, dict) and isinstance(feed.get("path"), str):
            path = self._absolute(feed["path"], self._origin("feed.path"))
            self.mapping["feed"] = {**feed, "path": str(path)}

    def _rate(self, key: str, rate: object) -> object:
        if not isinstance(rate, str) or rate == FX_FROM_BROKER or _is_number(rate):
            return rate
        path = self._absolute(rate, self._origin(key))
        if not os.path.exists(path):  # noqa: PTH110 - unlike Path.exists it answers for every name, too long ones too
            raise ConfigError(f"no such file: {path}", self.place_of(key), "give a rate, a path of daily bars or ib")
        return str(path)

    def _origin(self, key: str) -> Origin:
        while key and key not in self.origins:
            key = key.rpartition(".")[0]
        return self.origins.get(key, _DEFAULT)

    def _absolute(self, text: str, origin: Origin) -> Path:
        # A flag or a variable was typed by somebody who stands somewhere; a file's words must not depend on that.
        folder = Path() if origin.layer in ("environment", "flag") else self._folder
        try:
            return (folder / Path(text).expanduser()).resolve()
        except (ValueError, RuntimeError, OSError):  # a NUL in it, a home of nobody, a circle of links
            raise ConfigError(f"{text!r} is no path", str(origin), "give the path of a file") from None

    def place_of(self, key: str) -> str:
        """Return where to look for the value under a dotted key, for an error line."""
        origin = self._origin(key)
        if origin.layer == "environment" or origin.layer == "flag":
            return str(origin)
        place = origin.place or str(self.path)
        is_ours = place == str(self.path) or place.startswith(f"{self.path}:")
        parts = (self._key if is_ours else "", key)
        return f"{place} {'.'.join(part for part in parts if part)}".strip()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def variables_in(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return name and value of the variables of an environment that `load_run` looks at, by name."""
    ours = sorted(name for name in environ if name.startswith(ENV_PREFIX))
    return tuple((name, environ[name]) for name in ours if name.removeprefix(ENV_PREFIX) not in ENV_RESERVED)


@lru_cache(maxsize=4)
def _from_environment(variables: tuple[tuple[str, str], ...]) -> list[tuple[str, str, Value]]:
    """Read variables into (dotted key, name, value); kept, since a sweep loads a file by the thousand."""
    known = set(config_keys(DaemonConfig))
    found: list[tuple[str, str, Value]] = []
    for name, text in variables:
        short = name.removeprefix(ENV_PREFIX)
        top, *rest = short.split(ENV_NESTING)
        if top.lower() not in known:
            near = difflib.get_close_matches(top.lower(), sorted(known), n=1, cutoff=0.8)
            if near:
                right = ENV_PREFIX + near[0].upper()
                raise ConfigError(f"unknown variable {name}", "environment", f"did you mean {right}?")
            continue
        # Symbols and pairs are keys in upper case, all other keys are lower case.
        lower = [
            part if top in ("FX", "INSTRUMENTS") and index == 0 else part.lower() for index, part in enumerate(rest)
        ]
        key = ".".join([top.lower(), *lower])
        found.append((key, name, read_scalar(text, name)))
    return found
