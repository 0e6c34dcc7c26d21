"""``axiomd orders``: an order's whole life, in words for a person and whole for a program."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from axiomd.cli.main import main
from tests.unit.cli.bars import written


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
