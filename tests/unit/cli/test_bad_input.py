"""What bad input gets: one line that says what, where and what to do, exit 2, and a disk as it was before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from axiomd.cli.main import main
from axiomd.cli.replay import _journal_beside
from axiomd.contracts.errors import EXIT_INPUT
from tests.unit.cli.bars import CONFIG, market, written

Spoil = Callable[[Path], list[str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bars(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Spoil:
    """Spoil the bars before they are written."""

    def spoil(folder: Path) -> list[str]:
        arguments = written(folder)
        change(market()).write_parquet(folder / "bars.parquet")
        return arguments

    return spoil


def content(name: str, text: bytes | str) -> Spoil:
    """Put other bytes in the place of a file."""

    def spoil(folder: Path) -> list[str]:
        arguments = written(folder)
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return arguments

    return spoil


def csv(text: str) -> Spoil:
    def spoil(folder: Path) -> list[str]:
        (folder / "bars.csv").write_text(text)
        return ["--bars", str(folder / "bars.csv"), *written(folder)[2:]]

    return spoil


def options(*more: str) -> Spoil:
    return lambda folder: [*written(folder), *more]


def missing(folder: Path) -> list[str]:
    return ["--bars", str(folder / "nowhere.parquet"), *written(folder)[2:]]


def truncated(folder: Path) -> list[str]:
    arguments = written(folder)
    path = folder / "bars.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    return arguments


def empty_folder(folder: Path) -> list[str]:
    (folder / "none").mkdir()
    return ["--bars", str(folder / "none"), *written(folder)[2:]]


def without_rows(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.clear()


def lower_case(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.rename(str.lower)


def naive(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("ts").dt.replace_time_zone(None))


def local(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("ts").dt.convert_time_zone("America/New_York"))


def doubled(frame: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([frame, frame.head(1)])


def nan_close(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.when(pl.int_range(pl.len()) == 7).then(float("nan")).otherwise("CLOSE").alias("CLOSE"))


def null_open(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.when(pl.int_range(pl.len()) == 7).then(None).otherwise("OPEN").alias("OPEN"))


def high_below_low(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(HIGH=pl.col("LOW") - 1)


def negative_volume(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(VOLUME=-pl.col("VOLUME") - 1)


def text_prices(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("OPEN").cast(pl.String).str.replace(".", ",", literal=True))


def no_volume(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop("VOLUME")


def off_grid(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("ts") + timedelta(seconds=7))


HEADER = "symbol,ts,OPEN,HIGH,LOW,CLOSE,VOLUME\n"
DECIMAL_COMMA = HEADER + 'AAA,2019-11-27T14:30:00+00:00,"100,5","101,0","99,5","100,7",100\n'
NAIVE_CSV = HEADER + "AAA,2019-11-27T14:30:00,100.5,101.0,99.5,100.7,100\n"
SEMICOLONS = HEADER.replace(",", ";") + "AAA;2019-11-27T14:30:00+00:00;100,5;101,0;99,5;100,7;100\n"

LONG = 300 * "x"

CASES: dict[str, tuple[str, Spoil]] = {
    "missing file": ("nowhere.parquet", missing),
    "empty file": ("bars.parquet", content("bars.parquet", b"")),
    "truncated parquet": ("bars.parquet", truncated),
    "no parquet at all": ("bars.parquet", content("bars.parquet", b"PAR1 but nothing more")),
    "empty folder": ("none", empty_folder),
    "parquet without rows": ("", bars(without_rows)),
    "wrong case": ("wrong_case", bars(lower_case)),
    "naive timestamps": ("naive_timestamp", bars(naive)),
    "local timestamps": ("not_utc", bars(local)),
    "duplicates": ("duplicate_index", bars(doubled)),
    "nan": ("nan_ohlc", bars(nan_close)),
    "null": ("nan_ohlc", bars(null_open)),
    "range upside down": ("bad_ohlc_range", bars(high_below_low)),
    "negative volume": ("negative_volume", bars(negative_volume)),
    "prices as text with commas": ("wrong_dtype", bars(text_prices)),
    "missing column": ("missing_column", bars(no_volume)),
    "off the grid": ("off_grid", bars(off_grid)),
    "csv with decimal commas": ("bars.csv", csv(DECIMAL_COMMA)),
    "csv with semicolons": ("bars.csv", csv(SEMICOLONS)),
    "csv with naive timestamps": ("naive_timestamp", csv(NAIVE_CSV)),
    "csv of a header alone": ("", csv(HEADER)),
    "missing configuration": ("none.yml", lambda folder: [*written(folder)[:2], "--config", str(folder / "none.yml")]),
    "unknown key": ("slipage_ticks", content("run.yml", CONFIG + "costs: {slipage_ticks: 1}\n")),
    "unknown top key": ("stratgy", content("run.yml", CONFIG + "stratgy: {name: inside_bar}\n")),
    "wrong value": ("initial_cash", content("run.yml", CONFIG + "initial_cash: much\n")),
    "value out of range": ("pos_pct", content("run.yml", CONFIG + "sizing: {pos_pct: -1}\n")),
    "number with a decimal comma": ("initial_cash", content("run.yml", CONFIG + "initial_cash: 1,5\n")),
    "key that stands twice": ("run.yml", content("run.yml", CONFIG + "symbols: [AAA]\n")),
    "yaml that is none": ("run.yml", content("run.yml", "strategy: [")),
    "empty yaml": ("run.yml", content("run.yml", "")),
    "binary yaml": ("run.yml", content("run.yml", b"\xff\xfe\x00")),
    "unknown strategy": ("inside_bra", content("run.yml", CONFIG.replace("inside_bar", "inside_bra"))),
    "unknown parameter": ("risk_rewrd", content("run.yml", CONFIG.replace("min_mother_range_atr", "risk_rewrd"))),
    "wrong window": ("windows", content("run.yml", CONFIG.replace("09:30-16:00", "16:00-09:30"))),
    "unknown calendar": ("XNYX", content("run.yml", CONFIG + "calendar: XNYX\n")),
    "unknown time zone": ("Mars", content("run.yml", CONFIG + "tz: Mars/Olympus\n")),
    "missing risk file": ("limits.yml", content("run.yml", CONFIG.replace("risk: {}", "risk: limits.yml"))),
    "unknown limit": ("max_los", content("run.yml", CONFIG.replace("risk: {}", "risk: {max_los: 5}"))),
    "currencies without a rate": ("USDEUR", content("run.yml", CONFIG + "currency: EUR\n")),
    "screen without daily bars": ("--daily", content("run.yml", CONFIG + "stage1: {mode: screen}\n")),
    "unknown symbol": ("ZZZ", options("--symbols", "AAA,ZZZ")),
    "no symbol": ("--symbols", options("--symbols", ",")),
    "range without data": ("2021", options("--from", "2021-01-04", "--to", "2021-01-08")),
    "range upside down in time": ("", options("--from", "2019-11-29", "--to", "2019-11-27")),
    "range before any calendar": ("2019", options("--to", "0001-01-01")),
    "range after any calendar": ("2019", options("--from", "9999-12-31")),
    "name of bars that no disk takes": ("too long", lambda folder: ["--bars", LONG, *written(folder)[2:]]),
    "no date": ("--from", options("--from", "27.11.2019")),
    "no speed": ("--speed", options("--speed", "fast")),
    "negative speed": ("--speed", options("--speed", "-1")),
    "run id with a slash": ("--run-id", options("--run-id", "../../etc")),
    "run id of the folder above": ("--run-id", options("--run-id", "..")),
    "empty run id": ("--run-id", options("--run-id", "")),
    "m1 bars called m5": ("off_grid", options("--timeframe", "m5")),
    "missing daily bars": ("none.parquet", options("--daily", "none.parquet")),
    "unknown option": ("--slow", options("--slow")),
}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def told(folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail and give its one line; nothing may have changed on the disk."""
    before = everything(folder)

    assert 2 == main(arguments)

    captured = capsys.readouterr()
    assert before == everything(folder)
    assert "" == captured.out
    assert captured.err.startswith("error: ")
    assert captured.err.endswith("\n")
    assert 1 == captured.err.count("\n"), captured.err
    assert 2 == captured.err.count(" · "), captured.err
    return captured.err


@pytest.mark.parametrize("name", CASES)
def test_bad_input_of_a_replay_is_one_line_and_nothing_written(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    word, spoil = CASES[name]
    arguments = spoil(folder)

    line = told(folder, ["replay", *arguments, "--out", "out"], capsys)

    assert word in line
    assert not (folder / "out").exists()


@pytest.mark.parametrize("name", ["missing file", "nan", "unknown key", "unknown symbol", "range without data"])
def test_bad_input_of_signals_is_the_same(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    word, spoil = CASES[name]

    assert word in told(folder, ["signals", *spoil(folder), "--out", "signals.csv"], capsys)


def test_good_input_is_good(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["replay", *written(folder), "--out", "out", "--no-plots"])
    assert "run folder: " in capsys.readouterr().out


def test_folder_that_is_no_run_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "photos").mkdir()
    (folder / "photos/holiday.jpg").write_bytes(b"jpg")

    assert "photos" in told(folder, ["replay", *written(folder), "--out", "photos"], capsys)


def test_file_in_the_way_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out").write_text("mine")

    assert "out" in told(folder, ["replay", *written(folder), "--out", "out"], capsys)


def test_folder_whose_name_no_disk_takes_is_bad_input(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "too long" in told(folder, ["replay", *written(folder), "--out", LONG], capsys)


def test_dates_beyond_any_calendar_bound_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = ["--from", "0001-01-01", "--to", "9999-12-31"]

    assert 0 == main(["signals", *written(folder), "--out", "all.csv"])
    assert 0 == main(["signals", *written(folder), "--out", "wide.csv", *wide])

    assert (folder / "all.csv").read_text() == (folder / "wide.csv").read_text()


def test_folder_that_cannot_be_made_is_bad_input(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "/proc" in told(folder, ["replay", *written(folder), "--out", "/proc/run"], capsys)


def test_the_same_run_may_be_made_twice_at_a_time(folder: Path) -> None:
    with _journal_beside(folder / "out") as one, _journal_beside(folder / "out") as other:
        one.write_text("one")
        other.write_text("other")
        assert "one" == one.read_text()

    assert [] == list(folder.iterdir())


@pytest.mark.parametrize(
    ("word", "options"),
    [
        ("--last", ["--last", "-3"]),
        ("--last", ["--last", "0"]),
        ("--last", ["--last", 23 * "9"]),
        ("order.intent?", ["--kind", "order.intend"]),
    ],
)
def test_events_that_there_cannot_be_are_not_shown(
    word: str, options: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["replay", *written(folder), "--out", "out", "--no-plots"])
    capsys.readouterr()

    assert word in told(folder, ["journal", "show", "out", *options], capsys)


def test_replay_of_nothing_asks_for_bars_or_a_journal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--journal" in told(folder, ["replay"], capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        ["close", "SPY", "--qty", "0"],
        ["close", "SPY", "--qty", "-5"],
        ["replay", "--journal", "none.sqlite"],
        ["replay", "--journal", "text.sqlite"],
        ["journal", "verify", "none.sqlite"],
        ["orders", "list", "--journal", "none.sqlite"],
        ["orders", "list", "--journal", "text.sqlite"],
        ["orders", "show", "0a1b", "--journal", "text.sqlite"],
        ["journal", "show", "text.sqlite"],
        ["orders", "show", "not-a-key", "--journal", "text.sqlite"],
        ["report", "nothing"],
        ["report"],
        ["data", "validate", "--bars", "none.parquet"],
        ["data", "validate", "--bars", "text.sqlite"],
        ["data", "quality", "--bars", "none.parquet"],
        ["data", "import", "none.csv"],
        ["data", "nonsense"],
        ["data", "validate", "--bars", "none.parquet", "--tick-size", "1e300"],
        ["data", "validate", "--bars", "none.parquet", "--tick-size", "inf"],
        ["data", "validate", "--bars", "none.parquet", "--tick-size", "1e999999999"],
        ["data", "validate", "--bars", LONG],
        ["data", "import", "--bars", LONG],
        ["journal", "verify", LONG],
        ["orders", "list", "--journal", LONG],
        ["replay", "--journal", LONG],
        ["report", LONG],
        ["config", "check", "--config", "none.yml"],
    ],
    ids=" ".join,
)
def test_bad_input_of_other_commands_is_one_line(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "text.sqlite").write_text("no database")

    line = told(folder, arguments, capsys)

    assert "internal failure" not in line


@pytest.mark.parametrize("command", ["kill", "status", "pause"])
@pytest.mark.parametrize(
    ("environ", "words", "where"),
    [
        ({"AXIOMD_STATE_DIR": "state/here"}, (), "AXIOMD_STATE_DIR"),
        ({}, ("--instance", "../elsewhere"), "--instance"),
        ({}, ("--instance", ""), "--instance"),
        ({}, ("--instance", "two words"), "--instance"),
        ({}, ("--instance", 65 * "x"), "--instance"),
        ({"AXIOMD_STATE_DIR": "/nowhere"}, ("--instance", 65 * "x"), "--instance"),
        ({"AXIOMD_INSTANCE": "../elsewhere"}, (), "AXIOMD_INSTANCE"),
    ],
)
def test_a_place_where_no_daemon_starts_is_neither_latched_nor_looked_at(
    command: str,
    environ: dict[str, str],
    words: tuple[str, ...],
    where: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("AXIOMD_STATE_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    for name, value in {"XDG_STATE_HOME": str(tmp_path), **environ}.items():
        monkeypatch.setenv(name, value)

    assert EXIT_INPUT == main([command, *words])

    assert f" · {where} · " in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())
