"""Tables that another process writes are those that this one would have written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from axiomd.cli.main import main
from axiomd.contracts.errors import InputError
from axiomd.contracts.outcome import EquityCurve, RunRecord
from axiomd.core.metrics import metrics_of
from axiomd.runs import table_files
from axiomd.runs.artifacts import FILES, write_run
from axiomd.runs.table_files import BARS_MIN, TablesBeside, tables_beside
from axiomd.runs.tables import ROWS_TOGETHER
from tests.markets import SPANS, frame_of, random_market, sessions_of
from tests.unit.runs import a_run


@pytest.fixture
def writer() -> Iterator[TablesBeside]:
    with TablesBeside() as writer:
        yield writer


def _long_record() -> RunRecord:
    """More rows than go over at a time, no two alike, with cells that need quotes."""
    record = a_run.record()
    record.signals = [a_run.signal(f'"{n}", or so') for n in range(2 * ROWS_TOGETHER + 3)]
    start_us = a_run.OPEN_US
    record.trades = [a_run.trade(n, n - 5, start_us + n, start_us + 2 * n) for n in range(ROWS_TOGETHER + 1)]
    record.curve = EquityCurve()
    return record


@pytest.mark.parametrize("record", [a_run.record(), _long_record()], ids=["short", "long"])
@pytest.mark.parametrize("is_early", [True, False])
def test_a_run_folder_is_the_same_whoever_writes_its_tables(
    record: RunRecord, is_early: bool, writer: TablesBeside, tmp_path: Path
) -> None:
    if is_early:
        writer.send_first(record)
    folders = [
        write_run(tmp_path / name, record, a_run.manifest(), metrics_of(record), plots=False, writer=who)
        for name, who in (("here", None), ("beside", writer))
    ]

    here, beside = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert here == beside
    assert here.keys() <= set(FILES)


def test_what_cannot_be_written_is_said_by_its_number(writer: TablesBeside, tmp_path: Path) -> None:
    writer.send("curve", a_run.record().curve)

    with pytest.raises(FileNotFoundError):
        writer.write({"curve": tmp_path / "no such folder" / "curve.csv"}).result()


def test_a_writer_that_was_killed_is_an_error_and_leaves_no_folder(writer: TablesBeside, tmp_path: Path) -> None:
    record = _long_record()
    writer._process.kill()

    with pytest.raises(InputError, match="cannot be written"):
        write_run(tmp_path / "run", record, a_run.manifest(), metrics_of(record), plots=False, writer=writer)

    assert [] == list(tmp_path.iterdir())


def test_a_writer_that_is_not_needed_is_gone() -> None:
    with TablesBeside() as writer:
        writer.send("signals", _long_record().signals)

    assert writer._process.returncode is not None


def test_a_short_run_starts_no_process() -> None:
    with tables_beside(BARS_MIN - 1) as writer:
        assert writer is None


def test_the_other_side_loads_nothing_heavy() -> None:
    """It is to be there before the rows are, and beside a process that holds hundreds of megabytes."""
    code = "import sys, axiomd.runs.table_files; print(*{'numba', 'numpy', 'polars', 'pydantic'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == ""


@pytest.mark.parametrize("command", ["backtest", "replay"])
def test_a_run_with_a_writer_leaves_the_folder_of_one_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    table = sessions_of(SPANS[0])
    frame_of(random_market(5, ["AAA"], table, wildness=8)).write_parquet(tmp_path / "bars.parquet")
    config = tmp_path / "run.yml"
    config.write_text(
        "{strategy: {name: inside_bar, params: {min_mother_range_atr: 0, atr_period: 2}}, symbols: [AAA], risk: {}}"
    )
    started: list[TablesBeside] = []
    begin = TablesBeside.__init__
    monkeypatch.setattr(TablesBeside, "__init__", lambda self: started.append(self) or begin(self))
    monkeypatch.setattr(table_files.os, "cpu_count", lambda: 2)
    folders = []
    for name, bars_min in (("here", 10**9), ("beside", 0)):
        monkeypatch.setattr(table_files, "BARS_MIN", bars_min)
        folder = tmp_path / name
        words = ["--bars", str(tmp_path / "bars.parquet"), "--config", str(config), "--out", str(folder), "--no-plots"]
        assert 0 == main([command, *words])
        folders.append(folder)

    here, beside = ({path.name: path.read_bytes() for path in folder.glob("*.csv")} for folder in folders)
    assert here == beside
    assert len(here["trades.csv"].splitlines()) > 1
    assert 1 == len(started)
