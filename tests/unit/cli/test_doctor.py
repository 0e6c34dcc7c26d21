"""``axiomd doctor`` finds what is wrong with a machine before a session does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from axiomd.cli import doctor
from axiomd.cli.main import main
from axiomd.config import plugins


def checks(capsys: pytest.CaptureFixture[str]) -> dict[str, bool]:
    return {check["check"]: check["ok"] for check in json.loads(capsys.readouterr().out)["checks"]}


def test_machine_that_runs_the_tests_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["doctor", "--json"])
    assert {True} == set(checks(capsys).values())


def test_state_dir_below_a_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AXIOMD_STATE_DIR", str(tmp_path / "file" / "state"))

    assert 1 == main(["doctor", "--json"])
    assert checks(capsys)["state dir"] is False


def test_missing_strategies_are_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(plugins, "STRATEGIES", "axiomd.no_such_group")

    assert 1 == main(["doctor"])
    assert "run make setup" in capsys.readouterr().out


def test_full_disk_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "FREE_BYTES_MIN", 1 << 62)

    assert 1 == main(["doctor", "--json"])
    assert checks(capsys)["free space"] is False


@pytest.mark.slow
@pytest.mark.timeout(300)  # where nothing is kept yet, it is compiled here
def test_rules_are_compiled_before_a_session_needs_them() -> None:
    script = (
        "from axiomd.cli.main import main; code = main(['doctor', '--compile', '--json'])\n"
        "from axiomd.core import frame_rules, kernel\n"
        "print(code, len(frame_rules.advance_at.made.signatures), len(kernel.run.made.signatures), "
        "len(kernel.run_alone.made.signatures), len(kernel.run_alone_unlimited.made.signatures))"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert "0 1 1 1 1" == printed.splitlines()[-1]


def test_a_configuration_that_names_no_strategy_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AXIOMD_STATE_DIR", str(tmp_path))
    (tmp_path / "settings.yml").write_text("strategy: {name: none_such}\nsymbols: [SPY]\nrisk: {}\n", encoding="utf-8")

    assert 1 == main(["doctor", "--compile", "--json"])
    assert checks(capsys)["compiled rules"] is False
