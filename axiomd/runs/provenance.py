"""What a manifest says of the code behind a run: commit, packages, and the parameters as plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from axiomd.contracts.exact import canonical
from axiomd.core.plan import StrategyPlan

_PACKAGES: Final = ("exchange-calendars", "msgspec", "numba", "numpy", "polars", "pydantic")


def packages() -> dict[str, str]:
    """Give the versions of the packages that decisions and figures come from."""
    return {name: _version(name) for name in _PACKAGES}


def params_of(strategies: Sequence[StrategyPlan]) -> dict[str, object]:
    """Give the parameters of a lone strategy, or those of each by its id."""
    if len(strategies) == 1:
        return _params(strategies[0])
    return {own.id: _params(own) for own in strategies}


def git_sha() -> str | None:
    """Give the commit this code was checked out at, None where it is no checkout."""
    git = Path(__file__).resolve().parents[2] / ".git"
    try:
        head = (git / "HEAD").read_text("ascii").strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        loose = git / name
        if loose.is_file():
            return loose.read_text("ascii").strip()
        for line in (git / "packed-refs").read_text("ascii").splitlines():
            if line.endswith(f" {name}"):
                return line.split()[0]
    except (OSError, UnicodeDecodeError):
        pass
    return None


def _params(own: StrategyPlan) -> dict[str, object]:
    plain = canonical(own.params.model_dump())
    assert isinstance(plain, dict)
    return plain


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
