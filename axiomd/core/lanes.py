"""Sixteen bars of a strip looked at in one go, by vector instructions.

What is found is what a loop over the bars finds: integers are compared, nothing is rounded. It decides nothing: where a
bar might concern us, the rule for one bar is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from axiomd.core.compiled import cgutils, intrinsic, ir, types
from axiomd.core.market.strip import LANES, NUMBER_MAX, ROW_HIGH, ROW_LOW, ROW_WIDTH

_BELOW_ALL: Final = -NUMBER_MAX - 1


@intrinsic
def quiet_rows(_typing_context: Any, address: Any, high: Any, low: Any) -> Any:
    """Give how many rows from an address on, up to 16, have every price below `high` and above `low`."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        rows = _load(builder, args[0])
        reaches = builder.icmp_signed(">=", _column(builder, rows, ROW_HIGH), _all(builder, args[1]))
        sinks = builder.icmp_signed("<=", _column(builder, rows, ROW_LOW), _all(builder, args[2]))
        bits = builder.bitcast(builder.or_(reaches, sinks), ir.IntType(LANES))
        # a bit behind the last, for rows of which none does
        bits = builder.or_(builder.zext(bits, ir.IntType(64)), ir.Constant(ir.IntType(64), 1 << LANES))
        return builder.cttz(bits, ir.Constant(ir.IntType(1), 1))

    return types.int64(address, high, low), generate


@intrinsic
def span(_typing_context: Any, address: Any, count: Any) -> Any:
    """Give the highest HIGH and the lowest LOW of 1 to 16 rows from an address on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _load(builder, args[0])
        places = ir.Constant(_vector(LANES), list(range(LANES)))
        is_one = builder.icmp_signed("<", places, _all(builder, args[1]))
        found = (
            _most(builder, "smax", is_one, _column(builder, rows, ROW_HIGH), _BELOW_ALL),
            _most(builder, "smin", is_one, _column(builder, rows, ROW_LOW), NUMBER_MAX),
        )
        return context.make_tuple(builder, signature.return_type, found)

    return types.UniTuple(types.int64, 2)(address, count), generate


def _vector(size: int) -> Any:
    return ir.VectorType(ir.IntType(32), size)


def _load(builder: Any, address: Any) -> Any:
    rows = builder.load(builder.inttoptr(address, _vector(LANES * ROW_WIDTH).as_pointer()))
    rows.align = 4
    return rows


def _column(builder: Any, rows: Any, column: int) -> Any:
    return _pick(builder, rows, range(column, LANES * ROW_WIDTH, ROW_WIDTH))


def _pick(builder: Any, vector: Any, places: Sequence[int]) -> Any:
    return builder.shuffle_vector(
        vector, ir.Constant(vector.type, ir.Undefined), ir.Constant(_vector(len(places)), list(places))
    )


def _all(builder: Any, number: Any) -> Any:
    """Give a number, which 32 bits must hold, sixteen times."""
    narrow = builder.trunc(number, ir.IntType(32))
    none = ir.Constant(_vector(LANES), ir.Undefined)
    one = builder.insert_element(none, narrow, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, none, ir.Constant(_vector(LANES), [0] * LANES))


def _most(builder: Any, way: str, is_one: Any, column: Any, neutral: int) -> Any:
    others = ir.Constant(_vector(LANES), [neutral] * LANES)
    kind = ir.FunctionType(ir.IntType(32), [_vector(LANES)])
    reduce = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.{way}.v{LANES}i32")
    return builder.sext(builder.call(reduce, [builder.select(is_one, column, others)]), ir.IntType(64))
