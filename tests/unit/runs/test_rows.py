"""Rows of CSV written and read without the csv module are those it would have written and read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from axiomd.runs import artifacts
from axiomd.runs.folder import read_run
from tests.unit.runs.test_report import written

CELLS = st.text(st.sampled_from("ab,\"\n\r;' é0"), max_size=4)
ROWS = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=5))


@given(ROWS)
def test_rows_are_written_as_the_csv_module_writes_them(rows: list[list[str]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)

    assert buffer.getvalue().encode() == artifacts._csv_lines(rows)


@given(ROWS)
def test_rows_together_are_the_rows_one_after_the_other(rows: list[list[str]]) -> None:
    expected = b"".join(artifacts._csv_lines([row]) for row in rows)

    assert expected == b"".join(artifacts._csv_text((), rows))


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
