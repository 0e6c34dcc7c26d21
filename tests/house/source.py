"""What the house tests read: the files under version control and the syntax of our own modules."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@cache
def modules() -> dict[str, ast.Module]:
    """Return the syntax tree of every module of ours by its dotted name."""
    found: dict[str, ast.Module] = {}
    for package in ("axiomd", "tui"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = ast.parse(path.read_text(), str(path))
    return found


@cache
def is_package(name: str) -> bool:
    """Say whether a dotted name of ours is a package."""
    return (ROOT / Path(*name.split(".")) / "__init__.py").is_file()


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return every file under version control; without git, every file that is not ignored by name."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode == 0 and listing.stdout:
        paths = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    else:
        ignored = re.compile(r"^(\.venv|\.git|artifacts|dist|build|\..*_cache|\.hypothesis)$|__pycache__")
        paths = [path for path in ROOT.rglob("*") if not any(map(ignored.search, path.relative_to(ROOT).parts))]
    return tuple(path for path in paths if path.is_file())


@cache
def pyproject() -> dict[str, Any]:
    """Return the project's own description."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())
