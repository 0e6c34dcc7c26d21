"""Numbers of a compiled function's own: copied in, worked on, copied back.

What stands behind a pointer may be changed by any other store, so that each use reads it again and each change is
written; a copy in the function's own frame is seen to be nobody else's and is kept in registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_INDEX = ir.IntType(32)


def own_copy(kind: types.Type, size: int) -> Any:
    """Give the intrinsic that copies `size` numbers behind a pointer: it takes the pointer and gives the copy's."""

    @intrinsic
    def copied(_typing_context, source):  # type: ignore[no-untyped-def]
        def generate(context, builder, _signature, args):  # type: ignore[no-untyped-def]
            first = _room(context, builder, kind, size)
            _copy(builder, args[0], first, size)
            return first

        return types.CPointer(kind)(source), generate

    return copied


def own_room(kind: types.Type, size: int) -> Any:
    """Give the intrinsic that makes room for `size` numbers, none of them set, and gives a pointer to it."""

    @intrinsic
    def room(_typing_context):  # type: ignore[no-untyped-def]
        def generate(context, builder, _signature, _args):  # type: ignore[no-untyped-def]
            return _room(context, builder, kind, size)

        return types.CPointer(kind)(), generate

    return room


def put_back(size: int) -> Any:
    """Give the intrinsic that copies `size` numbers: it takes the pointer to write to, then the one to read from."""

    @intrinsic
    def put(_typing_context, target, source):  # type: ignore[no-untyped-def]
        def generate(context, builder, _signature, args):  # type: ignore[no-untyped-def]
            _copy(builder, args[1], args[0], size)
            return context.get_dummy_value()

        return types.void(target, source), generate

    return put


def pointer_at(kind: types.Type) -> Any:
    """Give the intrinsic that takes an address as an integer and gives it as a pointer."""

    @intrinsic
    def pointer(_typing_context, address):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(address), generate

    return pointer


def _room(context: Any, builder: Any, kind: types.Type, size: int) -> Any:
    zero = ir.Constant(_INDEX, 0)
    return builder.gep(cgutils.alloca_once(builder, ir.ArrayType(context.get_data_type(kind), size)), [zero, zero])


def _copy(builder: Any, source: Any, target: Any, size: int) -> None:
    for k in range(size):
        at = [ir.Constant(_INDEX, k)]
        builder.store(builder.load(builder.gep(source, at)), builder.gep(target, at))
