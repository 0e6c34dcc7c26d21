"""Days that are over: written each, and what cannot be written kept within a bound, with an alarm."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from axiomd.contracts.errors import InputError
from axiomd.daemon import day_writer
from axiomd.daemon.alarms import Alarms
from axiomd.daemon.day_writer import DAYS_KEPT_MAX, UNWRITTEN, DayWriter
from axiomd.daemon.days import Day, Days
from axiomd.daemon.health import Heartbeats


def day(number: int) -> Day:
    return Day(f"run-{number}", cast(Any, None), 0, 0, "", cast(Any, None), (), 0)


class Desk:
    """A day writer with so many days over, where some cannot be written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, days: int, unwritable: set[str]) -> None:
        self.unwritable = unwritable
        self.written: list[str] = []
        self.over = [day(number) for number in range(days)]
        self.alarms = Alarms(lambda *_: None)
        beats = Heartbeats()
        beats.expect("artifacts", 0)
        monkeypatch.setattr(day_writer, "write_day", self.write)
        self.writer = DayWriter(
            cast(Days, self), cast(Any, SimpleNamespace(now_us=1)),
            cast(Any, SimpleNamespace(places=None, mode="paper")), beats, self.alarms,
        )  # fmt: skip

    def write(self, over: Day, *_: object) -> Path:
        if over.run_id in self.unwritable:
            raise InputError("the run cannot be written", over.run_id, "mend it")
        self.written.append(over.run_id)
        return Path(over.run_id)


def test_a_day_that_cannot_be_written_keeps_no_other_back_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch, 3, {"run-0"})

    first = anyio.run(desk.writer.write_all)
    raised, desk.unwritable = set(desk.alarms.facts), set()
    second = anyio.run(desk.writer.write_all)

    assert (False, True) == (first, second)
    assert ["run-1", "run-2", "run-0"] == desk.written
    assert ({UNWRITTEN}, {}) == (raised, desk.alarms.facts)
    assert [] == desk.over


def test_of_days_that_cannot_be_written_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {f"run-{number}" for number in range(DAYS_KEPT_MAX + 3)}
    desk = Desk(monkeypatch, len(runs), runs)

    anyio.run(desk.writer.write_all)

    assert DAYS_KEPT_MAX == len(desk.over)
    assert "run-3" == desk.over[0].run_id
    assert not desk.writer.is_behind
