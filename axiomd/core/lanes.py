"""Sixteen bars of a strip looked at in one go, by vector instructions.

What is found is what a loop over the bars finds: integers are compared, nothing is rounded. It decides nothing: where a
bar might concern us, the rule for one bar is asked.
"""

from __future__ import annotations

from typing import Any, Final

from axiomd.core.compiled import cgutils, intrinsic, ir, types
from axiomd.core.market.strip import LANES, NUMBER_MAX

_BELOW_ALL: Final = -NUMBER_MAX - 1


@intrinsic
def quiet_bars(_typing_context: Any, highs_at: Any, lows_at: Any, high: Any, low: Any, skipped: Any, most: Any) -> Any:
    """Give how many bars, up to `most` of 16, whose HIGHs and LOWs stand from two addresses on, stay below `high` and
    above `low`; the first is taken to do so where `skipped` is 1."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        reaches = builder.icmp_signed(">=", _load(builder, args[0]), _all(builder, args[2]))
        sinks = builder.icmp_signed("<=", _load(builder, args[1]), _all(builder, args[3]))
        bits = builder.zext(builder.bitcast(builder.or_(reaches, sinks), ir.IntType(LANES)), ir.IntType(64))
        bits = builder.and_(bits, builder.not_(args[4]))
        # a bit behind the last, for bars of which none does
        bits = builder.or_(bits, builder.shl(ir.Constant(ir.IntType(64), 1), args[5]))
        return builder.cttz(bits, ir.Constant(ir.IntType(1), 1))

    return types.int64(highs_at, lows_at, high, low, skipped, most), generate


@intrinsic
def span(_typing_context: Any, highs_at: Any, lows_at: Any, count: Any) -> Any:
    """Give the highest HIGH and the lowest LOW of 1 to 16 bars, which stand from two addresses on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        is_one = _are_first(builder, args[2])
        found = (
            builder.sext(_most(builder, "smax", is_one, _load(builder, args[0]), _BELOW_ALL), ir.IntType(64)),
            builder.sext(_most(builder, "smin", is_one, _load(builder, args[1]), NUMBER_MAX), ir.IntType(64)),
        )
        return context.make_tuple(builder, signature.return_type, found)

    return types.UniTuple(types.int64, 2)(highs_at, lows_at, count), generate


@intrinsic
def deepest_fall(_typing_context: Any, numbers_at: Any, count: Any, turn: Any) -> Any:
    """Give of 1 to 16 numbers from an address on the lowest, the highest, how far one at most is below the highest up
    to it, and the place of the first that is so far below. All is meant upside down where `turn` is -1, not 1."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # -1 or 0: to turn a number is to turn its bits and add one
        sign = builder.ashr(args[2], ir.Constant(ir.IntType(64), 1))
        turned = _all(builder, sign)
        numbers = builder.sub(builder.xor(_load(builder, args[0]), turned), turned)
        is_one = _are_first(builder, args[1])
        known = builder.select(is_one, numbers, _same(_BELOW_ALL))
        highest = known
        for places in (1, 2, 4, 8):
            highest = _larger(builder, highest, _moved(builder, highest, places))
        falls = builder.select(is_one, builder.sub(highest, numbers), _same(0))
        fall = _reduced(builder, "umax", falls)
        is_deepest = builder.icmp_unsigned("==", falls, _all(builder, fall))
        first = builder.zext(builder.bitcast(is_deepest, ir.IntType(LANES)), ir.IntType(64))
        top = builder.extract_element(highest, ir.Constant(ir.IntType(32), LANES - 1))
        low = builder.sext(_most(builder, "smin", is_one, numbers, NUMBER_MAX), ir.IntType(64))
        high = builder.sext(top, ir.IntType(64))
        found = (
            builder.sub(builder.xor(low, sign), sign),
            builder.sub(builder.xor(high, sign), sign),
            builder.zext(fall, ir.IntType(64)),
            builder.cttz(first, ir.Constant(ir.IntType(1), 1)),
        )
        return context.make_tuple(builder, signature.return_type, found)

    return types.UniTuple(types.int64, 4)(numbers_at, count, turn), generate


def _vector(size: int) -> Any:
    return ir.VectorType(ir.IntType(32), size)


def _load(builder: Any, address: Any) -> Any:
    numbers = builder.load(builder.inttoptr(address, _vector(LANES).as_pointer()))
    numbers.align = 4
    return numbers


def _all(builder: Any, number: Any) -> Any:
    """Give a number, which 32 bits must hold, sixteen times."""
    narrow = number if number.type == ir.IntType(32) else builder.trunc(number, ir.IntType(32))
    none = ir.Constant(_vector(LANES), ir.Undefined)
    one = builder.insert_element(none, narrow, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, none, ir.Constant(_vector(LANES), [0] * LANES))


def _are_first(builder: Any, count: Any) -> Any:
    """Say of each lane whether it is among so many first ones."""
    return builder.icmp_signed("<", ir.Constant(_vector(LANES), list(range(LANES))), _all(builder, count))


def _same(number: int) -> Any:
    return ir.Constant(_vector(LANES), [number] * LANES)


def _moved(builder: Any, numbers: Any, places: int) -> Any:
    """Move numbers so many lanes up, the lowest number there is behind them."""
    kept = [LANES + k for k in range(places)] + list(range(LANES - places))
    return builder.shuffle_vector(numbers, _same(_BELOW_ALL), ir.Constant(_vector(LANES), kept))


def _larger(builder: Any, some: Any, others: Any) -> Any:
    return builder.select(builder.icmp_signed(">", some, others), some, others)


def _most(builder: Any, way: str, is_one: Any, column: Any, neutral: int) -> Any:
    return _reduced(builder, way, builder.select(is_one, column, _same(neutral)))


def _reduced(builder: Any, way: str, numbers: Any) -> Any:
    kind = ir.FunctionType(ir.IntType(32), [_vector(LANES)])
    reduce = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.{way}.v{LANES}i32")
    return builder.call(reduce, [numbers])
