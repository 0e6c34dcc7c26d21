"""What a start finds of a journal: new, whole, or cut off while it was laid out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from stat import S_IMODE

import pytest

from axiomd.contracts import events as e
from axiomd.contracts.errors import JournalWriteFailed
from axiomd.daemon.memory import open_journal
from axiomd.journal.reading import entries


def test_a_journal_cut_off_while_it_was_laid_out_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.with_suffix(".new").write_bytes(b"half of one")

    with open_journal(path, "a run", 0o600) as journal:
        journal.append(e.ReconStarted(ts_us=1))

    assert [1] == [entry.event.ts_us for entry in entries(path)]
    assert [] == list(tmp_path.glob("*.new*"))


def test_a_journal_that_is_there_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    for ts_us in (1, 2):
        with open_journal(path, "a run", 0o600) as journal:
            journal.append(e.ReconStarted(ts_us=ts_us))

    assert [1, 2] == [entry.event.ts_us for entry in entries(path)]


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_nobody_reads_a_journal_whom_its_mode_does_not_let(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "journal.sqlite"
    with open_journal(path, "a run", mode) as journal:
        journal.append(e.ReconStarted(ts_us=1))
        journal.commit()
        modes = {file.name: S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}

    assert dict.fromkeys(("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"), mode) == modes


def test_a_journal_that_everybody_could_read_is_closed_to_them_and_no_more_writable_than_it_was(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.sqlite"
    open_journal(path, "a run", 0o600).close()
    for found, left in ((0o644, 0o600), (0o444, 0o400)):
        path.chmod(found)
        with suppress(JournalWriteFailed):
            open_journal(path, "a run", 0o600).close()
        assert left == S_IMODE(path.stat().st_mode)
