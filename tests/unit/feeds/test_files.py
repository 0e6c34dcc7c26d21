"""Reading recorded bars: good files of every form give the same tape, bad ones one line that names file and remedy."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from axiomd.contracts.errors import DataContractError, InputError
from axiomd.core.market.sla import measure_frame, measure_tape
from axiomd.core.market.tape import CLOSE, OPEN, SYMBOL_INDEX, TS_US, bars_array, frame_sha256
from axiomd.feeds.files import load_daily, load_tape, read_bars
from tests.unit.market.minutes import DAY, minutes, with_cell
from tests.unit.market.minutes import OPEN as OPEN_TS

HEADER = "symbol,ts,OPEN,HIGH,LOW,CLOSE,VOLUME\n"
LINE = "AAA,2024-03-05T14:30:00+00:00,10,10.5,9.5,10.25,100\n"


def parquet(frame: pl.DataFrame, path: Path) -> Path:
    frame.write_parquet(path)
    return path


def csv(text: str, path: Path) -> Path:
    path.write_text(text)
    return path


def as_csv(frame: pl.DataFrame) -> str:
    return frame.with_columns(pl.col("ts").dt.strftime("%Y-%m-%dT%H:%M:%S%:z")).write_csv()


@pytest.fixture
def two_symbols() -> pl.DataFrame:
    second = minutes(range(20), "BBB", start=OPEN_TS + timedelta(minutes=5)).with_columns(pl.col("CLOSE") - 0.005)
    return pl.concat([minutes(range(20)), second])


def test_bars_filled_in_some_rows_at_a_time_are_the_same(
    two_symbols: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = bars_array(two_symbols, ("AAA", "BBB"))
    monkeypatch.setattr("axiomd.core.market.tape.ROWS_TOGETHER", 7)

    assert np.array_equal(at_once, bars_array(two_symbols, ("AAA", "BBB")))


def test_csv_and_parquet_are_read_alike(two_symbols: pl.DataFrame, tmp_path: Path) -> None:
    from_csv = read_bars(csv(as_csv(two_symbols), tmp_path / "bars.csv"), "m1")
    from_parquet = read_bars(parquet(two_symbols, tmp_path / "bars.parquet"), "m1")

    assert from_csv.equals(two_symbols)
    assert from_parquet.equals(two_symbols)


@pytest.mark.parametrize("ts", ["2024-03-05 14:30:00+00:00", "2024-03-05T14:30Z", "2024-03-05T09:30:00.000-05:00"])
def test_csv_times_with_any_offset_are_utc(ts: str, tmp_path: Path) -> None:
    bars = read_bars(csv(HEADER + LINE.replace("2024-03-05T14:30:00+00:00", ts), tmp_path / "b.csv"), "m1")

    assert [OPEN_TS] == bars["ts"].to_list()


def test_csv_with_byte_order_mark_blanks_and_whole_floats_is_read(tmp_path: Path) -> None:
    text = "\ufeff" + HEADER.replace(",", ", ") + LINE.replace(",100", " , 100.0").replace("AAA", " aaa")

    assert read_bars(csv(text, tmp_path / "b.csv"), "m1").rows() == minutes([0]).rows()


BAD_FILES: list[tuple[str, str, str]] = [
    ("empty.csv", "", "empty"),
    ("empty.parquet", "", "empty"),
    ("header.csv", HEADER, "no rows"),
    ("cut.parquet", "PAR1 and then nothing", "truncated"),
    ("semicolons.csv", (HEADER + LINE).replace(",", ";"), "semicolons"),
    ("comma.csv", HEADER + LINE.replace("10.5", "10,5"), "decimal comma"),
    ("quoted.csv", HEADER + LINE.replace("10.5", '"10,5"'), "decimal point"),
    ("naive.csv", HEADER + LINE.replace("+00:00", ""), "no offset"),
    ("date.csv", HEADER + LINE.replace("T14:30:00+00:00", ""), "no offset"),
    ("words.csv", HEADER + LINE.replace("2024-03-05T14:30:00+00:00", "yesterday"), "ISO-8601"),
    ("shares.csv", HEADER + LINE.replace(",100", ",100.5"), "whole number"),
    ("columns.csv", HEADER.replace(",CLOSE", "") + LINE.replace(",10.25", ""), "missing_column"),
    ("twice.csv", HEADER.replace("\n", ",OPEN\n") + LINE.replace("\n", ",1\n"), "2 columns OPEN"),
    ("blank.csv", HEADER.replace("\n", ", OPEN\n") + LINE.replace("\n", ",1\n"), "2 columns OPEN"),
    ("case.csv", HEADER.lower() + LINE, "wrong_case"),
    ("bars.txt", HEADER + LINE, "no bars file"),
]


@pytest.mark.parametrize(("name", "text", "says"), BAD_FILES)
def test_bad_file_becomes_one_line_that_names_it(name: str, text: str, says: str, tmp_path: Path) -> None:
    path = csv(text, tmp_path / name)

    with pytest.raises(InputError, match=says) as caught:
        read_bars(path, "m1")

    assert name in caught.value.line()
    assert "\n" not in caught.value.line()


BAD_FRAMES: list[tuple[str, Callable[[pl.DataFrame], pl.DataFrame]]] = [
    ("naive_timestamp", lambda f: f.with_columns(pl.col("ts").dt.replace_time_zone(None))),
    ("not_utc", lambda f: f.with_columns(pl.col("ts").dt.convert_time_zone("Europe/Berlin"))),
    ("wrong_dtype", lambda f: f.with_columns(pl.col("OPEN").cast(pl.String))),
    ("missing_column", lambda f: f.drop("VOLUME")),
]


@pytest.mark.parametrize(("rule", "bend"), BAD_FRAMES)
def test_parquet_of_wrong_columns_is_refused_by_rule(
    rule: str, bend: Callable[[pl.DataFrame], pl.DataFrame], tmp_path: Path
) -> None:
    with pytest.raises(DataContractError, match=r"bars\.parquet") as caught:
        read_bars(parquet(bend(minutes()), tmp_path / "bars.parquet"), "m1")

    assert {rule} == {violation.rule for violation in caught.value.violations}


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.99])
def test_truncated_parquet_is_refused_in_one_line(kept: float, tmp_path: Path) -> None:
    whole = parquet(minutes(), tmp_path / "bars.parquet").read_bytes()
    (tmp_path / "bars.parquet").write_bytes(whole[: int(len(whole) * kept)])

    with pytest.raises(InputError, match="truncated"):
        read_bars(tmp_path / "bars.parquet", "m1")


def test_missing_path_and_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_bars(tmp_path / "nothing.parquet", "m1")
    with pytest.raises(InputError, match="holds no"):
        read_bars(tmp_path, "m1")


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(Path, "rglob", fail)

    with pytest.raises(InputError, match="Invalid argument"):
        read_bars(tmp_path, "m1")


def test_daily_bars_where_intraday_are_read_are_refused(tmp_path: Path) -> None:
    daily = parquet(minutes([0], start=OPEN_TS.replace(hour=0, minute=0)), tmp_path / "d.parquet")

    with pytest.raises(InputError, match="daily"):
        read_bars(daily, "m1")
    with pytest.raises(InputError, match="intraday"):
        load_daily(parquet(minutes(), tmp_path / "m.parquet"))


def test_tape_is_sorted_integers_with_symbols_rising(two_symbols: pl.DataFrame, tmp_path: Path) -> None:
    tape = load_tape(parquet(two_symbols, tmp_path / "b.parquet"), ["bbb", "AAA"], "XNYS")

    assert tape.symbols == ("AAA", "BBB")
    assert tape.bars.dtype == np.int64
    assert tape.bars.flags["C_CONTIGUOUS"]
    keys = list(zip(tape.bars[:, TS_US].tolist(), tape.bars[:, SYMBOL_INDEX].tolist(), strict=True))
    assert sorted(keys) == keys
    assert len(tape) == 40
    assert set(tape.bars[:, OPEN].tolist()) == {100_000}
    assert set(tape.bars[:, CLOSE].tolist()) == {102_500, 102_450}
    assert tape.between_ticks == 20


def test_tape_hash_is_of_the_bars_and_not_of_their_files(two_symbols: pl.DataFrame, tmp_path: Path) -> None:
    whole = load_tape(parquet(two_symbols, tmp_path / "b.parquet"), None, "XNYS")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, part in (("z.parquet", two_symbols[:7]), ("a.parquet", two_symbols[7:])):
        parquet(part, folder / name)
    csv(as_csv(two_symbols), tmp_path / "b.csv")

    in_parts, from_csv = load_tape(folder, None, "XNYS"), load_tape(tmp_path / "b.csv", None, "XNYS")

    assert whole.sha256 == in_parts.sha256 == from_csv.sha256
    assert np.array_equal(whole.bars, in_parts.bars)
    assert [("a.parquet", 33), ("z.parquet", 7)] == [(Path(f.path).name, f.rows) for f in in_parts.files]
    assert frame_sha256(two_symbols, 60_000_000) == whole.sha256


def test_tape_hash_changes_with_any_price(two_symbols: pl.DataFrame, tmp_path: Path) -> None:
    hashes = {
        load_tape(parquet(frame, tmp_path / f"{k}.parquet"), None, "XNYS").sha256
        for k, frame in enumerate([two_symbols, with_cell(two_symbols, 3, "CLOSE", 10.2501), two_symbols[:-1]])
    }

    assert len(hashes) == 3


def test_bars_outside_sessions_are_dropped_and_counted(tmp_path: Path) -> None:
    tape = load_tape(parquet(minutes([-10, -1, 0, 389, 390]), tmp_path / "b.parquet"), None, "XNYS")

    assert tape.dropped == 3
    assert len(tape) == 2


def test_any_other_violation_ends_the_reading(tmp_path: Path) -> None:
    with pytest.raises(DataContractError, match=r"bad_ohlc_range.*b\.parquet"):
        load_tape(parquet(with_cell(minutes(), 9, "LOW", 11.0), tmp_path / "b.parquet"), None, "XNYS")


def test_violation_in_a_symbol_not_asked_for_does_not_matter(two_symbols: pl.DataFrame, tmp_path: Path) -> None:
    broken = parquet(with_cell(two_symbols, 30, "LOW", 11.0), tmp_path / "b.parquet")

    assert len(load_tape(broken, ["AAA"], "XNYS")) == 20


def test_bar_in_two_files_is_a_duplicate(tmp_path: Path) -> None:
    parquet(minutes(range(5)), tmp_path / "a.parquet")
    parquet(minutes(range(4, 9)), tmp_path / "b.parquet")

    with pytest.raises(DataContractError, match="more than one file"):
        load_tape(tmp_path, None, "XNYS")


def test_unknown_symbol_names_those_that_are_there(two_symbols: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="AAA, BBB"):
        load_tape(parquet(two_symbols, tmp_path / "b.parquet"), ["CCC"], "XNYS")


def three_days(path: Path) -> Path:
    return parquet(pl.concat([minutes(start=OPEN_TS + timedelta(days=k)) for k in range(3)]), path)


def test_dates_cut_the_end_and_keep_the_warm_up(tmp_path: Path) -> None:
    path = three_days(tmp_path / "b.parquet")

    tape = load_tape(path, None, "XNYS", first=DAY + timedelta(days=1), last=DAY + timedelta(days=1))

    assert len(tape) == 780
    assert tape.dropped == 0
    assert tape.sessions.index_of(int(tape.bars[-1, TS_US])) == tape.sessions.index_of_date(DAY + timedelta(days=1))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2024, 3, 8), None),
        (None, date(2024, 3, 1)),
        (date(2024, 3, 9), date(2024, 3, 10)),
        (DAY, date(2024, 1, 1)),
    ],
)
def test_dates_without_a_bar_are_refused(first: date | None, last: date | None, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load_tape(three_days(tmp_path / "b.parquet"), None, "XNYS", first=first, last=last)


def test_a_gap_between_dates_does_not_make_the_bars_end_there(tmp_path: Path) -> None:
    path = parquet(pl.concat([minutes(start=OPEN_TS + timedelta(days=k)) for k in (0, 2)]), tmp_path / "b.parquet")

    with pytest.raises(InputError, match=f"until {DAY + timedelta(days=1)} the bars span {DAY} to {DAY}"):
        load_tape(path, None, "XNYS", first=DAY + timedelta(days=1), last=DAY + timedelta(days=1))


def test_daily_bars_before_a_date_are_loaded_with_their_hash(tmp_path: Path) -> None:
    midnight = OPEN_TS.replace(hour=0, minute=0)
    days = pl.concat([minutes([k * 1440], "AAA", midnight) for k in range(3)])

    daily = load_daily(parquet(days, tmp_path / "d.parquet"), before=date(2024, 3, 7))

    assert daily.frame.height == 2
    assert daily.sha256 == frame_sha256(days[:2], 86_400_000_000)


def test_array_of_a_frame_does_not_depend_on_the_order_of_its_rows(two_symbols: pl.DataFrame) -> None:
    expected = bars_array(two_symbols, ("AAA", "BBB"))

    assert np.array_equal(expected, bars_array(two_symbols.sample(fraction=1, shuffle=True, seed=3), ("AAA", "BBB")))


def test_order_of_folder_entries_does_not_matter(tmp_path: Path) -> None:
    hashes = set()
    for k, order in enumerate(itertools.permutations(range(3))):
        folder = tmp_path / str(k)
        folder.mkdir()
        for part in order:
            parquet(minutes(range(part * 10, part * 10 + 10)), folder / f"{part}.parquet")
            os.utime(folder / f"{part}.parquet", (part, part))
        hashes.add(load_tape(folder, None, "XNYS").sha256)

    assert len(hashes) == 1


def test_quality_of_a_tape_is_that_of_its_frame(two_symbols: pl.DataFrame, tmp_path: Path) -> None:
    tape = load_tape(parquet(two_symbols, tmp_path / "b.parquet"), None, "XNYS")

    assert measure_frame(two_symbols, tape.sessions) == measure_tape(tape)
    assert [report.symbol for report in measure_tape(tape)] == ["AAA", "BBB"]
