"""A strategy's two steps compiled for the scan: over one bar, and over as many as can be taken at once; by address.

What stands around the steps is the same for every strategy and stands here once: no strategy writes a loop. It decides
nothing and knows no book.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, Final

import numpy as np

from axiomd.core.board import FLOAT_PARAMS_SIZE, FLOAT_STATE_SIZE, INT_PARAMS_SIZE, INT_STATE_SIZE
from axiomd.core.compiled import cgutils, intrinsic, ir, njit, types
from axiomd.core.market.strip import OF_CLOSE, OF_HIGH, OF_LOW, OF_OPEN, OF_VOLUME
from axiomd.core.registers import own_copy, own_room, pointer_at, put_back
from axiomd.core.strategies.api import NO_SETUP, Step

_BAR_SIZE: Final = 6
_INTS: Final = "CPointer(int64)"
_STATE: Final = f"{_INTS}, CPointer(float64), {_INTS}, CPointer(float64), {_INTS}"
_STEP: Final = f"int64({_STATE}, int64, {_INTS}, int64, {_INTS})"
_WALK: Final = f"int64({_STATE}, {_INTS})"

# columns of what a walk is asked, in the order of `call_walk`
_WINDOWS, _START_US, _STEP_US, _BARS, _APART, _COUNT, _IS_CANDIDATE, _OUT = range(8)


def _no_step(*_: object) -> int:
    return NO_SETUP


# where `step` and `walk` are compiled for a strategy, its own steps stand under these names
observe: Step = _no_step
trigger: Step = _no_step

_own_ints = own_copy(np.int64, INT_STATE_SIZE)
_own_floats = own_copy(np.float64, FLOAT_STATE_SIZE)
_own_int_params = own_copy(np.int64, INT_PARAMS_SIZE)
_own_float_params = own_copy(np.float64, FLOAT_PARAMS_SIZE)
_own_bar = own_room(np.int64, _BAR_SIZE)
_shorts_at = pointer_at(np.int32)
_longs_at = pointer_at(np.int64)
_put_ints = put_back(INT_STATE_SIZE)
_put_floats = put_back(FLOAT_STATE_SIZE)


def step(si, sf, pi, pf, win, n, bar, is_candidate, out):  # type: ignore[no-untyped-def]
    """Take one closed bar in: int64[6] as in `strategies.api`; whether a candidate's step reports a setup."""
    observe(si, sf, pi, pf, win, n, bar, out)
    if is_candidate:
        return trigger(si, sf, pi, pf, win, n, bar, out)
    return NO_SETUP


def walk(si, sf, pi, pf, win, asked):  # type: ignore[no-untyped-def]
    """Take in bars up to the first setup: how many bars that took, 0 where all were taken without one.

    `asked` int64[8] is what else a call says, in one place: arguments beyond the sixth would be copied on the way, and
    the copy waits until all before it is done. The first bar starts at `_START_US`, each later one `_STEP_US` after it.
    Its OPEN stands at `_BARS`, its other numbers `_APART` numbers from one another.
    """
    n, start_us, step_us = asked[_WINDOWS], asked[_START_US], asked[_STEP_US]
    bars, apart, count, is_candidate = _shorts_at(asked[_BARS]), asked[_APART], asked[_COUNT], asked[_IS_CANDIDATE]
    out = _longs_at(asked[_OUT])
    # copies of its own are seen to be nobody else's, so that they live in registers from bar to bar
    own_si, own_sf, bar = _own_ints(si), _own_floats(sf), _own_bar()
    own_pi, own_pf = _own_int_params(pi), _own_float_params(pf)
    found = 0
    for k in range(count):
        bar[0] = start_us + k * step_us
        bar[1], bar[2], bar[3] = bars[k + OF_OPEN * apart], bars[k + OF_HIGH * apart], bars[k + OF_LOW * apart]
        bar[4], bar[5] = bars[k + OF_CLOSE * apart], bars[k + OF_VOLUME * apart]
        observe(own_si, own_sf, own_pi, own_pf, win, n, bar, out)
        if is_candidate and trigger(own_si, own_sf, own_pi, own_pf, win, n, bar, out):
            found = k + 1
            break
    _put_ints(si, own_si)
    _put_floats(sf, own_sf)
    return found


def step_address(observe: Callable[..., int], trigger: Callable[..., int]) -> int:
    """Compile a strategy's steps over one bar to machine code and give its address, good as long as the process lives.

    An address in an array costs 2 ns a call and lets the scan be compiled once for every strategy there will ever be; a
    tuple of first-class numba functions cost 97 us to hand over, and generated source could not be cached.
    """
    return address_of(step, _STEP, observe, trigger)


def walk_address(observe: Callable[..., int], trigger: Callable[..., int]) -> int:
    """Compile a strategy's steps over many bars, and give its address likewise."""
    return address_of(walk, _WALK, observe, trigger)


def address_of(body: Callable[..., int], signature: str, observe: Any, trigger: Any) -> int:
    """Compile a body with a strategy's steps under the names `observe` and `trigger`, and give its address."""
    steps = (getattr(observe, "py_func", observe), getattr(trigger, "py_func", trigger))
    key = (body, *steps)
    if key not in _compiled:
        from axiomd.core.kept_code import kept_step

        _compiled[key] = kept_step(_with_steps(body, *steps), signature)
    return int(_compiled[key].address)


_compiled: dict[object, Any] = {}
"""What was compiled, by body and steps: an address is good only while its code is kept alive."""


def _with_steps(body: Any, observe: Any, trigger: Any) -> FunctionType:
    """Give `step` or `walk` with a strategy's steps under their names, as a function of the strategy's own file.

    numba keeps compiled code by file, name and place, and compiles anew where the file has changed: it must be the
    strategy's. A closure would not do, since numba finds what a closure calls by identities of the running process.
    """
    own = {"observe": njit(observe), "trigger": njit(trigger)}
    place = observe.__code__
    code = body.__code__.replace(co_filename=place.co_filename, co_firstlineno=place.co_firstlineno)
    made = FunctionType(code, {**body.__globals__, **own}, body.__name__)
    made.__module__ = observe.__module__
    made.__qualname__ = f"{body.__name__}.{observe.__qualname__}.{_fingerprint(observe, trigger)}"
    return made


def _fingerprint(*steps: Any) -> str:
    """Tell pairs of steps apart, whatever they are called and wherever they come from, in every process alike."""
    digest = hashlib.sha256()
    for own in steps:
        code = own.__code__
        constants = [value for value in code.co_consts if not isinstance(value, CodeType)]
        digest.update(repr((own.__module__, own.__qualname__, code.co_code, constants, code.co_names)).encode())
    return digest.hexdigest()[:16]


@intrinsic
def call_step(  # type: ignore[no-untyped-def]
    _typing_context, address, si, sf, k, pi, pf, g, windows, first, count, bars, s, is_candidate, setups, row
):
    """Call a step at its address (compiled code only) with pointers to row k of `si` and `sf`, row g of `pi` and `pf`,
    window `first` of `windows` (four columns each), row s of `bars` and row `row` of `setups`.

    Pointers are computed here instead of slicing: a view of an array costs two atomic counts, five of them a call.
    """
    signature = types.int64(address, si, sf, k, pi, pf, g, windows, first, count, bars, s, is_candidate, setups, row)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        to = _Places(context, builder, signature, args)
        passed = [*to.state(), args[9], to.row(10, args[11]), args[12], to.row(13, args[14])]
        return _call(builder, args[0], passed)

    return signature, generate


@intrinsic
def call_walk(  # type: ignore[no-untyped-def]
    _typing_context, address, si, sf, k, pi, pf, g, windows, first, windows_count, start_us, step_us, columns, row,
    count, is_candidate, setups, setup,
):  # fmt: skip
    """Call a walk likewise, over `count` bars of a strip from `row` on."""
    signature = types.int64(
        address, si, sf, k, pi, pf, g, windows, first, windows_count, start_us, step_us, columns, row, count,
        is_candidate, setups, setup,
    )  # fmt: skip

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        to = _Places(context, builder, signature, args)
        values = [*args[9:12], to.row(12, args[13], 1), to.columns(12), args[14], args[15], to.row(16, args[17])]
        asked = cgutils.alloca_once(builder, ir.ArrayType(ir.IntType(64), len(values)))
        first = builder.gep(asked, [ir.Constant(ir.IntType(32), 0)] * 2)
        for k, value in enumerate(values):
            is_pointer = isinstance(value.type, ir.PointerType)
            number = builder.ptrtoint(value, ir.IntType(64)) if is_pointer else value
            builder.store(number, builder.gep(first, [ir.Constant(ir.IntType(32), k)]))
        return _call(builder, args[0], [*to.state(), first])

    return signature, generate


@intrinsic
def call_body(_typing_context, address, asked_at):  # type: ignore[no-untyped-def]
    """Call what takes the address of all that it is asked, at its own (compiled code only)."""

    def generate(_context, builder, _signature, args):  # type: ignore[no-untyped-def]
        return _call(builder, args[0], [args[1]])

    return types.int64(address, asked_at), generate


class _Places:
    """Pointers into the arrays among the arguments of a call."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self._context, self._builder, self._signature, self._args = context, builder, signature, args

    def row(self, position: int, index: Any, width: int | None = None) -> Any:
        """Give the pointer to a row of `width` numbers, as many as the array has columns where that is not said."""
        columns = self.columns(position) if width is None else ir.Constant(ir.IntType(64), width)
        return self._builder.gep(self._array(position).data, [self._builder.mul(index, columns)])

    def columns(self, position: int) -> Any:
        """Give how many columns an array has."""
        return self._builder.extract_value(self._array(position).shape, 1)

    def state(self) -> list[Any]:
        """Give what every call begins with: si, sf, pi, pf, win; arguments 1 to 8."""
        k, g, first = self._args[3], self._args[6], self._args[8]
        return [self.row(1, k), self.row(2, k), self.row(4, g), self.row(5, g), self.row(7, first, 4)]

    def _array(self, position: int) -> Any:
        kind = self._signature.args[position]
        return self._context.make_array(kind)(self._context, self._builder, self._args[position])


def _call(builder: Any, address: Any, passed: list[Any]) -> Any:
    kind = ir.FunctionType(ir.IntType(64), [value.type for value in passed])
    return builder.call(builder.inttoptr(address, kind.as_pointer()), passed)
