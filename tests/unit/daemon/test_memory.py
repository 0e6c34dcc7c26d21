"""What a start finds of a journal: new, whole, or cut off while it was laid out."""

from __future__ import annotations

from pathlib import Path

from axiomd.contracts import events as e
from axiomd.daemon.memory import open_journal
from axiomd.journal.log import entries


def test_a_journal_cut_off_while_it_was_laid_out_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.with_suffix(".new").write_bytes(b"half of one")

    with open_journal(path, "a run") as journal:
        journal.append(e.ReconStarted(ts_us=1))

    assert [1] == [entry.event.ts_us for entry in entries(path)]
    assert [] == list(tmp_path.glob("*.new*"))


def test_a_journal_that_is_there_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    for ts_us in (1, 2):
        with open_journal(path, "a run") as journal:
            journal.append(e.ReconStarted(ts_us=ts_us))

    assert [1, 2] == [entry.event.ts_us for entry in entries(path)]
