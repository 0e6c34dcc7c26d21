"""The tables of a run as text: which cell of a CSV says what of a signal, an order, a trade, a point of the curve.

It decides how a record looks in a CSV and writes no file. Whole columns are made at a time: prices and times repeat,
and a text that is known costs a fifth of one that is made. The same record gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from axiomd.contracts import signals as signal_schema
from axiomd.contracts.fills import TRADE_COLUMNS, Trade
from axiomd.contracts.orders import CSV_HEADER, Order
from axiomd.contracts.outcome import CurvePoint, OrderOutcome
from axiomd.contracts.signals import Signal
from axiomd.contracts.units import decimal_text, iso_time

R = TypeVar("R")
Cell = Callable[[Any], str]
Column = Cell | tuple[Callable[[Any], object], Cell]
"""How a cell is written of the attribute of its column's name, or of what is taken from the record otherwise."""

FILL_COLUMNS: Final = ("fill_ts", "fill_price", "fill_qty", "commission", "slippage_ticks")
END_COLUMNS: Final = ("status", "reason")
FILLED_COLUMNS: Final = (*CSV_HEADER, *FILL_COLUMNS, *END_COLUMNS)
CURVE_COLUMNS: Final = ("ts", "equity", "cash", "gross_exposure", "drawdown")
ROWS_TOGETHER: Final = 4_096
"""Rows that are made at a time: a run of any length is written in the memory of so many."""
RATIO_DIGITS: Final = 6
"""Decimals of a ratio in a CSV: more than anyone reads, fewer than where machines begin to differ."""
TEXTS_CACHED_MAX: Final = 32_768
"""Prices, and times, whose text is kept."""


class Table(Generic[R]):
    """How records of one kind become the rows of a CSV."""

    def __init__(self, header: Sequence[str], columns: Mapping[str, Column]) -> None:
        """`columns` says how a cell is written; an attribute that is text already needs no word."""
        self.header = tuple(header)
        self._columns = [_column(name, columns.get(name)) for name in header]

    def columns(self, records: Sequence[R]) -> list[list[str]]:
        """Give the cells of every column, one for each record."""
        return [
            list(map(get, records)) if cell is None else list(map(cell, map(get, records)))
            for get, cell in self._columns
        ]

    def rows(self, records: Iterable[R]) -> list[list[str]]:
        """Give the cells of every record."""
        return list(map(list, zip(*self.columns(list(records)), strict=True)))

    def lines(self, records: Sequence[R]) -> list[str]:
        """Give every record as its line, without the line's end."""
        return lines_of(self.columns(records))

    def text(self, records: Iterable[R]) -> Iterator[bytes]:
        """Give the whole CSV, some rows at a time."""
        yield text_of([",".join(self.header)])
        for some in together(records):
            yield text_of(self.lines(some))


def together(records: Iterable[R]) -> Iterator[list[R]]:
    """Give records `ROWS_TOGETHER` at a time."""
    left = iter(records)
    while some := list(islice(left, ROWS_TOGETHER)):
        yield some


def lines_of(columns: Sequence[Sequence[str]]) -> list[str]:
    """Join two columns or more to lines, with quotes around a cell only where it needs them.

    None does where there is no quote, no comma and no end of a line in any; a comma or an end within a cell shows as
    one more than there are between cells and lines.
    """
    lines = list(map(",".join, zip(*columns, strict=True)))
    text = "\n".join(lines)
    commas, ends = len(lines) * (len(columns) - 1), max(0, len(lines) - 1)
    if '"' in text or "\r" in text or text.count(",") != commas or text.count("\n") != ends:
        return list(map(",".join, zip(*map(_quoted, columns), strict=True)))
    return lines


def text_of(lines: Sequence[str]) -> bytes:
    """Give lines as bytes of a file, each with its end."""
    return ("\n".join(lines) + "\n").encode() if lines else b""


def _quoted(cells: Sequence[str]) -> Sequence[str]:
    text = "".join(cells)
    if not any(mark in text for mark in _MARKS):
        return cells
    return ['"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in _MARKS) else cell for cell in cells]


_MARKS: Final = ('"', ",", "\n", "\r")


def _column(name: str, column: Column | None) -> tuple[Callable[[Any], Any], Cell | None]:
    if isinstance(column, tuple):
        return column
    return attrgetter(f"{name}_us" if column in (_time, _moment) else name), column


# --- cells ---


class _Texts(dict["int | None", str]):
    """Texts that are kept, all let go at once where they are too many: an lru_cache's miss costs as much as a text."""

    def __init__(self, text_of_value: Callable[[int], str]) -> None:
        super().__init__()
        self._text_of_value = text_of_value

    def __missing__(self, value: int | None) -> str:
        if len(self) >= TEXTS_CACHED_MAX:
            self.clear()
        text = self[value] = "" if value is None else self._text_of_value(value)
        return text


_price: Final = _Texts(decimal_text).__getitem__
_time: Final = _Texts(iso_time).__getitem__
_moment: Final = iso_time
"""A time that hardly ever repeats from row to row: to look it up costs more than to write it."""


def _money(units: int | None) -> str:
    # sums of money hardly ever repeat: to keep them would only push out what does
    return "" if units is None else decimal_text(units)


def _count(value: int | None) -> str:
    return "" if value is None else str(value)


def _ratio(value: float | None) -> str:
    return "" if value is None else repr(round(value, RATIO_DIGITS) + 0.0)


def _boolean(value: bool) -> str:
    return "true" if value else "false"


@dataclass(frozen=True, slots=True)
class _NoFill:
    """What stands for the fill of an order that had none: empty cells."""

    fill_ts_us: None = None
    fill_price: None = None
    fill_qty: None = None
    commission: None = None
    slippage_ticks: None = None


_NO_FILL: Final = _NoFill()


def _meta(signal: Signal) -> str:
    if not signal.outcome and signal.limit_long is None and signal.limit_short is None:
        return "{}"
    meta: dict[str, object] = {}
    if signal.outcome:
        meta["reason"] = signal.outcome
    for name in ("limit_long", "limit_short"):
        limit = getattr(signal, name)
        if limit is not None:
            meta[name] = decimal_text(limit)
    return json.dumps(meta, sort_keys=True)


# --- tables ---

SIGNALS: Final = Table[Signal](
    signal_schema.COLUMNS,
    {
        "schema_version": (lambda _: signal_schema.SCHEMA_VERSION, str),
        **dict.fromkeys(("long_entry", "short_entry", "sl_long", "sl_short", "tp_long", "tp_short"), _price),
        **dict.fromkeys(("ts", "valid_from", "valid_to"), _moment),
        "score": _ratio,
        "stage1_rank": _count,
        "meta": (lambda signal: signal, _meta),
    },
)
ORDERS: Final = Table[Order](
    CSV_HEADER,
    {
        **dict.fromkeys(("limit_price", "stop_price", "take_profit_price", "stop_loss_price", "tick_size"), _price),
        **dict.fromkeys(("valid_from", "valid_to", "created_at"), _time),
        "qty": _count,
    },
)
FILLS: Final = Table["OrderOutcome | _NoFill"](
    FILL_COLUMNS,
    {
        "fill_ts": _time, "fill_price": _price, "fill_qty": _count, "commission": _money, "slippage_ticks": _count,
    },
)  # fmt: skip
ENDS: Final = Table[OrderOutcome](END_COLUMNS, {})
TRADES: Final = Table[Trade](
    TRADE_COLUMNS,
    {
        **dict.fromkeys(("entry_price", "exit_price"), _price),
        **dict.fromkeys(("entry_ts", "exit_ts"), _moment),
        **dict.fromkeys(("gross_pnl", "costs", "net_pnl", "mae", "mfe"), _money),
        **dict.fromkeys(("qty", "bars_held"), _count),
        "r_multiple": _ratio,
        "ambiguous": _boolean,
    },
)
CURVE: Final = Table[CurvePoint](
    CURVE_COLUMNS,
    {"ts": _moment, **dict.fromkeys(("equity", "cash", "gross_exposure", "drawdown"), _money)},
)


def trade_rows(trades: Iterable[Trade]) -> list[list[str]]:
    """Give the rows of trades.csv under `TRADE_COLUMNS`."""
    return TRADES.rows(trades)


def curve_rows(points: Iterable[CurvePoint]) -> list[list[str]]:
    """Give the rows of equity_curve.csv under `CURVE_COLUMNS`."""
    return CURVE.rows(points)


def filled_order_rows(outcomes: Iterable[OrderOutcome]) -> list[list[str]]:
    """Give the rows of filled_orders.csv under `FILLED_COLUMNS`; the fill's cells are empty where there was none."""
    known = list(outcomes)
    orders = ORDERS.columns([outcome.order for outcome in known])
    return list(map(list, zip(*orders, *end_columns(known), strict=True)))


def end_columns(outcomes: Sequence[OrderOutcome]) -> list[list[str]]:
    """Give what filled_orders.csv says of orders beyond the orders themselves."""
    fills = [_NO_FILL if outcome.fill_ts_us is None or outcome.fill_price is None else outcome for outcome in outcomes]
    return [*FILLS.columns(fills), *ENDS.columns(outcomes)]
