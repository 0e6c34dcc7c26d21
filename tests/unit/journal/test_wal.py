"""The journal's WAL laid out ahead: durable as before, read as before, and gone where the disk has no room for it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from axiomd.contracts import events as e
from axiomd.journal import wal
from axiomd.journal.log import Journal
from axiomd.journal.reading import rows
from axiomd.journal.verify import verify

RUN = "run-1"
PRAGMAS = ("page_size", "wal_autocheckpoint")


def wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def committed(journal: Journal, first: int, count: int = 10) -> None:
    for number in range(first, first + count):
        journal.append(e.ReconStarted(ts_us=number))
    journal.commit()


def crashed(path: Path, folder: Path) -> Path:
    """What a crash at this very moment leaves behind."""
    folder.mkdir()
    for file in (path, wal_of(path)):
        shutil.copy(file, folder / file.name)
    return folder / path.name


@pytest.mark.parametrize("rows_before", [0, 10, 5000])
def test_commits_go_into_the_room_and_a_crash_leaves_all_of_them(rows_before: int, tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path, RUN)
    committed(journal, 0, rows_before)

    journal.make_room()
    assert wal_of(path).stat().st_size == wal.ROOM_BYTES
    committed(journal, rows_before)

    assert wal_of(path).stat().st_size == wal.ROOM_BYTES
    found = verify(crashed(path, tmp_path / "crash"))
    assert found.is_sound
    assert found.count == rows_before + 10
    journal.close()


def test_room_outlives_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, RUN) as journal:
        journal.make_room()
        committed(journal, 0)
        journal.checkpoint()
        committed(journal, 10)

        assert wal_of(path).stat().st_size == wal.ROOM_BYTES
        assert verify(crashed(path, tmp_path / "crash")).count == 20


def test_a_journal_of_small_pages_keeps_them_and_its_wal_its_bound(tmp_path: Path) -> None:
    """A file's pages are those it was laid out with; the WAL is brought in within a commit at as many bytes."""
    path = tmp_path / "journal.sqlite"
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("PRAGMA page_size=4096")
    old.execute("PRAGMA journal_mode=WAL")
    old.close()

    with Journal(path, RUN) as journal:
        pages, bound = (journal._db.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS)
        committed(journal, 0)

    assert pages * bound == wal.BYTES_MAX
    assert pages == 4096
    assert len(list(rows(path))) == 10


NO_ROOM = """
import resource, sys
from pathlib import Path
from axiomd.contracts import events as e
from axiomd.journal.log import Journal

path = Path(sys.argv[1])
journal = Journal(path, "run-1")
journal.append(e.ReconStarted(ts_us=1))
journal.commit()
size = path.with_name(path.name + "-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, 1024 * 1024))
journal.make_room()
assert path.with_name(path.name + "-wal").stat().st_size == size
journal.append(e.ReconStarted(ts_us=2))
journal.close()
"""


def test_a_disk_without_room_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"

    result = subprocess.run([sys.executable, "-c", NO_ROOM, str(path)], capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stderr
    assert verify(path).count == 2


def test_room_is_not_made_while_another_writes(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, RUN) as journal:
        committed(journal, 0)
        size = wal_of(path).stat().st_size
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        journal._db.execute("PRAGMA busy_timeout=1")

        journal.make_room()

        assert wal_of(path).stat().st_size == size
        other.execute("ROLLBACK")
        other.close()
