"""The local store: what was written comes back, a repeated bar replaces, a broken write leaves the old file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest

from axiomd.contracts.bars import Timeframe
from axiomd.contracts.errors import InputError
from axiomd.contracts.quality import QualityReport
from axiomd.core.market.sla import measure_frame
from axiomd.feeds.calendars import session_table
from axiomd.feeds.store import BarStore, write_frame, write_quality
from tests.unit.market.minutes import DAY, OPEN, minutes, with_cell


def test_bars_come_back_by_symbol(tmp_path: Path) -> None:
    store = BarStore(tmp_path)

    written = store.merge(pl.concat([minutes(range(3)), minutes(range(2), "brk/b")]), Timeframe.M1)

    assert store.symbols(Timeframe.M1) == ("AAA", "BRK/B")
    assert store.read("AAA", Timeframe.M1).equals(minutes(range(3)))
    assert store.read("brk/b", Timeframe.M1).height == 2
    assert all(path.parent == tmp_path / "bars" / "m1" for path in written)
    assert store.read("CCC", Timeframe.M1).height == 0


def test_bar_that_comes_again_replaces_the_one_before(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.merge(minutes(range(5)), Timeframe.M1)

    store.merge(with_cell(minutes(range(4, 7)), 0, "CLOSE", 10.3), Timeframe.M1)

    bars = store.read("AAA", Timeframe.M1)
    assert bars["ts"].to_list() == [OPEN + timedelta(minutes=k) for k in range(7)]
    assert bars["CLOSE"][4] == 10.3


def test_a_file_that_cannot_be_read_keeps_all_of_a_merge_out(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.merge(minutes(range(3), "BBB"), Timeframe.M1)
    store.path("BBB", Timeframe.M1).write_bytes(b"PAR1 nothing PAR1")

    with pytest.raises(InputError, match="not a readable Parquet"):
        store.merge(pl.concat([minutes(range(3)), minutes(range(5), "BBB")]), Timeframe.M1)

    assert store.symbols(Timeframe.M1) == ("BBB",)


def test_daily_bars_have_their_own_folder(tmp_path: Path) -> None:
    assert BarStore(tmp_path).path("SPY", Timeframe.D1) == tmp_path / "daily" / "SPY.parquet"


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bars.parquet"
    write_frame(minutes(range(3)), path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(InputError, match="No space left"):
        write_frame(minutes(range(5)), path)

    assert pl.read_parquet(path).height == 3
    assert [path] == list(tmp_path.iterdir())


def test_broken_store_file_is_one_line(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.merge(minutes(range(3)), Timeframe.M1)
    store.path("AAA", Timeframe.M1).write_bytes(b"PAR1")

    with pytest.raises(InputError, match=r"AAA\.parquet"):
        store.read("AAA", Timeframe.M1)


@pytest.mark.parametrize("symbol", ["AAA", "BRK B"])
def test_quality_is_written_under_its_symbol_and_dates(symbol: str, tmp_path: Path) -> None:
    (report,) = measure_frame(minutes(range(390), symbol), session_table("XNYS", DAY, DAY))

    path = write_quality(report, tmp_path)

    assert path == tmp_path / "quality" / f"{symbol}-2024-03-05-2024-03-05.json"
    assert msgspec.json.decode(path.read_bytes(), type=QualityReport) == report
    document = msgspec.json.decode(path.read_bytes())
    assert document["m5_completeness"] == {"figure": 1.0, "limit": 0.99, "pass": True}
