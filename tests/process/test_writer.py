"""The process that writes a daemon's journal: killed, hung or outliving its daemon, it loses and doubles nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from axiomd.contracts import events as e
from axiomd.contracts.errors import EXIT_OK
from axiomd.journal.verify import verify
from tests.process.stage import HALF_DAY, Running, Stage, wait_until
from tests.process.test_kill import hold
from tests.process.test_restart import orders_sent_once

pytestmark = pytest.mark.slow


def busy(stage: Stage) -> Running:
    """A daemon that is stopped in the middle of a day, with entries and a position."""
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(speed=2500)
    running = stage.start_ready()
    running.writer_pid()
    hold(stage, running, entries=True, position=True)
    return running


def waits_for_a_lock(running: Running) -> bool:
    return any("->" in line and f" {running.pid} " in line for line in Path("/proc/locks").read_text().splitlines())


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["it is gone", "it hangs"])
def test_a_day_goes_on_without_its_writer_and_ends_as_the_undisturbed_one(stage: Stage, end: signal.Signals) -> None:
    """One that hangs was waited for behind a shield for ever: not even a stop could end the daemon."""
    running = busy(stage)
    expected = stage.replay()

    os.kill(running.writer_pid(), end)
    running.send(signal.SIGCONT)
    code = running.wait()

    assert code == EXIT_OK
    assert not stage.latch().is_tripped
    assert expected == stage.trades()
    assert verify(stage.journal).is_sound
    assert orders_sent_once(stage)
    assert [] == stage.events(e.ReconDrift)


def test_the_next_daemon_waits_for_a_writer_that_outlives_its_own(stage: Stage) -> None:
    running = busy(stage)
    expected = stage.replay()
    writer = running.writer_pid()
    os.kill(writer, signal.SIGSTOP)
    running.process.kill()
    running.process.wait()

    following = stage.start()
    wait_until(lambda: waits_for_a_lock(following), "it waits for the writer")
    count = len(stage.entries())
    os.kill(writer, signal.SIGCONT)
    code = following.wait()

    assert code == EXIT_OK
    assert len(stage.entries()) > count
    assert expected == stage.trades()
    assert verify(stage.journal).is_sound
    assert orders_sent_once(stage)
