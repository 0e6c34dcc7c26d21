"""The figures of a run, from its trades, its orders and its equity at the sessions' closes.

It decides what each name of metrics.json means, for the run and for each of its strategies. It never marks equity
itself, opens no file, and gives None where a figure has no meaning; nothing after it computes a figure again.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from axiomd.contracts.fills import Trade
from axiomd.contracts.outcome import Activity, RunRecord
from axiomd.contracts.runs import Metrics, StrategyMetrics
from axiomd.contracts.units import PRICE_SCALE
from axiomd.core.board import Floats, Ints
from axiomd.core.compiled import njit
from axiomd.core.exact_sum import exact_sum

Return = tuple[int, int]
"""What was made, and the equity it was made of, in one unit of money: exact, and a tenth of a fraction's time."""
Share = tuple[int, int]
"""A part and its whole, which is not 0: exact too."""

NOT_TRADED: Final = -(2**62)
"""The close of a session that was not traded, which has no return and is none's equity before."""
SESSIONS_PER_YEAR: Final = 252
RETURNS_MIN: Final = 2
"""A standard deviation of the sample needs two returns."""
_SQUARE: Final = 2.0


def metrics_of(record: RunRecord, strategies: Sequence[str] = ()) -> Metrics:
    """Give all figures of metrics.json; money in account currency, ratios as fractions of one, `*_pct` of a hundred.

    ``strategies`` names the ids that `by_strategy` must have even where they did nothing. A run of one strategy has the
    same figures in both places. Of several, drawdown and Sharpe ratio of each are over its closed trades, exposure and
    turnover are shares of the run's by held time and by notional, `ambiguous_bars` counts its ambiguous trades and
    groups, and `fills_beyond_volume` is the run's: an upper bound, since a record does not tell whose fill it was.
    """
    ids = list(dict.fromkeys([*strategies, *_seen(record)]))
    whole = figures_of(_whole(record), record.initial_cash)
    by_strategy = {ids[0]: whole} if len(ids) == 1 else {name: _part(record, name) for name in ids}
    return Metrics(
        **whole.model_dump(),
        initial_cash=_money(record.initial_cash),
        final_cash=_money(record.final_cash),
        operator_resumes=record.operator_resumes,
        counts=dict(record.counts),
        by_strategy=by_strategy,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What figures are made of, for a run or one of its strategies; money in units.

    `nets` int64[t] and `multiples` float64[m] are by closed trade, the latter of those that had a risk; `returns`
    int64[k, 2] as `session_returns` gives them; `sent` and `filled` count orders.
    """

    nets: Ints
    multiples: Floats
    costs: int
    sent: int
    filled: int
    num_signals: int
    returns: Ints
    max_drawdown: int
    max_drawdown_pct: float
    exposure: Share
    turnover_units: int
    ambiguous_bars: int
    fills_beyond_volume: int


def percent_of_peak(fall: int, peak: int) -> float:
    """Give how much of a peak a fall below it was, in percent; nothing of a peak that was not above zero."""
    return 100.0 * int(fall) / int(peak) if fall < 0 < peak else 0.0


def figures_of(basis: Basis, initial_cash: int) -> StrategyMetrics:
    """Give the figures of a basis."""
    return StrategyMetrics(**figure_values(basis, initial_cash))


def figure_values(basis: Basis, initial_cash: int) -> dict[str, Any]:
    """Give the figures of a basis by the names of `StrategyMetrics` and in their order, not checked once more."""
    count = len(basis.nets)
    net, lost, wins, multiples = totals(basis.nets, basis.multiples)
    average = net / (count * PRICE_SCALE) if count else None
    exposed, moments = basis.exposure
    return {
        "net_pnl": _money(net),
        "max_drawdown": _money(basis.max_drawdown),
        "num_trades": count,
        "win_rate": wins / count if count else None,
        "avg_trade": average,
        "pnl_per_trade": average,
        "sharpe": sharpe_of(basis.returns),
        "max_drawdown_pct": basis.max_drawdown_pct,
        "profit_factor": (net + lost) / lost if lost else None,
        "expectancy_r": multiples / len(basis.multiples) if len(basis.multiples) else None,
        "exposure_pct": 100 * exposed / moments,
        "turnover": basis.turnover_units / initial_cash,
        "total_costs": _money(basis.costs),
        "ambiguous_bars": basis.ambiguous_bars,
        "num_signals": basis.num_signals,
        "num_orders": basis.sent,
        "fill_rate": basis.filled / basis.sent if basis.sent else None,
        "sharpe_periods": len(basis.returns),
        "fills_beyond_volume": basis.fills_beyond_volume,
    }


@njit
def totals(nets: Ints, multiples: Floats) -> tuple[int, int, int, float]:
    """Give what was made in all, what was lost, the number of trades that won, and the sum of multiples."""
    net, lost, wins = 0, 0, 0
    for value in nets:
        net += value
        if value < 0:
            lost -= value
        if value > 0:
            wins += 1
    return net, lost, wins, exact_sum(multiples)


def session_returns(initial_cash: int, closes: Sequence[int] | Ints) -> Ints:
    """Give int64[k, 2], the return of each session: what was made, and the equity it was made of.

    That is the close before it; the first one's is ``initial_cash``. Money in any one unit. A session that begins
    without equity has no return and ends the list.
    """
    ends = np.asarray(closes, np.int64)
    returns = np.empty((len(ends), 2), np.int64)
    return returns[: fill_returns(initial_cash, ends, returns)]


@njit
def fill_returns(initial_cash: int, closes: Ints, returns: Ints) -> int:
    """Fill in what `session_returns` gives, and say how many they are; a session that was not traded is left out."""
    before, count = initial_cash, 0
    for close in closes:
        if close == NOT_TRADED:
            continue
        if before <= 0:
            break
        returns[count, 0], returns[count, 1] = close - before, before
        before = close
        count += 1
    return count


def sharpe_of(returns: Sequence[Return] | Ints) -> float | None:
    """Give mean / sample standard deviation * sqrt(252), no risk-free rate; None below two returns.

    None too without variation, which is judged exactly: equal returns are no reason for a ratio of rounding errors.
    """
    if len(returns) < RETURNS_MIN:
        return None
    made = np.asarray(returns, np.int64)
    mean, variance, looks_even = spread(made, np.empty(len(made)), _SQUARE)
    if variance <= 0 or (looks_even and _is_even(made.tolist())):
        return None
    return mean / math.sqrt(variance) * math.sqrt(SESSIONS_PER_YEAR)


@njit
def spread(returns: Ints, values: Floats, square: float) -> tuple[float, float, bool]:
    """Give mean and sample variance of returns, and whether all of them round to one number.

    `values` float64[k] is room for as many numbers. Both numbers of a return are far below 2**53, so that the division
    is as exact as one of whole numbers. `square` is 2.0: a compiled power that knows it to be 2 becomes a product,
    which rounds in another way than `**`.
    """
    count = len(returns)
    looks_even = True
    for k in range(count):
        values[k] = returns[k, 0] / returns[k, 1]
        looks_even = looks_even and values[k] == values[0]
    mean = exact_sum(values) / count
    for k in range(count):
        values[k] = (values[k] - mean) ** square
    return mean, exact_sum(values) / (count - 1), looks_even


def _is_even(returns: Sequence[Return]) -> bool:
    first, of_first = returns[0]
    return all(made * of_first == first * before for made, before in returns)


def share_of(part: int, whole: int) -> Share:
    """Give a part of a whole, 0 of none."""
    return (part, whole) if whole else (0, 1)


def _seen(record: RunRecord) -> list[str]:
    return [
        *(signal.strategy for signal in record.signals),
        *(outcome.order.strategy for outcome in record.orders),
        *(trade.strategy for trade in record.trades),
    ]


def _whole(record: RunRecord) -> Basis:
    return Basis(
        nets=_nets(record.trades),
        multiples=_multiples(record.trades),
        costs=sum(trade.costs for trade in record.trades),
        sent=sum(outcome.was_sent for outcome in record.orders),
        filled=sum(outcome.was_sent and outcome.fill_qty > 0 for outcome in record.orders),
        num_signals=len(record.signals),
        returns=session_returns(record.initial_cash, [equity for _, equity in record.session_closes]),
        max_drawdown=record.max_drawdown,
        max_drawdown_pct=record.max_drawdown_pct,
        exposure=share_of(record.moments_exposed, record.moments),
        turnover_units=sum(activity.turnover_units for activity in record.by_strategy.values()),
        ambiguous_bars=record.ambiguous_bars,
        fills_beyond_volume=sum(activity.fills_beyond_volume for activity in record.by_strategy.values()),
    )


def _part(record: RunRecord, name: str) -> StrategyMetrics:
    trades = [trade for trade in record.trades if trade.strategy == name]
    outcomes = [outcome for outcome in record.orders if outcome.order.strategy == name]
    drawdown, drawdown_pct = _drawdown_of_trades(record.initial_cash, trades)
    activity = record.by_strategy.get(name, Activity())
    neither = {outcome.order.oco_id for outcome in outcomes if outcome.reason == "ambiguous"}
    basis = Basis(
        nets=_nets(trades),
        multiples=_multiples(trades),
        costs=sum(trade.costs for trade in trades),
        sent=sum(outcome.was_sent for outcome in outcomes),
        filled=sum(outcome.was_sent and outcome.fill_qty > 0 for outcome in outcomes),
        num_signals=sum(signal.strategy == name for signal in record.signals),
        returns=_returns_of_trades(record, trades),
        max_drawdown=drawdown,
        max_drawdown_pct=drawdown_pct,
        exposure=share_of(activity.moments_exposed, record.moments),
        turnover_units=activity.turnover_units,
        ambiguous_bars=sum(trade.ambiguous for trade in trades) + len(neither),
        fills_beyond_volume=activity.fills_beyond_volume,
    )
    return figures_of(basis, record.initial_cash)


def _drawdown_of_trades(initial_cash: int, trades: Sequence[Trade]) -> tuple[int, float]:
    """Give the deepest falls of cash over closed trades: in units, and in percent of the peak before."""
    cash = peak = initial_cash
    deepest, deepest_pct = 0, 0.0
    for trade in sorted(trades, key=lambda trade: (trade.exit_ts_us, trade.symbol)):
        cash += trade.net_pnl
        peak = max(peak, cash)
        deepest = min(deepest, cash - peak)
        deepest_pct = min(deepest_pct, 100 * (cash - peak) / peak)
    return deepest, deepest_pct


def _returns_of_trades(record: RunRecord, trades: Sequence[Trade]) -> Ints:
    """Give what the trades closed in each session made of the account's equity at the close before it."""
    closes_us = [close_us for close_us, _ in record.session_closes]
    made = [0] * len(closes_us)
    for trade in trades:
        session = bisect_right(closes_us, trade.exit_ts_us)
        if session < len(made):
            made[session] += trade.net_pnl
    returns = session_returns(record.initial_cash, [equity for _, equity in record.session_closes])
    returns[:, 0] = made[: len(returns)]
    return returns


def _nets(trades: Sequence[Trade]) -> Ints:
    return np.array([trade.net_pnl for trade in trades], np.int64)


def _multiples(trades: Sequence[Trade]) -> Floats:
    return np.array([trade.r_multiple for trade in trades if trade.r_multiple is not None], np.float64)


def _money(units: int) -> float:
    return units / PRICE_SCALE
