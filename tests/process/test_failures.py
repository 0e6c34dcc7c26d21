"""What breaks inside: an engine or a guard that raises, a journal that dies or is damaged."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable

import pytest

from axiomd.contracts import events as e
from axiomd.contracts.errors import EXIT_INTERNAL, EXIT_JOURNAL_CORRUPT
from axiomd.journal.log import Journal
from axiomd.journal.verify import verify
from axiomd.journal.wal import PAGE_BYTES
from tests.process.campaign import unprotected
from tests.process.stage import HALF_DAY, Running, Stage, wait_until
from tests.process.test_kill import sends_after_trip

pytestmark = pytest.mark.slow

WRECK = '''
"""A strategy package that breaks the program it is loaded into: the {n}th call of {what} raises."""
from axiomd.core.strategies.inside_bar import STRATEGY
from {module} import {owner}

whole, calls = {owner}.{what}, 0


def broken(*args, **kwargs):
    global calls
    calls += 1
    assert calls < {n}, "planted"
    return whole(*args, **kwargs)


{owner}.{what} = broken
'''


HANG = """
import os
import signal


def hanging(*args, **kwargs):
    if calls + 1 == {n}:
        with open(os.environ["AXIOMD_STATE_DIR"] + "/sim.lock") as lock:
            os.kill(int(lock.read()), signal.SIGSTOP)
    return broken(*args, **kwargs)


{owner}.{what} = hanging
"""


STUBBORN = '''
"""A strategy whose step cannot be compiled."""
from dataclasses import replace

from axiomd.core.compiled import njit
from axiomd.core.strategies import inside_bar


@njit
def trigger(si, sf, pi, pf, win, n, bar, out):
    return bar.no_such_column


STRATEGY = replace(inside_bar.STRATEGY, trigger=trigger)
'''


def wrecked(stage: Stage, module: str, owner: str, what: str, n: int) -> Running:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_plugin("wrecker", WRECK.format(module=module, owner=owner, what=what, n=n))
    stage.write_config(strategy="wrecker")
    return stage.start(AXIOMD_NATIVE="off")  # calls within machine code ask nobody for a method


@pytest.mark.timeout(180)  # its other step is compiled first
def test_a_step_that_cannot_be_compiled_ends_latched_with_7(stage: Stage) -> None:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_plugin("stubborn", STUBBORN)
    stage.write_config(strategy="stubborn")

    code = stage.start().wait()

    assert code == EXIT_INTERNAL
    assert stage.latch().level == "halt"
    assert "task rules died: TypingError" in stage.latch().reason
    assert stage.events(e.SessionOpened) == []


@pytest.mark.parametrize(
    ("module", "owner", "what", "n"),
    [
        ("axiomd.core.entries", "Entries", "_take_setup", 12),
        ("axiomd.core.judging", "Chain", "end", 12),
        ("axiomd.core.reports", "Reports", "fill", 6),
    ],
    ids=["engine", "guard", "books"],
)
def test_what_raises_in_the_engine_ends_latched_with_7(
    stage: Stage, module: str, owner: str, what: str, n: int
) -> None:
    running = wrecked(stage, module, owner, what, n)

    code = running.wait()
    status = stage.run("status")

    assert code == EXIT_INTERNAL
    assert stage.latch().level == "halt"
    assert "AssertionError: planted" in stage.latch().reason
    assert "planted" in status.stdout
    assert '"event":"daemon.failed"' in running.log
    assert stage.events(e.KillTripped)[-1].reason == stage.latch().reason
    assert verify(stage.journal).is_sound
    assert stage.broker_truth().entries == []
    assert unprotected(stage) == []


def test_a_failure_while_the_broker_hangs_is_written_down_too(stage: Stage) -> None:
    """The journal had no row that says why, and the last line spoke of an ExceptionGroup."""
    stage.write_tape(11, span=HALF_DAY)
    what = {"module": "axiomd.core.entries", "owner": "Entries", "what": "_take_setup", "n": 12}
    stage.write_plugin("wrecker", WRECK.format(**what) + HANG.format(**what))
    stage.write_config(strategy="wrecker")
    running = stage.start(AXIOMD_NATIVE="off")

    code = running.wait()

    assert code == EXIT_INTERNAL
    assert "AssertionError: planted" in stage.latch().reason
    assert stage.events(e.KillTripped)[-1].reason == stage.latch().reason
    assert [line for line in running.log.splitlines() if not line.startswith("{")] == []


def test_the_restart_after_a_failure_is_latched_and_loses_nothing(stage: Stage) -> None:
    wrecked(stage, "axiomd.core.reports", "Reports", "fill", 6).wait()
    stage.write_plugin("wrecker", "from axiomd.core.strategies.inside_bar import STRATEGY")
    sent = stage.entries_sent_to_broker()

    code = stage.start().wait()

    assert code == 0
    assert stage.latch().is_tripped
    assert stage.entries_sent_to_broker() == sent
    assert verify(stage.journal).is_sound
    assert sorted(stage.filled_at_broker()) == sorted(event.fill.exec_id for event in stage.events(e.FillReceived))
    assert [] == stage.events(e.ReconDrift)


def dying(stage: Stage, speed: int = 2500) -> Running:
    """A daemon with entries and a position whose journal can take nothing more, also where its WAL has room."""
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(speed=speed)
    running = stage.start_ready()
    running.wait_state(lambda state: bool(state["orders"] and state["positions"]), "entries and a position")
    # the file itself is as it was laid out: the WAL is written far behind its size
    size = stage.journal.stat().st_size
    for pid in (running.pid, running.writer_pid()):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))
    return running


def test_a_dying_journal_latches_cancels_and_ends_with_7_once_flat(stage: Stage) -> None:
    # once flat it is gone: a bar takes half a second, so that it can be asked before
    running = dying(stage, speed=500)

    wait_until(lambda: stage.latch().is_tripped, "it is latched")
    state = running.wait_state(lambda state: not state["orders"], "entries are cancelled")
    code = running.wait()
    truth = stage.broker_truth()

    assert "JournalFailure" in stage.latch().reason
    assert state["journal"]["is_ok"] is False
    assert code == EXIT_INTERNAL
    assert (truth.positions, truth.entries) == ({}, [])
    assert "JournalFailure" in running.log
    assert "JournalFailure" in stage.run("status").stdout


UNHEARD = '''
"""A strategy package over a disk that is full from the moment on in which the broker has taken the {n}th order."""
import resource

from axiomd.contracts.events import OrderSent
from axiomd.core.strategies.inside_bar import STRATEGY
from axiomd.daemon.ledger import Ledger

whole, heard = Ledger.append, 0


def fill(self, event, cause):
    global heard
    heard += isinstance(event, OrderSent)
    if heard == {n}:
        size = self.journal.path.stat().st_size
        for pid in (0, self.journal.writer_pid):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))
    return whole(self, event, cause)


Ledger.append = fill
'''


def dying_of_a_report(stage: Stage) -> Running:
    """A daemon whose journal dies before it can say of an order that the broker took it."""
    stage.write_tape(11, span=HALF_DAY)
    stage.write_plugin("unheard", UNHEARD.format(n=7))
    stage.write_config(speed=2500, strategy="unheard")
    return stage.start_ready()


@pytest.mark.parametrize("die", [dying, dying_of_a_report], ids=["between bars", "by a report"])
def test_after_a_dead_journal_the_restart_takes_in_what_the_broker_did(
    stage: Stage, die: Callable[[Stage], Running]
) -> None:
    die(stage).wait()
    sent = stage.entries_sent_to_broker()

    running = stage.start_ready()
    state = running.state()
    code = running.wait()

    assert "JournalFailure" in state["kill"]["reason"]
    assert state["broker"]["is_reconciled"] is True
    assert code == 0
    assert stage.entries_sent_to_broker() == sent
    assert verify(stage.journal).is_sound
    assert any("JournalFailure" in event.reason for event in stage.events(e.KillTripped))
    assert sorted(stage.filled_at_broker()) == sorted(event.fill.exec_id for event in stage.events(e.FillReceived))
    assert sends_after_trip(stage) == []


def test_flatten_with_a_dead_journal_closes_and_ends(stage: Stage) -> None:
    running = dying(stage)
    wait_until(lambda: stage.latch().is_tripped, "it is latched")

    stage.run("kill", "--flatten", "--reason", "out")
    code = running.wait()

    assert code == EXIT_INTERNAL
    truth = stage.broker_truth()
    assert (truth.positions, truth.entries) == ({}, [])


UNOPENED = '''
"""A strategy package over a journal that cannot be opened for writing."""
import sqlite3

from axiomd.core.strategies.inside_bar import STRATEGY
from axiomd.journal import log


def refuse(db):
    sqlite3.connect("/nowhere/at/all.sqlite")  # SQLite's own complaint, with its code


log.create = refuse
'''


def test_a_journal_that_cannot_be_opened_latches_cancels_watches_and_ends_with_7_when_flat(stage: Stage) -> None:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(speed=2500, strategy="wrecker")
    stage.write_plugin("wrecker", "from axiomd.core.strategies.inside_bar import STRATEGY")
    first = stage.start_ready()
    first.wait_state(lambda state: bool(state["orders"] and state["positions"]), "entries and a position")
    first.kill()
    rows = len(stage.entries())
    held = stage.broker_truth().positions
    stage.write_plugin("wrecker", UNOPENED)

    running = stage.start_ready()
    state = running.wait_state(lambda state: not state["orders"], "entries are cancelled")
    code = running.wait()
    truth = stage.broker_truth()

    assert set(state["positions"]) <= set(held)
    assert state["kill"]["state"] == "TRIPPED"
    assert "JournalFailure" in stage.latch().reason
    assert (code, truth.positions, truth.entries) == (EXIT_INTERNAL, {}, [])
    assert len(stage.entries()) == rows
    stage.write_plugin("wrecker", "from axiomd.core.strategies.inside_bar import STRATEGY")
    assert stage.start_ready().wait() == 0
    assert sorted(stage.filled_at_broker()) == sorted(event.fill.exec_id for event in stage.events(e.FillReceived))
    assert [] == stage.events(e.ReconDrift)


def finished(stage: Stage) -> int:
    """A day that ended in order; gives the rows of its journal."""
    stage.write_tape(3, symbols=("AAA", "BBB"), span=HALF_DAY)
    stage.write_config(symbols=("AAA", "BBB"))
    assert stage.start().wait() == 0
    return len(stage.entries())


def refused(stage: Stage) -> str:
    """Start over a damaged journal: exit 6, nothing mended; gives what it said."""
    before = stage.journal.read_bytes()
    running = stage.start()
    assert running.wait() == EXIT_JOURNAL_CORRUPT, running.log
    assert before == stage.journal.read_bytes()
    wait_until(lambda: stage.broker_pid() == 0, "no broker is left behind")
    return running.log


def test_a_changed_row_refuses_to_start_and_names_the_last_good_one(stage: Stage) -> None:
    finished(stage)
    db = sqlite3.connect(stage.journal)
    for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {trigger}")
    db.execute("UPDATE events SET ts_us = ts_us + 1 WHERE seq = 50")
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()

    said = refused(stage)

    assert "the last good row is 49" in said
    assert "put a copy that axiomd journal verify calls sound in its place" in said


def test_a_journal_on_a_disk_that_is_not_there_refuses_to_start_and_its_link_stays(stage: Stage) -> None:
    """A new journal took the link's place, armed, with no limit, trip or key of the past in it."""
    finished(stage)
    stage.journal.rename(stage.folder / "away.sqlite")
    stage.journal.symlink_to(stage.folder / "disk" / "journal.sqlite")
    running = stage.start()

    code = running.wait()

    assert code == EXIT_JOURNAL_CORRUPT
    assert "it is a link that leads nowhere" in running.log
    assert stage.journal.is_symlink()


def test_a_truncated_journal_refuses_to_start(stage: Stage) -> None:
    finished(stage)
    content = stage.journal.read_bytes()
    stage.journal.write_bytes(content[: len(content) // 2 // 4096 * 4096])

    said = refused(stage)

    assert "the last good row is" in said


def test_a_page_whose_end_was_zeroed_refuses_to_start(stage: Stage) -> None:
    """SQLite reads its rows as NULL, and says nothing of it."""
    finished(stage)
    content = bytearray(stage.journal.read_bytes())
    end = len(content) // 2 // PAGE_BYTES * PAGE_BYTES
    content[end - PAGE_BYTES // 2 : end] = bytes(PAGE_BYTES // 2)
    stage.journal.write_bytes(content)

    said = refused(stage)

    assert "the last good row is" in said


def test_an_empty_journal_is_no_new_one(stage: Stage) -> None:
    finished(stage)
    stage.journal.write_bytes(b"")

    said = refused(stage)

    assert "no journal" in said


def test_rows_missing_at_the_end_are_seen_by_the_run_folder(stage: Stage) -> None:
    rows = finished(stage)
    short = stage.folder / "short.sqlite"
    with Journal(short, "") as journal:
        for entry in stage.entries()[: rows // 2]:
            journal.append(entry.event, entry.cause)
    stage.journal.unlink()
    short.rename(stage.journal)

    said = refused(stage)

    assert f"the last good row is {rows // 2}" in said


GUARD = '''
"""A guard of somebody else's that raises."""
from pydantic import BaseModel
from axiomd.core.guards.api import Guard


class Params(BaseModel):
    pass


def check(order, figures, params):
    raise ZeroDivisionError("planted")


GUARD = Guard(name="Touchy", params=Params, check=check)
'''


def test_a_guard_of_others_that_raises_refuses_every_order_and_the_day_goes_on(stage: Stage) -> None:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_plugin("touchy", GUARD, group="axiomd.guards", name="GUARD")
    stage.write_config(risk={"touchy": {}})

    running = stage.start()
    code = running.wait()

    blocked = stage.events(e.OrderBlocked)
    assert code == 0
    assert blocked
    assert {event.guard for event in blocked} == {"Touchy"}
    assert "Touchy" in running.log
    assert stage.latch().level == ""
    assert [] == stage.events(e.OrderSent)
