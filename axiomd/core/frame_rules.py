"""The rules of a frame: each takes the address of its table of addresses first, and finds there what it looks at.

They are those of `scan`, `guards.chain`, `sizing`, `portfolio` and `working`, called by their own names and nothing
besides. `Frame` binds them, and says what each takes and gives.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from axiomd.contracts.units import NEVER_US
from axiomd.core import board as b
from axiomd.core import scan
from axiomd.core.board import Floats, Ints, Records
from axiomd.core.compiled import carray, intrinsic, njit, types
from axiomd.core.fills import resting_prices
from axiomd.core.guards import written
from axiomd.core.guards.api import LIMITS, PROPOSAL
from axiomd.core.guards.chain import PASSED, Stake, heard_of, judge_beside, stake_of, stake_of_all
from axiomd.core.guards.loss import floor_broken
from axiomd.core.portfolio import average, book_fill, result_of
from axiomd.core.sizing import SIZING, quantity, stakes
from axiomd.core.strategies import api
from axiomd.core.working import NO_WORK, put, with_entry, with_position

BARS: Final = 0
_ACCOUNT: Final = 2
_SYMBOLS: Final = 4
_STRATEGIES: Final = 6
_SLOTS: Final = 8
_INTERVALS: Final = 10
_INT_STATE: Final = 12
_FLOAT_STATE: Final = 14
_INT_PARAMS: Final = 16
_FLOAT_PARAMS: Final = 18
_WINDOWS: Final = 20
_LIMITS: Final = 22
_SETUPS: Final = 24
_SIZINGS: Final = 26
PROPOSALS: Final = 28
_VERDICTS: Final = 30
_STOCK: Final = 32
_CLOSED: Final = 34
_NAMES: Final = 36
_TEXT: Final = 38
ENTRIES: Final = 40
_POSITIONS: Final = 42
SIZE: Final = 44
"""Each part is an address and a number of rows."""

_INTS: Final = np.dtype(np.int64)
_REALS: Final = np.dtype(np.float64)
_CHARS: Final = np.dtype(np.uint8)
_BOARD_ACCOUNT, _BOARD_SYMBOL, _BOARD_STRATEGY, _BOARD_SLOT = b.ACCOUNT, b.SYMBOL, b.STRATEGY, b.SLOT
_BOARD_ENTRY, _BOARD_POSITION = b.ENTRY, b.POSITION
_INT_STATE_SIZE, _FLOAT_STATE_SIZE = b.INT_STATE_SIZE, b.FLOAT_STATE_SIZE
_INT_PARAMS_SIZE, _FLOAT_PARAMS_SIZE, _SETUP_SIZE = b.INT_PARAMS_SIZE, b.FLOAT_PARAMS_SIZE, b.SETUP_SIZE
BAR_SIZE: Final = 7
STOCK_SIZE: Final = 9
"""Whether it is taken, `chain.Stake` of all symbols, how many of them were heard of."""
_INTERVAL_SIZE: Final = 6
LEGS: Final = 2
MARKED_FILLS: Final = 2
"""What `advance` says where the moment is marked whose books the equity curve waits for."""


@intrinsic
def _pointer(_typing_context, _address):  # type: ignore[no-untyped-def]
    """Give an address as a pointer (compiled code only)."""
    signature = types.voidptr(types.int64)

    def generate(context, builder, _signature, args):  # type: ignore[no-untyped-def]
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return signature, generate


@njit
def _word(at: int, place: int) -> int:
    """Give an entry of the table of addresses that lies at `at`."""
    word: int = carray(_pointer(at), (SIZE,), _INTS)[place]
    return word


@njit
def _account(at: int) -> Records:
    array: Records = carray(_pointer(_word(at, _ACCOUNT)), (_word(at, _ACCOUNT + 1),), _BOARD_ACCOUNT)
    return array


@njit
def _symbols(at: int) -> Records:
    array: Records = carray(_pointer(_word(at, _SYMBOLS)), (_word(at, _SYMBOLS + 1),), _BOARD_SYMBOL)
    return array


@njit
def _strategies(at: int) -> Records:
    array: Records = carray(_pointer(_word(at, _STRATEGIES)), (_word(at, _STRATEGIES + 1),), _BOARD_STRATEGY)
    return array


@njit
def _slots(at: int) -> Records:
    array: Records = carray(_pointer(_word(at, _SLOTS)), (_word(at, _SLOTS + 1),), _BOARD_SLOT)
    return array


@njit
def _limits(at: int) -> Records:
    array: Records = carray(_pointer(_word(at, _LIMITS)), (_word(at, _LIMITS + 1),), LIMITS)
    return array


@njit
def _table(at: int, place: int, width: int) -> Ints:
    array: Ints = carray(_pointer(_word(at, place)), (_word(at, place + 1), width), _INTS)
    return array


@njit
def _chars(at: int, place: int) -> written.Bytes:
    array: written.Bytes = carray(_pointer(_word(at, place)), (_word(at, place + 1),), _CHARS)
    return array


@njit
def _reals(at: int, place: int, width: int) -> Floats:
    array: Floats = carray(_pointer(_word(at, place)), (_word(at, place + 1), width), _REALS)
    return array


@njit
def advance_at(
    at: int, first: int, last: int, horizon_us: int, matched_us: int, filled_us: int, is_watched: bool
) -> tuple[int, int, int, int, int]:
    """Do what `Frame.advance` says."""
    account, symbols, bars = _account(at), _symbols(at), _table(at, BARS, BAR_SIZE)
    before_us = account[0].now_us
    account[0].cursor = first
    deadline_us = NEVER_US
    for s in range(len(symbols)):
        deadline_us = min(deadline_us, symbols[s].deadline_us)
    account[0].deadline_us = deadline_us
    flags = scan.advance(
        bars, last, horizon_us, matched_us, filled_us, is_watched, account, symbols,
        _strategies(at), _slots(at), _table(at, _INTERVALS, _INTERVAL_SIZE), _table(at, _INT_STATE, _INT_STATE_SIZE),
        _reals(at, _FLOAT_STATE, _FLOAT_STATE_SIZE), _table(at, _INT_PARAMS, _INT_PARAMS_SIZE),
        _reals(at, _FLOAT_PARAMS, _FLOAT_PARAMS_SIZE),
        carray(_pointer(_word(at, _WINDOWS)), (_word(at, _WINDOWS + 1),), _INTS),
        _limits(at), _table(at, _SETUPS, _SETUP_SIZE),
    )  # fmt: skip
    cursor, touched_us, count = account[0].cursor, account[0].touched_us, 0
    if flags == scan.TOUCHED:
        count = scan.touched(bars, cursor, last, touched_us, account[0], symbols, _table(at, _CLOSED, BAR_SIZE))
    moved = int(cursor != first or account[0].now_us != before_us)
    if moved and account[0].snap_us == filled_us:
        moved = MARKED_FILLS
    return flags, cursor, touched_us, count, moved


@njit
def begin_session_at(at: int, open_us: int, close_us: int, flatten_us: int) -> None:
    """Do what `Frame.begin_session` says."""
    scan.begin_session(_account(at), _symbols(at), _strategies(at), _slots(at), open_us, close_us, flatten_us)


@njit
def close_session_at(at: int, close_us: int) -> int:
    """Do what `Frame.close_session` says."""
    account, symbols = _account(at)[0], _symbols(at)
    account.now_us = close_us
    scan.settle(account, symbols, _strategies(at))
    scan.snapshot(account, account, scan.gross_exposure(symbols))
    return floor_broken(account, _limits(at)[0])


@njit
def snapshot_at(at: int) -> None:
    """Do what `Frame.snapshot` says."""
    account = _account(at)[0]
    scan.snapshot(account, account, scan.gross_exposure(_symbols(at)))


@njit
def strategy_equity_at(at: int, k: int) -> int:
    """Do what `Frame.strategy_equity` says."""
    return scan.strategy_equity(k, _symbols(at), _strategies(at))


@njit
def is_stale_at(at: int, index: int) -> bool:
    """Do what `Frame.is_stale` says."""
    return scan.symbol_is_stale(_account(at)[0], _symbols(at)[index], _limits(at)[0])


@njit
def _stock(at: int) -> Ints:
    array: Ints = carray(_pointer(_word(at, _STOCK)), (STOCK_SIZE,), _INTS)
    return array


@njit
def _put_in_stock(stock: Ints, stake: Stake) -> None:
    for part in range(len(stake)):
        stock[1 + part] += stake[part]


@njit
def add_to_stock_at(at: int, index: int) -> None:
    """Do what `Frame.add_to_stock` says."""
    _put_in_stock(_stock(at), stake_of(_symbols(at)[index]))


@njit
def take_stock_at(at: int, is_wanted: bool) -> None:
    """Do what `Frame.take_stock` says."""
    stock = _stock(at)
    stock[:] = 0
    if is_wanted:
        stock[0] = 1
        _put_in_stock(stock, stake_of_all(_symbols(at)))
        stock[8] = heard_of(_account(at)[0], _symbols(at), _limits(at)[0])


@njit
def floor_broken_at(at: int) -> int:
    """Do what `Frame.floor_broken` says."""
    return floor_broken(_account(at)[0], _limits(at)[0])


@njit
def weigh_at(
    at: int, row: int, k: int, index: int, is_latched: bool, is_ready: bool, is_journal_ok: bool,
    is_long_known: bool, is_short_known: bool, sends: int,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Do what `Frame.weigh` says."""
    setup, symbol = _table(at, _SETUPS, _SETUP_SIZE)[row], _symbols(at)[index]
    sizing = carray(_pointer(_word(at, _SIZINGS)), (_word(at, _SIZINGS + 1),), SIZING)[k]
    stake, cap = stakes(sizing, _account(at)[0].equity, symbol.fx_num, symbol.fx_den)
    long = short = 0
    long_end = short_end = PASSED
    for place in range(LEGS):
        is_long = place == 0
        entry = setup[api.LONG_ENTRY] if is_long else setup[api.SHORT_ENTRY]
        if not entry:
            continue
        stop_loss = setup[api.LONG_STOP] if is_long else setup[api.SHORT_STOP]
        qty = quantity(sizing, stake, cap, entry, stop_loss, symbol.tick, symbol.lot, setup[api.VOLUME])
        if not qty:
            continue
        trigger, limit = resting_prices(
            setup[api.ENTRY_KIND], entry, setup[api.LONG_LIMIT] if is_long else setup[api.SHORT_LIMIT]
        )
        end = _judge_leg(
            at, place, index, 1 if is_long else -1, qty, trigger or limit, trigger, limit, stop_loss,
            setup[api.LONG_TARGET] if is_long else setup[api.SHORT_TARGET], is_latched, is_ready, is_journal_ok,
            is_long_known if is_long else is_short_known, sends,
        )  # fmt: skip
        if is_long:
            long, long_end = qty, end
            sends += int(end == PASSED)
        else:
            short, short_end = qty, end
    return long, short, long_end, short_end


@njit
def book_fill_at(
    at: int, index: int, owner: int, signed_qty: int, price: int, commission: int, is_beyond_volume: bool,
    is_exit: bool,
) -> None:  # fmt: skip
    """Do what `Frame.book_fill` says."""
    flow, charge = book_fill(
        _account(at), _symbols(at), _strategies(at), index, owner, signed_qty, price, commission, is_beyond_volume
    )
    held = _positions(at)[index]
    held.flow += flow
    held.charge += charge
    if is_exit:
        held.exit_value += abs(signed_qty) * price
    post_at(at, index)


@njit
def close_position_at(
    at: int, index: int, side: int, qty: int, entry_value: int, bar_ts_us: int, level: int, stop: int
) -> tuple[int, int, int, int, bool, float, int, int, int]:
    """Do what `Frame.close_position` says."""
    symbol, held = _symbols(at)[index], _positions(at)[index]
    entry_price, exit_price = average(entry_value, qty), average(held.exit_value, qty)
    has_risk, multiple, mae, mfe = result_of(
        side, qty, entry_price, exit_price, held.flow - held.charge, symbol.lowest, symbol.highest, level, stop,
        symbol.fx_num, symbol.fx_den,
    )  # fmt: skip
    # the CLOSE of a bar that is marked already: it was counted as held
    bars_held = symbol.bars_held - (1 if bar_ts_us == symbol.last_ts_us else 0)
    return entry_price, exit_price, held.flow, held.charge, has_risk, multiple, mae, mfe, bars_held


@njit
def _positions(at: int) -> Records:
    array: Records = carray(_pointer(_word(at, _POSITIONS)), (_word(at, _POSITIONS + 1),), _BOARD_POSITION)
    return array


@njit
def _entries(at: int) -> Records:
    array: Records = carray(_pointer(_word(at, ENTRIES)), (_word(at, ENTRIES + 1),), _BOARD_ENTRY)
    return array


@njit
def work_at(at: int, place: int, index: int, side: int, qty: int, stop: int, limit: int, ends_us: int) -> int:
    """Do what `Frame.work` says."""
    entries, symbols = _entries(at), len(_symbols(at))
    if place < 0:
        place = index
        while place < len(entries) and entries[place].qty > 0:
            place += symbols
        if place >= len(entries):
            return -1
    entry = entries[place]
    entry.side, entry.qty, entry.stop, entry.limit, entry.ends_us = side, qty, stop, limit, ends_us
    post_at(at, index)
    return place


@njit
def post_at(at: int, index: int) -> None:
    """Do what `Frame.post` says."""
    symbol, entries, work = _symbols(at)[index], _entries(at), NO_WORK
    for place in range(index, len(entries), len(_symbols(at))):
        entry = entries[place]
        if entry.qty > 0:
            work = with_entry(work, entry.side, entry.qty, entry.stop, entry.limit, entry.ends_us, symbol)
    held = _positions(at)[index]
    if held.side != 0:
        work = with_position(work, held.side, held.stop, held.target, held.is_closing != 0, held.ends_us)
    put(work, symbol)
    symbol.deadline_us = work[5]


@njit
def tell_at(at: int, place: int, count: int) -> int:
    """Do what `Frame.tell` says."""
    return written.write(
        _table(at, _VERDICTS, 2)[place * PASSED :], count, _chars(at, _NAMES), _chars(at, _TEXT)
    )  # fmt: skip


@njit
def judge_at(
    at: int, index: int, side: int, qty: int, entry: int, stop_price: int, limit_price: int, stop_loss: int,
    target: int, is_latched: bool, is_ready: bool, is_journal_ok: bool, is_known: bool, sends: int,
) -> int:  # fmt: skip
    """Do what `Frame.judge` says."""
    return _judge_leg(
        at, 0, index, side, qty, entry, stop_price, limit_price, stop_loss, target, is_latched, is_ready,
        is_journal_ok, is_known, sends,
    )  # fmt: skip


@njit
def _judge_leg(
    at: int, place: int, index: int, side: int, qty: int, entry: int, stop_price: int, limit_price: int,
    stop_loss: int, target: int, is_latched: bool, is_ready: bool, is_journal_ok: bool, is_known: bool, sends: int,
) -> int:  # fmt: skip
    account, symbols, limits, stock = _account(at)[0], _symbols(at), _limits(at)[0], _stock(at)
    if stock[0]:
        all_, heard = (stock[1], stock[2], stock[3], stock[4], stock[5], stock[6], stock[7]), stock[8]
    else:
        all_, heard = stake_of_all(symbols), heard_of(account, symbols, limits)
    return judge_beside(
        carray(_pointer(_word(at, PROPOSALS)), (LEGS,), PROPOSAL)[place], account, symbols, limits,
        _table(at, _VERDICTS, 2)[place * PASSED :], index, side, qty, entry, stop_price, limit_price, stop_loss,
        target, is_latched, is_ready, is_journal_ok, is_known, sends, all_, heard,
    )  # fmt: skip
