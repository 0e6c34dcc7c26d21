"""An array handed on inside compiled code without being counted."""

from __future__ import annotations

from typing import Any

from axiomd.core.compiled import cgutils, intrinsic, ir


def borrowed(*shape: int | None) -> Any:
    """Give the intrinsic that gives an array whose uses are not counted; the caller keeps the counted one alive.

    Handing an array to a function counts it up and down atomically. In the kernel that was a quarter of the time. What
    is known of the shape when it is compiled need not be carried along: a row is found without multiplying by a number
    from memory, and a loop over one is no loop. The array must have that shape.
    """

    @intrinsic
    def view_of(_typing_context, array):  # type: ignore[no-untyped-def]
        assert len(shape) in (0, array.ndim), "a number for each dimension"

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _view(context, builder, signature.args[0], args[0], shape)._getvalue()

        return array(array), generate

    return view_of


def beside(place: int, *shape: int) -> Any:
    """Give the intrinsic that gives an array by where it lies: `place` bytes behind the start of another.

    It takes the array and the other one. Of several such the compiler knows that none overlaps another, and one address
    leads to them all.
    """

    @intrinsic
    def view_of(_typing_context: Any, array: Any, first: Any) -> Any:
        assert len(shape) == array.ndim, "a number for each dimension"

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            view = _view(context, builder, signature.args[0], args[0], shape)
            start = context.make_array(signature.args[1])(context, builder, args[1]).data
            start = builder.bitcast(start, ir.IntType(8).as_pointer())
            view.data = builder.bitcast(builder.gep(start, [ir.Constant(ir.IntType(64), place)]), view.data.type)
            return view._getvalue()

        return array(array, first), generate

    return view_of


def _view(context: Any, builder: Any, kind: Any, array: Any, shape: tuple[int | None, ...]) -> Any:
    view = context.make_array(kind)(context, builder, array)
    view.meminfo = ir.Constant(view.meminfo.type, None)
    view.parent = ir.Constant(view.parent.type, None)
    lengths = cgutils.unpack_tuple(builder, view.shape)
    for place, known in enumerate(shape):
        if known is not None:
            lengths[place] = ir.Constant(lengths[place].type, known)
    view.shape = cgutils.pack_array(builder, lengths)
    return view
