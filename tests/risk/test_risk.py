"""`make risk:test`: every guard is tried, every scenario ends as it should, and what does not is told and fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from axiomd.core.guards.chain import GUARDS
from axiomd.core.headroom import TRIPPING
from tests.risk import scenarios
from tests.risk.outcome import FLATTEN, HALT, PASSED, REFUSED
from tests.risk.run import main, report_of
from tests.risk.scenario import Scenario
from tests.risk.table import document_of

COLUMNS = 120


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Leave only some scenarios, so that what is told of them costs little."""

    def leave(*kept: Scenario) -> None:
        monkeypatch.setattr(scenarios, "SCENARIOS", kept)
        monkeypatch.setattr(scenarios, "EXISTING", tuple({each.guard for each in kept}))

    return leave


def of(guard: str) -> list[Scenario]:
    return [each for each in scenarios.SCENARIOS if each.guard == guard]


def test_every_scenario_ends_as_it_should() -> None:
    report = report_of()

    assert [] == [row for row in report.rows if not row.is_as_expected]
    assert () == report.missing
    assert report.is_as_expected


def test_every_guard_has_one_that_passes_and_one_that_it_speaks_in() -> None:
    for guard in (*GUARDS, *TRIPPING):
        assert PASSED in {each.expected for each in of(guard)}, guard
        assert guard in {each.speaker for each in of(guard)}, guard


def test_every_guard_is_told_what_it_does() -> None:
    assert {each.guard for each in scenarios.SCENARIOS} == set(scenarios.RULES)


def test_the_same_is_told_every_time() -> None:
    assert document_of(report_of()) == document_of(report_of())


def test_figure_and_limit_are_those_of_the_verdict() -> None:
    rows = {row.scenario.tried: row.outcome for row in report_of().rows}

    refused = rows["600 shares at 100.01"]
    tripped = rows["1000 shares bought at 50.00, CLOSE 48.00"]
    assert ("MaxOrderNotional", 600_060_000, 600_000_000) == refused.verdict
    assert (REFUSED, "60006.00", "60000.00", "USD") == (refused.result, refused.figure, refused.limit, refused.unit)
    assert ("MaxDailyLoss", 20_000_000, 20_000_000) == tripped.verdict
    assert HALT == tripped.result


def test_the_table_fits_and_ends_with_totals(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main([])

    lines = capsys.readouterr().out.splitlines()
    assert [] == [line for line in lines if len(line) > COLUMNS]
    assert lines[-1].endswith("; all as expected")


@pytest.mark.parametrize("wrong", [PASSED, HALT, FLATTEN])
def test_a_wrongly_expected_outcome_is_marked_and_fails(
    only: Any, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    inside, beyond = of("MaxOrderNotional")
    only(inside, replace(beyond, expected=wrong))

    assert 1 == main([])
    marked = [line for line in capsys.readouterr().out.splitlines() if line.startswith("! ")]
    assert "600 shares at 100.01" in marked[0]


def test_a_refusal_by_another_guard_is_not_as_expected(only: Any) -> None:
    inside, beyond = of("MaxOrderNotional")
    only(inside, beyond, replace(beyond, by="MaxGrossExposure"))

    assert 1 == main([])


@pytest.mark.parametrize("left", [[], [0], [1]])
def test_a_guard_that_lacks_a_scenario_fails(
    monkeypatch: pytest.MonkeyPatch, only: Any, capsys: pytest.CaptureFixture[str], left: list[int]
) -> None:
    pair = of("MaxOrderNotional")
    only(*of("RestrictedList"), *(pair[place] for place in left))
    monkeypatch.setattr(scenarios, "EXISTING", ("RestrictedList", "MaxOrderNotional"))

    assert 1 == main([])
    assert "! MaxOrderNotional lacks a scenario" in capsys.readouterr().out


def test_a_program_is_given_a_document(only: Any, capsys: pytest.CaptureFixture[str]) -> None:
    only(*of("PerSymbolMaxQty"))

    assert 0 == main(["--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["is_as_expected"]
    assert [PASSED, REFUSED] == [row["outcome"] for row in document["scenarios"]]
    assert ["PerSymbolMaxQty", 1001, 1000] == document["scenarios"][1]["verdict"]


def test_colour_is_for_a_terminal_without_no_color(
    only: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only(*of("PerSymbolMaxQty"))
    monkeypatch.setenv("TERM", "xterm-256color")

    main([])
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    main([])
    assert "\x1b[33mrefused" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    main([])
    assert "\x1b" not in capsys.readouterr().out


def test_a_guard_of_another_package_is_told_as_not_tried(
    only: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    info = tmp_path / "site" / "even_smaller-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: even-smaller\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[axiomd.guards]\neven_smaller = even_smaller:GUARD\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    config = tmp_path / "run.yml"
    config.write_text("strategy: {name: inside_bar}\nsymbols: [SPY]\nrisk: {even_smaller: {qty: 50}}\n")
    only(*of("RestrictedList"))

    assert 0 == main(["--config", str(config)])
    assert "not tried: even_smaller, of another package" in capsys.readouterr().out


def test_a_configuration_that_cannot_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["--config", str(tmp_path / "none.yml")])
    assert capsys.readouterr().err.startswith("error: no such file")


def test_an_order_that_a_trip_should_have_kept_back_is_marked(only: Any) -> None:
    let_pass = of("RestrictedList")[0]
    only(replace(let_pass, guard="MaxDailyLoss", expected=REFUSED, by="KillSwitch"))

    assert 1 == main([])
