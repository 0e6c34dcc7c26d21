"""The page and the pictures of a run, and the command that writes them again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from axiomd.cli.main import main
from axiomd.contracts.errors import InputError
from axiomd.core.metrics import metrics_of
from axiomd.runs.artifacts import write_run
from axiomd.runs.folder import find_runs, read_run
from axiomd.runs.report import render_report, write_report
from tests.unit.runs import a_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return written(tmp_path / "artifacts" / "runs" / "run-1")


def written(folder: Path, *, label: str | None = None, passes: bool = True) -> Path:
    record = a_run.record()
    quality = a_run.quality(passes=passes)
    return write_run(folder, record, a_run.manifest(), metrics_of(record), quality=quality, label=label, plots=False)


def test_the_page_shows_figures_with_their_units_trades_and_links(run: Path) -> None:
    page = (run / "report.html").read_text()

    for shown in (
        "inside_bar 1.0.0 · SPY · 2024-03-05 .. 2024-03-06 · replay", "100.00 USD", "-120.00 USD", "10,101.50",
        "50.0 %", "rejected:max_order_notional", "data quality: pass", 'href="trades.csv"', "warm_up", "qty (Stk)",
    ):  # fmt: skip
        assert shown in page, shown


def test_the_page_needs_nothing_from_outside(run: Path) -> None:
    page = (run / "report.html").read_text()

    assert [] == re.findall(r"https?://|<script|src=\"(?!data:)", page)


def test_a_notional_is_in_the_currency_of_the_prices(run: Path) -> None:
    orders = run / "filled_orders.csv"
    orders.write_text(orders.read_text().replace(",USD,", ",CHF,"))

    page = render_report(read_run(run))

    assert "<td>10,101.50 CHF</td>" in page
    assert "net (USD)" in page


def test_texts_are_escaped(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", label="<script>alert('x')</script> & $5")
    page = (folder / "report.html").read_text()

    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_failed_service_level_is_named(tmp_path: Path) -> None:
    page = render_report(read_run(written(tmp_path / "run", passes=False)))

    assert "FAIL m5_completeness" in page


def test_writing_the_report_again_changes_nothing(run: Path) -> None:
    before = (run / "report.html").read_bytes()
    write_report(run)

    assert before == (run / "report.html").read_bytes()
    assert not list(run.glob(".*"))


def test_the_command_draws_and_writes_one_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["report", str(run), "--json"])

    assert {"reports": [str(run / "report.html")]} == json.loads(capsys.readouterr().out)
    for name in ("equity_curve.png", "drawdown_curve.png"):
        assert (run / name).read_bytes().startswith(b"\x89PNG")
    assert 2 == (run / "report.html").read_text().count("data:image/png;base64,")


def test_a_picture_holds_neither_date_nor_version(run: Path) -> None:
    from axiomd.runs.plots import draw_curves

    equity, drawdown = draw_curves(run)
    for path in (equity, drawdown):
        assert b"Software" not in path.read_bytes()
        assert b"tEXt" not in path.read_bytes()


def test_the_command_finds_a_run_by_its_id_and_all_of_them(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    artifacts_dir = run.parents[1]
    written(artifacts_dir / "runs" / "run-2")
    monkeypatch.setenv("AXIOMD_ARTIFACTS_DIR", str(artifacts_dir))

    assert 0 == main(["report", "run-1", "--no-plots"])
    assert [str(run / "report.html")] == capsys.readouterr().out.splitlines()
    assert 0 == main(["report", "--all", "--no-plots"])
    assert [str(folder / "report.html") for folder in find_runs(artifacts_dir)] == capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "there is no run"),
        ([], "name one run or say --all"),
        (["x", "--all"], "name one run or say --all"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AXIOMD_ARTIFACTS_DIR", str(tmp_path))

    assert 2 == main(["report", *arguments])
    lines = capsys.readouterr().err.splitlines()
    assert 1 == len(lines)
    assert lines[0].startswith(f"error: {said} · ")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", "{"), ("metrics.json", "[]"), ("metrics.json", "{}"), ("trades.csv", "symbol\nSPY\n"),
        ("equity_curve.csv", "ts,equity,drawdown\n1,2\n"), ("label.txt", None),
    ],
)  # fmt: skip
def test_a_damaged_run_is_named_by_its_file(run: Path, name: str, content: str | None) -> None:
    if content is None:
        (run / name).unlink()
    else:
        (run / name).write_text(content)

    with pytest.raises(InputError) as caught:
        read_run(run)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", "{"), ("equity_curve.csv", "ts,equity,drawdown\nyesterday,much,little\n"),
        ("metrics.json", '{"x":' + "[" * 100_000),
        ("manifest.json", '{"run_id":"","tz":"Mars","currency":"","strategy":""}'),
    ],
)  # fmt: skip
def test_a_damaged_run_keeps_no_other_from_its_report(
    run: Path, name: str, content: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    artifacts_dir = run.parents[1]
    first, last = written(artifacts_dir / "runs" / "run-0"), written(artifacts_dir / "runs" / "run-2")
    (run / name).write_text(content)
    for folder in (first, last):
        (folder / "report.html").unlink()
    monkeypatch.setenv("AXIOMD_ARTIFACTS_DIR", str(artifacts_dir))

    code = main(["report", "--all"])
    told = capsys.readouterr()
    alone = main(["report", str(run)])

    assert 2 == code == alone
    assert [str(folder / "report.html") for folder in (first, last)] == told.out.splitlines()
    assert (first / "report.html").is_file()
    assert (last / "report.html").is_file()
    (line,) = told.err.splitlines()
    assert line.startswith("error: ")
    assert str(run) in line
    assert [line] == capsys.readouterr().err.splitlines()
