"""The narrow API: what a file of orders comes to, by hand on a few bars, and what a bad file gets."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from axiomd.contracts.errors import AxiomdError, ConfigError, DataContractError, InputError, OrderContractError
from axiomd.contracts.orders import CSV_HEADER
from axiomd.replay import simulate_insidebar_from_orders
from axiomd.replay.narrow import Simulation

DAY = "2013-10-04"
ROW = {
    "order_id": "o1", "idempotency_key": "k1", "oco_id": "g1", "run_id": "run-1", "symbol": "SPY", "side": "BUY",
    "qty": "100", "limit_price": "", "stop_price": "100.50", "take_profit_price": "102.00",
    "valid_from": f"{DAY}T13:35:00+00:00", "valid_to": f"{DAY}T15:00:00+00:00", "session": DAY, "time_in_force": "GTD",
    "source": "replay", "strategy": "inside_bar", "strategy_version": "1.0.0", "entry_type": "stop",
    "stop_loss_price": "100.00", "parent_key": "", "signal_id": "s1", "currency": "USD", "tick_size": "0.01",
    "created_at": f"{DAY}T13:35:00+00:00",
}  # fmt: skip

FLAT = (100.2, 100.2, 100.2, 100.2)


def bars(path: Path, own: dict[int, tuple[float, float, float, float]]) -> Path:
    """Write a day of minutes that stand still at 100.20 but for those named by their minute of the session."""
    ohlc = [own.get(minute, FLAT) for minute in range(390)]
    start = pl.datetime(2013, 10, 4, 13, 30, time_unit="us", time_zone="UTC")
    frame = pl.DataFrame(
        {name: [row[place] for row in ohlc] for place, name in enumerate(("OPEN", "HIGH", "LOW", "CLOSE"))}
    ).select(
        pl.lit("SPY").alias("symbol"),
        (start + pl.duration(minutes=pl.int_range(390))).alias("ts"),
        "OPEN", "HIGH", "LOW", "CLOSE",
        pl.lit(100_000, dtype=pl.Int64).alias("VOLUME"),
    )  # fmt: skip
    frame.write_parquet(path / "bars.parquet")
    return path / "bars.parquet"


def orders(path: Path, *changes: dict[str, str]) -> Path:
    with (path / "orders.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, CSV_HEADER)
        writer.writeheader()
        for change in changes or ({},):
            writer.writerow(ROW | change)
    return path / "orders.csv"


def simulated(
    path: Path, own: dict[int, tuple[float, float, float, float]], *changes: dict[str, str], costs: Any = None,
    **more: Any,
) -> Simulation:  # fmt: skip
    return simulate_insidebar_from_orders(
        orders(path, *changes), bars(path, own), "America/New_York", costs or {}, 100_000, **more
    )


def trade(result: Simulation) -> tuple[Any, ...]:
    (row,) = result.trades.select("entry_price", "exit_price", "exit_reason", "net_pnl", "ambiguous").rows()
    return row


def reasons(result: Simulation) -> list[tuple[str, str]]:
    return result.filled_orders.select("status", "reason").rows()


UP = (100.4, 100.6, 100.4, 100.6)
SHORT = {
    "order_id": "o2", "idempotency_key": "k2", "side": "SELL", "stop_price": "100.00", "stop_loss_price": "100.50",
    "take_profit_price": "98.50",
}  # fmt: skip


def test_long_stop_fills_at_its_level_and_leaves_at_its_target(tmp_path: Path) -> None:
    result = simulated(tmp_path, {10: UP, 20: (101.0, 102.5, 101.0, 102.0)})

    assert (100.5, 102.0, "TP", 150.0, False) == trade(result)


def test_long_stop_gapped_over_fills_at_open(tmp_path: Path) -> None:
    result = simulated(tmp_path, {10: (100.8, 100.9, 100.7, 100.8), 20: (99.0, 99.0, 98.0, 98.5)})

    assert (100.8, 99.0, "SL", -180.0, False) == trade(result)


def test_target_touched_in_the_entry_bar_is_not_counted(tmp_path: Path) -> None:
    result = simulated(tmp_path, {10: (100.4, 102.5, 100.4, 101.0), 11: (99.9, 99.9, 99.5, 99.5)})

    assert (100.5, 99.9, "SL", -60.0, True) == trade(result)
    assert 1 == result.metrics["ambiguous_bars"]


def test_position_is_flat_before_the_close(tmp_path: Path) -> None:
    result = simulated(tmp_path, {10: UP, 385: (100.7, 100.7, 100.7, 100.7)})

    assert (100.5, 100.7, "EOD", 20.0, False) == trade(result)


def test_flatten_minutes_of_the_call_are_used(tmp_path: Path) -> None:
    result = simulated(tmp_path, {10: UP, 360: (100.9, 100.9, 100.9, 100.9)}, fills={"flatten_minutes": 30})

    assert (100.5, 100.9, "EOD", 40.0, False) == trade(result)


@pytest.mark.parametrize(
    ("expected", "ambiguity"),
    [([("filled", ""), ("cancelled", "oco_cancelled")], "worst"), ([("cancelled", "ambiguous")] * 2, "skip")],
)
def test_both_legs_in_one_bar(expected: list[tuple[str, str]], ambiguity: str, tmp_path: Path) -> None:
    wide = {10: (100.4, 100.6, 99.9, 100.2)}

    result = simulated(tmp_path, wide, {}, SHORT, fills={"ambiguity": ambiguity})

    assert expected == reasons(result)
    assert 1 == result.metrics["ambiguous_bars"]


def test_of_a_market_entry_and_a_stop_in_one_bar_the_market_entry_fills_since_it_is_at_open(tmp_path: Path) -> None:
    first = {5: (100.2, 100.3, 99.9, 100.2)}  # the minute from which on both are valid

    result = simulated(tmp_path, first, {"entry_type": "market", "stop_price": "", "stop_loss_price": "99.00"}, SHORT)

    assert [("filled", ""), ("cancelled", "oco_cancelled")] == reasons(result)
    assert 100.2 == result.trades["entry_price"].item()


def test_trigger_while_a_position_is_open_is_rejected_and_ends_its_group(tmp_path: Path) -> None:
    other = {"oco_id": "g2", "order_id": "o3", "idempotency_key": "k3", "stop_price": "100.90"}

    result = simulated(tmp_path, {10: UP, 12: (100.9, 101.0, 100.9, 101.0)}, {}, other)

    assert ["", "rejected:netting"] == [reason for _, reason in reasons(result)]


@pytest.mark.parametrize("bar", [UP, (100.4, 100.6, 99.9, 100.2)])
def test_of_two_groups_triggered_in_one_bar_the_first_opens_and_the_other_is_rejected(
    bar: tuple[float, float, float, float], tmp_path: Path
) -> None:
    """Whether the position is still open at the bar's end, or stopped out in it."""
    other = {"oco_id": "g2", "order_id": "o3", "idempotency_key": "k3", "stop_price": "100.55"}

    result = simulated(tmp_path, {10: bar}, {}, other)

    assert [("filled", ""), ("rejected", "rejected:netting")] == reasons(result)
    assert "k1" == result.trades["idempotency_key"].item()


def test_orders_of_a_spreadsheet_and_in_small_letters_are_read(tmp_path: Path) -> None:
    path = orders(tmp_path, {"symbol": " spy"})
    path.write_text(path.read_text("utf-8"), "utf-8-sig")

    result = simulate_insidebar_from_orders(path, bars(tmp_path, {10: UP}), "America/New_York", {}, 100_000)

    assert ["SPY"] == result.trades["symbol"].to_list()


@pytest.mark.parametrize(
    ("word", "instrument"), [("lots of 30", {"lot": 30}), ("tick grid of 0.03", {"tick_size": 0.03})]
)
def test_orders_are_whole_lots_and_ticks_of_the_instrument(
    word: str, instrument: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(OrderContractError, match=word):
        simulated(tmp_path, {}, instrument=instrument)


def test_ticks_are_those_of_the_orders_where_the_call_names_none(tmp_path: Path) -> None:
    coarse, slips = {"tick_size": "0.05"}, {"slippage_ticks": 1}

    assert (100.55, 100.15) == trade(simulated(tmp_path, {10: UP}, coarse, costs=slips))[:2]
    assert (100.51, 100.19) == trade(
        simulated(tmp_path, {10: UP}, coarse, costs=slips, instrument={"tick_size": 0.01})
    )[:2]


def test_order_that_nothing_touches_expires(tmp_path: Path) -> None:
    assert [("expired", "expired")] == reasons(simulated(tmp_path, {}))


def test_bars_before_its_validity_do_not_touch_an_order(tmp_path: Path) -> None:
    assert [("expired", "expired")] == reasons(simulated(tmp_path, {4: UP, 90: UP}))


def test_a_leg_works_from_its_own_validity_on_whichever_stands_first_in_its_group(tmp_path: Path) -> None:
    later = {**SHORT, "valid_from": f"{DAY}T14:30:00+00:00"}

    early, late = (simulated(tmp_path, {10: UP}, *rows) for rows in (({}, later), (later, {})))

    assert 100.5 == trade(early)[0]
    assert trade(early) == trade(late)


def test_bars_of_five_minutes_are_known_at_their_own_close(tmp_path: Path) -> None:
    pl.read_parquet(bars(tmp_path, {10: UP})).gather_every(5).write_parquet(tmp_path / "m5.parquet")

    filled, expired = (
        simulate_insidebar_from_orders(
            orders(tmp_path, {"valid_to": f"{DAY}T{end}:00+00:00"}),
            tmp_path / "m5.parquet",
            "America/New_York",
            {},
            1000,
        )
        for end in ("13:45", "13:44")
    )

    assert "13:45" == f"{filled.equity_curve['ts'][1]:%H:%M}"
    assert [("expired", "expired")] == reasons(expired)


def test_as_many_shares_as_a_run_may_order_are_read_back(tmp_path: Path) -> None:
    result = simulated(tmp_path, {10: UP}, {"qty": "30000000000"})

    assert 30_000_000_000 == result.trades["qty"].item()


def test_costs_are_those_of_a_run_configuration(tmp_path: Path) -> None:
    result = simulated(
        tmp_path, {10: UP, 20: (101.0, 102.5, 101.0, 102.0)}, costs={"commission_min": 1, "slippage_ticks": 2}
    )

    assert (100.52, 102.0, "TP", 146.0, False) == trade(result)
    assert 2.0 == result.metrics["total_costs"]


def test_run_folder_is_written_where_one_is_asked_for(tmp_path: Path) -> None:
    result = simulated(tmp_path, {10: UP}, out_dir=tmp_path / "out")

    assert result.trades.height == len((tmp_path / "out/trades.csv").read_text().splitlines()) - 1
    assert not (tmp_path / "out/journal.sqlite").exists()


def test_a_run_folder_names_the_versions_that_made_the_orders(tmp_path: Path) -> None:
    simulated(tmp_path, {10: UP}, {"strategy_version": "2.5"}, out_dir=tmp_path / "out")

    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert ("inside_bar", "2.5", {}) == tuple(manifest[key] for key in ("strategy", "strategy_version", "params"))
    assert "inside_bar 2.5" in (tmp_path / "out/label.txt").read_text()


def text(content: str) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        (path / "orders.csv").write_text(content, encoding="utf-8")
        return path / "orders.csv"

    return write


def changed(**change: str) -> Callable[[Path], Path]:
    return lambda path: orders(path, change)


BAD: dict[str, tuple[type[AxiomdError], str, Callable[[Path], Path]]] = {
    "missing file": (InputError, "none.csv", lambda path: path / "none.csv"),
    "empty file": (OrderContractError, "no column", text("")),
    "no rows": (InputError, "no order", text(",".join(CSV_HEADER) + "\n")),
    "no header": (OrderContractError, "no column", text(",".join(ROW.values()) + "\n")),
    "column twice": (
        OrderContractError,
        "more than one column symbol",
        text(",".join((*CSV_HEADER, "symbol")) + "\n" + ",".join((*ROW.values(), "QQQ")) + "\n"),
    ),
    "torn row": (OrderContractError, "orders.csv:2", text(",".join(CSV_HEADER) + "\no1,k1\n")),
    "a folder": (InputError, "", lambda _: Path(__file__).parents[3] / "tests"),
    "zero-length validity": (OrderContractError, "valid_from", changed(valid_to=ROW["valid_from"])),
    "validity backwards": (OrderContractError, "valid_from", changed(valid_to=f"{DAY}T13:00:00+00:00")),
    "naive time": (OrderContractError, "valid_from", changed(valid_from=f"{DAY}T13:35:00")),
    "no quantity": (OrderContractError, "qty", changed(qty="0")),
    "negative quantity": (OrderContractError, "qty", changed(qty="-5")),
    "half a share": (OrderContractError, "qty: '1.5' is no whole number", changed(qty="1.5")),
    "off the grid": (OrderContractError, "stop_price", changed(stop_price="100.505")),
    "more shares than there are": (OrderContractError, "qty 10000000000001", changed(qty="10000000000001")),
    "worth more than is computed with": (OrderContractError, "order k1", changed(qty="10000000000000")),
    "price beyond all prices": (OrderContractError, "stop_price: 1e15 is above", changed(stop_price="1e15")),
    "price beyond all numbers": (OrderContractError, "tick_size: 1e999999999", changed(tick_size="1e999999999")),
    "time before all": (OrderContractError, "valid_from", changed(valid_from="0001-01-01T00:00:00+14:00")),
    "decimal comma": (OrderContractError, "stop_price: '100,5' is no number", changed(stop_price="100,5")),
    "not a number": (OrderContractError, "stop_price: 'nan' is no number", changed(stop_price="nan")),
    "another currency": (
        OrderContractError,
        "currency EUR",
        lambda path: orders(path, {}, {**SHORT, "currency": "EUR"}),
    ),
    "a group of two symbols": (
        OrderContractError,
        "oco_id g1 stands for SPY and QQQ",
        lambda path: orders(path, {}, {**SHORT, "symbol": "QQQ"}),
    ),
    "stop on the wrong side": (OrderContractError, "stop_loss_price", changed(stop_loss_price="101.00")),
    "target on the wrong side": (OrderContractError, "take_profit_price", changed(take_profit_price="100.00")),
    "unknown side": (OrderContractError, "side: Invalid enum value 'buy'", changed(side="buy")),
    "unknown kind": (OrderContractError, "iceberg", changed(entry_type="iceberg")),
    "stop without its price": (OrderContractError, "stop_price", changed(stop_price="")),
    "limit without its price": (OrderContractError, "limit_price", changed(entry_type="limit", stop_price="")),
    "exit of another order": (OrderContractError, "parent_key", changed(parent_key="k0")),
    "symbol without bars": (InputError, "QQQ", changed(symbol="QQQ")),
    "same key twice": (OrderContractError, "twice", lambda path: orders(path, {}, {})),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_orders_are_named_with_file_and_row(name: str, tmp_path: Path) -> None:
    kind, word, write = BAD[name]
    path = write(tmp_path)

    with pytest.raises(kind) as caught:
        simulate_insidebar_from_orders(
            path, bars(tmp_path, {}), "America/New_York", {}, 100_000, out_dir=tmp_path / "out"
        )

    assert word in caught.value.line()
    assert 2 == caught.value.exit_code
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("word", "arguments"),
    [
        ("slipage", {"costs": {"slipage": 1}}),
        ("ambiguity", {"fills": {"ambiguity": "best"}}),
        ("tick_size", {"instrument": {"tick_size": 0}}),
        ("XNYX", {"calendar": "XNYX"}),
    ],
)
def test_wrong_argument_is_named(word: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises((ConfigError, InputError), match=word):
        simulated(tmp_path, {}, **arguments)


def test_bad_bars_are_no_simulation(tmp_path: Path) -> None:
    with pytest.raises(DataContractError):
        simulated(tmp_path, {10: (100.0, 99.0, 101.0, 100.0)})
