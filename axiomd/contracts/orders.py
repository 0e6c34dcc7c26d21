"""The canonical order: the record that passes the guards, goes to the broker and stands in orders.csv.

Its key and its group's id are derived from what the order is, never from a counter, a clock or chance, so every retry
after any crash names the same order. Children at the broker carry the key with a suffix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from typing import Final, Literal, NamedTuple

import msgspec

from axiomd.contracts.bars import normalise_symbol
from axiomd.contracts.errors import OrderContractError
from axiomd.contracts.fills import ExitReason
from axiomd.contracts.names import Naming, naming
from axiomd.contracts.units import (
    PRICE_SCALE,
    PRICE_UNITS_MAX,
    SHARES_MAX,
    Side,
    decimal_text,
    exact_units,
    iso_time,
    parse_time,
)

Source = Literal["replay", "backtest", "paper", "live"]

_PRICE_MAX: Final = PRICE_UNITS_MAX // PRICE_SCALE

CSV_HEADER: Final = (
    "order_id", "idempotency_key", "oco_id", "run_id", "symbol", "side", "qty", "limit_price", "stop_price",
    "take_profit_price", "valid_from", "valid_to", "session", "time_in_force", "source", "strategy", "strategy_version",
    "entry_type", "stop_loss_price", "parent_key", "signal_id", "currency", "tick_size", "created_at",
)  # fmt: skip

_EXITS: Final[dict[str, ExitReason]] = {"SL": "SL", "TP": "TP", "EOD": "EOD", "KILL": "KILL"}
SUFFIX_STOP: Final = "-SL"
SUFFIX_TARGET: Final = "-TP"
SUFFIX_EOD: Final = "-EOD"
SUFFIX_KILL: Final = "-KILL"
SUFFIX_MANUAL: Final = "-MANUAL"


class Order(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One entry with its exits. Prices in 1/10,000 units, `qty` in shares, times UTC microseconds.

    `stop_price` triggers the entry; `stop_loss_price` and `take_profit_price` are the exits held at the broker. Made
    by name, but where orders are made by the thousand: each name is looked for among all fields.
    """

    order_id: str
    idempotency_key: str
    oco_id: str
    run_id: str
    symbol: str
    side: Side
    qty: int
    valid_from_us: int
    valid_to_us: int
    session: str
    source: Source
    strategy: str
    strategy_version: str
    entry_type: str
    signal_id: str
    currency: str
    tick_size: int
    created_at_us: int
    flatten_at_us: int = 0
    """When the resting EOD exit becomes active; 0 for a position that may stay over night."""
    limit_price: int | None = None
    stop_price: int | None = None
    take_profit_price: int | None = None
    stop_loss_price: int | None = None
    time_in_force: str = "GTD"
    parent_key: str = ""

    @property
    def entry_level(self) -> int:
        """The price the entry is judged by: trigger of a stop, limit of a limit, 0 for a market order."""
        return self.stop_price or self.limit_price or 0


def naming_keys(run_id: str, strategy: str, version: str, symbol: str, side: Side) -> Naming:
    """Derive orders' keys, the rest is their group; the same order has the same key after every restart."""
    return naming(16, run_id, strategy, version, symbol, side)


def naming_groups(strategy: str, symbol: str) -> Naming:
    """Derive groups' ids from their setups; the rest is session's date, setup, microseconds it is valid from."""
    return naming(12, strategy, symbol)


class Reference(NamedTuple):
    """What an order reference at a broker says: the entry's key, and which child of it (empty for the entry)."""

    key: str
    role: str


_reference = partial(tuple.__new__, Reference)
"""Makes one of a pair; by name it takes longer than taking the text apart does."""


def split_reference(reference: str) -> Reference:
    """Take an order reference apart: `ab12-SL2` is the second stop of `ab12`."""
    key, _, role = reference.partition("-")
    return _reference((key, role))


@lru_cache(maxsize=256)
def role_kind(role: str) -> str:
    """Give a child's kind without its number: `KILL2` is a `KILL`."""
    return role.rstrip("0123456789")


@lru_cache(maxsize=256)
def exit_reason(role: str) -> ExitReason:
    """Say by what a child that executes closes a position: its own kind, or a person's hand."""
    return _EXITS.get(role_kind(role), "MANUAL")


def check_order(order: Order) -> None:
    """Raise `OrderContractError` where an order breaks its contract (validity, quantity, grid, order of levels)."""
    problem = _problem(order)
    if problem:
        raise OrderContractError(problem, f"order {order.idempotency_key or order.order_id}", "mend its source")


def _problem(order: Order) -> str:
    if order.valid_from_us >= order.valid_to_us:
        return "valid_from is not before valid_to"
    if order.qty <= 0:
        return f"qty {order.qty} is not positive"
    if order.tick_size <= 0:
        return f"tick_size {decimal_text(order.tick_size)} is not positive"
    named = {
        "limit_price": order.limit_price,
        "stop_price": order.stop_price,
        "take_profit_price": order.take_profit_price,
        "stop_loss_price": order.stop_loss_price,
    }
    for name, price in named.items():
        if price is not None and (price <= 0 or price % order.tick_size):
            return f"{name} {decimal_text(price)} is not on the tick grid of {decimal_text(order.tick_size)}"
    entry, sign = order.entry_level, 1 if order.side == "BUY" else -1
    if entry and order.stop_loss_price is not None and (entry - order.stop_loss_price) * sign <= 0:
        return "stop_loss_price is not on the losing side of the entry"
    if entry and order.take_profit_price is not None and (order.take_profit_price - entry) * sign <= 0:
        return "take_profit_price is not on the winning side of the entry"
    return ""


def to_row(order: Order) -> dict[str, str]:
    """Write an order as a row of the canonical CSV."""
    return {
        "order_id": order.order_id,
        "idempotency_key": order.idempotency_key,
        "oco_id": order.oco_id,
        "run_id": order.run_id,
        "symbol": order.symbol,
        "side": order.side,
        "qty": str(order.qty),
        "limit_price": _price_text(order.limit_price),
        "stop_price": _price_text(order.stop_price),
        "take_profit_price": _price_text(order.take_profit_price),
        "valid_from": iso_time(order.valid_from_us),
        "valid_to": iso_time(order.valid_to_us),
        "session": order.session,
        "time_in_force": order.time_in_force,
        "source": order.source,
        "strategy": order.strategy,
        "strategy_version": order.strategy_version,
        "entry_type": order.entry_type,
        "stop_loss_price": _price_text(order.stop_loss_price),
        "parent_key": order.parent_key,
        "signal_id": order.signal_id,
        "currency": order.currency,
        "tick_size": decimal_text(order.tick_size),
        "created_at": iso_time(order.created_at_us),
    }


def from_row(row: Mapping[str, str], where: str) -> Order:
    """Read one row of a canonical CSV and check it; `OrderContractError` names `where` and the column at fault."""
    column = "the header"
    try:
        values: dict[str, object] = {}
        for column, kind in _COLUMN_KINDS.items():
            text = row[column]
            if kind == "price":
                values[column] = _units(text) if text else None
            elif kind == "time":
                values[f"{column}_us"] = parse_time(text)
            elif kind == "int":
                values[column] = _whole(text)
            elif kind == "symbol":
                values[column] = normalise_symbol(text)
            else:
                values[column] = text
        order = msgspec.convert(values, Order)
    except KeyError as missing:
        raise OrderContractError(f"column {missing} is missing", where, "export it with axiomd orders export") from None
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `$.")
        raise OrderContractError(f"{place.rstrip('`') or column}: {said}", where, "mend the row") from None
    except ValueError as error:
        raise OrderContractError(f"{column}: {error}", where, "mend the row") from None
    if not 0 < order.qty <= SHARES_MAX:
        raise OrderContractError(f"qty {order.qty} is not between 1 and {SHARES_MAX} shares", where, "mend the row")
    problem = _problem(order)
    if problem:
        raise OrderContractError(problem, where, "mend the row")
    return order


def _units(text: str) -> int:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite():
        raise ValueError(f"{text!r} is no number with a decimal point")
    # compared before it is scaled: neither 1e30 nor 1e999999999 has units
    if amount.copy_abs() > _PRICE_MAX:
        raise ValueError(f"{text} is above {_PRICE_MAX}")
    return exact_units(amount)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no whole number") from None


def missing_columns(header: Iterable[str]) -> list[str]:
    """Name the canonical columns that a CSV header lacks."""
    present = set(header)
    return [column for column in CSV_HEADER if column not in present]


def _price_text(price: int | None) -> str:
    return "" if price is None else decimal_text(price)


_KINDS: Final = {
    "symbol": "symbol",
    "qty": "int",
    "limit_price": "price",
    "stop_price": "price",
    "take_profit_price": "price",
    "stop_loss_price": "price",
    "tick_size": "price",
    "valid_from": "time",
    "valid_to": "time",
    "created_at": "time",
}
_COLUMN_KINDS: Final = {column: _KINDS.get(column, "text") for column in CSV_HEADER}
