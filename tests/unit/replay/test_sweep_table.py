"""A sweep's table, put together of columns, is the table of its rows."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from axiomd.replay.sweep_table import columns_of, plain_value, table_of

SETS: dict[str, list[dict[str, Any]]] = {
    "one key": [{"a": 1}, {"a": 2}],
    "whole numbers and others": [{"a": 1}, {"a": 2.5}, {"a": 3}],
    "numbers and text": [{"a": 1}, {"a": "2.5"}, {"a": 2.5}, {"a": None}, {"a": True}],
    "keys of some sets": [{"a": 1}, {"b": "x", "a": 2}, {"c": [1, 2]}, {}],
    "no value at all": [{"a": None}, {"a": None}],
    "no key at all": [{}, {}],
    "a key that is a figure too": [{"a": 1}, {"cash": 50, "b": 2}, {"cash": "70"}],
    "a key of the first set that is a figure": [{"cash": 50, "b": 2}, {"a": 1}],
}


def _rows(sets: list[dict[str, Any]], seed: int, figures: list[Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Give (key and figures, values) of every row."""
    chance = random.Random(seed)
    rows = []
    for number, values in enumerate(sets):
        for symbol in ("B", "AA", "A"):
            for fold, part in ((1, "train"), (0, "test"), (0, "train")):
                found = {"ratio": chance.choice(figures), "count": chance.randrange(9), "cash": chance.random()}
                rows.append(({"set": number, "symbol": symbol, "fold": fold, "part": part} | found, values))
    chance.shuffle(rows)
    return rows


def _expected(rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> pl.DataFrame:
    order = {"train": 0, "test": 1}
    ordered = sorted(rows, key=lambda row: (row[0]["set"], row[0]["symbol"], row[0]["fold"], order[row[0]["part"]]))
    whole = []
    for found, values in ordered:
        keys = {name: found[name] for name in ("set", "symbol", "fold", "part")}
        whole.append(keys | {key: plain_value(value) for key, value in values.items()} | found)
    return pl.DataFrame([{**row} for row in whole], infer_schema_length=None)


@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("figures", [[None, 0.25, -1.5], [None]])
def test_a_table_of_columns_is_that_of_its_rows(kind: str, figures: list[Any], tmp_path: Path) -> None:
    """To the byte, whoever found what: columns, their order, their types."""
    sets = SETS[kind]
    rows = _rows(sets, 3, figures)
    parts = [columns_of([found for found, _ in some]) for some in (rows[:1], rows[1:4], rows[4:])]

    table = table_of(parts, sets)

    expected = _expected(rows)
    assert expected.schema == table.schema
    assert expected.columns == table.columns
    assert expected.equals(table)
    expected.write_parquet(tmp_path / "expected")
    table.write_parquet(tmp_path / "found")
    assert (tmp_path / "expected").read_bytes() == (tmp_path / "found").read_bytes()


def test_a_worker_is_ready_without_what_reads_files(tmp_path: Path) -> None:
    """It maps bars that lie there, and hands over columns."""
    base = tmp_path / "base.yml"
    base.write_text("{strategy: {name: inside_bar}, symbols: [AAA], risk: {}}")
    code = (
        "import sys; from pathlib import Path; from axiomd.replay.swept_base import Base;"
        "from axiomd.replay.trials import expect_market;"
        f"expect_market((Base({str(base)!r}), '', None, ('AAA',)), Path('bars')); print('polars' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert "False" == done.stdout.strip()
