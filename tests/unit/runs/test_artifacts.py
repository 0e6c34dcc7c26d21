"""What a run folder holds, and that it is there whole or not at all."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts.errors import InputError, OrderContractError
from axiomd.contracts.fills import TRADE_COLUMNS
from axiomd.contracts.orders import CSV_HEADER, from_row
from axiomd.contracts.outcome import EquityCurve, OrderOutcome
from axiomd.contracts.runs import DataFile
from axiomd.contracts.signals import COLUMNS as SIGNAL_COLUMNS
from axiomd.contracts.units import DAY_US
from axiomd.core.metrics import metrics_of
from axiomd.runs import artifacts
from axiomd.runs.artifacts import CURVE_COLUMNS, FILES, FILLED_COLUMNS, append_orders, check_target, label_of, write_run
from tests.unit.runs import a_run


def write(folder: Path, **more: Any) -> Path:
    record = a_run.record()
    more = {"quality": a_run.quality(), "plots": False, **more}
    return write_run(folder, record, a_run.manifest(), metrics_of(record), **more)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_folder_holds_every_file_of_the_contract(tmp_path: Path) -> None:
    journal = tmp_path / "journal.tmp"
    journal.write_bytes(b"journal")
    folder = write(tmp_path / "run", plots=True, journal=journal)

    assert set(FILES) == names(folder)
    assert b"journal" == (folder / "journal.sqlite").read_bytes()
    assert not journal.exists()
    assert 'href="journal.sqlite"' in (folder / "report.html").read_text()
    assert {"run"} == names(tmp_path)


def test_headers_are_those_of_the_contract(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")

    expected = {
        "signals.csv": SIGNAL_COLUMNS,
        "orders.csv": CSV_HEADER,
        "filled_orders.csv": FILLED_COLUMNS,
        "trades.csv": TRADE_COLUMNS,
        "equity_curve.csv": CURVE_COLUMNS,
    }
    assert expected == {name: tuple((folder / name).read_text().split("\n")[0].split(",")) for name in expected}


def test_orders_hold_what_was_sent_and_filled_orders_everything(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")

    assert ["key1", "key2"] == [row["idempotency_key"] for row in rows(folder / "orders.csv")]
    filled = rows(folder / "filled_orders.csv")
    assert ["", "", "rejected:max_order_notional"] == [row["reason"] for row in filled]
    assert ("2024-03-05T14:45:00+00:00", "101.015", "100", "1.00", "1") == tuple(
        filled[0][name] for name in ("fill_ts", "fill_price", "fill_qty", "commission", "slippage_ticks")
    )
    assert ("", "", "", "", "") == tuple(
        filled[2][name] for name in ("fill_ts", "fill_price", "fill_qty", "commission", "slippage_ticks")
    )


def test_orders_read_back_are_the_orders_that_were_written(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")

    expected = [outcome.order for outcome in a_run.record().orders if outcome.was_sent]
    read = [from_row(row, "orders.csv") for row in rows(folder / "orders.csv")]
    assert expected == read


def test_trades_are_decimal_and_timed(tmp_path: Path) -> None:
    first, second = rows(write(tmp_path / "run") / "trades.csv")

    assert ("101.015", "202.00", "2.00", "200.00", "66.666667", "false") == tuple(
        first[name] for name in ("entry_price", "gross_pnl", "costs", "net_pnl", "r_multiple", "ambiguous")
    )
    assert ("2024-03-06T15:00:00+00:00", "-100.00", "-33.333333", "-50.00", "true") == tuple(
        second[name] for name in ("exit_ts", "net_pnl", "r_multiple", "mae", "ambiguous")
    )


def test_why_no_order_came_stands_in_the_meta_of_a_signal(tmp_path: Path) -> None:
    metas = [json.loads(row["meta"]) for row in rows(write(tmp_path / "run") / "signals.csv")]

    assert [{}, {"reason": "blocked:netting"}] == metas


def test_metrics_and_manifest_are_plain_sorted_json(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")

    metrics = json.loads((folder / "metrics.json").read_text())
    assert (100.0, 2, ["inside_bar"]) == (metrics["net_pnl"], metrics["num_trades"], list(metrics["by_strategy"]))
    assert list(metrics) == sorted(metrics)
    assert "run-1" == json.loads((folder / "manifest.json").read_text())["run_id"]


def test_a_path_that_is_no_utf8_is_the_same_path_when_it_is_read(tmp_path: Path) -> None:
    path = os.fsdecode(b"b\xe4rs.parquet")
    file = DataFile(path=path, sha256="0" * 64, rows=1, first_ts="", last_ts="")
    manifest = a_run.manifest().model_copy(update={"data": (file,)})

    folder = write_run(tmp_path / "run", a_run.record(), manifest, metrics_of(a_run.record()), plots=False)

    assert path == json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["data"][0]["path"]


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", plots=True), write(tmp_path / "b", plots=True)

    assert names(first) == names(second)
    for name in names(first):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_a_run_in_the_way_is_replaced_whole(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", quality=a_run.quality())
    write(folder, quality=None, label="second")

    assert "second\n" == (folder / "label.txt").read_text()
    assert "quality.json" not in names(folder)
    assert {"run"} == names(tmp_path)


def test_a_label_has_the_dates_of_sessions_that_open_the_evening_before() -> None:
    record = a_run.record()
    first = record.curve[0]
    record.curve = EquityCurve([msgspec.structs.replace(first, ts_us=first.ts_us - DAY_US), *record.curve[1:]])

    assert "2024-03-05 .. 2024-03-06" in label_of(a_run.manifest(), record)


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()

    assert "manifest.json" in names(write(tmp_path / "run"))


@pytest.mark.parametrize("name", ["notes.txt", "metrics.json"])
def test_a_folder_that_is_no_run_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")

    with pytest.raises(InputError, match="no run"):
        write(tmp_path)
    assert {name} == names(tmp_path)


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")

    with pytest.raises(InputError, match="a file is in the way"):
        check_target(tmp_path / "run")


def test_a_write_that_fails_leaves_the_run_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "run", label="first")

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifacts, "_write", full)
    with pytest.raises(InputError, match="No space left"):
        write(folder, label="second")
    assert "first\n" == (folder / "label.txt").read_text()
    assert {"run"} == names(tmp_path)


def test_a_link_to_a_run_is_followed(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", label="first")
    (tmp_path / "latest").symlink_to(folder)
    write(tmp_path / "latest", label="second")

    assert "second\n" == (folder / "label.txt").read_text()
    assert (tmp_path / "latest").is_symlink()


def test_exporting_again_appends_nothing_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"

    assert 2 == append_orders(path, [a_run.order(1), a_run.order(2)])
    before = path.read_bytes()
    assert 0 == append_orders(path, [a_run.order(2), a_run.order(1)])
    assert before == path.read_bytes()
    assert 1 == append_orders(path, [a_run.order(2), a_run.order(3), a_run.order(3)])
    assert path.read_bytes().startswith(before)


@given(st.integers(min_value=0, max_value=2_000))
def test_a_line_torn_by_a_crash_is_written_anew(torn: int) -> None:
    import tempfile

    orders = [a_run.order(number) for number in range(4)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.csv"
        append_orders(path, orders)
        whole = path.read_bytes()
        path.write_bytes(whole[: max(0, len(whole) - torn)])
        append_orders(path, orders)
        assert whole == path.read_bytes()


def test_a_foreign_file_is_never_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("symbol,side\nSPY,BUY\n")

    with pytest.raises(OrderContractError, match="header"):
        append_orders(path, [a_run.order(1)])
    assert "symbol,side\nSPY,BUY\n" == path.read_text()


def test_an_order_without_end_has_no_reason(tmp_path: Path) -> None:
    row = artifacts.filled_order_rows([OrderOutcome(a_run.order(1), "working")])[0]

    assert ["", "", "", "", "", "working", ""] == row[len(CSV_HEADER) :]
