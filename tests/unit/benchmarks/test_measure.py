from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import pytest

from benchmarks.alone import rate_alone
from benchmarks.measure import Goal, NotBuiltError, Row, in_turn, percentile, whole_process
from benchmarks.run import ROWS, main
from benchmarks.table import figure, text_of, write_json


def test_measures_are_taken_in_turn_after_one_round_that_warms_up() -> None:
    taken: list[str] = []
    figures = {"a": iter([9.0, 1.0, 3.0, 2.0]), "b": iter([9.0, 30.0, 10.0, 20.0])}

    def measure(name: str) -> float:
        taken.append(name)
        return next(figures[name])

    assert [2.0, 20.0] == in_turn([lambda: measure("a"), lambda: measure("b")], 3)
    assert ["a", "b"] * 4 == taken


@pytest.mark.parametrize(
    ("sense", "ratio", "met"),
    [(">=", 1.5, "goal"), (">=", 0.5, "floor"), (">=", 0.49, "no"), ("<=", 5.1, "no"), ("<=", 1.5, "goal")],
)
def test_ratio_meets_goal_floor_or_neither(sense: str, ratio: float, met: str) -> None:
    goal = Goal(">=", 0.5, 1.5) if sense == ">=" else Goal("<=", 5, 1.5)

    assert met == goal.met(ratio)


def test_row_without_a_part_says_not_built_and_why() -> None:
    text = text_of([Row("P9", "sweep", "one core", goal=Goal(">=", 1.7, 1.9), note="axiomd sweep is not built yet")])

    assert "not built" in text
    assert "[1] axiomd sweep is not built yet" in text


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (0.00123456, "0.00123"), (1.5, "1.5"), (12_345.0, "12.3 k"), (2.5e8, "250 M")]
)
def test_figure_keeps_the_digits_that_count(value: float | None, text: str) -> None:
    assert text == figure(value)


def test_percentile_is_one_of_the_figures() -> None:
    assert 19 == percentile(list(range(20)), 0.95)
    assert 0 == percentile([0], 0.5)


def test_whole_process_reports_its_memory_and_its_failure() -> None:
    ended = whole_process([sys.executable, "-c", "pass"])

    assert 1_000_000 < ended.peak_bytes
    with pytest.raises(NotBuiltError, match="no such thing"):
        whole_process([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_unknown_row_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["--only", "P1,Q9"])
    assert "there is no row Q9" in capsys.readouterr().err


def test_rows_that_wait_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bench.json"

    assert 0 == main(["--only", "P2", "--pairs", "1", "--bars", "10000", "--json", str(path)])
    assert "needs the peers" in capsys.readouterr().out
    assert ["P2"] == [row["number"] for row in json.loads(path.read_text())["rows"]]


def test_json_says_what_it_was_measured_on(tmp_path: Path) -> None:
    write_json(
        [Row("L3", "pipeline", "polars", ratio=0.5, goal=Goal("<=", 1, 0.2))], tmp_path / "b.json", pairs=5, bars=7
    )

    written = json.loads((tmp_path / "b.json").read_text())
    assert (5, 7, "floor") == (written["pairs"], written["bars"], written["rows"][0]["met"])


def test_every_row_says_what_it_measures() -> None:
    assert [] == [name for name, rows_of in ROWS.items() if not rows_of.__doc__]


def test_peak_of_a_process_is_its_own_and_not_that_of_who_started_it() -> None:
    held = bytearray(300_000_000)
    held[::4096] = b"x" * len(held[::4096])

    assert len(held) > whole_process([sys.executable, "-c", "pass"]).peak_bytes


def test_what_is_measured_alone_runs_in_a_process_of_its_own_each_time() -> None:
    rate = rate_alone("bare loop", 2_000)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime

    assert rate() > 0
    once = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert rate() > 0

    assert before < once < resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
