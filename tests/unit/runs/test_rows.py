"""Rows of CSV written and read without the csv module are those it would have written and read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts.orders import to_row
from axiomd.runs import tables
from axiomd.runs.folder import read_run
from tests.unit.runs import a_run
from tests.unit.runs.test_report import written

ALPHABET = "ab,\"\n;' é0"
CELLS = st.text(st.sampled_from(ALPHABET), max_size=4)


def rows_of(cells: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    return st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=5)
    )


def text(rows: list[list[str]]) -> bytes:
    return tables.text_of(tables.lines_of(list(zip(*rows, strict=True))))


@given(rows_of(CELLS))
def test_rows_are_written_as_the_csv_module_writes_them(rows: list[list[str]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)

    assert buffer.getvalue().encode() == text(rows)


@given(rows_of(st.text(st.sampled_from(ALPHABET + "\r"), max_size=4)))
def test_rows_read_back_are_those_that_were_written(rows: list[list[str]]) -> None:
    assert rows == list(csv.reader(io.StringIO(text(rows).decode(), newline="")))


def test_an_order_is_the_same_row_in_a_table_and_in_the_contract() -> None:
    orders = [a_run.order(number) for number in (1, 2, 3)]

    assert [list(to_row(order).values()) for order in orders] == tables.ORDERS.rows(orders)


def test_a_long_table_is_its_lines_one_after_the_other() -> None:
    trades = a_run.record().trades * tables.ROWS_TOGETHER

    expected = [",".join(tables.TRADES.header), *(",".join(row) for row in tables.trade_rows(trades))]
    assert tables.text_of(expected) == b"".join(tables.TRADES.text(trades))


def test_rows_are_read_as_the_csv_module_reads_them(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    run = read_run(folder)

    with (folder / "filled_orders.csv").open(newline="") as file:
        expected = list(csv.DictReader(file))
    assert expected == list(run.filled_orders) == run.filled_orders[:]
    assert expected[-1] == run.filled_orders[-1]
    assert [(row["status"], row["reason"]) for row in expected] == list(run.filled_orders.columns("status", "reason"))
    assert [(row["reason"], row["order_id"]) for row in expected] == list(
        run.filled_orders.columns("reason", "order_id")
    )


def test_cells_in_quotes_are_read_as_the_csv_module_reads_them(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    path = folder / "filled_orders.csv"
    path.write_text('order_id,status,reason\n"a,1",filled,"said ""no"""\nb,expired,\n')

    rows = read_run(folder).filled_orders

    assert [("filled", 'said "no"'), ("expired", "")] == list(rows.columns("status", "reason"))
    assert {"order_id": "a,1", "status": "filled", "reason": 'said "no"'} == rows[0]
