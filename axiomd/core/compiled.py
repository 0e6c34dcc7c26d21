"""The one way a rule is compiled: numba with a cache on disk, no fastmath, no parallel reductions.

Both of those would let a sum depend on the machine, and a decision must not. A process that runs its few rules as
Python says so first, and never loads numba, which takes a sixth of a second and 50 MB.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., object])

Row = Any
"""One row of a structured array as compiled code sees it: its columns by name, integers and floats.

numpy has no type for it that a checker could look into; the dtypes in `board`, `guards.api`, `sizing` and `fills` say
what the columns are.
"""

_compiles = True


def run_as_python() -> None:
    """Leave every rule of this process as Python runs it. To be called before any module of rules is loaded."""
    global _compiles
    _compiles = False


def njit(function: F) -> F:
    """Compile a rule: cached, nopython, IEEE arithmetic, no bounds checks, wrap-free integer semantics of int64."""
    if not _compiles:
        return function
    import numba

    from axiomd.core.kept_code import kept

    compiled: F = kept(numba.njit(fastmath=False, parallel=False, error_model="numpy", forceinline=True)(function))
    return compiled


def plain(rule: F) -> F:
    """Give a rule as Python runs it: for a few numbers that is cheaper than going over to compiled code."""
    function: F = getattr(rule, "py_func", rule)
    return function
