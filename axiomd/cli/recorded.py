"""A journal that is named on a command line: found, and told in one line where it is none.

On a command line a file that cannot be read as a journal is bad input like any other; only the daemon, whose own
journal it is, ends with the exit code of a corrupt one. It reads nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axiomd.contracts.errors import InputError, JournalCorrupt, JournalWriteFailed

JOURNAL = "journal.sqlite"


def journal_path(given: Path | None) -> Path:
    """Give the journal of a run folder, a file, or without either the state dir's; `InputError` where there is none."""
    if given is None:
        from axiomd.config.settings import places

        given = places().journal
    path = given / JOURNAL if given.is_dir() else given
    if not path.is_file():
        raise InputError("there is no journal", str(path), "name the journal.sqlite of a run")
    # a day's folder links to its daemon's, which has gone on since that day's manifest was written
    return path.resolve() if path.is_symlink() else path


@contextmanager
def journal_as_input() -> Iterator[None]:
    """Turn what is wrong with a journal into an `InputError` while it is read."""
    try:
        yield
    except (JournalCorrupt, JournalWriteFailed) as broken:
        raise InputError(broken.what, broken.where, broken.remedy) from broken
