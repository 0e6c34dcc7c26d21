"""``axiomd orders``: an order's whole life, in words for a person and whole for a program."""

from __future__ import annotations

import csv
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from axiomd.cli.main import main
from axiomd.contracts import events as e
from axiomd.core.guards.figures import COUNT, MONEY, PRICE, unit_of
from axiomd.core.telling import fields_of
from axiomd.journal.reading import rows
from tests.unit.cli.bars import CONFIG, written
from tests.unit.observe.test_logging import order


def test_an_orders_life_is_told_in_words_and_given_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert 0 == main(["replay", *written(tmp_path), "--out", "out", "--no-plots"])
    with Path("out/filled_orders.csv").open(encoding="utf-8") as file:
        order = next(row for row in csv.DictReader(file) if row["status"] == "filled")
    capsys.readouterr()

    assert 0 == main(["orders", "show", order["idempotency_key"], "--journal", "out"])
    told = capsys.readouterr().out
    assert 0 == main(["orders", "show", order["idempotency_key"], "--journal", "out", "--json"])
    events = json.loads(capsys.readouterr().out)

    assert "{" not in told
    assert f"stop_price {order['stop_price']}" in told
    assert f"price {order['fill_price']}" in told
    kinds = [event["kind"] for event in events]
    assert ["order.sized", "order.intent", "order.sent", "order.acked"] == kinds[:4]
    assert "fill.received" in kinds
    assert order["oco_id"] == events[1]["payload"]["order"]["oco_id"]


@pytest.mark.parametrize(
    ("limit", "figures"),
    [
        ("max_order_notional: 50", r"guard MaxOrderNotional  figure \d{4,}\.\d\d+  limit 50\.00  unit USD"),
        ("price_collar: {atr: 0.0001}", r"guard PriceCollar  figure \d\.\d\d+  limit 0\.\d\d+  unit USD"),
        ("per_symbol_max_qty: 1", r"guard PerSymbolMaxQty  figure \d+  limit 1$"),
    ],
)
def test_a_refusal_over_money_or_a_price_is_told_in_that(
    limit: str, figures: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = written(tmp_path)
    (tmp_path / "run.yml").write_text(CONFIG.replace("risk: {}", f"risk: {{{limit}}}"))
    assert 0 == main(["replay", *arguments, "--out", "out", "--no-plots"])
    refused = next(row[4] for row in rows(Path("out/journal.sqlite")) if row[2] == "order.blocked")
    capsys.readouterr()

    assert 0 == main(["orders", "show", refused, "--journal", "out"])

    told = next(line for line in capsys.readouterr().out.splitlines() if "order.blocked" in line)
    assert re.search(figures, told.strip()), told


def test_what_a_refused_grid_is_in_depends_on_what_was_off_it() -> None:
    one = order()

    assert COUNT == unit_of("TickAndLot", one.qty, one)
    assert PRICE == unit_of("TickAndLot", 1_000_050, one)
    assert MONEY == unit_of("BuyingPower", one.qty, one)
    assert COUNT == unit_of("SomebodysGuard", 3, one)


def test_a_trip_over_money_is_told_in_that() -> None:
    trip = e.GuardTripped(ts_us=1, guard="MaxDailyLoss", figure=20_012_300, limit=20_000_000, level="halt")

    assert {
        "guard": "MaxDailyLoss", "figure": "2001.23", "limit": "2000.00", "unit": "EUR", "kill_level": "halt",
    } == fields_of(trip, "EUR")  # fmt: skip


def test_the_beginning_of_several_keys_shows_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert 0 == main(["replay", *written(tmp_path), "--out", "out", "--no-plots"])
    keys = sorted({row[4] for row in rows(Path("out/journal.sqlite")) if row[2] == "order.intent"})
    one, other = next(pair for pair in pairwise(keys) if pair[0][0] == pair[1][0])
    capsys.readouterr()

    assert 2 == main(["orders", "show", one[0], "--journal", "out"])
    refusal = capsys.readouterr()
    assert 0 == main(["orders", "show", one[:15], "--journal", "out"])
    shown = capsys.readouterr().out

    assert ("", 1) == (refusal.out, refusal.err.count("\n"))
    assert one in refusal.err
    assert other in refusal.err
    assert one in shown
    assert other not in shown
