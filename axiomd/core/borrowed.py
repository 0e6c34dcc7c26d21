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

        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            view = context.make_array(signature.args[0])(context, builder, args[0])
            view.meminfo = ir.Constant(view.meminfo.type, None)
            view.parent = ir.Constant(view.parent.type, None)
            lengths = cgutils.unpack_tuple(builder, view.shape)
            for place, known in enumerate(shape):
                if known is not None:
                    lengths[place] = ir.Constant(lengths[place].type, known)
            view.shape = cgutils.pack_array(builder, lengths)
            return view._getvalue()

        return array(array), generate

    return view_of
