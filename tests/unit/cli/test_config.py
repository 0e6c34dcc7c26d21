"""``axiomd config`` says what holds and where it came from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from axiomd.cli.main import main

HEAD = "strategy: {name: inside_bar}\nsymbols: [SPY]\n"


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yml"
    path.write_text(HEAD + "costs: {slippage_ticks: 1}\nrisk: {}\n")
    return path


def test_good_configuration_passes_the_check(run_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["config", "check", "--config", str(run_file), "--json"])

    document = json.loads(capsys.readouterr().out)
    assert (True, ["inside_bar"], ["SPY"]) == (document["ok"], document["strategies"], document["symbols"])
    assert "max_daily_loss" in document["off_that_live_needs"]


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("unknown strategy outside", "strategy: {name: outside}\nsymbols: [A]\n"),
        ("strategy inside_bar has no version 9", 'strategy: {name: inside_bar, version: "9"}\nsymbols: [A]\n'),
        ("unknown key risk_rewrd", "strategy: {name: inside_bar, params: {risk_rewrd: 1}}\nsymbols: [A]\n"),
        ("unknown key smybols", "strategy: {name: inside_bar}\nsmybols: [A]\n"),
        (
            "window '11:00-09:30' does not end after it starts",
            "strategy: {name: inside_bar, params: {windows: ['11:00-09:30']}}\nsymbols: [A]\n",
        ),
        ("unknown calendar 'XXXX'", HEAD + "calendar: XXXX\n"),
        ("fx.EURUSD names ib", HEAD + "currency: EUR\nfx: {EURUSD: ib}\n"),
        (
            "strategies name the id a twice",
            "strategies: [{id: a, name: inside_bar, symbols: [A]}, {id: a, name: inside_bar, symbols: [B]}]\n",
        ),
    ],
)
def test_bad_configuration_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], expected: str, text: str
) -> None:
    path = tmp_path / "run.yml"
    path.write_text(text)

    assert 2 == main(["config", "check", "--config", str(path)])

    captured = capsys.readouterr().err
    assert captured.startswith(f"error: {expected}")
    assert "run.yml" in captured
    assert 1 == captured.count("\n")


def test_show_names_value_and_origin(
    run_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AXIOMD_SEED", "9")

    assert 0 == main(["config", "show", "--config", str(run_file), "--json"])

    document = json.loads(capsys.readouterr().out)
    assert {"value": 9, "from": "environment AXIOMD_SEED"} == document["seed"]
    assert document["costs.slippage_ticks"] == {"value": 1, "from": f"file {run_file}:3"}
    assert {"value": "XNYS", "from": "default"} == document["calendar"]


def test_table_in_a_pipe_is_aligned_and_whole(run_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["config", "show", "--config", str(run_file)])

    text = capsys.readouterr().out
    lines = [line for line in text.splitlines() if " default" in line]
    assert "\x1b" not in text
    assert 1 == len({line.index(" default") for line in lines})
    assert f"file {run_file}:3" in text


def test_settings_of_the_state_dir_hold_where_no_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AXIOMD_STATE_DIR", str(tmp_path))
    (tmp_path / "settings.yml").write_text(HEAD + "seed: 77\n")

    assert 0 == main(["config", "show", "--json"])

    assert 77 == json.loads(capsys.readouterr().out)["seed"]["value"]


def test_schema_names_every_key_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["config", "schema"])

    properties = json.loads(capsys.readouterr().out)["properties"]
    assert {"strategy", "strategies", "symbols", "risk", "feed", "broker"} <= set(properties)
