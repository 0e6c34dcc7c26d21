"""Rules are known before they are compiled: by name in each other, as Python, and once whoever asks first."""

from __future__ import annotations

import pickle
from typing import Any

import numba
import numpy as np
import pytest

from axiomd.core.compiled import Later, intrinsic, machine_code, njit, not_negative, plain, types
from axiomd.core.registers import own_room

pytestmark = pytest.mark.slow

_room = own_room(np.float64, 2)


@njit
def doubled(amount: int) -> int:
    """Say it twice."""
    return 2 * amount


@njit
def apart(amount: int, more: int = 1) -> float:
    room = _room()
    room[0], room[1] = doubled(amount), own_minus(more)
    return room[0] + room[1]


@intrinsic
def own_minus(_typing_context, amount):  # type: ignore[no-untyped-def]
    def generate(_context, builder, _signature, args):  # type: ignore[no-untyped-def]
        return builder.neg(args[0])

    return types.int64(amount), generate


@numba.njit
def a_stranger(amount: int) -> int:
    return doubled(amount) + 1


def test_rules_and_intrinsics_are_made_amid_the_compiling_of_whoever_names_them() -> None:
    assert 4.0 == apart(3, more=2)
    assert 5.0 == apart(3)
    assert 7 == a_stranger(3)


def test_a_rule_says_what_it_is_and_runs_as_python_too() -> None:
    assert ("doubled", __name__, "Say it twice.") == (doubled.__name__, doubled.__module__, doubled.__doc__)
    text: Any = "2"  # no compiled rule takes a text twice
    assert "22" == plain(doubled)(text)


@njit
def third(number: int) -> int:
    result: int = not_negative(number) // 3
    return result


def test_a_number_that_is_not_negative_is_the_same_compiled_and_not() -> None:
    for number in (0, 1, 2, 3, 2**62, 2**63 - 1):
        assert number // 3 == third(number) == plain(third)(number)


def test_a_module_of_the_compilers_can_be_kept_with_a_rule_that_names_it() -> None:
    """A rule handed to another as an argument is part of its type, and that is written down with all it names."""
    assert numba.types.int64 is pickle.loads(pickle.dumps(types)).int64


def test_whoever_comes_while_it_is_being_made_is_given_the_same() -> None:
    meanwhile: list[object] = []

    def make() -> object:
        if not meanwhile:
            meanwhile.append(object())
            meanwhile.append(twice.made)
        return object()

    twice = Later(make)

    assert twice.made is meanwhile[1]
    assert twice.made is twice.made


def test_machine_code_is_what_a_function_of_one_set_of_types_runs() -> None:
    @numba.njit
    def halved(amount: float) -> float:
        return amount / 2

    assert halved is machine_code(halved)

    halved(3)
    code = machine_code(halved)
    assert code is not halved
    assert 3.5 == code(7)

    halved(3.0)
    assert halved is machine_code(halved)


def test_a_rule_that_python_runs_is_its_own_machine_code() -> None:
    assert plain(doubled) is machine_code(plain(doubled))
