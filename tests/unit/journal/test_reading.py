"""A journal opened for reading: the file that is named, and no other, whatever its name holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from axiomd.cli.main import main
from axiomd.contracts.errors import EXIT_OK
from axiomd.journal.log import Journal
from axiomd.journal.reading import entries
from tests.unit.journal.test_journal import RUN, events

FOLDER = "st#x?y%41 z"
"""What means something else in a URI: `#` and `?` end its path, `%41` is an `A`."""


def absolute(path: Path) -> Path:
    return path


def from_where_we_stand(path: Path) -> Path:
    return path.relative_to(Path.cwd())


@pytest.mark.parametrize("named", [absolute, from_where_we_stand])
def test_a_journal_is_read_where_its_path_means_something_else_in_a_uri(
    named: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FOLDER / "journal.sqlite"
    path.parent.mkdir()
    monkeypatch.chdir(tmp_path)
    with Journal(path, RUN) as journal:
        for event in events():
            journal.append(event)

    found = [entry.event for entry in entries(named(path))]
    codes = [main([*command, str(named(path))]) for command in (["journal", "verify"], ["orders", "list", "--journal"])]

    assert events() == found
    assert [EXIT_OK, EXIT_OK] == codes
    assert [path.parent] == list(tmp_path.iterdir())
