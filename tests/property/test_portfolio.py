"""Cash and equity: every unit that moves is a fill's, whatever is bought, sold and marked in whatever order."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.config.binding import bind
from axiomd.contracts.runs import RunConfig
from axiomd.contracts.units import rate_ratio
from axiomd.core.board import Board
from axiomd.core.plan import board_of
from axiomd.core.portfolio import book_fill
from tests.markets import SPANS, sessions_of
from tests.parity import random_case
from tests.property.drives import drive

CASH = 100_000 * 10_000
MOVES = st.lists(
    st.tuples(
        st.integers(0, 1), st.integers(-500, 500).filter(bool), st.integers(100, 5_000_000), st.integers(0, 100_000)
    ),
    max_size=30,
)


def board() -> Board:
    config = RunConfig.model_validate(
        {"strategy": {"name": "inside_bar"}, "symbols": ["AAA", "BBB"], "risk": {}, "initial_cash": 100_000}
    )
    return board_of(bind(config, sessions_of(SPANS[0]), 60_000_000, "run", "replay"))


BOARD = board()


@given(moves=MOVES)
def test_cash_is_what_every_fill_left_of_it(moves: list[tuple[int, int, int, int]]) -> None:
    own = Board(**{name: getattr(BOARD, name).copy() for name in Board.__slots__})
    cash, positions = CASH, [0, 0]

    for index, signed_qty, price, commission in moves:
        booked = book_fill(own.account, own.symbols, own.strategies, index, 0, signed_qty, price, commission, False)
        assert (-signed_qty * price, commission) == booked
        cash -= signed_qty * price + commission
        positions[index] += signed_qty

    account = own.account[0]
    assert cash == account["cash"]
    assert positions == own.symbols["position"].tolist()
    assert sum(qty != 0 for qty in positions) == account["positions"]
    assert CASH + own.strategies[0]["cash"] == cash
    closes = own.symbols["close"].tolist()
    assert cash + sum(qty * close for qty, close in zip(positions, closes, strict=True)) == account["equity"]


@given(
    rate=st.sampled_from(["0.9231", "1.0834", "0.0067", "151.23"]),
    side=st.sampled_from([1, -1]),
    entries=st.lists(st.tuples(st.integers(1, 500), st.integers(100, 5_000_000)), min_size=1, max_size=4),
    exit_price=st.integers(100, 5_000_000),
    commission=st.integers(0, 100_000),
)
def test_a_trade_in_another_currency_is_converted_once(
    rate: str, side: int, entries: list[tuple[int, int]], exit_price: int, commission: int
) -> None:
    """However many executions a trade took, its money is exact to half of 1/10,000, and the cash moves by it."""
    own = Board(**{name: getattr(BOARD, name).copy() for name in Board.__slots__})
    own.symbols[0]["fx_num"], own.symbols[0]["fx_den"] = rate_ratio(Decimal(rate))
    fills = [(side * qty, price) for qty, price in entries]
    fills.append((-sum(qty for qty, _ in fills), exit_price))

    booked = [book_fill(own.account, own.symbols, own.strategies, 0, 0, *fill, commission, False) for fill in fills]

    gross, costs = (sum(part) for part in zip(*booked, strict=True))
    assert abs(gross - Fraction(rate) * sum(-qty * price for qty, price in fills)) <= Fraction(1, 2)
    assert abs(costs - Fraction(rate) * commission * len(fills)) <= Fraction(1, 2)
    assert CASH + gross - costs == own.account[0]["cash"] == own.account[0]["equity"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(700, 712))
def test_a_runs_cash_is_its_initial_cash_and_its_trades(seed: int) -> None:
    config, _, tape = random_case(seed)

    record = drive(config, tape).recorder.record

    assert int(Fraction(str(config["initial_cash"])) * 10_000) + sum(t.net_pnl for t in record.trades) == (
        record.final_cash
    )
    assert [] == [t for t in record.trades if t.net_pnl != t.gross_pnl - t.costs]
    assert [] == [p for p in record.curve if p.drawdown > 0 or (p.gross_exposure == 0 and p.equity != p.cash)]
