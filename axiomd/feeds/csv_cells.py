"""A CSV of bars: text by column, then times and numbers, and what is wrong with the cells that are neither.

A cell that cannot be read takes nothing else with it: it becomes null, is marked, and is named with its line, and with
its symbol and time where those can be read.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from axiomd.contracts.bars import COLUMNS, SYMBOL, TS, VOLUME, Rule, Violation
from axiomd.contracts.errors import InputError
from axiomd.core.market.columns import ALL_READ, DTYPES, BarColumns, Unread, find_column, take_apart
from axiomd.core.market.sessions import BoolArray
from axiomd.core.market.validate import named

_CELLS_NAMED_MAX: Final = 100_000
"""So many cells of a column that cannot be read are named one by one, and the rest counted: a file of the wrong kind is
wrong in every line."""
_OURS: Final = frozenset(name.upper() for name in COLUMNS)
_AGAIN: Final = re.compile(r"_duplicated_\d+$")


def read_text(content: bytes, path: Path) -> pl.DataFrame:
    """Read a CSV into text, column by column. Raises `InputError`."""
    header = content.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    for separator, name in ((b";", "semicolons"), (b"\t", "tabs")):
        if separator in header and b"," not in header:
            raise InputError(
                f"the columns are separated by {name}", str(path), "write commas between columns and points in numbers"
            )
    try:
        text = pl.read_csv(io.BytesIO(content), infer_schema=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        remedy = (
            "write decimal points, not decimal commas, and one row a line"
            if "more fields" in str(error)
            else "write it again as UTF-8 CSV with a header"
        )
        raise InputError(f"not a readable CSV file ({str(error).splitlines()[0]})", str(path), remedy) from None
    return _told_apart(text, path)


def _told_apart(text: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Take the blanks around the names of the contract's columns away. Raises `InputError` where one stands twice."""
    # a name that stands twice is read as one with this behind it
    written = [_AGAIN.sub("", column).strip() for column in text.columns]
    ours = {column: name for column, name in zip(text.columns, written, strict=True) if name.upper() in _OURS}
    for name, times in Counter(ours.values()).items():
        if times > 1:
            raise InputError(f"the header has {times} columns {name}", str(path), "leave one of them")
    return text.rename(ours)


def typed(text: pl.DataFrame) -> tuple[pl.DataFrame, Unread, tuple[Violation, ...]]:
    """Read the cells of the contract's columns; those that cannot be read become null, and are marked and named."""
    columns: list[pl.Series] = []
    faults: list[_Fault] = []
    for name in COLUMNS:
        column = find_column(text, name)
        if column is None:
            continue
        written = text[column].str.strip_chars().replace("", None)
        series = written if name == SYMBOL else _times(written) if name == TS else _numbers(written, DTYPES[name])
        columns.append(series)
        if series.null_count() > written.null_count():
            faults += _faults(name, written, series.is_null() & written.is_not_null())
    frame = text.with_columns(columns)
    if not faults:
        return frame, ALL_READ, ()
    bars = take_apart(frame)
    unread: dict[str, BoolArray] = {}
    found: list[Violation] = []
    for fault in faults:
        unread[fault.column] = fault.cells | unread.get(fault.column, False)
        found += _told(fault, bars)
    return frame, unread, tuple(found)


def _times(text: pl.Series) -> pl.Series:
    iso = (
        text.str.replace(r"^(\d{4}-\d\d-\d\d)[ t]", "${1}T")
        .str.replace(r"[zZ]$", "+00:00")
        .str.replace(r"T(\d\d:\d\d)([+-]\d\d:?\d\d)$", "T${1}:00${2}")
    )
    return iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", time_zone="UTC", strict=False)


def _numbers(text: pl.Series, dtype: pl.DataType) -> pl.Series:
    parsed = text.cast(dtype, strict=False)
    if dtype != pl.Int64() or parsed.null_count() == text.null_count():
        return parsed
    # other programs write whole numbers with a point behind them
    as_float = text.cast(pl.Float64, strict=False)
    whole = as_float.round() == as_float
    return pl.select(pl.when(whole).then(as_float.cast(pl.Int64, strict=False)).alias(text.name)).to_series()


@dataclass(frozen=True, slots=True, eq=False)
class _Fault:
    """Cells of one column that break a rule by what is written in them."""

    column: str
    rule: Rule
    wording: str
    written: pl.Series
    cells: BoolArray


def _faults(name: str, written: pl.Series, bad: pl.Series) -> Iterator[_Fault]:
    if name != TS:
        kind = "whole number" if name == VOLUME else "number with a decimal point"
        yield _Fault(name, Rule.WRONG_DTYPE, f"is no {kind}", written, bad.to_numpy())
        return
    naive = bad & written.str.contains(r"^\d{4}-\d\d-\d\d([ Tt]\d\d:\d\d(:\d\d(\.\d+)?)?)?$").fill_null(value=False)
    yield _Fault(name, Rule.NAIVE_TIMESTAMP, "has no offset from UTC", written, naive.to_numpy())
    yield _Fault(name, Rule.WRONG_DTYPE, "is no ISO-8601 time", written, (bad & ~naive).to_numpy())


def _told(fault: _Fault, bars: BarColumns) -> list[Violation]:
    rows = np.flatnonzero(fault.cells).tolist()
    told = rows[:_CELLS_NAMED_MAX]
    texts = fault.written.gather(told).to_list()
    said = (f"line {row + 2}: {fault.column} {text!r} {fault.wording}" for row, text in zip(told, texts, strict=True))
    details = dict(zip(told, said, strict=True))
    found = named(bars, fault.rule, details)
    if len(told) < len(rows):
        rest = f"{len(rows) - len(told):,} more cells up to line {rows[-1] + 2}: {fault.column} {fault.wording}"
        found.append(Violation(rule=fault.rule, symbol=None, ts=None, detail=rest))
    return found
