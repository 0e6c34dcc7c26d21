"""What a group of operators is given: enough to trip the latch, and no word of it where there is no group."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from axiomd import latch
from axiomd.config.settings import Places
from axiomd.daemon.locks import wait_for_kill
from axiomd.daemon.sharing import share
from tests.unit.latch.test_latch import AT_US

NOBODY = 65534


def places_of(state_dir: Path, runtime_dir: Path | None = None) -> Places:
    return Places("main", state_dir, runtime_dir or state_dir, state_dir / "artifacts", state_dir / "artifacts")


def other_gid() -> int:
    """Give a group that files do not get by themselves, where this user may give to one."""
    mine = [gid for gid in os.getgroups() if gid != os.getegid()]
    return 60 if os.geteuid() == 0 else (mine or [os.getegid()])[0]


def modes_in(folder: Path) -> dict[str, tuple[str, int]]:
    found = {path.name: path.stat() for path in sorted(folder.iterdir())}
    return {name: (oct(stat.st_mode & 0o7777), stat.st_gid) for name, stat in found.items()}


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    latch.create(folder, at_us=AT_US, by="daemon")
    wait_for_kill(folder)
    for name in ("daemon.json", "journal.sqlite"):
        (folder / name).touch(0o600)
    return folder


def as_a_member(gid: int, folder: Path, do: Callable[[], object]) -> bool:
    """Do something there as a member of the group, from the folder on: the path to a test's is its owner's alone."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.chdir(folder)
            if os.geteuid() == 0:
                os.setgroups([gid])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            os.umask(0o077)
            do()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_latch_and_locks_are_the_groups_to_write_and_the_rest_to_read(state_dir: Path) -> None:
    gid = other_gid()

    assert "" == share(places_of(state_dir), gid)

    assert ("0o2770", gid) == (oct(state_dir.stat().st_mode & 0o7777), state_dir.stat().st_gid)
    written, read = ("0o660", gid), ("0o640", gid)
    assert {
        "daemon.json": read, "journal.sqlite": read, "kill.json": written, "kill.lock": written, "latch.lock": written,
    } == modes_in(state_dir)  # fmt: skip


def test_a_member_trips_a_latch_that_lies_there_and_one_that_was_removed(state_dir: Path) -> None:
    gid = other_gid()
    share(places_of(state_dir), gid)

    def trip() -> None:
        latch.trip(".", latch.HALT, at_us=AT_US, by="member", reason="news")

    assert as_a_member(gid, state_dir, trip)
    assert "news" == latch.read(state_dir).reason
    (state_dir / latch.LATCH_FILE).unlink()
    (state_dir / latch.LOCK_FILE).unlink()
    assert as_a_member(gid, state_dir, trip)

    shared = ("0o660", gid)
    assert [shared, shared] == [modes_in(state_dir)[name] for name in (latch.LATCH_FILE, latch.LOCK_FILE)]


def test_without_a_group_what_is_made_stays_its_owners(tmp_path: Path) -> None:
    latch.create(tmp_path, at_us=AT_US, by="daemon")
    (tmp_path / latch.LATCH_FILE).unlink()

    latch.trip(tmp_path, latch.HALT, at_us=AT_US, by="daemon", reason="r")

    assert {"0o600"} == {mode for mode, _ in modes_in(tmp_path).values()}


def test_a_runtime_dir_of_its_own_lets_the_group_through(state_dir: Path, tmp_path: Path) -> None:
    runtime_dir = tmp_path / "run"
    runtime_dir.mkdir(mode=0o700)

    share(places_of(state_dir, runtime_dir), other_gid())

    assert ("0o750", other_gid()) == (oct(runtime_dir.stat().st_mode & 0o7777), runtime_dir.stat().st_gid)


def test_what_may_not_be_given_is_said_with_its_place() -> None:
    folder = Path("/proc/self/task")  # nobody's to give

    assert f"{folder}: Operation not permitted" == share(places_of(folder), other_gid() + 1)
