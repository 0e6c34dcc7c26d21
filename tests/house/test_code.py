"""Rules of the house that no linter knows: what has a name has a docstring, and what stands here is reached."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from axiomd.cli.main import COMMANDS, MODULE
from tests.house.source import ROOT, is_package, modules, pyproject

NAMELESS = {"utils", "util", "helpers", "helper", "managers", "manager", "common", "misc", "base"}

# A contract may stand before the room that speaks it; each says which one, and leaves this list with it.
AHEAD = {
    "axiomd.contracts.policy": "the promotion pipeline",
    "axiomd.feeds.port": "the feed of Interactive Brokers",
    "tui": "axiomd console",
}

# Public functions for programs of others: nothing of ours has to call them.
PUBLIC = {"axiomd.feeds.frames", "axiomd.replay"}


def imports_of(name: str) -> Iterator[str]:
    """Yield the modules of ours that a module loads, with the packages around them."""
    for node in ast.walk(modules()[name]):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            targets = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for target in targets:
            parts = target.split(".")
            yield from (".".join(parts[: end + 1]) for end in range(len(parts)))


def starts() -> set[str]:
    """Return where a walk through the code begins: programs, commands, entry points and public names."""
    programs = {name for name, tree in modules().items() if "__main__" in ast.dump(tree)}
    scripts = {target.partition(":")[0] for target in pyproject()["project"]["scripts"].values()}
    groups = pyproject()["project"]["entry-points"].values()
    plugins = {target.partition(":")[0] for group in groups for target in group.values()}
    packages = {name for name in modules() if name.endswith(".__main__")}
    return programs | scripts | plugins | PUBLIC | packages | {entry[MODULE] for entry in COMMANDS.values()}


def reached() -> set[str]:
    waiting = [name for name in starts() if name in modules()]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        parts = name.split(".")
        around = {".".join(parts[: end + 1]) for end in range(len(parts))}
        waiting += [each for each in {*imports_of(name), *around} if each in modules()]
    return found


def undocumented(tree: ast.AST, prefix: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield f"{prefix}.{node.name}"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node, f"{prefix}.{node.name}")


def test_every_module_says_what_it_decides() -> None:
    assert [] == [name for name, tree in modules().items() if not ast.get_docstring(tree)]


def test_every_public_name_has_a_docstring() -> None:
    assert [] == [name for module, tree in modules().items() for name in undocumented(tree, module)]


def test_no_module_is_unreachable() -> None:
    assert set() == set(modules()) - reached() - set(AHEAD)


def test_what_is_reached_is_no_longer_announced() -> None:
    assert set() == set(AHEAD) & reached()


def test_every_command_has_its_module() -> None:
    assert [] == [name for name, entry in COMMANDS.items() if entry[MODULE] not in modules()]


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {name.rpartition(".")[0] for name in modules()} - {""}

    assert [] == sorted(folder for folder in folders if not is_package(folder))


def test_a_file_is_called_like_what_it_does() -> None:
    names = {name.rpartition(".")[2] for name in modules()}

    assert set() == names & NAMELESS
    assert [] == sorted(name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*|__main__", name))


def test_console_is_kept_from_every_room_but_the_contracts() -> None:
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    (console,) = (each for each in contracts if each.get("source_modules") == ["tui"])
    rooms = {name for name in modules() if name.count(".") == 1 and is_package(name)}

    assert rooms - {"axiomd.contracts"} == set(console["forbidden_modules"])


def asserts(node: ast.AST) -> bool:
    """Say whether a test can fail by its own word: an assert, an expected error, or a helper that is called so."""
    for inside in ast.walk(node):
        if isinstance(inside, ast.Assert):
            return True
        if isinstance(inside, ast.Call):
            called = ast.unparse(inside.func).rpartition(".")[2]
            if called in ("raises", "fail") or called.startswith(("assert_", "check_", "same_")):
                return True
    return False


def test_every_test_asserts_something() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
        if not asserts(node)
    ]

    assert [] == silent
