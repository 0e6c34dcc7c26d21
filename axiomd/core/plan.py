"""The plan of a run: its configuration turned once into the numbers and tables that decisions are made with.

It is built where a run begins and never changes while it lasts. It holds no state; `board_of` lays out an empty board
for it. Everything that needs a calendar or a file comes in as a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import numpy as np

from axiomd.contracts.events import KillLevel
from axiomd.contracts.instruments import Instrument
from axiomd.contracts.orders import Source
from axiomd.contracts.risk import RiskConfig
from axiomd.contracts.runs import CostsConfig, RunConfig, SizingConfig, Stage1, StrategyConfig
from axiomd.contracts.units import MINUTE_US, NEVER_UNITS, NEVER_US, PRICE_SCALE, SECOND_US, to_ppm, to_units
from axiomd.core import board as b
from axiomd.core.compiled import Row
from axiomd.core.fills import Costs
from axiomd.core.guards.api import LIMITS, OFF, Guard
from axiomd.core.guards.loss import ALL_LOSSES
from axiomd.core.market.rates import UNKNOWN, DailyRates, Rate, columns_of
from axiomd.core.market.sessions import SessionTable, WindowTable
from axiomd.core.sizing import MODES, SIZING
from axiomd.core.steps import step_address, walk_address
from axiomd.core.strategies.api import Strategy, WindowSpec

_ENTRIES_A_SYMBOL: Final = 2
COSTS_RECORD: Final = np.dtype([(name, "i8") for name in Costs._fields], align=True)

FindStrategy = Callable[[str, str], Strategy]
ReadParams = Callable[[Strategy, StrategyConfig], Any]
FindWindows = Callable[[SessionTable, WindowSpec], WindowTable]


@dataclass(frozen=True, slots=True)
class StrategyPlan:
    """One strategy of the run: its code, its numbers, its symbols in the order listed, its share of the equity."""

    id: str
    strategy: Strategy
    params: Any
    symbols: tuple[str, ...]
    stage1: Stage1
    sizing: b.Records
    daily_loss_limit: int
    windows: b.Ints


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decisions need to know of a run; money in account currency units, times in us."""

    run_id: str
    source: Source
    initial_cash: int
    currency: str
    instruments: tuple[Instrument, ...]
    rates: tuple[Rate, ...]
    """Of each instrument, `UNKNOWN` before the first session of one whose rate is another every day."""
    strategies: tuple[StrategyPlan, ...]
    costs: b.Records
    limits: b.Records
    levels: Mapping[str, KillLevel]
    risk: RiskConfig
    flatten_us: int
    skips_ambiguous: bool
    resumes: bool
    bar_us: int
    sessions: SessionTable
    guards: tuple[tuple[Guard, Any], ...] = ()
    """Plug-in guards with their parameters, asked after the compiled chain."""
    daily_rates: Mapping[str, DailyRates] = field(default_factory=dict)
    """By the currency of an instrument, where they are another every day."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """The run's symbols, rising: the order of a tape."""
        return tuple(instrument.symbol for instrument in self.instruments)

    def rates_on(self, day: int) -> dict[str, Rate]:
        """Give the rates of a session by currency, of those that change; `day` counts from 1970."""
        return {currency: rates.on(day) for currency, rates in self.daily_rates.items()}

    @property
    def costs_by_name(self) -> dict[str, int]:
        """Give the costs as plain numbers, as a broker is told them."""
        return {name: int(self.costs[0][name]) for name in Costs._fields}


def plan_of(
    config: RunConfig,
    *,
    run_id: str,
    source: Source,
    sessions: SessionTable,
    bar_us: int,
    find_strategy: FindStrategy,
    read_params: ReadParams,
    find_windows: FindWindows,
    rates: Mapping[str, Rate | DailyRates],
    guards: tuple[tuple[Guard, Any], ...] = (),
) -> Plan:
    """Turn a configuration into a plan. `rates` gives account currency for one of an instrument's, by its currency.

    Raises `ConfigError` where a strategy is unknown or its parameters are wrong.
    """
    flatten_us = config.fills.flatten_minutes * MINUTE_US
    instruments = tuple(config.instrument_of(symbol) for symbol in sorted(config.all_symbols()))
    strategies = []
    for entry in config.normalised():
        strategy = find_strategy(entry.name, entry.version)
        params = read_params(strategy, entry)
        table = find_windows(sessions, strategy.windows(params, config.tz))
        strategies.append(
            StrategyPlan(
                id=entry.id,
                strategy=strategy,
                params=params,
                symbols=entry.symbols,
                stage1=entry.stage1,
                sizing=_sizing(entry.sizing, entry.budget_pct),
                daily_loss_limit=_units_or_off(entry.max_daily_loss),
                windows=_windows(table, sessions, flatten_us),
            )
        )
    risk = config.limits()
    daily_rates = {currency: rate for currency, rate in rates.items() if isinstance(rate, DailyRates)}
    fixed = {currency: rate for currency, rate in rates.items() if not isinstance(rate, DailyRates)}
    fixed[config.currency] = 1, 1
    return Plan(
        run_id=run_id,
        source=source,
        initial_cash=to_units(config.initial_cash),
        currency=config.currency,
        instruments=instruments,
        rates=tuple(fixed.get(instrument.currency, UNKNOWN) for instrument in instruments),
        strategies=tuple(strategies),
        costs=costs_of(config.costs),
        limits=_limits(risk),
        levels=_levels(risk),
        risk=risk,
        flatten_us=flatten_us,
        skips_ambiguous=config.fills.ambiguity == "skip",
        resumes=config.resume == "next_session",
        bar_us=bar_us,
        sessions=sessions,
        guards=guards,
        daily_rates=daily_rates,
    )


def board_of(plan: Plan) -> b.Board:
    """Lay out the empty board of a plan: all cash, no bar seen, no candidate."""
    board = board_without_steps(plan)
    put_steps(board, plan)
    return board


def board_without_steps(plan: Plan) -> b.Board:
    """Lay out likewise what takes no bar before it has had `put_steps`: that loads the compiler."""
    symbols = np.zeros(len(plan.instruments), b.SYMBOL)
    index_of = {symbol: index for index, symbol in enumerate(plan.symbols)}
    places = sorted(
        (index_of[symbol], k, rank)
        for k, strategy in enumerate(plan.strategies)
        for rank, symbol in enumerate(strategy.symbols)
    )
    slots = np.array([(k, index, 0, rank) for index, k, rank in places], b.SLOT)
    position = 0
    for index in range(len(plan.instruments)):
        record = symbols[index]
        record["last_ts_us"] = -NEVER_US
        record["touch_high"], record["touch_low"], record["deadline_us"] = b.ABOVE_ALL, b.BELOW_ALL, NEVER_US
        first = position
        while position < len(places) and places[position][0] == index:
            position += 1
        if position > first:
            record["slot_first"], record["slot_end"] = first, position
    account = np.zeros(1, b.ACCOUNT)
    a = account[0]
    a["bar_us"] = plan.bar_us
    a["interval_us"] = plan.strategies[0].strategy.timeframe_us
    a["deadline_us"] = NEVER_US
    a["interval_begin_us"] = -NEVER_US
    for column in ("cash", "equity", "peak", "steepest_peak", "drawdown_peak", "session_equity", "loss_base"):
        a[column] = plan.initial_cash
    a["losses_judged"] = ALL_LOSSES
    a["has_strategy_limits"] = any(s.daily_loss_limit != OFF for s in plan.strategies)
    strategies, int_params, float_params, windows = _strategy_arrays(plan)
    board = b.Board(
        account=account,
        symbols=symbols,
        strategies=strategies,
        slots=slots,
        intervals=np.full((len(symbols), 6), -1, np.int64),
        int_state=np.zeros((len(places), b.INT_STATE_SIZE), np.int64),
        float_state=np.zeros((len(places), b.FLOAT_STATE_SIZE), np.float64),
        int_params=int_params,
        float_params=float_params,
        windows=windows,
        # as plain numbers: numpy copies records column by column
        limits=plan.limits.view(np.int64).copy().view(LIMITS),
        setups=np.zeros((max(1, len(places)), b.SETUP_SIZE), np.int64),
        entries=np.zeros(_ENTRIES_A_SYMBOL * len(symbols), b.ENTRY),
        positions=np.zeros(len(symbols), b.POSITION),
    )
    for index, (instrument, rate) in enumerate(zip(plan.instruments, plan.rates, strict=True)):
        lay_instrument(board, index, instrument, rate, plan.risk)
    return board


def lay_instrument(
    board: b.Board, index: int, instrument: Instrument, rate: Rate, risk: RiskConfig
) -> None:  # fmt: skip
    """Put what is traded onto a board, in a symbol's place and in the state of every slot that watches it."""
    record = board.symbols[index]
    record["tick"], record["lot"] = instrument.tick_size, instrument.lot
    record["fx_num"], record["fx_den"], record["is_unpriced"] = columns_of(rate)
    _limit_symbol(record, instrument.symbol, risk)
    board.int_state[int(record["slot_first"]) : int(record["slot_end"]), 0] = instrument.tick_size


def put_steps(board: b.Board, plan: Plan) -> None:
    """Put the addresses of the strategies' steps onto a board, compiled or loaded for it: what the scan calls."""
    for own, record in zip(plan.strategies, board.strategies, strict=True):
        record["step"] = step_address(own.strategy.observe, own.strategy.trigger)
        record["walk"] = walk_address(own.strategy.observe, own.strategy.trigger)


def _limit_symbol(record: Row, symbol: str, risk: RiskConfig) -> None:
    max_qty = risk.max_qty_of(symbol)
    record["max_qty"] = OFF if max_qty is None else max_qty
    record["is_short_allowed"] = risk.may_short(symbol)
    record["is_restricted"] = symbol in risk.restricted_list


def set_limits(board: b.Board, plan: Plan) -> None:
    """Put the limits of another plan of the same symbols onto a board in use."""
    board.limits[:] = plan.limits
    for index, instrument in enumerate(plan.instruments):
        _limit_symbol(board.symbols[index], instrument.symbol, plan.risk)


def _strategy_arrays(plan: Plan) -> tuple[b.Records, b.Ints, b.Floats, b.Ints]:
    count = len(plan.strategies)
    records = np.zeros(count, b.STRATEGY)
    int_params = np.zeros((count, b.INT_PARAMS_SIZE), np.int64)
    float_params = np.zeros((count, b.FLOAT_PARAMS_SIZE), np.float64)
    first = 0
    for k, own in enumerate(plan.strategies):
        ints, floats = own.strategy.numbers(own.params)
        int_params[k, : len(ints)] = ints
        float_params[k, : len(floats)] = floats
        record = records[k]
        record["daily_loss_limit"] = own.daily_loss_limit
        record["window_first"] = first
        first += len(own.windows) // 4
        record["window_end"] = first
    # nobody writes to windows: the only strategy's are the board's as they are, and known again by being the same
    windows = plan.strategies[0].windows if count == 1 else np.concatenate([own.windows for own in plan.strategies])
    return records, int_params, float_params, windows


def _windows(table: WindowTable, sessions: SessionTable, flatten_us: int) -> b.Ints:
    closes = sessions.close_us[table.session]
    rows = np.stack([table.start_us, table.end_us, closes, closes - flatten_us], axis=1)
    return np.ascontiguousarray(rows, np.int64).reshape(-1)


def _sizing(config: SizingConfig, budget_pct: Decimal) -> b.Records:
    record = np.zeros(1, SIZING)
    record["mode"] = MODES[config.mode]
    record["fixed_qty"] = config.fixed_qty
    record["pos_pct_ppm"] = to_ppm(config.pos_pct)
    record["risk_pct_ppm"] = to_ppm(config.risk_pct)
    record["max_pos_pct_ppm"] = to_ppm(config.max_pos_pct)
    record["max_volume_pct_ppm"] = OFF if config.max_volume_pct is None else to_ppm(config.max_volume_pct)
    record["min_qty"] = config.min_qty
    record["budget_pct_ppm"] = to_ppm(budget_pct)
    return record


def costs_of(config: CostsConfig) -> b.Records:
    """Turn the costs of a configuration into the record that the fill rules read."""
    numbers = cost_numbers(config)
    return np.array([tuple(numbers[name] for name in Costs._fields)], COSTS_RECORD)


def cost_numbers(config: CostsConfig) -> dict[str, int]:
    """Turn the costs of a configuration into what the record of them holds."""
    return {
        "per_share_e8": int(config.commission_per_share * 10**8),
        "minimum_e12": int(config.commission_min * 10**12),
        "notional_bps_e4": int(config.commission_bps * 10**4),
        "slippage_bps_e4": int(config.slippage_bps * 10**4),
        "slippage_ticks": config.slippage_ticks,
    }


def _units_or_off(amount: Decimal | None) -> int:
    return OFF if amount is None else min(int(amount * PRICE_SCALE), NEVER_UNITS)


def _bp_ppm(bp: Decimal | None) -> int:
    return OFF if bp is None else int(bp * 100)


def _limits(risk: RiskConfig) -> b.Records:
    record = np.zeros(1, LIMITS)
    for name in LIMITS.names or ():
        record[name] = OFF
    record["max_gross_exposure"] = _units_or_off(risk.max_gross_exposure)
    record["max_net_exposure"] = _units_or_off(risk.max_net_exposure)
    record["max_order_notional"] = _units_or_off(risk.max_order_notional)
    record["max_open_positions"] = OFF if risk.max_open_positions is None else risk.max_open_positions
    record["max_open_orders"] = OFF if risk.max_open_orders is None else risk.max_open_orders
    if risk.max_daily_loss:
        record["max_daily_loss"] = _units_or_off(risk.max_daily_loss.limit)
    if risk.max_drawdown:
        record["max_drawdown"] = _units_or_off(risk.max_drawdown.limit)
    if risk.consecutive_losses:
        record["consecutive_losses"] = risk.consecutive_losses.count
    if risk.slippage_sanity:
        record["entry_ppm"] = _bp_ppm(risk.slippage_sanity.entry_bp)
        record["fill_ppm"] = _bp_ppm(risk.slippage_sanity.fill_bp)
    if risk.price_collar:
        record["collar_atr"] = float(risk.price_collar.atr)
    if risk.market_halt_proxy:
        record["silent_us"] = risk.market_halt_proxy.silent_minutes * MINUTE_US
        record["jump_bp"] = risk.market_halt_proxy.jump_bp
        record["cooldown_us"] = risk.market_halt_proxy.cooldown_minutes * MINUTE_US
    if risk.stale_data:
        record["lateness_us"] = risk.stale_data.lateness_minutes * MINUTE_US
        record["completeness_ppm"] = to_ppm(risk.stale_data.completeness)
    if risk.buying_power:
        record["buying_power_ppm"] = to_ppm(risk.buying_power.multiple)
    record["rate_orders"] = risk.message_rate.orders
    record["rate_us"] = risk.message_rate.seconds * SECOND_US
    if risk.repeated_execution:
        record["execution_fills"] = risk.repeated_execution.fills
        record["execution_us"] = risk.repeated_execution.seconds * SECOND_US
    if risk.reject_storm:
        record["rejects"] = risk.reject_storm.rejects
        record["rejects_us"] = risk.reject_storm.seconds * SECOND_US
    return record


def _levels(risk: RiskConfig) -> dict[str, KillLevel]:
    levels: dict[str, KillLevel] = {}
    for name, guard in (
        ("MaxDailyLoss", risk.max_daily_loss),
        ("MaxDrawdown", risk.max_drawdown),
        ("ConsecutiveLosses", risk.consecutive_losses),
    ):
        if guard is not None:
            levels[name] = guard.level
    return levels
