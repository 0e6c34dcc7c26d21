"""Our part of a moment: its setups in their order, sized, judged by the chain, and working from here on."""

from __future__ import annotations

import numpy as np

from axiomd.core.board import Ints, Records
from axiomd.core.compiled import Row, carray, njit, not_negative
from axiomd.core.fills import MARKET, resting_prices
from axiomd.core.guards.api import PROPOSAL
from axiomd.core.guards.chain import PASSED, judge_order
from axiomd.core.kernel.rows import (
    NETTING,
    O_FILL_TS,
    O_GUARD,
    O_QTY,
    O_SENT_US,
    O_SESSION,
    O_SIDE,
    O_SIGNAL,
    O_STATUS,
    OUTCOME,
    PAUSED,
    PLACED,
    REFUSED,
    TOO_SMALL,
    UNPRICED,
    WORKING,
)
from axiomd.core.kernel.standing import post_symbol
from axiomd.core.registers import own_room
from axiomd.core.sizing import quantity, stakes
from axiomd.core.strategies import api

_own_proposal = own_room(PROPOSAL, 1)
_own_verdicts = own_room(np.int64, 2 * PASSED)


@njit
def decide(
    account: Records, symbols: Records, strategies: Records, slots: Records, limit: Row, setups: Ints,
    sizings: Records, legs: Records, held: Records, z: Row, sequence: Ints, signals: Ints, orders: Ints,
) -> None:  # fmt: skip
    """Every setup of the moment: strategy as listed, rank, symbol; each sees the orders placed just before."""
    a = account[0]
    count = 1 if len(setups) == 1 else a.setups
    for n in range(count):
        place = n
        while place > 0 and comes_before(slots[setups[n, api.SLOT]], slots[setups[sequence[place - 1], api.SLOT]]):
            sequence[place] = sequence[place - 1]
            place -= 1
        sequence[place] = n
    for n in range(count):
        row = setups[among(setups, sequence[n])]
        slot = slots[among(slots, row[api.SLOT])]
        index, k = among(symbols, slot.symbol), among(strategies, slot.strategy)
        s = not_negative(z.signals)
        z.signals += 1
        for column in range(OUTCOME):
            signals[s, column] = row[column]
        if held[index].order >= 0 or legs[index, 0].order >= 0 or legs[index, 1].order >= 0:
            signals[s, OUTCOME] = NETTING
            continue
        if strategies[k].is_paused:
            signals[s, OUTCOME] = PAUSED
            continue
        symbol = symbols[index]
        if symbol.is_unpriced:
            signals[s, OUTCOME] = UNPRICED
            continue
        signals[s, OUTCOME] = TOO_SMALL
        placed = False
        passed = 0
        stake, cap = stakes(sizings[k], a.equity, symbol.fx_num, symbol.fx_den)
        # both first, so that the divisions of one need not wait for the other's order
        long, short = sized(sizings[k], stake, cap, row, 0, symbol), sized(sizings[k], stake, cap, row, 1, symbol)
        for place in range(2):
            entry = row[api.LONG_ENTRY] if place == 0 else row[api.SHORT_ENTRY]
            stop_loss = row[api.LONG_STOP] if place == 0 else row[api.SHORT_STOP]
            qty = long if place == 0 else short
            if qty == 0:
                continue
            placed = True
            if propose_leg(
                place, entry, stop_loss, qty, row, s, passed, index, account, symbols, limit, legs, z, orders
            ):
                passed += 1
        if placed:
            signals[s, OUTCOME] = PLACED
        if passed:
            symbols[index].owner = k
            z.sends += passed
            post_symbol(a, symbols, legs, held, index)


@njit
def sized(sizing: Row, stake: int, cap: int, row: Ints, place: int, symbol: Row) -> int:
    """Give the quantity of a setup's leg, 0 where there is no such leg."""
    entry = row[api.LONG_ENTRY] if place == 0 else row[api.SHORT_ENTRY]
    if entry == 0:
        return 0
    stop_loss = row[api.LONG_STOP] if place == 0 else row[api.SHORT_STOP]
    return quantity(sizing, stake, cap, entry, stop_loss, symbol.tick, symbol.lot, row[api.VOLUME])


@njit
def among(records: Records | Ints, place: int) -> int:
    """Give a place among records, of a single one without looking: where they are known to be one, so is the place."""
    return 0 if len(records) == 1 else place


@njit
def comes_before(one: Row, other: Row) -> bool:
    """Order of decisions within a moment."""
    if one.strategy != other.strategy:
        return bool(one.strategy < other.strategy)
    if one.rank != other.rank:
        return bool(one.rank < other.rank)
    return bool(one.symbol < other.symbol)


@njit
def propose_leg(
    place: int, entry: int, stop_loss: int, qty: int, row: Ints, s: int, passed: int, index: int, account: Records,
    symbols: Records, limit: Row, legs: Records, z: Row, orders: Ints,
) -> bool:  # fmt: skip
    """One leg through the chain: refused, or working from here on."""
    a = account[0]
    target = row[api.LONG_TARGET] if place == 0 else row[api.SHORT_TARGET]
    own_limit = row[api.LONG_LIMIT] if place == 0 else row[api.SHORT_LIMIT]
    kind = row[api.ENTRY_KIND]
    stop, limit_price = resting_prices(kind, entry, own_limit)
    side = 1 if place == 0 else -1
    now_us = row[api.MOMENT]
    o, head = not_negative(z.orders), not_negative(z.sends_head)
    while head < o and (orders[head, O_SENT_US] < now_us - limit.rate_us or orders[head, O_STATUS] == REFUSED):
        z.sends -= orders[head, O_STATUS] != REFUSED
        head += 1
    z.sends_head = head
    z.orders += 1
    orders[o, O_SIGNAL], orders[o, O_SIDE], orders[o, O_QTY] = s, side, qty
    orders[o, O_SENT_US], orders[o, O_SESSION] = now_us, z.session
    orders[o, O_FILL_TS], orders[o, O_GUARD] = 0, 0
    # nobody reads the figures of a verdict here: in a place of their own they are not even written
    x, verdicts = carray(_own_proposal(), (1,)), carray(_own_verdicts(), (PASSED, 2))
    guard = judge_order(
        x[0], a, symbols, limit, verdicts, index, side, qty, 0 if kind == MARKET else entry, stop, limit_price,
        stop_loss, target, z.level > 0, True, True, False, z.sends + passed,
    )  # fmt: skip
    if guard != PASSED:
        orders[o, O_STATUS], orders[o, O_GUARD] = REFUSED, guard
        return False
    orders[o, O_STATUS] = WORKING
    leg = legs[index, place]
    leg.order, leg.qty, leg.kind, leg.stop, leg.limit = o, qty, kind, stop, limit_price
    leg.stop_loss, leg.target = stop_loss, target
    leg.valid_from_us, leg.valid_to_us, leg.is_triggered = row[api.VALID_FROM], row[api.VALID_TO], 0
    return True
