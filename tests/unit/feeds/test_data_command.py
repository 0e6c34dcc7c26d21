"""`axiomd data` as a person and as a program use it: exit codes, every violation by name, reports and the store."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from axiomd.cli.main import main
from tests.unit.market.minutes import OPEN, minutes, with_cell


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXIOMD_ARTIFACTS_DIR", str(tmp_path / "artifacts"))
    monkeypatch.setenv("AXIOMD_STATE_DIR", str(tmp_path / "state"))


def parquet(frame: pl.DataFrame, path: Path) -> str:
    path.parent.mkdir(exist_ok=True)
    frame.write_parquet(path)
    return str(path)


def daily() -> pl.DataFrame:
    return minutes([0, 1440], start=OPEN.replace(hour=0, minute=0))


def test_good_bars_pass_and_leave_their_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bars, days = parquet(minutes(), tmp_path / "b.parquet"), parquet(daily(), tmp_path / "d.parquet")

    code = main(["data", "validate", "--bars", bars, "--daily", days])

    assert code == 0
    assert "no violation" in capsys.readouterr().out
    assert (tmp_path / "artifacts" / "quality" / "AAA-2024-03-05-2024-03-05.json").is_file()


def test_every_violation_is_listed_by_rule_and_symbol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = with_cell(with_cell(minutes(range(-2, 390)), 40, "OPEN", math.nan), 41, "VOLUME", -1)
    days = with_cell(daily(), 1, "LOW", 11.0)

    bars, faulty_days = parquet(frame, tmp_path / "b.parquet"), parquet(days, tmp_path / "d.parquet")
    code = main(["data", "validate", "--bars", bars, "--daily", faulty_days, "--json"])

    document = json.loads(capsys.readouterr().out)
    assert code == 1
    assert document["ok"] is False
    assert document["counts"] == {
        "bad_ohlc_range": 1,
        "nan_ohlc": 1,
        "negative_volume": 1,
        "no_nan_ohlc": 1,
        "outside_session": 2,
    }
    assert {"AAA"} == {violation["symbol"] for violation in document["violations"]}
    assert document["slas"]["AAA"]["no_nan_ohlc"] == {"figure": 1, "limit": 0, "pass": False}


def test_failed_service_level_alone_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["data", "validate", "--bars", parquet(minutes(range(300)), tmp_path / "b.parquet")])

    out = capsys.readouterr().out
    assert code == 1
    assert "lateness_minutes x 1, m5_completeness x 1" in out
    assert "FAIL" in out


def csv_of(cells: dict[tuple[int, str], str], path: Path) -> str:
    """Write a day of minutes as CSV with some cells overwritten by a text."""
    frame = minutes(range(390)).with_columns(pl.col("ts").dt.strftime("%Y-%m-%dT%H:%M:%S%:z")).cast(pl.String)
    for (row, column), text in cells.items():
        frame = with_cell(frame, row, column, text)
    frame.write_csv(path)
    return str(path)


def test_a_cell_that_cannot_be_read_is_named_with_its_row_and_hides_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = {
        (3, "OPEN"): "10;5", (3, "VOLUME"): "many", (5, "ts"): "yesterday", (6, "ts"): "2024-03-05T14:36:00",
        (8, "LOW"): "11.0", (9, "VOLUME"): "-1", (10, "CLOSE"): "",
    }  # fmt: skip

    code = main(["data", "validate", "--bars", csv_of(cells, tmp_path / "b.csv"), "--json"])

    found = json.loads(capsys.readouterr().out)["violations"]
    assert code == 1
    assert [
        ("naive_timestamp", None, "line 8: ts '2024-03-05T14:36:00' has no offset from UTC"),
        ("wrong_dtype", None, "line 7: ts 'yesterday' is no ISO-8601 time"),
        ("wrong_dtype", "14:33", "line 5: OPEN '10;5' is no number with a decimal point"),
        ("wrong_dtype", "14:33", "line 5: VOLUME 'many' is no whole number"),
        ("nan_ohlc", "14:40", "CLOSE has no value"),
        ("bad_ohlc_range", "14:38", "LOW 11.0 is above OPEN 10.0"),
        ("negative_volume", "14:39", "VOLUME -1 is below 0"),
    ] == [(each["rule"], each["ts"] and each["ts"][11:16], each["detail"]) for each in found]
    assert {"AAA"} == {each["symbol"] for each in found}


LONG = "X" * 1_000_000


@pytest.mark.parametrize("symbol", ["<B>", "../X", "A/B", "É", LONG])
def test_a_name_that_no_run_accepts_is_told_and_keeps_the_other_bars_measured(
    symbol: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = "X" * 31 + "…" if symbol == LONG else symbol
    bars = parquet(pl.concat([minutes(), minutes(symbol=symbol)]), tmp_path / "b.parquet")
    days = parquet(pl.concat([daily(), daily().with_columns(symbol=pl.lit(symbol))]), tmp_path / "d.parquet")

    code = main(["data", "validate", "--bars", bars, "--daily", days, "--json"])

    document = json.loads(capsys.readouterr().out)
    assert code == 1
    detail = f"{shown!r} is no symbol: it may have 32 letters, digits and . - _"
    assert [("wrong_dtype", shown, detail, bars), ("wrong_dtype", shown, detail, days)] == [
        (each["rule"], each["symbol"], each["detail"], each["path"]) for each in document["violations"]
    ]
    assert ["AAA"] == list(document["slas"])


@pytest.mark.parametrize("symbol", ["../X", LONG])
def test_bars_of_what_is_no_symbol_are_not_imported(
    symbol: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bars = parquet(minutes(symbol=symbol), tmp_path / "b.parquet")
    days = parquet(daily().with_columns(symbol=pl.lit(symbol)), tmp_path / "d.parquet")

    for options in (["--bars", bars], ["--daily", days]):
        assert main(["data", "import", *options]) == 2
        assert "is no symbol" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("command", [["validate"], ["quality"], ["import"]])
@pytest.mark.parametrize("column", ["symbol", "OPEN", "ts"])
def test_no_line_is_longer_than_can_be_read(
    command: list[str], column: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["data", *command, "--bars", csv_of({(3, column): LONG}, tmp_path / "b.csv")])

    told = capsys.readouterr()
    assert max(map(len, (told.out + told.err).splitlines())) < 20_000


def test_so_many_cells_are_named_one_by_one_and_the_rest_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = csv_of({(row, "OPEN"): "x" for row in range(20)}, tmp_path / "b.csv")

    main(["data", "validate", "--bars", path, "--json"])
    whole = json.loads(capsys.readouterr().out)
    monkeypatch.setattr("axiomd.feeds.csv_cells._CELLS_NAMED_MAX", 3)
    main(["data", "validate", "--bars", path, "--json"])
    cut = json.loads(capsys.readouterr().out)

    assert 20 == whole["counts"]["wrong_dtype"] == len(whole["violations"])
    assert whole["violations"][:3] == cut["violations"][:3]
    (rest,) = cut["violations"][3:]
    assert "17 more cells up to line 21: OPEN is no number with a decimal point" == rest["detail"]


def test_naive_csv_and_good_file_beside_it_are_both_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet(minutes(), tmp_path / "bars" / "good.parquet")
    header, line = "symbol,ts,OPEN,HIGH,LOW,CLOSE,VOLUME", "BBB,2024-03-05T14:30:00,10,10,10,10,1"
    (tmp_path / "bars" / "naive.csv").write_text(f"{header}\n{line}\n")

    code = main(["data", "validate", "--bars", str(tmp_path / "bars"), "--json"])

    document = json.loads(capsys.readouterr().out)
    assert code == 1
    assert [("naive_timestamp", "naive.csv")] == [
        (violation["rule"], Path(violation["path"]).name) for violation in document["violations"]
    ]
    assert document["slas"]["AAA"]["m5_completeness"]["pass"] is True


def test_naive_parquet_is_a_violation_and_no_crash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    naive = minutes().with_columns(pl.col("ts").dt.replace_time_zone(None))

    code = main(["data", "validate", "--bars", parquet(naive, tmp_path / "b.parquet"), "--json"])

    assert code == 1
    assert json.loads(capsys.readouterr().out)["counts"] == {"naive_timestamp": 1}


def test_prices_between_ticks_are_counted_and_no_violation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bars = parquet(with_cell(minutes(), 3, "CLOSE", 10.255), tmp_path / "b.parquet")

    code = main(["data", "validate", "--bars", bars, "--json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["prices_between_ticks"] == 1


@pytest.mark.parametrize(
    "options", [["--bars", "nowhere.parquet"], ["--calendar", "XNYZ"], ["--tz", "Mars"], ["--tick-size", "0"], []]
)
def test_wrong_use_is_one_line_and_exit_2(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bars = [] if "--bars" in options or not options else ["--bars", parquet(minutes(), tmp_path / "b.parquet")]

    code = main(["data", "validate", *bars, *options])

    error = capsys.readouterr().err
    assert code == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_import_fills_the_store_and_quality_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_days = pl.concat([minutes(range(-3, 390)), minutes(start=OPEN + timedelta(days=1))])

    imported = main(["data", "import", "--bars", parquet(two_days, tmp_path / "b.parquet"), "--json"])
    document = json.loads(capsys.readouterr().out)
    measured = main(["data", "quality", "--json"])

    assert (imported, measured) == (0, 0)
    assert (document["rows"], document["dropped_outside_sessions"]) == (780, 3)
    assert pl.read_parquet(tmp_path / "state" / "bars" / "m1" / "AAA.parquet").height == 780
    assert json.loads(capsys.readouterr().out)["slas"]["AAA"]["m5_completeness"]["figure"] == 1.0


def test_import_of_bad_bars_leaves_the_store_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = parquet(with_cell(minutes(), 3, "LOW", 11.0), tmp_path / "b.parquet")

    code = main(["data", "import", "--bars", bad])

    assert code == 2
    assert "bad_ohlc_range" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_import_of_bars_beside_bad_daily_bars_leaves_the_store_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = parquet(minutes(), tmp_path / "b.parquet")

    code = main(["data", "import", "--bars", good, "--daily", good])

    assert code == 2
    assert "intraday bars where daily bars are read" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_import_of_nothing_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "import"]) == 2
    assert "nothing to import" in capsys.readouterr().err
