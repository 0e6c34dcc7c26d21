"""The base of a sweep: the run configuration that the values of every set are put into.

It is all that a worker needs to read it again and says the same in every process: a base that stands in a grid travels
as what it says, without a file, and so do the variables that hold over a base where the sweep was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from axiomd.config.load import document_of, load_run
from axiomd.config.yaml_text import YamlText, read_yaml
from axiomd.contracts.bars import normalise_symbol
from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.runs import CANDIDATES_MAX

KEY: Final = "base"
"""What a grid calls it."""


@dataclass(frozen=True, slots=True)
class Base:
    """Name a base: the file it stands in, from which its paths count, and what it says where that file is the grid.

    `environ` are the AXIOMD_ variables, which hold over it as over any configuration. Neither is shown: what a worker
    says in its log shall name no secret.
    """

    path: str
    inline: str | None = field(default=None, repr=False)
    """Its mapping and the lines of its keys as JSON; as text it can be compared and looked up like the path."""

    environ: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def within(cls, grid: YamlText, environ: tuple[tuple[str, str], ...] = ()) -> Base:
        """Give the base that stands in a grid itself."""
        text = grid.under(KEY)
        return cls(str(grid.path.resolve()), json.dumps([text.mapping, text.lines]), environ)

    @property
    def file(self) -> Path:
        """Return the file it stands in."""
        return Path(self.path)

    @property
    def where(self) -> str:
        """Say where to look for what only turns out when a set is bound."""
        return "configuration" if self.inline is None else self.path

    def read(self, path: Path) -> YamlText:
        """Read the base, or a file that it names; each once a process. Raises `ConfigError`."""
        return _read_once(path) if self.inline is None or path != self.file else _said_in(self.path, self.inline)


def configured(base: Base, values: Mapping[str, Any], symbols: Sequence[str] | None) -> DaemonConfig:
    """Read a base with the environment and, over both, the values of a set; for some symbols or for those it names.

    Raises `ConfigError`.
    """
    laid_over: dict[str, object] = dict(values)
    if symbols is not None:
        document = _document_of(base)
        entries = laid_over.get("strategies", document.get("strategies"))
        if isinstance(entries, list):
            laid_over["strategies"] = _of_symbols(entries, frozenset(symbols))
        else:
            laid_over["symbols"] = list(symbols)
            if not _is_screened(document, values):  # where it is, the cap decides
                laid_over.setdefault("stage1.max_candidates", max(CANDIDATES_MAX, len(symbols)))
    return load_run(base.file, environ=dict(base.environ), values=laid_over, read=base.read).config


def _of_symbols(entries: Sequence[object], symbols: frozenset[str]) -> list[object]:
    """Leave of each strategy what it does in some symbols; one that has none of them is left out."""
    kept: list[object] = []
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("symbols"), list):
            kept.append(entry)  # for the configuration to refuse
            continue
        own = [name for name in entry["symbols"] if not isinstance(name, str) or normalise_symbol(name) in symbols]
        if own or not entry["symbols"]:
            kept.append({**entry, "symbols": own})
    return kept


def _is_screened(document: Mapping[str, object], values: Mapping[str, Any]) -> bool:
    stage1 = values.get("stage1", document.get("stage1"))
    mode = stage1.get("mode") if isinstance(stage1, Mapping) else None
    return bool(values.get("stage1.mode", mode) == "screen")


@lru_cache(maxsize=4)
def _document_of(base: Base) -> Mapping[str, object]:
    return document_of(base.file, environ=dict(base.environ), read=base.read)


@lru_cache(maxsize=4)
def _read_once(path: Path) -> YamlText:
    return read_yaml(path)


@lru_cache(maxsize=4)
def _said_in(path: str, inline: str) -> YamlText:
    mapping, lines = json.loads(inline)
    return YamlText(Path(path), mapping, lines, KEY)
