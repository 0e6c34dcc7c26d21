"""The same inputs make the same run, byte for byte: in any process, and from any other spelling of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from axiomd.cli.main import main
from tests.unit.cli.bars import CONFIG, market, written

ROOT = Path(__file__).resolve().parents[3]
TIMES = ("created_at", "started_at", "finished_at")
ELSEWHERE = {"PYTHONHASHSEED": "99", "TZ": "Asia/Kolkata", "LC_ALL": "C", "POLARS_MAX_THREADS": "1"}

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def replayed(arguments: list[str], out: Path, *more: str) -> Path:
    assert 0 == main(["replay", *arguments, "--out", str(out), *more])
    return out


def assert_same(first: Path, second: Path, *, but: tuple[str, ...] = ()) -> None:
    assert {path.name for path in first.iterdir()} == {path.name for path in second.iterdir()}
    for path in first.iterdir():
        if path.name != "manifest.json":
            assert path.read_bytes() == (second / path.name).read_bytes(), path.name
    one, other = (json.loads((folder / "manifest.json").read_text()) for folder in (first, second))
    assert [] == [key for key in one if key not in TIMES + but and one[key] != other[key]]


def test_replay_twice_is_the_same_folder(folder: Path) -> None:
    arguments = written(folder)

    assert_same(replayed(arguments, folder / "first"), replayed(arguments, folder / "second"))


def test_replay_elsewhere_is_the_same_folder(folder: Path) -> None:
    arguments = written(folder)
    subprocess.run(
        [sys.executable, "-m", "axiomd", "replay", *arguments, "--out", "second"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **ELSEWHERE}, check=True, capture_output=True,
    )  # fmt: skip

    assert_same(replayed(arguments, folder / "first"), folder / "second")


def test_replay_over_an_older_run_replaces_it_whole(folder: Path) -> None:
    arguments = written(folder)
    replayed(arguments, folder / "out", "--symbols", "AAA")

    assert_same(replayed(arguments, folder / "first"), replayed(arguments, folder / "out"))


def test_bars_in_several_files_and_any_order_are_the_same_run(folder: Path) -> None:
    arguments = written(folder)
    (folder / "parts").mkdir()
    frame = market()
    frame.filter(symbol="BBB").write_parquet(folder / "parts/a.parquet")
    frame.filter(symbol="AAA").head(400).write_csv(folder / "parts/c.csv")
    frame.filter(symbol="AAA").slice(400).write_parquet(folder / "parts/b.parquet")

    first = replayed(arguments, folder / "first")
    second = replayed([*arguments, "--bars", "parts"], folder / "second")

    assert_same(first, second, but=("data",))


@pytest.mark.parametrize(
    "spelling",
    [
        CONFIG + "initial_cash: 100000.00\n",
        CONFIG + "mode: paper\nclock: {kind: feed}\nfeed: {kind: file, path: x.parquet}\n",
        CONFIG.replace("min_mother_range_atr: 0", "min_mother_range_atr: 0.0"),
        CONFIG + "fills: {flatten_minutes: 5}\n",
    ],
)
def test_other_spellings_of_a_configuration_are_the_same_run(spelling: str, folder: Path) -> None:
    first = replayed(written(folder), folder / "first", "--no-plots")
    arguments = written(folder)
    (folder / "run.yml").write_text(spelling)

    assert_same(first, replayed(arguments, folder / "second", "--no-plots"))


def test_limits_by_path_and_in_place_are_the_same_run(folder: Path) -> None:
    arguments = written(folder)
    (folder / "limits.yml").write_text("max_order_notional: 5000\n")
    (folder / "run.yml").write_text(CONFIG.replace("risk: {}", "risk: limits.yml"))
    first = replayed(arguments, folder / "first", "--no-plots")
    (folder / "run.yml").write_text(CONFIG.replace("risk: {}", "risk: {max_order_notional: 5000.0}"))

    assert_same(first, replayed(arguments, folder / "second", "--no-plots"))


def test_other_bars_or_numbers_are_another_run(folder: Path) -> None:
    arguments = written(folder)
    names = [json.loads((replayed(arguments, folder / "a", "--no-plots") / "manifest.json").read_text())["run_id"]]
    (folder / "run.yml").write_text(CONFIG + "initial_cash: 100001\n")
    names.append(json.loads((replayed(arguments, folder / "b", "--no-plots") / "manifest.json").read_text())["run_id"])
    market(6).write_parquet(folder / "bars.parquet")
    names.append(json.loads((replayed(arguments, folder / "c", "--no-plots") / "manifest.json").read_text())["run_id"])

    assert 3 == len(set(names))
    (first, *config), (second, *_), (third, *other) = (name.split("-")[1:] for name in names)
    assert first != second == third
    assert config != other


@pytest.mark.parametrize("word", ["tmp_path", "hostname", "pid"])
def test_journal_of_a_replay_names_no_machine(word: str, folder: Path) -> None:
    told = {"tmp_path": str(folder), "hostname": os.uname().nodename, "pid": f'"pid":{os.getpid()}'}[word]
    out = replayed(written(folder), folder / "out", "--no-plots")

    assert told.encode() not in (out / "journal.sqlite").read_bytes()
