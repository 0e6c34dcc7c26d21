"""A strategy's two steps made one compiled walk over closed bars, and the way it is called: by its address.

The loop around the steps is the same for every strategy and stands here once; live it walks over one bar, in a backtest
over as many as can be taken at once. It decides nothing and knows no book.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from axiomd.core.board import FLOAT_STATE_SIZE, INT_STATE_SIZE
from axiomd.core.compiled import njit
from axiomd.core.registers import own_copy, own_room, put_back
from axiomd.core.strategies.api import NO_SETUP, Step

_BAR_SIZE: Final = 6
_I64_POINTER = types.CPointer(types.int64)
_F64_POINTER = types.CPointer(types.float64)
_SIGNATURE = types.int64(
    _I64_POINTER, _F64_POINTER, _I64_POINTER, _F64_POINTER, _I64_POINTER, types.int64, _I64_POINTER, types.int64,
    types.int64, types.int64, _I64_POINTER,
)  # fmt: skip


def _no_step(*_: object) -> int:
    return NO_SETUP


# where `walk` is compiled for a strategy, its own steps stand under these names
observe: Step = _no_step
trigger: Step = _no_step

_own_ints = own_copy(types.int64, INT_STATE_SIZE)
_own_floats = own_copy(types.float64, FLOAT_STATE_SIZE)
_own_bar = own_room(types.int64, _BAR_SIZE)
_put_ints = put_back(INT_STATE_SIZE)
_put_floats = put_back(FLOAT_STATE_SIZE)


def walk(si, sf, pi, pf, win, n, bars, width, count, is_candidate, out):  # type: ignore[no-untyped-def]
    """Take in `count` bars up to the first setup: how many bars that took, 0 where all were taken without one.

    `bars` are rows of `width` integers, start of the bar first, O, H, L, C, V last.
    """
    # copies of its own are seen to be nobody else's, so that they live in registers from bar to bar
    own_si, own_sf, bar = _own_ints(si), _own_floats(sf), _own_bar()
    found = 0
    for k in range(count):
        at = k * width
        bar[0] = bars[at]
        at += width - 5
        bar[1], bar[2], bar[3], bar[4], bar[5] = bars[at], bars[at + 1], bars[at + 2], bars[at + 3], bars[at + 4]
        observe(own_si, own_sf, pi, pf, win, n, bar, out)
        if is_candidate and trigger(own_si, own_sf, pi, pf, win, n, bar, out):
            found = k + 1
            break
    _put_ints(si, own_si)
    _put_floats(sf, own_sf)
    return found


def step_address(observe: Callable[..., int], trigger: Callable[..., int]) -> int:
    """Compile the walk of a strategy's steps to machine code and give its address, good for the life of the process.

    An address in an array costs 2 ns a call and lets the scan be compiled once for every strategy there will ever be; a
    tuple of first-class numba functions cost 97 us to hand over, and generated source could not be cached.
    """
    steps = (getattr(observe, "py_func", observe), getattr(trigger, "py_func", trigger))
    if steps not in _walks:
        _walks[steps] = numba.cfunc(_SIGNATURE, cache=True)(_walk_of(*steps))
    return int(_walks[steps].address)


_walks: dict[object, Any] = {}
"""Compiled walks by their steps: an address is good only while its code is kept alive."""


def _walk_of(observe: Any, trigger: Any) -> FunctionType:
    """Give `walk` with a strategy's steps under its names, as a function of the strategy's own file.

    numba keeps compiled code by file, name and place, and compiles anew where the file has changed: it must be the
    strategy's. A closure would not do, since numba finds what a closure calls by identities of the running process.
    """
    own = {"observe": njit(observe), "trigger": njit(trigger)}
    code = walk.__code__.replace(
        co_filename=observe.__code__.co_filename, co_firstlineno=observe.__code__.co_firstlineno
    )
    walk_ = FunctionType(code, {**globals(), **own}, f"walk_{observe.__name__}_{trigger.__name__}")
    walk_.__module__ = observe.__module__
    walk_.__qualname__ = f"walk.{observe.__qualname__}.{trigger.__qualname__}"
    return walk_


@intrinsic
def call_step(  # type: ignore[no-untyped-def]
    _typing_context, address, si, sf, k, pi, pf, g, windows, first, windows_count, bars, row, count, is_candidate,
    setups, setup,
):  # fmt: skip
    """Call a walk at its address (compiled code only) with pointers to row k of `si` and `sf`, row g of `pi` and `pf`,
    window `first` of `windows` (four columns each), `count` rows of `bars` from `row` on and row `setup` of `setups`.

    Pointers are computed here instead of slicing: a view of an array costs two atomic counts, five of them a call.
    """
    signature = types.int64(
        address, si, sf, k, pi, pf, g, windows, first, windows_count, bars, row, count, is_candidate, setups, setup
    )

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        i64, f64 = ir.IntType(64), ir.DoubleType()
        i64p, f64p = i64.as_pointer(), f64.as_pointer()
        kind = ir.FunctionType(i64, [i64p, f64p, i64p, f64p, i64p, i64, i64p, i64, i64, i64, i64p])
        target = builder.inttoptr(args[0], kind.as_pointer())

        def width_of(position: int) -> Any:
            array = context.make_array(signature.args[position])(context, builder, args[position])
            return builder.extract_value(array.shape, 1)

        def row_of(position: int, index: Any, width: Any = None) -> Any:
            array = context.make_array(signature.args[position])(context, builder, args[position])
            columns = width if width is not None else width_of(position)
            return builder.gep(array.data, [builder.mul(index, columns)])

        passed = [
            row_of(1, args[3]), row_of(2, args[3]), row_of(4, args[6]), row_of(5, args[6]),
            row_of(7, args[8], ir.Constant(i64, 4)), args[9], row_of(10, args[11]), width_of(10), args[12], args[13],
            row_of(14, args[15]),
        ]  # fmt: skip
        return builder.call(target, passed)

    return signature, generate
