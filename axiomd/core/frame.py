"""A board handed to compiled rules by address: one number at every call from Python, whatever the rule looks at.

Taking a call apart costs numba 0.2 us for each array and 3 us for each record, many times what a rule itself takes. The
rules are those of `frame_rules`.
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

from axiomd.core import board as b
from axiomd.core import frame_rules as rules
from axiomd.core.board import Board, Ints, Records
from axiomd.core.compiled import machine_code
from axiomd.core.guards import written
from axiomd.core.guards.api import PROPOSAL
from axiomd.core.guards.chain import PASSED

_BAR: Final = struct.Struct(f"{rules.BAR_SIZE}q")
_SYMBOL_WIDTH: Final = b.SYMBOL.itemsize // 8


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
        proposal = np.zeros(rules.LEGS, PROPOSAL)
        verdicts = np.zeros((rules.LEGS * PASSED, 2), np.int64)
        text = np.zeros(written.TEXT_BYTES, np.uint8)
        closed = np.zeros((max(1, len(board.symbols)), rules.BAR_SIZE), np.int64)
        parts = (
            np.zeros((0, rules.BAR_SIZE), np.int64), board.account, board.symbols, board.strategies, board.slots,
            board.intervals, board.int_state, board.float_state, board.int_params, board.float_params, board.windows,
            board.limits, board.setups, sizings, proposal, verdicts, np.zeros(rules.STOCK_SIZE, np.int64), closed,
            written.names(), text, board.entries, board.positions,
        )  # fmt: skip
        self._kept = list(parts)
        self._addresses = np.zeros(rules.SIZE, np.int64)
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
        self.advance: Callable[[int, int, int, int, int, bool], tuple[int, int, int, int, int]] = of(rules.advance_at)
        """Scan on: `scan.advance` with (first, last, horizon_us, matched_us, filled_us, is_watched).

        Gives its flags, the row it came to, the moment that is touched, how many of its bars are for `touched`, and
        0 where nothing was taken in, `MARKED_FILLS` where it was, and with it the moment `filled_us`, else 1.
        """
        self.begin_session: Callable[[int, int, int], None] = of(rules.begin_session_at)
        """Begin a day: `scan.begin_session` with (open_us, close_us, flatten_us)."""
        self.close_session: Callable[[int], int] = of(rules.close_session_at)
        """End a day at `close_us`: its last marks are taken in and its books kept for the equity curve.

        Gives what `floor_broken` says of them.
        """
        self.snapshot: Callable[[], None] = of(rules.snapshot_at)
        """Keep the books as they stand for the equity curve: `scan.snapshot`."""
        self.is_stale: Callable[[int], bool] = of(rules.is_stale_at)
        """Say whether the data of a symbol index is beyond the limits: `scan.symbol_is_stale`."""
        self.floor_broken: Callable[[], int] = of(rules.floor_broken_at)
        """Say which loss limit the equity has reached: `guards.loss.floor_broken`."""
        self.weigh: Callable[[int, int, int, bool, bool, bool, bool, bool, int], tuple[int, int, int, int]]
        self.weigh = of(rules.weigh_at)
        """Size a row of `setups` and judge both of its legs: by `sizing.quantity`, then as `judge` does.

        With (row, k, index, is_latched, is_ready, is_journal_ok, is_long_known, is_short_known, sends). Gives the
        quantities of long and short leg, 0 for none, and where the chain ended for each; what `verdicts` and `figures`
        hold of them is at places 0 and 1. The short one's sends count a long one that passed.
        """
        self.work: Callable[[int, int, int, int, int, int, int], int] = of(rules.work_at)
        """Put an entry at a place of `entries`: (place, index, side, qty, stop, limit, ends_us), then `post`.

        At place -1 it goes where none of its symbol stands; gives the place, -1 where there is none left.
        """
        self.post: Callable[[int], None] = of(rules.post_at)
        """Take notice of a symbol's entries and position: what works there, and what concerns us (`core.working`)."""
        self.book_fill: Callable[[int, int, int, int, int, bool, bool], None] = of(rules.book_fill_at)
        """Book one execution: `portfolio.book_fill` from `index` on, and whether it is an exit; then `post`."""
        self.close_position: Callable[
            [int, int, int, int, int, int, int], tuple[int, int, int, int, bool, float, int, int, int]
        ] = of(rules.close_position_at)
        """Say what a position came to: with (index, side, qty, entry_value, bar_ts_us, level, stop).

        `bar_ts_us` is the start of the bar it left in; `level` and `stop` are those of `portfolio.result_of`. Gives
        average prices of entry and exit, what it made and cost, what `result_of` says, and the bars it was held.
        """
        self.take_stock: Callable[[bool], None] = of(rules.take_stock_at)
        """Look through all symbols once for the orders that are judged from here on, until it is called with False.

        Between the two nothing but entries where nothing stood may change what stands in a symbol, or the time.
        """
        self.add_to_stock: Callable[[int], None] = of(rules.add_to_stock_at)
        """Count the entries of a symbol index in which nothing stood when stock was taken."""
        self.judge: Callable[[int, int, int, int, int, int, int, int, bool, bool, bool, bool, int], int]
        self.judge = of(rules.judge_at)
        """Judge an order: `guards.chain.judge_beside` from `index` to `sends`.

        What `verdicts` and `figures` hold of it, at place 0, are all figures and limits.
        """
        self.tell: Callable[[int, int], int] = of(rules.tell_at)
        """Write into `text` what `verdicts` holds at a place, up to a count: `guards.written.write`.

        Gives how many bytes it takes.
        """
        self.strategy_equity: Callable[[int], int] = of(rules.strategy_equity_at)
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
        setattr(self, rule.__name__.removesuffix("_at"), MethodType(machine_code(made), at))
        return result

    def symbol(self, index: int) -> list[int]:
        """Give all columns of one symbol, as they stand now; `column` says which is which."""
        return self.symbols[index * _SYMBOL_WIDTH : (index + 1) * _SYMBOL_WIDTH].tolist()

    def watch(self, bars: Ints) -> None:
        """Name the tape that ranges of bars refer to; `int64[N, 7]`, one row behind the other."""
        assert bars.flags.c_contiguous
        self._kept[0] = bars
        self._addresses[rules.BARS], self._addresses[rules.BARS + 1] = address_of(bars), len(bars)

    def widen(self) -> None:
        """Make room for twice as many entries in every symbol."""
        before = self._kept[rules.ENTRIES // 2]
        entries = np.zeros(2 * len(before), before.dtype)
        entries[: len(before)] = before
        self._kept[rules.ENTRIES // 2], self.entries = entries, ints_of(entries)
        self._addresses[rules.ENTRIES], self._addresses[rules.ENTRIES + 1] = address_of(entries), len(entries)

    def touched(self, count: int) -> list[tuple[int, ...]]:
        """Give the bars of the moment that `advance` stopped before whose symbols have a price or deadline there."""
        if count == 1:
            return [_BAR.unpack_from(self._closed)]
        return [_BAR.unpack_from(self._closed, row * _BAR.size) for row in range(count)]

    def figures(self, place: int = 0) -> dict[str, int | float]:
        """Give the figures of the order that was judged last at a place, by name."""
        proposal = self._kept[rules.PROPOSALS // 2][place]
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
