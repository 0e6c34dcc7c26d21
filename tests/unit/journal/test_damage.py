"""A journal whose file was damaged: whatever SQLite makes of it, it is found, told with the last good row, and no more.

Zeroed and cut-off pages, and random bytes, by seed. SQLite answers some of them with NULL or with text where a column
holds bytes, some with text that is none, some with an error of its own.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from axiomd.cli.main import main
from axiomd.contracts import events as e
from axiomd.contracts.errors import EXIT_INPUT, EXIT_OK, EXIT_REFUSED, JournalCorrupt
from axiomd.daemon.memory import open_journal
from axiomd.journal.log import Journal
from axiomd.journal.reading import chained, rows
from axiomd.journal.rows import Row
from axiomd.journal.wal import PAGE_BYTES
from axiomd.journal.watched import journaled_symbols
from tests.unit.journal.test_journal import events

RUN = "run-1"
TIMES = 25
SYMBOLS = 2500
"""So many that a configuration reaches over several pages."""

Damage = Callable[[bytearray, random.Random], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of a few hundred rows, two of them of many pages."""
    path = tmp_path_factory.mktemp("whole") / "journal.sqlite"
    document = {"strategies": [{"symbols": [f"S{number}" for number in range(SYMBOLS)]}]}
    with Journal(path, RUN) as journal:
        for _ in range(TIMES):
            if journal.count in (0, 120):
                journal.append(e.ConfigLoaded(ts_us=1, config_hash="", config=document))
            for event in events():
                journal.append(event)
    return path


def zero_a_page(raw: bytearray, dice: random.Random) -> None:
    first = dice.randrange(len(raw) // PAGE_BYTES) * PAGE_BYTES
    raw[first : first + PAGE_BYTES] = bytes(PAGE_BYTES)


def cut_off_at_a_page(raw: bytearray, dice: random.Random) -> None:
    del raw[dice.randrange(len(raw) // PAGE_BYTES) * PAGE_BYTES :]


def cut_off_anywhere(raw: bytearray, dice: random.Random) -> None:
    del raw[dice.randrange(len(raw)) :]


def scatter(raw: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 3, 20))):
        raw[dice.randrange(len(raw))] = dice.randrange(256)


def write_over(raw: bytearray, dice: random.Random) -> None:
    length = dice.choice((16, 200, 3000))
    first = dice.randrange(len(raw) - length)
    raw[first : first + length] = dice.choice((dice.randbytes(length), b"\xff" * length))


def spoil_a_header(raw: bytearray, dice: random.Random) -> None:
    first = dice.choice((0, dice.randrange(len(raw) // PAGE_BYTES) * PAGE_BYTES))
    raw[first + dice.randrange(16, 116)] = dice.randrange(256)


DAMAGES: tuple[Damage, ...] = (
    zero_a_page, cut_off_at_a_page, cut_off_anywhere, scatter, write_over, spoil_a_header,
)  # fmt: skip


def good_rows(path: Path) -> tuple[list[Row], str]:
    """Give the rows that a start takes in, and what it says of the rest."""
    good: list[Row] = []
    try:
        good.extend(chained(path))
        open_journal(path, RUN, 0o600, len(good)).abandon()
    except JournalCorrupt as error:
        assert f"; the last good row is {len(good)} · {path} · " in str(error)
        return good, error.what
    return good, ""


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_whatever_is_damaged_is_told_by_everything_that_reads_it(damage: Damage, whole: Path, tmp_path: Path) -> None:
    written, expected = whole.read_bytes(), list(rows(whole))
    found = 0
    for seed in range(25):
        raw = bytearray(written)
        damage(raw, random.Random(seed))
        path = tmp_path / f"{seed}" / "journal.sqlite"
        path.parent.mkdir()
        path.write_bytes(raw)

        verified = main(["journal", "verify", str(path)])
        shown = main(["journal", "show", "--json", str(path)])
        listed = main(["orders", "list", "--json", "--journal", str(path)])
        try:
            journaled_symbols(path)
        except JournalCorrupt:
            assert verified == EXIT_REFUSED, seed
        assert raw == path.read_bytes(), seed
        good, said = good_rows(path)

        assert verified in (EXIT_OK, EXIT_REFUSED), seed
        assert {shown, listed} <= {EXIT_OK, EXIT_INPUT}, seed
        assert good == expected[: len(good)], seed
        assert (verified, said) != (EXIT_OK, "") or good == expected, seed
        assert verified == EXIT_REFUSED or said == "", seed
        found += verified == EXIT_REFUSED
        shutil.rmtree(path.parent)
    assert found > 0


def test_a_row_of_nothing_is_no_row(whole: Path, tmp_path: Path) -> None:
    """Where its end is zeros a page still lists its rows, and SQLite gives NULL for each of their columns, unasked."""
    written = whole.read_bytes()
    path = tmp_path / "journal.sqlite"
    told = set()
    for end in range(2 * PAGE_BYTES, len(written) + 1, PAGE_BYTES):
        path.write_bytes(written[: end - PAGE_BYTES // 2] + bytes(PAGE_BYTES // 2) + written[end:])
        good, said = good_rows(path)
        told.add((len(good), said))
        assert EXIT_REFUSED == main(["journal", "verify", str(path)])

    assert any("does not hold what its columns are to hold" in said for _, said in told)


@pytest.mark.parametrize("version", [0, 3, 255])
def test_a_file_that_sqlite_would_not_write_into_is_damaged_not_unwritable(
    version: int, whole: Path, tmp_path: Path
) -> None:
    raw = bytearray(whole.read_bytes())
    raw[18] = version
    path = tmp_path / "journal.sqlite"
    path.write_bytes(raw)

    good, said = good_rows(path)

    assert (version > 2) == ("its header is damaged" in said)
    assert (len(good) == 0) == (version > 2)
