"""The one way a rule is compiled: numba with a cache on disk, no fastmath, no parallel reductions.

Both of those would let a sum depend on the machine, and a decision must not. The cache folder carries a fingerprint of
the package's own source, because numba notices a change in the file of a function but not in the functions it calls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from llvmlite import ir
from numba import config as _numba_config
from numba.extending import intrinsic
from platformdirs import user_cache_path

from axiomd.core.kept_code import kept

F = TypeVar("F", bound=Callable[..., object])

Row = Any
"""One row of a structured array as compiled code sees it: its columns by name, integers and floats.

numpy has no type for it that a checker could look into; the dtypes in `board`, `guards.api`, `sizing` and `fills` say
what the columns are.
"""


def _source_fingerprint() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


if not _numba_config.CACHE_DIR:  # NUMBA_CACHE_DIR, set by systemd's unit, wins
    _numba_config.CACHE_DIR = str(user_cache_path("axiomd") / "numba" / _source_fingerprint())


def njit(function: F) -> F:
    """Compile a rule: cached, nopython, IEEE arithmetic, no bounds checks, wrap-free integer semantics of int64."""
    compiled: F = kept(numba.njit(fastmath=False, parallel=False, error_model="numpy", forceinline=True)(function))
    return compiled


def plain(rule: F) -> F:
    """Give a rule as Python runs it: for a few numbers that is cheaper than going over to compiled code."""
    function: F = getattr(rule, "py_func", rule)
    return function


@intrinsic
def borrowed(_typing_context, array):  # type: ignore[no-untyped-def]
    """Give an array (compiled code only) whose uses are not counted; the caller keeps the counted one alive.

    Handing an array to a function counts it up and down atomically. In the kernel that was a quarter of the time.
    """
    signature = array(array)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        view = context.make_array(signature.args[0])(context, builder, args[0])
        view.meminfo = ir.Constant(view.meminfo.type, None)
        view.parent = ir.Constant(view.parent.type, None)
        return view._getvalue()

    return signature, generate
