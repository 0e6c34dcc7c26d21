"""The figures of a run, from its trades, its fills and its equity; a figure that does not exist is None."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

LEAST_SESSIONS = 2


def figures(
    *,
    initial_cash: Fraction,
    final_cash: Fraction,
    trades: Sequence[Mapping[str, Any]],
    fills: Sequence[Mapping[str, Any]],
    closes: Sequence[Fraction],
    max_drawdown: Fraction,
    max_drawdown_pct: Fraction,
    exposed: Fraction,
    num_signals: int,
    num_orders: int,
    num_filled: int,
    ambiguous_bars: int,
    operator_resumes: int,
) -> dict[str, Any]:
    """All names of metrics.json but by_strategy; money stays exact, ratios become floats."""
    nets = [trade["net_pnl"] for trade in trades]
    wins = sum((net for net in nets if net > 0), Fraction(0))
    losses = -sum((net for net in nets if net < 0), Fraction(0))
    multiples = [trade["r_multiple"] for trade in trades if trade["r_multiple"] is not None]
    net_pnl = sum(nets, Fraction(0))
    returns = _returns(initial_cash, closes)
    return {
        "initial_cash": initial_cash,
        "final_cash": final_cash,
        "net_pnl": net_pnl,
        "max_drawdown": max_drawdown,
        "max_drawdown_pct": float(max_drawdown_pct),
        "num_trades": len(trades),
        "win_rate": sum(net > 0 for net in nets) / len(nets) if nets else None,
        "avg_trade": net_pnl / len(nets) if nets else None,
        "pnl_per_trade": net_pnl / len(nets) if nets else None,
        "sharpe": _sharpe(returns),
        "sharpe_periods": len(returns),
        "profit_factor": float(wins / losses) if losses else None,
        "expectancy_r": float(sum(multiples, Fraction(0)) / len(multiples)) if multiples else None,
        "exposure_pct": float(100 * exposed),
        "turnover": float(sum((fill["notional"] for fill in fills), Fraction(0)) / initial_cash),
        "total_costs": sum((fill["commission"] for fill in fills), Fraction(0)),
        "ambiguous_bars": ambiguous_bars,
        "num_signals": num_signals,
        "num_orders": num_orders,
        "fill_rate": num_filled / num_orders if num_orders else None,
        "fills_beyond_volume": sum(fill["beyond_volume"] for fill in fills),
        "operator_resumes": operator_resumes,
    }


def _returns(initial_cash: Fraction, closes: Sequence[Fraction]) -> list[Fraction]:
    found = []
    before = initial_cash
    for close in closes:
        found.append(close / before - 1)
        before = close
    return found


def _sharpe(returns: list[Fraction]) -> float | None:
    if len(returns) < LEAST_SESSIONS:
        return None
    mean = sum(returns, Fraction(0)) / len(returns)
    variance = sum(((value - mean) ** 2 for value in returns), Fraction(0)) / (len(returns) - 1)
    return float(mean) / math.sqrt(variance) * math.sqrt(252) if variance else None
