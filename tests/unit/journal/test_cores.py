"""Which cores a process beside may use: never ours while we work, where there is another, and its own again behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from axiomd.journal import cores
from axiomd.journal.cores import Apart, core_now, never_push

ALL = os.sched_getaffinity(0)
needs_two = pytest.mark.skipif(len(ALL) < 2, reason="one core alone")


@pytest.fixture
def pid() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


@pytest.fixture(autouse=True)
def given_back() -> Iterator[None]:
    yield
    os.sched_setaffinity(0, ALL)


def stay_on(core: int) -> None:
    os.sched_setaffinity(0, {core})
    assert core == core_now()


@needs_two
def test_it_leaves_our_core_and_gets_back_what_it_had(pid: int) -> None:
    apart = Apart(pid)

    for core in sorted(ALL):
        stay_on(core)
        apart.begin()
        assert ALL - {core} == os.sched_getaffinity(pid)
    apart.end()

    assert os.sched_getaffinity(pid) == ALL


@needs_two
def test_it_never_gets_more_than_it_was_given(pid: int) -> None:
    first, second, *_ = sorted(ALL)
    os.sched_setaffinity(pid, {second})
    apart = Apart(pid)
    stay_on(first)

    apart.begin()
    assert os.sched_getaffinity(pid) == {second}
    apart.end()
    assert os.sched_getaffinity(pid) == {second}


def test_with_no_other_core_it_stays_where_it_is(pid: int) -> None:
    core = min(ALL)
    os.sched_setaffinity(pid, {core})
    apart = Apart(pid)
    stay_on(core)

    apart.begin()
    assert os.sched_getaffinity(pid) == {core}
    apart.end()
    assert os.sched_getaffinity(pid) == {core}


@needs_two
def test_where_all_cores_are_threads_of_one_another_thread_will_do(pid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_threads_of", lambda _: frozenset(ALL))
    stay_on(min(ALL))

    Apart(pid).begin()

    assert ALL - {min(ALL)} == os.sched_getaffinity(pid)


def test_one_that_is_gone_or_a_system_that_does_not_say_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    gone = Apart(process.pid)
    gone.begin()
    gone.end()
    never_push(process.pid)

    monkeypatch.setattr(cores, "core_now", lambda: -1)
    Apart(os.getpid()).begin()

    assert os.sched_getaffinity(0) == ALL


def test_threads_are_read_as_the_system_writes_them() -> None:
    assert cores._numbers_of("0\n") == [0]
    assert cores._numbers_of("0,4-6,9\n") == [0, 4, 5, 6, 9]


def test_a_policy_that_somebody_chose_stays(pid: int) -> None:
    never_push(pid)
    assert os.sched_getscheduler(pid) == os.SCHED_BATCH

    os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    never_push(pid)
    assert os.sched_getscheduler(pid) == os.SCHED_IDLE
