"""A board handed to compiled rules by address: one number at every call from Python, whatever the rule looks at.

Taking a call apart costs numba 0.2 us for each array and 3 us for each record, many times what a rule itself takes. The
rules are those of `scan`, `guards.chain`, `sizing` and `portfolio`, called by their own names and nothing besides.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from types import MethodType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from axiomd.contracts.units import NEVER_US
from axiomd.core import board as b
from axiomd.core import scan
from axiomd.core.board import Board, Floats, Ints, Records
from axiomd.core.compiled import carray, intrinsic, machine_code, njit, types
from axiomd.core.fills import resting_prices
from axiomd.core.guards import written
from axiomd.core.guards.api import LIMITS, PROPOSAL
from axiomd.core.guards.chain import PASSED, Stake, heard_of, judge_beside, stake_of, stake_of_all
from axiomd.core.guards.loss import floor_broken
from axiomd.core.portfolio import average, book_fill, result_of
from axiomd.core.sizing import SIZING, quantity, stakes
from axiomd.core.strategies import api
from axiomd.core.working import NO_WORK, put, with_entry, with_position

_BARS: Final = 0
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
_PROPOSAL: Final = 28
_VERDICTS: Final = 30
_STOCK: Final = 32
_CLOSED: Final = 34
_NAMES: Final = 36
_TEXT: Final = 38
_ENTRIES: Final = 40
_POSITIONS: Final = 42
_SIZE: Final = 44
"""Each part is an address and a number of rows."""

_INTS: Final = np.dtype(np.int64)
_REALS: Final = np.dtype(np.float64)
_CHARS: Final = np.dtype(np.uint8)
_BOARD_ACCOUNT, _BOARD_SYMBOL, _BOARD_STRATEGY, _BOARD_SLOT = b.ACCOUNT, b.SYMBOL, b.STRATEGY, b.SLOT
_BOARD_ENTRY, _BOARD_POSITION = b.ENTRY, b.POSITION
_INT_STATE_SIZE, _FLOAT_STATE_SIZE = b.INT_STATE_SIZE, b.FLOAT_STATE_SIZE
_INT_PARAMS_SIZE, _FLOAT_PARAMS_SIZE, _SETUP_SIZE = b.INT_PARAMS_SIZE, b.FLOAT_PARAMS_SIZE, b.SETUP_SIZE
_BAR_SIZE: Final = 7
_BAR: Final = struct.Struct(f"{_BAR_SIZE}q")
_STOCK_SIZE: Final = 9
"""Whether it is taken, `chain.Stake` of all symbols, how many of them were heard of."""
_SYMBOL_WIDTH: Final = b.SYMBOL.itemsize // 8
_INTERVAL_SIZE: Final = 6
_LEGS: Final = 2
MARKED_FILLS: Final = 2
"""What `advance` says where the moment is marked whose books the equity curve waits for."""


class Frame:
    """A board's arrays by address. It keeps them alive, and its rules are good as long as it lives; the arrays must
    never be replaced, but for the bars and the entries.

    `account`, `symbols`, `strategies`, `slots`, `entries` and `positions` read and write single columns as plain
    numbers: `account[NOW_US]`, `symbols[index * SYMBOL_SIZE + CLOSE]`. Of float columns they show the bits.
    """

    __slots__ = (
        "_addresses", "_closed", "_kept", "account", "add_to_stock", "advance", "begin_session", "book_fill",
        "close_position", "close_session", "entries", "floor_broken", "is_stale", "judge", "positions", "post",
        "setups", "slots", "snapshot", "strategies", "strategy_equity", "symbols", "take_stock", "tell", "text",
        "verdicts", "weigh", "work",
    )  # fmt: skip

    def __init__(self, board: Board, sizings: Records) -> None:
        proposal = np.zeros(_LEGS, PROPOSAL)
        verdicts = np.zeros((_LEGS * PASSED, 2), np.int64)
        text = np.zeros(written.TEXT_BYTES, np.uint8)
        closed = np.zeros((max(1, len(board.symbols)), _BAR_SIZE), np.int64)
        parts = (
            np.zeros((0, _BAR_SIZE), np.int64), board.account, board.symbols, board.strategies, board.slots,
            board.intervals, board.int_state, board.float_state, board.int_params, board.float_params, board.windows,
            board.limits, board.setups, sizings, proposal, verdicts, np.zeros(_STOCK_SIZE, np.int64), closed,
            written.names(), text, board.entries, board.positions,
        )  # fmt: skip
        self._kept = list(parts)
        self._addresses = np.zeros(_SIZE, np.int64)
        for place, part in enumerate(parts):
            assert part.flags.c_contiguous
            self._addresses[2 * place], self._addresses[2 * place + 1] = address_of(part), len(part)
        self.account = ints_of(board.account)
        self.symbols = ints_of(board.symbols)
        self.strategies = ints_of(board.strategies)
        self.slots = ints_of(board.slots)
        self.verdicts = ints_of(verdicts)
        self.text: memoryview[int] = text.data
        self.setups = ints_of(board.setups)
        self._closed = ints_of(closed)
        self.entries = ints_of(board.entries)
        self.positions = ints_of(board.positions)
        of = self._bound
        self.advance: Callable[[int, int, int, int, int, bool], tuple[int, int, int, int, int]] = of(_advance)
        """Scan on: `scan.advance` with (first, last, horizon_us, matched_us, filled_us, is_watched).

        Gives its flags, the row it came to, the moment that is touched, how many of its bars are for `touched`, and
        0 where nothing was taken in, `MARKED_FILLS` where it was, and with it the moment `filled_us`, else 1.
        """
        self.begin_session: Callable[[int, int, int], None] = of(_begin_session)
        """Begin a day: `scan.begin_session` with (open_us, close_us, flatten_us)."""
        self.close_session: Callable[[int], int] = of(_close_session)
        """End a day at `close_us`: its last marks are taken in and its books kept for the equity curve.

        Gives what `floor_broken` says of them.
        """
        self.snapshot: Callable[[], None] = of(_snapshot)
        """Keep the books as they stand for the equity curve: `scan.snapshot`."""
        self.is_stale: Callable[[int], bool] = of(_is_stale)
        """Say whether the data of a symbol index is beyond the limits: `scan.symbol_is_stale`."""
        self.floor_broken: Callable[[], int] = of(_floor_broken)
        """Say which loss limit the equity has reached: `guards.loss.floor_broken`."""
        self.weigh: Callable[[int, int, int, bool, bool, bool, bool, bool, int], tuple[int, int, int, int]]
        self.weigh = of(_weigh)
        """Size a row of `setups` and judge both of its legs: by `sizing.quantity`, then as `judge` does.

        With (row, k, index, is_latched, is_ready, is_journal_ok, is_long_known, is_short_known, sends). Gives the
        quantities of long and short leg, 0 for none, and where the chain ended for each; what `verdicts` and `figures`
        hold of them is at places 0 and 1. The short one's sends count a long one that passed.
        """
        self.work: Callable[[int, int, int, int, int, int, int], int] = of(_work)
        """Put an entry at a place of `entries`: (place, index, side, qty, stop, limit, ends_us), then `post`.

        At place -1 it goes where none of its symbol stands; gives the place, -1 where there is none left.
        """
        self.post: Callable[[int], None] = of(_post)
        """Take notice of a symbol's entries and position: what works there, and what concerns us (`core.working`)."""
        self.book_fill: Callable[[int, int, int, int, int, bool, bool], None] = of(_book_fill)
        """Book one execution: `portfolio.book_fill` from `index` on, and whether it is an exit; then `post`."""
        self.close_position: Callable[
            [int, int, int, int, int, int, int], tuple[int, int, int, int, bool, float, int, int, int]
        ] = of(_close_position)
        """Say what a position came to: with (index, side, qty, entry_value, bar_ts_us, level, stop).

        `bar_ts_us` is the start of the bar it left in; `level` and `stop` are those of `portfolio.result_of`. Gives
        average prices of entry and exit, what it made and cost, what `result_of` says, and the bars it was held.
        """
        self.take_stock: Callable[[bool], None] = of(_take_stock)
        """Look through all symbols once for the orders that are judged from here on, until it is called with False.

        Between the two nothing but entries where nothing stood may change what stands in a symbol, or the time.
        """
        self.add_to_stock: Callable[[int], None] = of(_add_to_stock)
        """Count the entries of a symbol index in which nothing stood when stock was taken."""
        self.judge: Callable[[int, int, int, int, int, int, int, int, bool, bool, bool, bool, int], int]
        self.judge = of(_judge)
        """Judge an order: `guards.chain.judge_beside` from `index` to `sends`.

        What `verdicts` and `figures` hold of it, at place 0, are all figures and limits.
        """
        self.tell: Callable[[int, int], int] = of(_tell)
        """Write into `text` what `verdicts` holds at a place, up to a count: `guards.written.write`.

        Gives how many bytes it takes.
        """
        self.strategy_equity: Callable[[int], int] = of(_strategy_equity)
        """Give the result of one strategy since the run began: `scan.strategy_equity`."""

    def _bound(self, rule: Callable[..., Any]) -> Any:
        return partial(self._call_first, rule)

    def _call_first(self, rule: Any, *args: int) -> Any:
        """Call a rule, and bind what it was compiled to to the addresses, for all calls behind this one.

        A method around each would take half as long again as the call itself.
        """
        made, at = getattr(rule, "made", rule), address_of(self._addresses)
        result = made(at, *args)
        # a method hands its first argument on as it is; a partial would make the call a tuple of its own
        setattr(self, rule.__name__.removeprefix("_"), MethodType(machine_code(made), at))
        return result

    def symbol(self, index: int) -> list[int]:
        """Give all columns of one symbol, as they stand now; `column` says which is which."""
        return self.symbols[index * _SYMBOL_WIDTH : (index + 1) * _SYMBOL_WIDTH].tolist()

    def watch(self, bars: Ints) -> None:
        """Name the tape that ranges of bars refer to; `int64[N, 7]`, one row behind the other."""
        assert bars.flags.c_contiguous
        self._kept[0] = bars
        self._addresses[_BARS], self._addresses[_BARS + 1] = address_of(bars), len(bars)

    def widen(self) -> None:
        """Make room for twice as many entries in every symbol."""
        before = self._kept[_ENTRIES // 2]
        entries = np.zeros(2 * len(before), before.dtype)
        entries[: len(before)] = before
        self._kept[_ENTRIES // 2], self.entries = entries, ints_of(entries)
        self._addresses[_ENTRIES], self._addresses[_ENTRIES + 1] = address_of(entries), len(entries)

    def touched(self, count: int) -> list[tuple[int, ...]]:
        """Give the bars of the moment that `advance` stopped before whose symbols have a price or deadline there."""
        if count == 1:
            return [_BAR.unpack_from(self._closed)]
        return [_BAR.unpack_from(self._closed, row * _BAR.size) for row in range(count)]

    def figures(self, place: int = 0) -> dict[str, int | float]:
        """Give the figures of the order that was judged last at a place, by name."""
        proposal = self._kept[_PROPOSAL // 2][place]
        return {name: proposal[name].item() for name in PROPOSAL.names or ()}


def bars_of(rows: Sequence[tuple[int, int, int, int, int, int, int]]) -> Ints:
    """Give rows of bars as int64[n, 7]; packing them is three times as fast as having numpy look at each."""
    packed = struct.pack(f"{7 * len(rows)}q", *chain.from_iterable(rows))
    return np.frombuffer(packed, np.int64).reshape(-1, 7)


def ints_of(array: Records | Ints) -> memoryview[int]:
    """Show an array of eight-byte columns as plain integers, read and written in place."""
    return array.reshape(-1).view(np.int64).data.cast("B").cast("q")


def address_of(array: NDArray[Any]) -> int:
    """Give where an array's first byte lies."""
    return int(array.__array_interface__["data"][0])


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
    word: int = carray(_pointer(at), (_SIZE,), _INTS)[place]
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
def _advance(
    at: int, first: int, last: int, horizon_us: int, matched_us: int, filled_us: int, is_watched: bool
) -> tuple[int, int, int, int, int]:
    account, symbols, bars = _account(at), _symbols(at), _table(at, _BARS, _BAR_SIZE)
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
        count = scan.touched(bars, cursor, last, touched_us, account[0], symbols, _table(at, _CLOSED, _BAR_SIZE))
    moved = int(cursor != first or account[0].now_us != before_us)
    if moved and account[0].snap_us == filled_us:
        moved = MARKED_FILLS
    return flags, cursor, touched_us, count, moved


@njit
def _begin_session(at: int, open_us: int, close_us: int, flatten_us: int) -> None:
    scan.begin_session(_account(at), _symbols(at), _strategies(at), _slots(at), open_us, close_us, flatten_us)


@njit
def _close_session(at: int, close_us: int) -> int:
    account, symbols = _account(at)[0], _symbols(at)
    account.now_us = close_us
    scan.settle(account, symbols, _strategies(at))
    scan.snapshot(account, account, scan.gross_exposure(symbols))
    return floor_broken(account, _limits(at)[0])


@njit
def _snapshot(at: int) -> None:
    account = _account(at)[0]
    scan.snapshot(account, account, scan.gross_exposure(_symbols(at)))


@njit
def _strategy_equity(at: int, k: int) -> int:
    return scan.strategy_equity(k, _symbols(at), _strategies(at))


@njit
def _is_stale(at: int, index: int) -> bool:
    return scan.symbol_is_stale(_account(at)[0], _symbols(at)[index], _limits(at)[0])


@njit
def _stock(at: int) -> Ints:
    array: Ints = carray(_pointer(_word(at, _STOCK)), (_STOCK_SIZE,), _INTS)
    return array


@njit
def _put_in_stock(stock: Ints, stake: Stake) -> None:
    for part in range(len(stake)):
        stock[1 + part] += stake[part]


@njit
def _add_to_stock(at: int, index: int) -> None:
    _put_in_stock(_stock(at), stake_of(_symbols(at)[index]))


@njit
def _take_stock(at: int, is_wanted: bool) -> None:
    stock = _stock(at)
    stock[:] = 0
    if is_wanted:
        stock[0] = 1
        _put_in_stock(stock, stake_of_all(_symbols(at)))
        stock[8] = heard_of(_account(at)[0], _symbols(at), _limits(at)[0])


@njit
def _floor_broken(at: int) -> int:
    return floor_broken(_account(at)[0], _limits(at)[0])


@njit
def _weigh(
    at: int, row: int, k: int, index: int, is_latched: bool, is_ready: bool, is_journal_ok: bool,
    is_long_known: bool, is_short_known: bool, sends: int,
) -> tuple[int, int, int, int]:  # fmt: skip
    setup, symbol = _table(at, _SETUPS, _SETUP_SIZE)[row], _symbols(at)[index]
    sizing = carray(_pointer(_word(at, _SIZINGS)), (_word(at, _SIZINGS + 1),), SIZING)[k]
    stake, cap = stakes(sizing, _account(at)[0].equity, symbol.fx_num, symbol.fx_den)
    long = short = 0
    long_end = short_end = PASSED
    for place in range(_LEGS):
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
        end = _judge_at(
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
def _book_fill(
    at: int, index: int, owner: int, signed_qty: int, price: int, commission: int, is_beyond_volume: bool,
    is_exit: bool,
) -> None:  # fmt: skip
    flow, charge = book_fill(
        _account(at), _symbols(at), _strategies(at), index, owner, signed_qty, price, commission, is_beyond_volume
    )
    held = _positions(at)[index]
    held.flow += flow
    held.charge += charge
    if is_exit:
        held.exit_value += abs(signed_qty) * price
    _post(at, index)


@njit
def _close_position(
    at: int, index: int, side: int, qty: int, entry_value: int, bar_ts_us: int, level: int, stop: int
) -> tuple[int, int, int, int, bool, float, int, int, int]:
    symbol, held = _symbols(at)[index], _positions(at)[index]
    entry_price, exit_price = average(entry_value, qty), average(held.exit_value, qty)
    has_risk, multiple, mae, mfe = result_of(
        side, qty, entry_price, exit_price, held.flow - held.charge, symbol.worst, symbol.best, level, stop,
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
    array: Records = carray(_pointer(_word(at, _ENTRIES)), (_word(at, _ENTRIES + 1),), _BOARD_ENTRY)
    return array


@njit
def _work(at: int, place: int, index: int, side: int, qty: int, stop: int, limit: int, ends_us: int) -> int:
    entries, symbols = _entries(at), len(_symbols(at))
    if place < 0:
        place = index
        while place < len(entries) and entries[place].qty > 0:
            place += symbols
        if place >= len(entries):
            return -1
    entry = entries[place]
    entry.side, entry.qty, entry.stop, entry.limit, entry.ends_us = side, qty, stop, limit, ends_us
    _post(at, index)
    return place


@njit
def _post(at: int, index: int) -> None:
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
def _tell(at: int, place: int, count: int) -> int:
    return written.write(
        _table(at, _VERDICTS, 2)[place * PASSED :], count, _chars(at, _NAMES), _chars(at, _TEXT)
    )  # fmt: skip


@njit
def _judge(
    at: int, index: int, side: int, qty: int, entry: int, stop_price: int, limit_price: int, stop_loss: int,
    target: int, is_latched: bool, is_ready: bool, is_journal_ok: bool, is_known: bool, sends: int,
) -> int:  # fmt: skip
    return _judge_at(
        at, 0, index, side, qty, entry, stop_price, limit_price, stop_loss, target, is_latched, is_ready,
        is_journal_ok, is_known, sends,
    )  # fmt: skip


@njit
def _judge_at(
    at: int, place: int, index: int, side: int, qty: int, entry: int, stop_price: int, limit_price: int,
    stop_loss: int, target: int, is_latched: bool, is_ready: bool, is_journal_ok: bool, is_known: bool, sends: int,
) -> int:  # fmt: skip
    account, symbols, limits, stock = _account(at)[0], _symbols(at), _limits(at)[0], _stock(at)
    if stock[0]:
        all_, heard = (stock[1], stock[2], stock[3], stock[4], stock[5], stock[6], stock[7]), stock[8]
    else:
        all_, heard = stake_of_all(symbols), heard_of(account, symbols, limits)
    return judge_beside(
        carray(_pointer(_word(at, _PROPOSAL)), (_LEGS,), PROPOSAL)[place], account, symbols, limits,
        _table(at, _VERDICTS, 2)[place * PASSED :], index, side, qty, entry, stop_price, limit_price, stop_loss,
        target, is_latched, is_ready, is_journal_ok, is_known, sends, all_, heard,
    )  # fmt: skip
