"""Where the records of a run lie that are moved: one behind the other, in one piece of memory.

Of a lone symbol every size is known, and so is every place when its walk is compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

from axiomd.core.board import ACCOUNT, FLOAT_STATE_SIZE, INT_STATE_SIZE, SETUP_SIZE, SLOT, STRATEGY, SYMBOL
from axiomd.core.borrowed import beside
from axiomd.core.kernel.rows import HELD, LEG, STATE
from axiomd.core.market.resample import ACC_SIZE

_SIZES: Final = (
    ACCOUNT.itemsize, SYMBOL.itemsize, STRATEGY.itemsize, SLOT.itemsize, 8 * ACC_SIZE, 8 * INT_STATE_SIZE,
    8 * FLOAT_STATE_SIZE, 8 * SETUP_SIZE, 2 * LEG.itemsize, HELD.itemsize, STATE.itemsize,
)  # fmt: skip
_, _SYMBOL, _STRATEGY, _SLOT, _INTERVAL, _, _, _SETUP, _LEGS, _HELD, _STATE, _ = accumulate(_SIZES, initial=0)

one_symbol, one_strategy, one_slot = beside(_SYMBOL, 1), beside(_STRATEGY, 1), beside(_SLOT, 1)
one_interval, one_setup = beside(_INTERVAL, 1, ACC_SIZE), beside(_SETUP, 1, SETUP_SIZE)
one_pair, one_held, one_state = beside(_LEGS, 1, 2), beside(_HELD, 1), beside(_STATE, 1)


def are_in_place(arrays: Sequence[Any]) -> bool:
    """Say whether arrays have the sizes that a lone symbol's walk counts on, in the order they are laid out in.

    They are account, symbols, strategies, slots, intervals, both states, setups, legs, held and state.
    """
    return tuple(array.nbytes for array in arrays) == _SIZES
