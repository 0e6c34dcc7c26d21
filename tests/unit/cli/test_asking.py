"""Which daemon is meant, where several run: never one by chance."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from axiomd import latch, presence
from axiomd.cli.asking import meant, typed
from axiomd.cli.main import main
from tests.unit.presence.test_presence import settle


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "SYSTEM_STATE_DIR", str(tmp_path / "system" / "axiomd"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("AXIOMD_STATE_DIR", "AXIOMD_INSTANCE"):
        monkeypatch.delenv(name, raising=False)


def test_the_one_that_runs_is_meant_and_among_several_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(tmp_path, "alpha")
    assert "alpha" == meant(None).instance
    settle(tmp_path, "main")
    assert ("main", "alpha") == (meant(None).instance, meant("alpha").instance)

    monkeypatch.setenv("AXIOMD_INSTANCE", "alpha")
    assert "alpha" == meant(None).instance


@pytest.mark.parametrize(
    "command", [["close", "SPY"], ["pause"], ["unpause"], ["resume", "--reason", "x"], ["reconcile"]]
)
def test_of_two_that_run_none_is_taken_by_chance(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(tmp_path, "alpha")
    settle(tmp_path, "beta")

    assert 2 == main(command)
    assert "error: several instances run: alpha, beta · --instance · name one\n" == capsys.readouterr().err


@pytest.mark.parametrize("words", [["resume"], ["reconcile", "--adopt"]])
@pytest.mark.parametrize("reason", ["", "  "])
def test_what_the_journal_keeps_needs_a_reason(
    words: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(tmp_path, "main")
    latch.trip(str(tmp_path / "axiomd" / "main"), latch.HALT, at_us=1, by="test", reason="loss")

    assert 2 == main([*words, "--reason", reason])

    assert "needs a reason · --reason" in capsys.readouterr().err
    assert latch.read(str(tmp_path / "axiomd" / "main")).is_tripped


def test_one_name_in_two_places_is_none_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settle(tmp_path, "main")
    settle(tmp_path / "system", "main")

    assert 2 == main(["close", "SPY"])
    assert "main runs in two places" in capsys.readouterr().err


@pytest.mark.parametrize(("encoding", "errors"), [("utf-8", "strict"), ("utf-8", "surrogateescape")])
def test_bytes_that_are_no_characters_are_no_account(
    monkeypatch: pytest.MonkeyPatch, encoding: str, errors: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"SIM\xff\n"), encoding, errors))

    assert typed("SIM", "resume") in ("", "SIM?")
