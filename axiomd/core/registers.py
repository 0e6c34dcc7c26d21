"""Numbers of a compiled function's own: copied in, worked on, copied back.

What stands behind a pointer may be changed by any other store, so that each use reads it again and each change is
written; a copy in the function's own frame is seen to be nobody else's and is kept in registers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from axiomd.core.compiled import cgutils, intrinsic, ir, numba, types


def own_copy(kind: DTypeLike, size: int) -> Any:
    """Give the intrinsic that copies `size` numbers behind a pointer: it takes the pointer and gives the copy's."""

    @intrinsic
    def copied(_typing_context, source):  # type: ignore[no-untyped-def]
        def generate(context, builder, _signature, args):  # type: ignore[no-untyped-def]
            first = _room(context, builder, _type(kind), size)
            _copy(builder, args[0], first, range(size))
            return first

        return types.CPointer(_type(kind))(source), generate

    return copied


def own_room(kind: DTypeLike, size: int) -> Any:
    """Give the intrinsic that makes room for `size` numbers, none of them set, and gives a pointer to it."""

    @intrinsic
    def room(_typing_context):  # type: ignore[no-untyped-def]
        def generate(context, builder, _signature, _args):  # type: ignore[no-untyped-def]
            return _room(context, builder, _type(kind), size)

        return types.CPointer(_type(kind))(), generate

    return room


@intrinsic
def own_record(_typing_context, record):  # type: ignore[no-untyped-def]
    """Copy a record of eight-byte columns, and give the copy."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        words = _words(record)
        own = _room(context, builder, types.int64, words)
        _copy(builder, _as_words(builder, args[0]), own, range(words))
        return builder.bitcast(own, context.get_value_type(signature.return_type))

    return record(record), generate


def put_columns(kind: np.dtype[Any], names: tuple[str, ...]) -> Any:
    """Give the intrinsic that copies columns of a record: it takes the record to write to, then the one to read."""
    assert kind.fields is not None
    places = [int(kind.fields[name][1]) // 8 for name in names]

    @intrinsic
    def put(_typing_context, target, source):  # type: ignore[no-untyped-def]
        def generate(context, builder, _signature, args):  # type: ignore[no-untyped-def]
            _copy(builder, _as_words(builder, args[1]), _as_words(builder, args[0]), places)
            return context.get_dummy_value()

        return types.void(target, source), generate

    return put


def set_columns(kind: np.dtype[Any], names: tuple[str, ...], value: int) -> Any:
    """Give the intrinsic that sets columns of a record to one number, known when it is compiled.

    Done to a copy of one's own, code that such a column would lead to is left out.
    """
    assert kind.fields is not None
    places = [(int(kind.fields[name][1]) // 8, kind.fields[name][0].kind) for name in names]

    @intrinsic
    def known(_typing_context, target):  # type: ignore[no-untyped-def]
        def generate(context, builder, _signature, args):  # type: ignore[no-untyped-def]
            words = _as_words(builder, args[0])
            for place, of_kind in places:
                at = builder.gep(words, [ir.Constant(ir.IntType(32), place)])
                if of_kind == "f":
                    at = builder.bitcast(at, ir.DoubleType().as_pointer())
                builder.store(ir.Constant(at.type.pointee, float(value) if of_kind == "f" else value), at)
            return context.get_dummy_value()

        return types.void(target), generate

    return known


def _words(record: Any) -> int:
    assert record.size % 8 == 0, "a record of the board has eight-byte columns"
    return int(record.size) // 8


def _as_words(builder: Any, record: Any) -> Any:
    return builder.bitcast(record, ir.IntType(64).as_pointer())


def put_back(size: int) -> Any:
    """Give the intrinsic that copies `size` numbers: it takes the pointer to write to, then the one to read from."""

    @intrinsic
    def put(_typing_context, target, source):  # type: ignore[no-untyped-def]
        def generate(context, builder, _signature, args):  # type: ignore[no-untyped-def]
            _copy(builder, args[1], args[0], range(size))
            return context.get_dummy_value()

        return types.void(target, source), generate

    return put


def pointer_at(kind: DTypeLike) -> Any:
    """Give the intrinsic that takes an address as an integer and gives it as a pointer."""

    @intrinsic
    def pointer(_typing_context, address):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return types.CPointer(_type(kind))(address), generate

    return pointer


@intrinsic
def fetch_ahead(_typing_context, address):  # type: ignore[no-untyped-def]  # noqa: ARG001 numba goes by its place
    """Have what stands at an address on its way before it is asked for, where memory would be waited for."""

    def generate(context, builder, _signature, args):  # type: ignore[no-untyped-def]
        one, line = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [line, one, one, one])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        # to be read, kept near, data
        builder.call(fetch, [builder.inttoptr(args[0], line), one(0), one(3), one(1)])
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _type(kind: DTypeLike) -> Any:
    return numba.from_dtype(np.dtype(kind))


def _room(context: Any, builder: Any, kind: Any, size: int) -> Any:
    zero = ir.Constant(ir.IntType(32), 0)
    return builder.gep(cgutils.alloca_once(builder, ir.ArrayType(context.get_data_type(kind), size)), [zero, zero])


def _copy(builder: Any, source: Any, target: Any, places: Iterable[int]) -> None:
    for k in places:
        at = [ir.Constant(ir.IntType(32), k)]
        builder.store(builder.load(builder.gep(source, at)), builder.gep(target, at))
