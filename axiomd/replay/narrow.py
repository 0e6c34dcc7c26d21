"""The narrow API: orders of a file against bars, by the same broker, rules and books as everything else.

It knows orders, not decisions: what stands in the file is worked as it stands, and ends by a fill, by its group, by
time or by netting. No strategy runs, no guard judges, nothing trips.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl
from pydantic import ValidationError

from axiomd import __version__
from axiomd.config.binding import bind
from axiomd.config.identity import identified
from axiomd.config.mistakes import config_error
from axiomd.contracts import events as e
from axiomd.contracts.errors import InputError, OrderContractError
from axiomd.contracts.fills import TRADE_COLUMNS
from axiomd.contracts.orders import CSV_HEADER, Order, from_row, missing_columns
from axiomd.contracts.quality import summarise
from axiomd.contracts.runs import RunConfig
from axiomd.contracts.units import NOTIONAL_UNITS_MAX, decimal_text
from axiomd.contracts.verdicts import NO_VERDICTS
from axiomd.core.market.sla import measure_tape
from axiomd.core.market.tape import HIGH, SYMBOL_INDEX, Tape
from axiomd.core.metrics import metrics_of
from axiomd.core.plan import Plan
from axiomd.feeds.files import load_tape, read_files, timeframe_of
from axiomd.replay.driver import Replay
from axiomd.replay.finish import Times, manifest_of
from axiomd.replay.identity import Identity
from axiomd.runs.artifacts import (
    CURVE_COLUMNS,
    FILLED_COLUMNS,
    curve_rows,
    filled_order_rows,
    trade_rows,
    write_run,
)

ORDERS_MAX: Final = 5_000_000
"""More rows than any run makes; a larger file is not what it says it is."""

_KINDS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("qty", "fill_qty", "bars_held", "slippage_ticks"), pl.Int64),
    **dict.fromkeys(
        (
            "limit_price", "stop_price", "take_profit_price", "stop_loss_price", "tick_size", "fill_price",
            "commission",
            "entry_price", "exit_price", "gross_pnl", "costs", "net_pnl", "r_multiple", "mae", "mfe", "equity", "cash",
            "gross_exposure", "drawdown",
        ),
        pl.Float64,
    ),
}  # fmt: skip
_NEEDED: Final = {"stop": "stop_price", "limit": "limit_price", "market": ""}
"""The kinds of entries that are worked, and the price that each cannot do without."""
_MOMENTS: Final = ("valid_from", "valid_to", "created_at", "fill_ts", "entry_ts", "exit_ts", "ts")


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """What the orders came to: the frames have the columns of trades.csv, filled_orders.csv and equity_curve.csv."""

    trades: pl.DataFrame
    filled_orders: pl.DataFrame
    equity_curve: pl.DataFrame
    metrics: dict[str, Any]


class OrderReplay(Replay):
    """A replay whose orders come from a file: each group is placed when the first of its legs becomes valid."""

    def __init__(self, plan: Plan, tape: Tape, orders: list[list[Order]], identity: Identity) -> None:
        super().__init__(plan, tape, None, self._nobody, identity=identity)
        self._groups = orders
        self._next = 0

    def _nobody(self, session: int) -> dict[str, Any]:
        """Name no candidate, so that no strategy is asked."""
        del session
        return {strategy.id: () for strategy in self.plan.strategies}

    def _trade(self, first: int, last: int, close_us: int) -> None:
        row, starts_us = first, self._tape.bars[:, 0]
        while self._next < len(self._groups) and _valid_from_us(self._groups[self._next]) < close_us:
            group = self._groups[self._next]
            self._next += 1
            valid_from_us = _valid_from_us(group)
            stop = min(last, int(starts_us.searchsorted(valid_from_us, "left")))
            self._walk(row, stop, valid_from_us)
            row = max(row, stop)
            self._place(group)
        self._walk(row, last, close_us)

    def _place(self, group: list[Order]) -> None:
        account = self.engine.account
        flatten_us, now_us = int(account["flatten_us"]), int(account["now_us"])
        bound = [
            msgspec.structs.replace(order, valid_to_us=min(order.valid_to_us, flatten_us), flatten_at_us=flatten_us)
            for order in group
        ]
        for order in bound:
            intent = e.OrderIntent(ts_us=now_us, order=order, told=NO_VERDICTS)
            self._told.append(intent)
            self._take(intent)
        self._hear(self.broker.place(bound, now_us))

    def run(self) -> None:
        """Run to the end of the bars; what was never placed by then has expired."""
        super().run()
        for group in self._groups[self._next :]:
            for order in group:
                self.recorder.take(e.OrderIntent(ts_us=order.valid_from_us, order=order, told=NO_VERDICTS))
        for outcome in self.recorder.record.orders:
            if outcome.status == "working":
                outcome.status, outcome.reason = "expired", "expired"


def simulate_insidebar_from_orders(
    orders_csv: str | Path,
    data_path: str | Path,
    tz: str,
    costs: Mapping[str, Any] | None,
    initial_cash: float | str | int,
    *,
    fills: Mapping[str, Any] | None = None,
    instrument: Mapping[str, Any] | None = None,
    calendar: str = "XNYS",
    out_dir: str | Path | None = None,
) -> Simulation:
    """Work the orders of a canonical CSV against bars, M1 or M5, and give what came of them.

    `costs`, `fills`, `instrument` and `initial_cash` mean what they mean in a run configuration; `tz` is an IANA name,
    for display. Writes a run folder where `out_dir` is given. Raises `OrderContractError` naming the row of a bad
    order, `DataContractError` or `InputError` for bad bars, `ConfigError` for a wrong value.
    """
    orders = read_orders(Path(orders_csv))
    config = orders_config(orders, tz, costs, initial_cash, fills, instrument, calendar)
    _check_instruments(orders, config, str(orders_csv))
    files = read_files(data_path)
    tape = load_tape(
        data_path,
        config.all_symbols(),
        calendar,
        timeframe=timeframe_of(files[0]),
        files=files,
        tick_units={symbol: config.instrument_of(symbol).tick_size for symbol in config.all_symbols()},
    )
    _check_worth(orders, tape, str(orders_csv))
    run_id = orders[0].run_id
    plan = bind(config, tape.sessions, tape.timeframe_us, run_id, "replay", "orders_csv")
    replay = OrderReplay(plan, tape, groups_of(orders), Identity(run_id, "", {}, __version__))
    replay.run()
    return _result(replay, config, tape, orders, out_dir)


def read_orders(path: Path) -> list[Order]:
    """Read a canonical orders CSV. Raises `OrderContractError` with file and row, `InputError` where it is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # a spreadsheet begins a file with a mark
            reader = csv.DictReader(file)
            lacking = missing_columns(reader.fieldnames or ())
            if lacking:
                raise OrderContractError(
                    f"no column {', '.join(lacking)}", str(path), "export it with axiomd orders export"
                )
            named = list(reader.fieldnames or ())
            again = [name for name in CSV_HEADER if named.count(name) > 1]
            if again:
                raise OrderContractError(f"more than one column {again[0]}", str(path), "leave one of them")
            orders = []
            for number, row in enumerate(reader, start=2):
                if number > ORDERS_MAX:
                    raise InputError(f"more than {ORDERS_MAX} rows", str(path), "split the file")
                if None in row.values() or None in row:
                    raise OrderContractError("its cells do not fit the header", f"{path}:{number}", "mend the row")
                order = from_row(row, f"{path}:{number}")
                problem = _cannot_be_worked(order)
                if problem:
                    raise OrderContractError(problem, f"{path}:{number}", "mend the row")
                orders.append(order)
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror}", str(path), "name an orders.csv") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"it is no CSV: {error}", str(path), "name an orders.csv") from error
    if not orders:
        raise InputError("it holds no order", str(path), "name an orders.csv with rows")
    known: set[str] = set()
    for order in orders:
        if order.idempotency_key in known:
            raise OrderContractError(
                f"the key {order.idempotency_key} stands there twice", str(path), "remove one of the rows"
            )
        known.add(order.idempotency_key)
    return orders


def _cannot_be_worked(order: Order) -> str:
    """Say why an order that keeps its contract is none that this API works, or nothing."""
    if order.parent_key:
        return "parent_key: it closes a position, and exits stand with their entries"
    needed = _NEEDED.get(order.entry_type)
    if needed is None:
        return f"entry_type {order.entry_type!r} is none of {', '.join(_NEEDED)}"
    if needed and getattr(order, needed) is None:
        return f"{needed} is missing for an entry_type {order.entry_type}"
    return ""


def _check_instruments(orders: list[Order], config: RunConfig, path: str) -> None:
    """Raise `OrderContractError` where an order is none of its instrument, or a group is of several."""
    groups: dict[str, str] = {}
    for order in orders:
        own = config.instrument_of(order.symbol)
        prices = (order.limit_price, order.stop_price, order.take_profit_price, order.stop_loss_price)
        problem = ""
        if order.qty % own.lot:
            problem = f"qty {order.qty} is no whole number of lots of {own.lot}"
        elif any(price is not None and price % own.tick_size for price in prices):
            problem = f"a price is not on the instrument's tick grid of {decimal_text(own.tick_size)}"
        elif order.currency != own.currency:
            problem = f"currency {order.currency} is not the instrument's, {own.currency}"
        elif order.oco_id and groups.setdefault(order.oco_id, order.symbol) != order.symbol:
            problem = f"oco_id {order.oco_id} stands for {groups[order.oco_id]} and {order.symbol}"
        if problem:
            raise OrderContractError(f"order {order.idempotency_key}: {problem}", path, "mend the row")


def _check_worth(orders: list[Order], tape: Tape, path: str) -> None:
    """Raise `OrderContractError` where an order may be worth more than is computed with: no cap has cut it."""
    index, high = tape.bars[:, SYMBOL_INDEX], tape.bars[:, HIGH]
    highest = {name: int(high[index == place].max(initial=0)) for place, name in enumerate(tape.symbols)}
    for order in orders:
        prices = (order.limit_price, order.stop_price, order.take_profit_price, order.stop_loss_price)
        worth = order.qty * max(highest[order.symbol], *(price or 0 for price in prices))
        if worth > NOTIONAL_UNITS_MAX:
            raise OrderContractError(
                f"order {order.idempotency_key}: {order.qty} shares may be worth {decimal_text(worth)}, more than "
                f"{decimal_text(NOTIONAL_UNITS_MAX)}",
                path,
                "mend the row",
            )


def groups_of(orders: list[Order]) -> list[list[Order]]:
    """Gather orders into their OCO groups, in the order in which they become valid."""
    groups: dict[str, list[Order]] = {}
    for order in orders:
        groups.setdefault(order.oco_id or order.idempotency_key, []).append(order)
    return sorted(groups.values(), key=_valid_from_us)


def _valid_from_us(group: list[Order]) -> int:
    return min(order.valid_from_us for order in group)


def orders_config(
    orders: list[Order],
    tz: str,
    costs: Mapping[str, Any] | None,
    initial_cash: float | str | int,
    fills: Mapping[str, Any] | None,
    instrument: Mapping[str, Any] | None,
    calendar: str,
) -> RunConfig:
    """Give the configuration that orders of a file and what is said of them amount to: no strategy and no limit."""
    symbols: dict[str, list[str]] = {}
    for order in orders:
        names = symbols.setdefault(order.strategy, [])
        if order.symbol not in names:
            names.append(order.symbol)
    own = {"currency": orders[0].currency, **dict(instrument or {})}
    ticks: dict[str, int] = {}
    for order in orders:
        ticks[order.symbol] = min(order.tick_size, ticks.get(order.symbol, order.tick_size))
    document: dict[str, Any] = {
        "strategies": [
            {"id": strategy, "name": "inside_bar", "symbols": names, "stage1": {"max_candidates": len(names)}}
            for strategy, names in symbols.items()
        ],
        "calendar": calendar,
        "tz": tz,
        "initial_cash": initial_cash,
        "currency": orders[0].currency,
        "costs": dict(costs or {}),
        "fills": dict(fills or {}),
        "instrument": own,
        # a run's orders slip by the ticks that the run had, also where nobody says them again
        "instruments": {} if "tick_size" in own else {name: {"tick_size": decimal_text(ticks[name])} for name in ticks},
        "risk": {},
    }
    try:
        return RunConfig.model_validate(document)
    except ValidationError as problem:
        raise config_error(problem, RunConfig, document, "arguments", lambda key: key) from None


def _result(
    replay: OrderReplay, config: RunConfig, tape: Tape, orders: list[Order], out_dir: str | Path | None
) -> Simulation:
    record = replay.recorder.record
    strategies = [own.id for own in replay.plan.strategies]
    metrics = metrics_of(record, strategies)
    if out_dir is not None:
        manifest = manifest_of(replay.plan, config, tape.files, identified(config)[0], Times(0, 0), "replay", None)
        # whatever made the orders, it is not what is installed here, and nothing is known of its parameters
        versions = "+".join(_versions(orders, strategy) for strategy in strategies)
        manifest = manifest.model_copy(update={"strategy_version": versions, "params": {}})
        write_run(Path(out_dir), record, manifest, metrics, quality=summarise(measure_tape(tape)))
    return Simulation(
        trades=_frame(TRADE_COLUMNS, trade_rows(record.trades)),
        filled_orders=_frame(FILLED_COLUMNS, filled_order_rows(record.orders)),
        equity_curve=_frame(CURVE_COLUMNS, curve_rows(record.curve)),
        metrics=metrics.model_dump(mode="json"),
    )


def _versions(orders: list[Order], strategy: str) -> str:
    return ",".join(dict.fromkeys(order.strategy_version for order in orders if order.strategy == strategy))


def _frame(columns: Sequence[str], rows: list[list[str]]) -> pl.DataFrame:
    """Turn the rows of a CSV into a frame: figures as numbers, moments as UTC, the rest as text."""
    text = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    return text.with_columns(
        *(pl.col(name).replace("", None).cast(kind) for name, kind in _KINDS.items() if name in columns),
        *(
            pl.col(name).replace("", None).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", time_zone="UTC")
            for name in _MOMENTS
            if name in columns
        ),
        *(pl.col(name) == "true" for name in ("ambiguous",) if name in columns),
    )
