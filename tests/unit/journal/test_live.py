"""A live journal written by a process beside: the rows of one written in place, and no fewer promises."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiomd.contracts import events as e
from axiomd.contracts.errors import JournalWriteFailed
from axiomd.journal import beside, wal
from axiomd.journal.beside import EARLY_ROWS, Writer, WriterGone, lock_of, wait_for_writer
from axiomd.journal.block import Block
from axiomd.journal.live import AHEAD_ROWS, LiveJournal
from axiomd.journal.log import HELD_EVENTS, Journal
from axiomd.journal.reading import rows
from axiomd.journal.verify import verify
from tests.process.stage import wait_until

RUN = "run-1"
MANY = 3 * AHEAD_ROWS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[LiveJournal]:
    made = handed_over(path)
    yield made
    made.abandon()


def handed_over(path: Path) -> LiveJournal:
    journal = LiveJournal(path, RUN)
    assert journal.hand_over(Writer(path))
    assert journal.writer_pid
    return journal


def append(journal: Journal, count: int) -> None:
    for _ in range(count):
        number = journal.count
        journal.append(e.BrokerLost(ts_us=number, reason=f"{number}: \u00e9\n\u2028"), number // 2)


def is_held(path: Path) -> bool:
    descriptor = os.open(lock_of(path), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def kill_writer(journal: LiveJournal) -> None:
    """As the system does where memory is short."""
    os.kill(journal.writer_pid, signal.SIGKILL)
    wait_for_writer(journal.path)


steps = st.lists(
    st.sampled_from([1, 7, MANY, "ahead", "commit", "run", "head", "kill", "checkpoint", "room"]), max_size=25
)


@settings(max_examples=12, deadline=None)
@given(steps)
def test_rows_are_those_of_a_journal_written_in_place(story: list[int | str]) -> None:
    with TemporaryDirectory() as folder:
        with Journal(Path(folder) / "a.sqlite", RUN) as here:
            there = handed_over(Path(folder) / "b.sqlite")
            for step in [*story, 1, "commit"]:
                for journal in (here, there):
                    do(journal, step)
                assert (here.count, here.is_dirty) == (there.count, there.is_dirty)
                if step == "head":
                    assert here.head == there.head
            assert list(rows(here.path)) == list(rows(there.path))
            there.close()

        assert verify(Path(folder) / "b.sqlite").is_sound


def do(journal: Journal, step: int | str) -> None:
    match step:
        case int():
            append(journal, step)
        case "ahead":
            journal.run_ahead()
        case "commit":
            journal.commit()
        case "run":
            journal.run_id = f"run-{journal.count}"
        case "checkpoint" if not journal.is_dirty:
            journal.checkpoint()
        case "room" if not journal.is_dirty:
            journal.make_room()
        case "kill" if isinstance(journal, LiveJournal) and journal.writer_pid:
            kill_writer(journal)


def test_nothing_is_there_before_the_commit_and_all_after(journal: LiveJournal, path: Path) -> None:
    append(journal, MANY)
    journal.run_ahead()
    append(journal, 1)
    assert [] == list(rows(path))

    journal.push()
    journal.commit()

    assert not journal.is_dirty
    assert list(range(1, MANY + 2)) == [row[0] for row in rows(path)]


def test_the_head_is_known_before_the_process_says_it(journal: LiveJournal, path: Path) -> None:
    append(journal, MANY)
    journal.run_ahead()
    append(journal, 1)

    head = journal.head
    journal.commit()

    assert head == journal.head
    assert [head] == [row[-1] for row in rows(path)][-1:]


def died_idle(journal: LiveJournal) -> None:
    kill_writer(journal)
    append(journal, MANY)


def died_with_rows(journal: LiveJournal) -> None:
    append(journal, MANY)
    journal.run_ahead()
    kill_writer(journal)


def died_behind_its_commit(journal: LiveJournal) -> None:
    append(journal, MANY)
    journal.push()
    assert journal._writer is not None
    journal._writer.answer()  # which never reached us
    kill_writer(journal)


@pytest.mark.parametrize("story", [died_idle, died_with_rows, died_behind_its_commit])
def test_a_process_that_dies_takes_nothing_with_it(
    story: Callable[[LiveJournal], None], journal: LiveJournal, path: Path
) -> None:
    append(journal, 5)
    journal.commit()

    story(journal)
    journal.commit()

    assert not journal.writer_pid
    assert list(range(1, MANY + 6)) == [row[0] for row in rows(path)]
    append(journal, 1)
    journal.commit()
    assert MANY + 6 == verify(path).count
    assert verify(path).is_sound


def test_a_file_that_another_wrote_is_not_gone_on_with(journal: LiveJournal, path: Path) -> None:
    append(journal, MANY)
    journal.run_ahead()
    kill_writer(journal)
    with Journal(path, "other") as other:
        append(other, 1)

    with pytest.raises(JournalWriteFailed, match="none that was written here"):
        journal.commit()

    assert 1 == len(list(rows(path)))


def test_a_full_disk_fails_aloud_leaves_whole_groups_and_can_be_tried_again(journal: LiveJournal, path: Path) -> None:
    append(journal, MANY)
    journal.commit()
    resource.prlimit(journal.writer_pid, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))

    append(journal, MANY)
    journal.run_ahead()
    for _ in range(2):
        with pytest.raises(JournalWriteFailed, match="cannot be written"):
            journal.commit()

    assert MANY == len(list(rows(path)))
    resource.prlimit(journal.writer_pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.commit()
    assert 2 * MANY == verify(path).count
    assert verify(path).is_sound


def test_what_is_discarded_is_not_committed_later(journal: LiveJournal, path: Path) -> None:
    append(journal, 5)
    journal.commit()
    append(journal, MANY)
    journal.run_ahead()

    journal.discard()

    assert not journal.is_dirty
    append(journal, 1)
    with pytest.raises(JournalWriteFailed, match="cannot follow"):
        journal.commit()
    assert 5 == len(list(rows(path)))


def test_an_event_that_cannot_be_written_lets_nothing_of_its_commit_in(journal: LiveJournal, path: Path) -> None:
    append(journal, MANY)
    journal.run_ahead()
    append(journal, 1)
    journal.append(e.ConfigLoaded(ts_us=100, config_hash="", config={"what": object()}))

    for _ in range(2):
        with pytest.raises(TypeError):
            journal.commit()

    assert [] == list(rows(path))


def test_more_than_the_pipe_holds_gets_there(journal: LiveJournal, path: Path) -> None:
    os.kill(journal.writer_pid, signal.SIGSTOP)
    for _ in range(10):
        journal.append(e.BrokerLost(ts_us=1, reason="x" * 500_000))
        append(journal, AHEAD_ROWS)
        journal.run_ahead()  # which waits for nobody

    os.kill(journal.writer_pid, signal.SIGCONT)
    journal.commit()

    assert 10 * (AHEAD_ROWS + 1) == verify(path).count


def test_a_block_of_more_pieces_than_the_system_takes_gets_there(
    journal: LiveJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "PARTS_MAX", 3)
    append(journal, 4 * HELD_EVENTS)

    journal.run_ahead()
    journal.commit()

    assert 4 * HELD_EVENTS == verify(path).count


def test_what_the_disk_was_told_early_is_as_if_it_were_not_there(journal: LiveJournal, path: Path) -> None:
    append(journal, 4 * EARLY_ROWS)
    journal.run_ahead()
    wait_until(lambda: wal.wal_of(path).stat().st_size > 2 * EARLY_ROWS * 100, "rows are in the WAL")

    kill_writer(journal)
    assert [] == list(rows(path))

    journal.commit()
    assert 4 * EARLY_ROWS == verify(path).count


def test_the_disk_is_told_of_many_rows_and_not_of_few(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        wal, "_begin_to_write", lambda file, *_: told.append(str(Path(f"/proc/self/fd/{file}").readlink()))
    )
    Journal(path, RUN).close()
    file = beside._File(path)
    few, many = block_of(1), block_of(EARLY_ROWS)

    file.add(few, 1)
    assert not file.commit().error
    assert told == []

    file.add(few, 2)
    file.add(many, 3)
    assert told == [str(wal.wal_of(path))]
    file.add(few, 3 + EARLY_ROWS)
    assert EARLY_ROWS + 3 == file.commit().count
    assert len(told) == 1
    file.close()


def block_of(count: int) -> Block:
    block = Block(RUN)
    block.add([e.ReconStarted(ts_us=1)] * count, [""] * count, [0] * count)
    return block


def test_rows_that_are_chained_here_already_are_written_here(path: Path) -> None:
    journal = LiveJournal(path, RUN)
    append(journal, 1)
    assert journal.head
    writer = Writer(path)

    assert not journal.hand_over(writer)

    writer.end()
    journal.close()
    assert 1 == verify(path).count


DAEMON = """
import os, signal, sys
from pathlib import Path
from axiomd.contracts import events as e
from axiomd.journal.beside import Writer
from axiomd.journal.live import LiveJournal

path = Path(sys.argv[1])
journal = LiveJournal(path, "run-1")
journal.hand_over(Writer(path))
for number in range(5):
    journal.append(e.ReconStarted(ts_us=number))
journal.commit()
for number in range(1000):
    journal.append(e.ReconStarted(ts_us=number))
    journal.run_ahead()
if sys.argv[2] == "asked":
    journal.push()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("asked", "counts"), [("not", {5}), ("asked", {5, 1005})])
def test_a_killed_daemons_commit_is_whole_or_not_at_all_once_the_process_is_waited_for(
    asked: str, counts: set[int], path: Path
) -> None:
    """The next daemon reads what is there then, and nothing comes behind it."""
    ended = subprocess.run([sys.executable, "-c", DAEMON, str(path), asked], check=False)
    assert -signal.SIGKILL == ended.returncode

    wait_for_writer(path)

    assert verify(path).is_sound
    assert verify(path).count in counts


def test_the_lock_is_held_as_long_as_the_process_lives(path: Path) -> None:
    LiveJournal(path, RUN).close()
    assert not is_held(path)

    writer = Writer(path)
    assert is_held(path)
    with pytest.raises(BlockingIOError):
        Writer(path)
    waiting = threading.Thread(target=wait_for_writer, args=(path,))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()

    writer.end()
    waiting.join(5)
    assert not waiting.is_alive()
    assert not is_held(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_ends_a_daemon_in_order_leaves_the_process_for_its_last_word(
    number: signal.Signals, journal: LiveJournal, path: Path
) -> None:
    os.kill(journal.writer_pid, number)

    append(journal, MANY)
    journal.commit()

    assert journal.writer_pid
    assert MANY == len(list(rows(path)))


def test_a_process_that_cannot_open_the_file_is_not_handed_over_to(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    with pytest.raises(WriterGone):
        Writer(tmp_path)

    assert "unable to open" in capfd.readouterr().err


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core alone")
@pytest.mark.parametrize("end", [LiveJournal.commit, LiveJournal.discard])
def test_until_its_transaction_ends_the_process_is_not_where_we_decide(
    end: Callable[[LiveJournal], None], journal: LiveJournal
) -> None:
    everywhere = os.sched_getaffinity(journal.writer_pid)

    append(journal, MANY)
    journal.run_ahead()
    assert os.sched_getaffinity(journal.writer_pid) < everywhere

    end(journal)
    assert everywhere == os.sched_getaffinity(journal.writer_pid)
