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
from numba import types
from numba.extending import intrinsic
from platformdirs import user_cache_path

from axiomd.core.kept_code import kept, kept_step

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


_I64_POINTER = types.CPointer(types.int64)
_F64_POINTER = types.CPointer(types.float64)
STEP_SIGNATURE = types.int64(
    _I64_POINTER, _F64_POINTER, _I64_POINTER, _F64_POINTER, _I64_POINTER, types.int64, _I64_POINTER, _I64_POINTER
)


def step_address(function: Callable[..., int]) -> int:
    """Compile a strategy's step to machine code and give its address; keep the result for the life of the process.

    An address in an array costs 2 ns a call and lets the scan be compiled once for every strategy there will ever be; a
    tuple of first-class numba functions cost 97 us to hand over, and generated source could not be cached.
    """
    plain = getattr(function, "py_func", function)
    if plain not in _steps:
        _steps[plain] = kept_step(plain, STEP_SIGNATURE)
    return int(_steps[plain].address)


_steps: dict[object, Any] = {}
"""Compiled steps by their function: an address is good only while its code is kept alive."""


@intrinsic
def call_step(_typing_context, address, si, sf, k, pi, pf, g, windows, first, count, bars, s, setups, row):  # type: ignore[no-untyped-def]
    """Call a step at its address (compiled code only) with pointers to row k of `si` and `sf`, row g of `pi` and `pf`,
    window `first` of `windows` (four columns each), row s of `bars` and row `row` of `setups`.

    Pointers are computed here instead of slicing: a view of an array costs two atomic counts, five of them a call.
    """
    signature = types.int64(address, si, sf, k, pi, pf, g, windows, first, count, bars, s, setups, row)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        i64, f64 = ir.IntType(64), ir.DoubleType()
        i64p, f64p = i64.as_pointer(), f64.as_pointer()
        kind = ir.FunctionType(i64, [i64p, f64p, i64p, f64p, i64p, i64, i64p, i64p])
        target = builder.inttoptr(args[0], kind.as_pointer())

        def row_of(position: int, index: Any, width: Any = None) -> Any:
            array = context.make_array(signature.args[position])(context, builder, args[position])
            columns = width if width is not None else builder.extract_value(array.shape, 1)
            return builder.gep(array.data, [builder.mul(index, columns)])

        passed = [
            row_of(1, args[3]), row_of(2, args[3]), row_of(4, args[6]), row_of(5, args[6]),
            row_of(7, args[8], ir.Constant(i64, 4)), args[9], row_of(10, args[11]), row_of(12, args[13]),
        ]  # fmt: skip
        return builder.call(target, passed)

    return signature, generate


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
