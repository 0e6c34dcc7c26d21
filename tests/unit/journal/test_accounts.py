"""The books counted again from fills: what must be told, in whatever order it came, and what is left unjudged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from axiomd.contracts import events as e
from axiomd.contracts.fills import Fill, Trade
from axiomd.contracts.verdicts import text_of
from axiomd.journal.accounts import Accounts
from tests.unit.runs.a_run import order

ENTRY = replace(order(1), currency="USD")
KEY = ENTRY.idempotency_key
CASH = 1_000_000_000
BOUGHT, SOLD = 1_010_150, 1_030_300
WON = 100 * (SOLD - BOUGHT)


def loaded(**money: Any) -> e.ConfigLoaded:
    config = {"currency": "USD", "initial_cash": 100_000, "fx": {}, **money}
    return e.ConfigLoaded(ts_us=1, config_hash="", config=config)


def opened(**rates: tuple[int, int]) -> e.SessionOpened:
    return e.SessionOpened(ts_us=1, session="2024-03-05", run_id="run-1", open_us=1, close_us=99, rates=rates)


def intent() -> e.OrderIntent:
    return e.OrderIntent(ts_us=10, order=ENTRY, told=text_of(()))


def filled(exec_id: str, *, role: str = "", qty: int = 100, price: int = BOUGHT, commission: int = 0) -> e.FillReceived:
    fill = Fill(
        exec_id=exec_id, reference=KEY + role, symbol="SPY", side="SELL" if role else "BUY", qty=qty, price=price,
        commission=commission, bar_ts_us=20,
    )  # fmt: skip
    return e.FillReceived(ts_us=30, fill=fill)


def told(qty: int, cash: int, trade: Trade | None = None) -> e.PositionChanged:
    return e.PositionChanged(ts_us=30, symbol="SPY", qty=qty, cash_units=cash, trade=trade)


def closed(gross: int, costs: int = 0, currency: str = "USD", multiple: float | None = None) -> Trade:
    net = gross - costs
    return Trade(
        trade_id=f"T-{KEY}", idempotency_key=KEY, symbol="SPY", side="BUY", qty=100, entry_ts_us=20, entry_price=BOUGHT,
        exit_ts_us=20, exit_price=SOLD, exit_reason="TP", gross_pnl=gross, costs=costs, net_pnl=net,
        r_multiple=net / (100 * 10_100) if multiple is None else multiple, currency=currency, bars_held=3, mae=-1,
        mfe=7, ambiguous=False, strategy="inside_bar",
    )  # fmt: skip


def found(events: Sequence[e.Event]) -> list[str]:
    accounts = Accounts()
    return [text for event in events for text in accounts.look(event)]


def test_cash_and_the_trade_are_what_fills_come_to() -> None:
    life = [
        loaded(), opened(), intent(), filled("1", commission=50), told(100, CASH - 100 * BOUGHT - 50),
        filled("2", role="-TP", price=SOLD, commission=70), told(0, CASH + WON - 120, closed(WON, 120)),
    ]  # fmt: skip

    assert [] == found(life)
    assert [f"I11: SPY: cash is told as {CASH} units, fills say {CASH + WON - 120}"] == found(
        [*life[:-1], replace(life[-1], cash_units=CASH)]
    )
    assert ["I11: SPY: its trade is not told"] == found([*life[:-1], replace(life[-1], trade=None)])
    assert ["I11: SPY is told to have moved, and no fill moved it"] == found([*life, life[-1]])


def test_an_exit_that_was_told_before_its_entry_is_counted_behind_it() -> None:
    assert [] == found(
        [
            loaded(), opened(), intent(), filled("2", role="-TP", price=SOLD), filled("1"),
            told(100, CASH - 100 * BOUGHT), told(0, CASH + WON, closed(WON)),
        ]
    )  # fmt: skip


def test_what_a_position_took_in_another_currency_is_converted_as_one_sum() -> None:
    first, second = -((2 * 33 * BOUGHT * 7 + 9) // 18), (-(2 * 100 * BOUGHT * 7) + 9) // 18
    gross = (2 * WON * 7 + 9) // 18
    life = [
        loaded(currency="EUR", fx={"USDEUR": "a-files-hash"}), opened(USD=(7, 9)), intent(), filled("1", qty=33),
        filled("2", qty=67), filled("3", role="-TP", price=SOLD),
    ]  # fmt: skip
    trade = closed(gross, 0, "EUR", gross / (100 * 10_100) * 9 / 7)

    assert [] == found([*life, told(33, CASH + first), told(100, CASH + second), told(0, CASH + gross, trade)])
    assert [f"I11: SPY: cash is told as {CASH + second + 1} units, fills say {CASH + second}"] == found(
        [*life, told(33, CASH + first), told(100, CASH + second + 1)]
    )


def test_what_is_held_keeps_the_rate_it_was_bought_at() -> None:
    gross = WON // 2
    assert [] == found(
        [
            loaded(currency="EUR", fx={"USDEUR": "a-files-hash"}), opened(USD=(1, 2)), intent(), filled("1"),
            told(100, CASH - 50 * BOUGHT), opened(USD=(1, 3)), filled("2", role="-TP", price=SOLD),
            told(0, CASH + gross, closed(gross, 0, "EUR", gross / (100 * 10_100) * 2)),
        ]
    )  # fmt: skip


def test_money_of_another_configuration_is_counted_anew_and_left_unjudged() -> None:
    life = [
        loaded(currency="EUR", fx={"USDEUR": 0.5}), opened(), intent(), filled("1"), told(100, CASH - 50 * BOUGHT),
        loaded(currency="EUR", fx={"USDEUR": 0.4}), filled("2", role="-TP", price=SOLD),
    ]  # fmt: skip

    assert [] == found([*life, told(0, 17, closed(19, 2, "EUR"))])
    assert ["I11: SPY: it is told as 3, its fills say 0"] == found([*life, told(3, 17, closed(19, 2, "EUR"))])


def test_what_an_adoption_wrote_off_leaves_money_unjudged() -> None:
    adopted = e.ReconAdopted(ts_us=30, reason="x", positions={}, dropped={"SPY": 100})
    life = [loaded(), opened(), intent(), filled("1"), told(100, CASH - 100 * BOUGHT), adopted]

    assert [] == found([*life, told(0, 17, closed(19))])
    assert ["I11: SPY: it is told as 100, its fills say 0"] == found([*life, told(100, 17, closed(19))])


def test_a_journal_without_a_configuration_tells_no_money() -> None:
    assert [] == found([opened(), intent(), filled("1"), told(100, 0), filled("2", role="-TP"), told(0, 0)])


def test_a_configuration_that_nobody_can_read_is_none() -> None:
    foreign = [{"currency": "EUR", "fx": fx} for fx in (["USDEUR"], {"USDEUR": -1}, {})]
    for money in (*foreign, {"initial_cash": "much"}, {"initial_cash": 0.00001}):
        assert [] == found([loaded(**money), opened(), intent(), filled("1"), told(100, 0)])
