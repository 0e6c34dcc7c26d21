"""One group owns every task, with a policy for each way one can end."""

from __future__ import annotations

import anyio
import pytest

from axiomd.contracts.errors import BrokerUnavailable
from axiomd.daemon import supervisor as s
from axiomd.daemon.supervisor import DEATHS_MAX, Failed, Supervisor, Task

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s, "BACKOFF_S_MIN", 0.0)


def nobody(task: str, error: str, restarts: int) -> None:
    del task, error, restarts


async def test_tasks_that_return_have_done_their_work() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("work")

    await Supervisor(nobody).run([Task("one", work), Task("two", work)])

    assert ["work", "work"] == done


async def test_a_task_that_dies_is_started_again_and_told_of() -> None:
    told: list[tuple[str, str, int]] = []
    deaths = iter([ValueError("first"), ValueError("second")])

    async def work() -> None:
        error = next(deaths, None)
        if error is not None:
            raise error

    supervisor = Supervisor(lambda *what: told.append(what))
    await supervisor.run([Task("feed", work)])

    assert [("feed", "first", 1), ("feed", "second", 2)] == told
    assert {"feed": 2} == supervisor.restarts


async def test_a_task_that_keeps_dying_ends_all() -> None:
    ended: list[str] = []

    async def work() -> None:
        raise ValueError("again")

    async def other() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("other")

    supervisor = Supervisor(nobody)
    with pytest.raises(Failed, match="bad: again"):
        await supervisor.run([Task("bad", work), Task("other", other)])

    assert ["other"] == ended
    assert DEATHS_MAX - 1 == supervisor.restarts["bad"]


async def test_a_vital_task_dies_once() -> None:
    async def work() -> None:
        raise AssertionError("ours")

    supervisor = Supervisor(nobody)
    with pytest.raises(Failed) as failed:
        await supervisor.run([Task("desk", work, is_vital=True)])

    assert isinstance(failed.value.cause, AssertionError)
    assert {} == supervisor.restarts


async def test_a_fault_of_the_other_side_does_not_kill_a_vital_task() -> None:
    faults = iter([BrokerUnavailable("gone")])

    async def work() -> None:
        fault = next(faults, None)
        if fault is not None:
            raise fault

    supervisor = Supervisor(nobody)
    await supervisor.run([Task("desk", work, is_vital=True)])

    assert {"desk": 1} == supervisor.restarts


async def test_stop_ends_every_task() -> None:
    supervisor = Supervisor(nobody)

    async def stop() -> None:
        supervisor.stop()

    await supervisor.run([Task("for ever", anyio.sleep_forever), Task("stop", stop)])

    assert {} == supervisor.restarts
