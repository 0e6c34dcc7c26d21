"""The kill latch: what it says, what it survives, and who may release it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd import latch

AT_US = 1_700_000_000_000_000
LEVELS = st.sampled_from([latch.HALT, latch.FLATTEN])


def with_journal(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / latch.JOURNAL_FILE).touch()
    return folder


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    latch.create(tmp_path, at_us=AT_US, by="daemon")
    return with_journal(tmp_path)


def trip(state_dir: Path, level: str = latch.HALT, reason: str = "a test") -> latch.LatchState:
    return latch.trip(state_dir, level, at_us=AT_US, by="test", reason=reason)


def block_of(state_dir: Path) -> bytes:
    return (state_dir / latch.LATCH_FILE).read_bytes()


def test_fresh_state_dir_without_journal_reads_armed(tmp_path: Path) -> None:
    state = latch.read(tmp_path)

    assert state.state == latch.ARMED
    assert "" == state.fault


def test_missing_latch_beside_a_journal_reads_halt(tmp_path: Path) -> None:
    with_journal(tmp_path)

    assert latch.HALT == latch.read(tmp_path).level


def test_state_dir_that_cannot_be_searched_reads_halt(tmp_path: Path) -> None:
    not_a_folder = tmp_path / "file"
    not_a_folder.touch()

    assert latch.HALT == latch.read(not_a_folder).level


def test_created_latch_is_armed_and_fills_one_block(state_dir: Path) -> None:
    assert latch.ARMED == latch.read(state_dir).state
    assert latch.BLOCK_BYTES == len(block_of(state_dir))


def test_create_never_arms_a_tripped_latch(state_dir: Path) -> None:
    trip(state_dir)

    assert latch.HALT == latch.create(state_dir, at_us=AT_US, by="daemon").level


def test_create_does_not_arm_a_journal_that_lost_its_latch(tmp_path: Path) -> None:
    with_journal(tmp_path)

    assert latch.HALT == latch.create(tmp_path, at_us=AT_US, by="daemon").level
    assert not (tmp_path / latch.LATCH_FILE).exists()


def test_trip_overwrites_the_block_in_place(state_dir: Path) -> None:
    inode = (state_dir / latch.LATCH_FILE).stat().st_ino

    trip(state_dir)

    assert inode == (state_dir / latch.LATCH_FILE).stat().st_ino


def test_latch_file_is_json_that_a_person_can_read(state_dir: Path) -> None:
    trip(state_dir, latch.FLATTEN, "smoke in the room")

    body = json.loads(block_of(state_dir))

    assert ("TRIPPED", "flatten", "smoke in the room") == (body["state"], body["level"], body["reason"])


def test_level_rises_from_halt_to_flatten(state_dir: Path) -> None:
    trip(state_dir, latch.HALT)

    assert latch.FLATTEN == trip(state_dir, latch.FLATTEN).level


@given(levels=st.lists(LEVELS, min_size=1, max_size=8))
def test_level_never_falls(tmp_path_factory: pytest.TempPathFactory, levels: list[str]) -> None:
    folder = with_journal(tmp_path_factory.mktemp("latch"))
    expected = latch.HALT
    for level in levels:
        expected = latch.FLATTEN if latch.FLATTEN in (expected, level) else latch.HALT

        assert expected == trip(folder, level).level
        assert expected == latch.read(folder).level


@given(by=st.text(max_size=300), reason=st.text(max_size=5000), level=LEVELS)
def test_any_name_and_reason_fit_the_block(
    tmp_path_factory: pytest.TempPathFactory, by: str, reason: str, level: str
) -> None:
    folder = with_journal(tmp_path_factory.mktemp("latch"))

    state = latch.trip(folder, level, at_us=AT_US, by=by, reason=reason)

    assert state == latch.read(folder)
    assert latch.BLOCK_BYTES == len(block_of(folder))
    assert reason.startswith(state.reason)


@pytest.mark.parametrize("level", [latch.HALT, latch.FLATTEN])
def test_write_torn_at_any_byte_reads_old_new_or_halt(state_dir: Path, level: str) -> None:
    old = block_of(state_dir)
    tripped = trip(state_dir, level)
    new = block_of(state_dir)

    for cut in range(latch.BLOCK_BYTES + 1):
        torn = new[:cut] + old[cut:]
        (state_dir / latch.LATCH_FILE).write_bytes(torn)
        state = latch.read(state_dir)
        if torn == new:
            assert state == tripped
        elif torn == old:
            assert state.state == latch.ARMED
        else:
            assert (latch.HALT, True) == (state.level, bool(state.fault)), cut


def test_release_torn_at_any_byte_never_reads_armed_by_halves(state_dir: Path) -> None:
    tripped = trip(state_dir, latch.FLATTEN)
    old = block_of(state_dir)
    latch.release(state_dir, tripped.trip_id, at_us=AT_US, by="test", reason="over")
    new = block_of(state_dir)

    armed_at = []
    for cut in range(latch.BLOCK_BYTES + 1):
        torn = new[:cut] + old[cut:]
        (state_dir / latch.LATCH_FILE).write_bytes(torn)
        if not latch.read(state_dir).is_tripped:
            armed_at.append(torn)

    assert {new} == set(armed_at)


def test_block_truncated_at_any_byte_reads_halt(state_dir: Path) -> None:
    block = block_of(state_dir)

    for length in range(latch.BLOCK_BYTES):
        (state_dir / latch.LATCH_FILE).write_bytes(block[:length])

        assert latch.HALT == latch.read(state_dir).level, length


def test_bytes_of_another_alphabet_are_no_words_that_a_journal_cannot_take(state_dir: Path) -> None:
    """As a shell hands over what a Latin-1 terminal sent: the daemon died of it, and at every start after."""
    written = latch.trip(state_dir, latch.HALT, at_us=AT_US, by="J\udcf6rg", reason="St\udcf6rung")

    assert ("J?rg", "St?rung") == (written.by, written.reason)
    assert written == latch.read(state_dir)


def test_block_with_such_words_from_elsewhere_counts_and_can_be_told(state_dir: Path) -> None:
    words = {"trip_id": "a1", "at_us": AT_US, "by": "J\udcf6rg", "reason": "St\udcf6rung"}
    block = latch._encode(latch.LatchState(level=latch.FLATTEN, **words))  # type: ignore[arg-type]
    (state_dir / latch.LATCH_FILE).write_bytes(block)

    found = latch.read(state_dir)

    assert (latch.FLATTEN, "", "J?rg", "St?rung") == (found.level, found.fault, found.by, found.reason)


@given(place=st.integers(0, latch.BLOCK_BYTES - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_reads_halt(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    folder = tmp_path_factory.mktemp("latch")
    latch.create(folder, at_us=AT_US, by="daemon")
    with_journal(folder)
    block = bytearray(block_of(folder))
    block[place] ^= 1 << bit
    (folder / latch.LATCH_FILE).write_bytes(block)

    assert latch.HALT == latch.read(folder).level


@given(content=st.binary(max_size=5000))
def test_foreign_content_reads_halt(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = with_journal(tmp_path_factory.mktemp("latch"))
    (folder / latch.LATCH_FILE).write_bytes(content)

    state = latch.read(folder)

    assert state.level == latch.HALT
    assert state.trip_id.startswith("torn-")


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("/dev/zero"), os.mkfifo])
def test_what_is_no_plain_file_reads_halt(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    with_journal(tmp_path)
    make(tmp_path / latch.LATCH_FILE)

    assert latch.HALT == latch.read(tmp_path).level


def test_trip_over_a_torn_block_makes_it_whole(state_dir: Path) -> None:
    (state_dir / latch.LATCH_FILE).write_bytes(b"torn")

    state = trip(state_dir, latch.HALT)

    assert (latch.HALT, "") == (state.level, state.fault)
    assert latch.BLOCK_BYTES == len(block_of(state_dir))


def test_release_of_the_trip_in_force_arms(state_dir: Path) -> None:
    tripped = trip(state_dir)

    state = latch.release(state_dir, tripped.trip_id, at_us=AT_US, by="operator", reason="looked at it")

    assert (state.state, state.trip_id) == (latch.ARMED, tripped.trip_id)


def test_release_of_an_older_trip_is_refused(state_dir: Path) -> None:
    first = trip(state_dir)
    second = trip(state_dir)

    with pytest.raises(latch.StaleRelease):
        latch.release(state_dir, first.trip_id, at_us=AT_US, by="operator", reason="late")

    assert second == latch.read(state_dir)


def test_release_of_an_armed_latch_is_refused(state_dir: Path) -> None:
    with pytest.raises(latch.StaleRelease):
        latch.release(state_dir, "", at_us=AT_US, by="operator", reason="nothing to release")


@pytest.mark.parametrize("content", [None, b"torn"])
def test_faulty_latch_is_released_by_the_id_it_reads_as(tmp_path: Path, content: bytes | None) -> None:
    with_journal(tmp_path)
    if content is not None:
        (tmp_path / latch.LATCH_FILE).write_bytes(content)
    faulty = latch.read(tmp_path)

    state = latch.release(tmp_path, faulty.trip_id, at_us=AT_US, by="operator", reason="mended")

    assert state.state == latch.ARMED
    assert latch.BLOCK_BYTES == len(block_of(tmp_path))


def test_release_without_the_lock_is_refused(state_dir: Path) -> None:
    tripped = trip(state_dir)
    with (state_dir / latch.LOCK_FILE).open() as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)

        with pytest.raises(latch.LatchError, match="lock"):
            latch.release(state_dir, tripped.trip_id, at_us=AT_US, by="operator", reason="no lock")

    assert tripped == latch.read(state_dir)


def test_trip_without_the_lock_is_written_all_the_same(state_dir: Path) -> None:
    with (state_dir / latch.LOCK_FILE).open() as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)

        state = trip(state_dir, latch.FLATTEN)

    assert state.level == latch.FLATTEN
    assert state == latch.read(state_dir)


def test_release_that_hung_cannot_undo_a_trip_made_without_its_lock(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon stopped in the middle of a release holds the lock and an open file; kill trips; the daemon goes on."""
    seen = trip(state_dir)
    write_block = latch._write_block

    def stopped_before_writing(descriptor: int, block: bytes) -> None:
        monkeypatch.setattr(latch, "_write_block", write_block)
        trip(state_dir, latch.FLATTEN)
        write_block(descriptor, block)

    monkeypatch.setattr(latch, "_write_block", stopped_before_writing)

    with pytest.raises(latch.StaleRelease):
        latch.release(state_dir, seen.trip_id, at_us=AT_US, by="operator", reason="hung")

    assert latch.FLATTEN == latch.read(state_dir).level


def test_trip_that_cannot_be_written_removes_the_latch(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(descriptor: int, block: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(latch, "_write_block", no_space)

    state = trip(state_dir, latch.FLATTEN)

    assert state.level == latch.HALT
    assert not (state_dir / latch.LATCH_FILE).exists()


@pytest.mark.parametrize("asked", [latch.HALT, latch.FLATTEN])
def test_flatten_in_force_stays_where_a_trip_cannot_be_written(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """The level only rises: without its file the latch would read as halt."""
    before = trip(state_dir, latch.FLATTEN)
    monkeypatch.setattr(latch, "_overwrite", _read_only)

    assert trip(state_dir, asked) == before
    assert latch.read(state_dir) == before


def test_halt_in_force_is_a_trip_where_it_can_be_neither_written_nor_removed(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trip(state_dir)
    monkeypatch.setattr(latch, "_overwrite", _read_only)
    monkeypatch.setattr(latch.os, "unlink", _read_only)

    assert trip(state_dir) == before
    with pytest.raises(latch.LatchError):
        trip(state_dir, latch.FLATTEN)
    assert latch.read(state_dir) == before


def _read_only(*_: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


def test_trip_that_can_neither_be_written_nor_removed_says_so(tmp_path: Path) -> None:
    with pytest.raises(latch.LatchError):
        trip(tmp_path / "not there")


def test_trip_in_a_dir_without_journal_is_never_a_removal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a journal a missing latch reads as armed, so that removing it would be the opposite of a trip."""
    latch.create(tmp_path, at_us=AT_US, by="daemon")

    def no_space(descriptor: int, block: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(latch, "_write_block", no_space)

    with pytest.raises(latch.LatchError):
        trip(tmp_path)

    assert (tmp_path / latch.LATCH_FILE).exists()


_TRIP_SCRIPT = """
import sys
from axiomd import latch
folder, level, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.stdin.readline()
for _ in range(count):
    state = latch.trip(folder, level, at_us=1, by=level, reason="race")
    assert latch.read(folder).is_tripped
"""


@pytest.mark.slow
def test_concurrent_trips_of_processes_merge_to_the_highest_level(state_dir: Path) -> None:
    levels = [latch.HALT, latch.FLATTEN, latch.HALT, latch.HALT]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _TRIP_SCRIPT, str(state_dir), level, "20"], stdin=subprocess.PIPE, text=True
        )
        for level in levels
    ]
    for process in processes:
        process.communicate("go\n", timeout=30)

    assert [process.returncode for process in processes] == [0] * len(levels)
    assert (latch.FLATTEN, "") == (latch.read(state_dir).level, latch.read(state_dir).fault)
    assert ["journal.sqlite", "kill.json", "latch.lock"] == sorted(path.name for path in state_dir.iterdir())


_TRUNCATED_SCRIPT = """
import sys
from axiomd import latch

path, whole = sys.argv[1] + "/kill.json", open(sys.argv[1] + "/kill.json", "rb").read()
for size in range(len(whole.rstrip()) + 1):
    open(path, "wb").write(whole[:size])
    assert latch.read(sys.argv[1]).level == "halt", size
assert latch.trip(sys.argv[1], "flatten", at_us=1, by="a", reason="b").level == "flatten"
assert "json.decoder" not in sys.modules
"""


def test_block_truncated_at_any_byte_reads_halt_where_python_has_loaded_little(state_dir: Path) -> None:
    """The scanner takes its error from a module that `axiomd kill` does not load."""
    told = subprocess.run(
        [sys.executable, "-c", _TRUNCATED_SCRIPT, str(state_dir)], capture_output=True, text=True, check=False
    )

    assert (0, "") == (told.returncode, told.stderr)


def test_latch_loads_the_standard_library_alone() -> None:
    code = (
        "import sys; before = set(sys.modules); import axiomd.latch; "
        "new = {n.partition('.')[0] for n in set(sys.modules) - before}; "
        "print(sorted(n for n in new - {'axiomd'} if n not in sys.stdlib_module_names)); "
        "print(sorted(n for n in sys.modules if n.startswith('axiomd')))"
    )

    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert ["[]", "['axiomd', 'axiomd.bare_json', 'axiomd.latch', 'axiomd.native']"] == output.splitlines()
