"""What `axiomd kill` says of what it left, in the same words whoever told it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from axiomd import presence
from axiomd.cli import kill
from axiomd.presence import Found
from tests.unit.cli.test_status import daemon, well
from tests.unit.presence.test_presence import present


@pytest.mark.parametrize(("flattens", "said"), [(False, "protected and left"), (True, "NOT CLOSED YET")])
def test_a_short_position_is_signed_as_the_broker_signs_it(
    flattens: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    positions = {"BAC": {"side": "SHORT", "qty": 100}, "SPY": {"side": "LONG", "qty": 40}}
    monkeypatch.setattr(kill, "ANSWERS_S_MAX", 0.0)

    with daemon(tmp_path / "c.sock", well(orders={}, positions=positions)):
        who = present(socket=str(tmp_path / "c.sock"))
        account = kill.Account(Found("main", str(tmp_path), who, is_running=True), is_quiet=False)
        code = kill._watch(account, who, flattens=flattens)

    assert code == (kill.EXIT_LEFT if flattens else kill.EXIT_DONE)
    assert account.told["positions"] == {"BAC": -100, "SPY": 40}
    assert [f"{said}: BAC -100", f"{said}: SPY 40"] == capsys.readouterr().out.splitlines()[:2]


def test_a_kill_of_one_instance_names_the_others_that_it_did_not_touch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AXIOMD_STATE_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("a", "b"):
        folder = tmp_path / "axiomd" / name
        folder.mkdir(parents=True)
        if name == "b":
            presence.write(folder, present(instance=name, pid=0))

    said = kill.quick(["--instance", "a"]), capsys.readouterr().out
    told = kill.quick(["--instance", "a", "--json"]), json.loads(capsys.readouterr().out)

    assert kill.EXIT_NO_DAEMON == said[0] == told[0]
    assert f"not touched: instance b ({tmp_path / 'axiomd/b'})" in said[1].splitlines()
    assert [{"instance": "b", "state_dir": str(tmp_path / "axiomd/b")}] == told[1]["not_touched"]
    assert not (tmp_path / "axiomd/b/kill.json").exists()
