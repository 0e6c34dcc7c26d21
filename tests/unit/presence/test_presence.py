"""Who runs where: written whole, read without trust, a pid only together with its start."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd import presence
from axiomd.presence import Presence


def present(**given: Any) -> Presence:
    usual: dict[str, Any] = {
        "pid": os.getpid(), "start_time": presence.start_time_of(os.getpid()), "version": "0.1.0", "instance": "main",
        "account": "SIM", "mode": "paper", "run_id": "paper-SIM-2025-01-02", "socket": "/run/x/control.sock",
        "broker": {"kind": "sim", "address": "/run/x/broker.sock"}, "metrics": {"host": "127.0.0.1", "port": 9464},
        "is_ready": True,
    }  # fmt: skip
    return Presence(**(usual | given))


def settle(base: Path, instance: str, **given: Any) -> Path:
    folder = base / "axiomd" / instance
    folder.mkdir(parents=True)
    presence.write(folder, present(instance=instance, **given))
    return folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    presence.write(tmp_path, present())

    assert present() == presence.read(tmp_path)
    assert 0o600 == stat.S_IMODE((tmp_path / presence.PRESENCE_FILE).stat().st_mode)
    assert [presence.PRESENCE_FILE] == [path.name for path in tmp_path.iterdir()]


def test_file_has_the_published_keys(tmp_path: Path) -> None:
    presence.write(tmp_path, present())

    assert [
        "pid", "start_time", "version", "instance", "account", "mode", "run_id", "socket", "broker", "metrics", "ready",
        "place",
    ] == list(json.loads((tmp_path / presence.PRESENCE_FILE).read_text()))  # fmt: skip


def test_writing_again_takes_the_place_of_the_old_one_and_its_mode(tmp_path: Path) -> None:
    presence.write(tmp_path, present(is_ready=False))
    presence.write(tmp_path, present(run_id="paper-SIM-2025-01-03"), mode=0o640)

    assert present(run_id="paper-SIM-2025-01-03") == presence.read(tmp_path)
    assert 0o640 == stat.S_IMODE((tmp_path / presence.PRESENCE_FILE).stat().st_mode)


def test_writing_that_fails_leaves_the_old_one_whole(tmp_path: Path) -> None:
    presence.write(tmp_path, present())
    (tmp_path / f"{presence.PRESENCE_FILE}.{os.getpid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        presence.write(tmp_path, present(account="X"))

    assert present() == presence.read(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


@given(st.binary(max_size=200))
def test_no_bytes_in_the_file_can_raise(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / presence.PRESENCE_FILE).write_bytes(text)

    assert presence.read(folder) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("pid", "1"), ("pid", True), ("start_time", None), ("ready", 1), ("socket", 5), ("broker", []), ("metrics", None)],
)
def test_key_of_another_type_is_not_believed(tmp_path: Path, key: str, value: object) -> None:
    presence.write(tmp_path, present())
    path = tmp_path / presence.PRESENCE_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    assert presence.read(tmp_path) is None


def test_presence_in_a_copy_of_its_folder_is_none_and_in_a_folder_that_moved_it_is_there(tmp_path: Path) -> None:
    """A kill there ended the daemon of the original, which nobody latched, and said that it comes back latched."""
    own, moved, copied = (tmp_path / name for name in ("own", "moved", "copied"))
    own.mkdir()
    presence.write(own, present())
    shutil.copytree(own, copied)
    own.rename(moved)

    assert present() == presence.read(moved)
    assert presence.read(copied) is None


def test_file_too_large_or_no_file_is_none(tmp_path: Path) -> None:
    assert presence.read(tmp_path) is None
    assert presence.read(tmp_path / "nowhere") is None
    presence.write(tmp_path, present(version="x" * presence.PRESENCE_BYTES_MAX))
    assert presence.read(tmp_path) is None


def test_process_is_known_by_its_number_and_its_start() -> None:
    start_time = presence.start_time_of(os.getpid())

    assert start_time is not None
    assert presence.is_alive(present())
    assert not presence.is_alive(present(start_time=start_time + 1))
    assert not presence.is_alive(present(pid=0))


def test_process_that_ended_is_not_alive_even_before_it_is_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        start_time = presence.start_time_of(child.pid)
        assert presence.is_alive(present(pid=child.pid, start_time=start_time))
        assert child.stdin is not None
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

        assert presence.start_time_of(child.pid) is None
    assert not presence.is_alive(present(pid=child.pid, start_time=start_time))


def test_only_its_own_presence_is_removed(tmp_path: Path) -> None:
    presence.write(tmp_path, present())
    presence.remove(tmp_path, pid=os.getpid() + 1)
    assert present() == presence.read(tmp_path)
    presence.remove(tmp_path, pid=os.getpid())
    presence.remove(tmp_path, pid=os.getpid())

    assert presence.read(tmp_path) is None


# --- where to look ---


def test_state_dir_of_the_environment_is_the_only_place() -> None:
    environ = {"AXIOMD_STATE_DIR": "/srv/x", "AXIOMD_INSTANCE": "two", "XDG_STATE_HOME": "/state"}

    assert [("two", "/srv/x")] == presence.state_dirs(environ)
    assert [("three", "/srv/x")] == presence.state_dirs(environ, "three")


def test_without_it_both_places_are_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system, user = tmp_path / "system", tmp_path / "user"
    monkeypatch.setattr(presence, "SYSTEM_STATE_DIR", str(system))
    for folder in (system / "main", system / "accounts", user / "axiomd" / "second"):
        folder.mkdir(parents=True)
    (system / "a file").write_text("")
    environ = {"XDG_STATE_HOME": str(user)}

    assert [
        ("main", str(system / "main")), ("second", str(user / "axiomd/second")), ("main", str(user / "axiomd/main")),
    ] == presence.state_dirs(environ)  # fmt: skip
    (system / "x").mkdir()
    assert [("x", str(system / "x")), ("x", str(user / "axiomd/x"))] == presence.state_dirs(environ, "x")
    assert [("y", str(user / "axiomd/y")), ("y", str(system / "y"))] == presence.state_dirs(environ, "y")


def test_users_place_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from axiomd.config.settings import places

    for state_home in (str(tmp_path), "relative", ""):
        monkeypatch.setenv("XDG_STATE_HOME", state_home)
        expected = str(places("main").state_dir)

        assert expected == str(Path(presence.user_base(dict(os.environ))) / "main")


def test_running_one_comes_first_and_the_own_instance_among_equals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "SYSTEM_STATE_DIR", str(tmp_path / "none"))
    settle(tmp_path, "alpha", pid=2**22 + 1)
    settle(tmp_path, "main", pid=2**22 + 1)
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    assert ["main", "alpha"] == [each.instance for each in presence.look(environ)]
    settle(tmp_path, "zeta")

    assert [("zeta", True), ("main", False), ("alpha", False)] == [
        (each.instance, each.is_running) for each in presence.look(environ)
    ]


def test_of_two_places_the_one_that_a_dead_daemon_left_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system"
    monkeypatch.setattr(presence, "SYSTEM_STATE_DIR", str(system))
    (system / "alpha").mkdir(parents=True)
    left = settle(tmp_path, "alpha", pid=2**22 + 1)

    assert str(left) == presence.look({"XDG_STATE_HOME": str(tmp_path)}, "alpha")[0].state_dir


def test_presence_is_of_the_standard_library_alone() -> None:
    script = "import sys, axiomd.presence; print(*sorted(m for m in sys.modules if m.startswith('axiomd')))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "axiomd axiomd.bare_json axiomd.native axiomd.presence" == told.stdout.strip()
