"""Read a YAML file into plain values together with the line each stands on.

It decides what a scalar means, more plainly than YAML 1.1: only true and false are truth values (ON is a share), only
decimal numbers are numbers (14:00 is a time), everything else is text. Keys that stand twice, aliases that blow a file
up and files of more than a mebibyte are refused. It knows nothing of what the keys mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from axiomd.contracts.errors import ConfigError

FILE_BYTES_MAX: Final = 1 << 20
NODES_MAX: Final = 100_000
DEPTH_MAX: Final = 32

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]


class _PlainLoader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012  # PyYAML's own way of saying so


_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]{1,18}$"), list("-+0123456789"))
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]{1,3})?$"),
    list("-+.0123456789"),
)


@dataclass(frozen=True, slots=True)
class YamlText:
    """Hold what a file says: a mapping, and the line (from 1) of every value by its dotted key.

    ``key`` is the dotted key of the file that the mapping stands under; empty where it is all of it.
    """

    path: Path
    mapping: dict[str, Value]
    lines: dict[str, int]
    key: str = ""

    def under(self, key: str) -> YamlText:
        """Give the mapping that stands under a key, as if it were all there is."""
        mapping = self.mapping[key]
        assert isinstance(mapping, dict), key
        inside = f"{key}."
        lines = {name.removeprefix(inside): line for name, line in self.lines.items() if name.startswith(inside)}
        return YamlText(self.path, mapping, lines, f"{self.key}.{key}" if self.key else key)


def read_yaml(path: Path) -> YamlText:
    """Read a file that holds one mapping; `ConfigError` with line and column for anything else."""
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as problem:
        reason = "no such file" if isinstance(problem, FileNotFoundError) else str(problem.strerror).lower()
        raise ConfigError(reason, str(path), "give the path of a YAML file that can be read") from None
    except UnicodeDecodeError as problem:
        raise ConfigError(f"byte {problem.start} is not UTF-8", str(path), "save the file as UTF-8") from None
    if len(raw) > FILE_BYTES_MAX:
        raise ConfigError(f"{len(raw)} bytes are more than {FILE_BYTES_MAX}", str(path), "give a configuration file")
    node = _compose(text, path)
    if node is None:
        return YamlText(path, {}, {})
    lines: dict[str, int] = {}
    value = _Builder(path, lines).build(node, "", 0)
    if not isinstance(value, dict):
        raise ConfigError("the file is no mapping", f"{path}:1", "write lines of the form key: value")
    return YamlText(path, value, lines)


def read_scalar(text: str, where: str) -> Value:
    """Read one value as it would be read in a file, as in ``[SPY, QQQ]`` or ``0.5``; `ConfigError` where it is none."""
    node = _compose(text, Path(where))
    return None if node is None else _Builder(Path(where), {}).build(node, "", 0)


def _compose(text: str, path: Path) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_PlainLoader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(f"no YAML: {problem.problem or problem.context}", place, "mend that line") from None
    except yaml.YAMLError as problem:
        raise ConfigError(f"no YAML: {problem}", str(path), "save the file as plain text") from None
    except RecursionError:
        raise ConfigError("nested too deeply", str(path), f"nest no more than {DEPTH_MAX} levels") from None
    return node


class _Builder:
    def __init__(self, path: Path, lines: dict[str, int]) -> None:
        self._path = path
        self._lines = lines
        self._count = 0

    def build(self, node: yaml.Node, key: str, depth: int) -> Value:
        self._count += 1
        place = f"{self._path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
        if depth > DEPTH_MAX or self._count > NODES_MAX:
            raise ConfigError("too large or nested too deeply", place, "leave anchors and aliases out")
        if isinstance(node, yaml.MappingNode):
            if not node.value:
                self._lines[key] = node.start_mark.line + 1
            return {
                name: self.build(item, f"{key}.{name}" if key else name, depth + 1) for name, item in self._items(node)
            }
        self._lines[key] = node.start_mark.line + 1
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, f"{key}.{index}", depth + 1) for index, item in enumerate(node.value)]
        return self._scalar(node, place)

    def _items(self, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
        seen: set[str] = set()
        for name_node, item in node.value:
            place = f"{self._path}:{name_node.start_mark.line + 1}:{name_node.start_mark.column + 1}"
            if not isinstance(name_node, yaml.ScalarNode):
                raise ConfigError("a key is no plain text", place, "write key: value")
            name = str(name_node.value)
            if name in seen:
                raise ConfigError(f"the key {name} stands there twice", place, "keep one of them")
            seen.add(name)
            yield name, item

    def _scalar(self, node: yaml.Node, place: str) -> Value:
        text = str(node.value)
        kind = node.tag.rpartition(":")[2]
        if kind == "str":
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        try:
            if kind == "int":
                return int(text)
            if kind == "float":
                return float(text)
        except ValueError:
            raise ConfigError(
                f"{text!r} is no number", place, "write digits with a point as the decimal mark"
            ) from None
        raise ConfigError(f"the tag {node.tag} is not read", place, "write the plain value")
