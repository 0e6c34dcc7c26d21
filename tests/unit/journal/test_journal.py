"""The journal: appended in whole groups, chained row to row, and unable to change, lose or move one unseen."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from axiomd.cli.main import main
from axiomd.contracts import events as e
from axiomd.contracts.errors import EXIT_INPUT, EXIT_OK, JournalCorrupt, JournalWriteFailed
from axiomd.contracts.fills import Fill
from axiomd.contracts.verdicts import text_of
from axiomd.journal import schema
from axiomd.journal.bulk import BLOCK_ROWS, BulkJournal
from axiomd.journal.log import Journal
from axiomd.journal.reading import entries, rows
from axiomd.journal.rows import GENESIS, STATEMENT_ROWS
from axiomd.journal.verify import known_end, verify
from tests.unit.runs.a_run import order

RUN = "run-1"


def events() -> list[e.Event]:
    """One order's life, with what led to it."""
    entry = order(1)
    key = entry.idempotency_key
    fill = Fill(
        exec_id="S1", reference=key, symbol="SPY", side="BUY", qty=100, price=1_010_150, commission=0, bar_ts_us=20
    )
    exit_ = Fill(
        exec_id="S2", reference=f"{key}-TP", symbol="SPY", side="SELL", qty=100, price=1_030_300, commission=0,
        bar_ts_us=30,
    )  # fmt: skip
    return [
        e.SessionOpened(ts_us=1, session="2024-03-05", run_id=RUN, open_us=1, close_us=99),
        e.CandidatesSelected(ts_us=1, strategy="inside_bar", symbols=("SPY",)),
        e.BarsClosed(ts_us=10, first=0, last=5),
        e.OrderIntent(ts_us=10, order=entry, told=text_of((("KillSwitch", 0, 0),))),
        e.OrderSent(ts_us=10, key=key),
        e.OrderAcked(ts_us=10, key=key, broker_id=1),
        e.FillReceived(ts_us=20, fill=fill),
        e.PositionChanged(ts_us=20, symbol="SPY", qty=100, cash_units=0),
        e.FillReceived(ts_us=30, fill=exit_),
        e.PositionChanged(ts_us=30, symbol="SPY", qty=0, cash_units=0),
        e.SessionClosed(ts_us=99, session="2024-03-05"),
    ]


def written(path: Path, *, is_durable: bool = False) -> Path:
    with (Journal if is_durable else BulkJournal)(path, RUN) as journal:
        for event in events():
            journal.append(event, 0)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "journal.sqlite")


def tampered(path: Path, *statements: str) -> None:
    """Do what somebody with the file and without our code could do, and leave no trace of the way."""
    db = sqlite3.connect(path, isolation_level=None)
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        db.execute(statement)
    for _, sql in triggers:
        db.execute(sql)
    db.close()


def problems(path: Path) -> list[int]:
    return [seq for seq, _ in verify(path).problems]


@pytest.mark.parametrize("is_durable", [True, False])
def test_what_was_appended_is_read_back_in_order(is_durable: bool, tmp_path: Path) -> None:
    path = written(tmp_path / "j.sqlite", is_durable=is_durable)

    assert events() == [entry.event for entry in entries(path)]
    assert list(range(1, 12)) == [entry.seq for entry in entries(path)]
    assert verify(path).is_sound


def test_head_and_count_of_the_writer_are_those_of_the_reader(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite", RUN) as journal:
        assert (0, GENESIS) == (journal.count, journal.head)
        journal.append(events()[0])
        head, count = journal.head.hex(), journal.count

    found = verify(tmp_path / "j.sqlite", head=head, count=count)
    assert (head, count, ()) == (found.head, found.count, found.problems)


def test_same_events_make_the_same_bytes(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a.sqlite"), written(tmp_path / "b.sqlite")

    assert first.read_bytes() == second.read_bytes()


def test_nothing_is_there_before_commit_and_all_after(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", RUN)
    journal.append(events()[0])
    assert [] == list(rows(tmp_path / "j.sqlite"))

    journal.commit()

    assert 1 == len(list(rows(tmp_path / "j.sqlite")))
    journal.close()


def test_the_file_is_written_between_commits_and_not_by_them(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    with Journal(path, RUN) as journal:
        laid_out = path.read_bytes()
        number = 0
        while not journal.is_checkpoint_due:
            for _ in range(1000):
                number += 1
                journal.append(e.ReconStarted(ts_us=number))
            journal.commit()
        assert laid_out == path.read_bytes()

        journal.checkpoint()

        assert not journal.is_checkpoint_due
        alone = tmp_path / "alone.sqlite"
        alone.write_bytes(path.read_bytes())
        assert number == len(list(rows(alone)))


def test_a_durable_journal_syncs_every_commit(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite", RUN) as journal:
        pragmas = [journal._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]

    assert ["wal", 2] == pragmas


def test_resumed_journal_goes_on_with_the_chain(path: Path) -> None:
    with Journal(path, "run-2") as journal:
        assert 11 == journal.count
        assert 12 == journal.append(e.RunStopped(ts_us=100, reason="test"))

    found = verify(path)
    assert (12, ()) == (found.count, found.problems)
    assert [RUN] * 11 + ["run-2"] == [row[3] for row in rows(path)]


COLUMNS = "ts_us, kind, run_id, key, cause, payload, prev_hash, hash"
REPLACED = f"INSERT OR REPLACE INTO events SELECT seq, {COLUMNS.replace('ts_us', '0')} FROM events"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET ts_us = 0 WHERE seq = 3",
        "DELETE FROM events WHERE seq = 11",
        f"{REPLACED} WHERE seq = 3",
        f"REPLACE INTO events (rowid, {COLUMNS}) SELECT seq, {COLUMNS} FROM events WHERE seq = 11",
    ],
)
def test_rows_are_never_updated_replaced_or_deleted(statement: str, path: Path) -> None:
    db = sqlite3.connect(path)

    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(statement)

    db.close()


TAMPERINGS: dict[str, tuple[int, str]] = {
    "payload": (4, "UPDATE events SET payload = replace(payload, '\"qty\":100', '\"qty\":900') WHERE seq = 4"),
    "time": (3, "UPDATE events SET ts_us = ts_us + 1 WHERE seq = 3"),
    "kind": (5, "UPDATE events SET kind = 'order.acked' WHERE seq = 5"),
    "run": (1, "UPDATE events SET run_id = 'other' WHERE seq = 1"),
    "key": (5, "UPDATE events SET key = 'other' WHERE seq = 5"),
    "cause": (8, "UPDATE events SET cause = 7 WHERE seq = 8"),
    "hash": (6, "UPDATE events SET hash = zeroblob(32) WHERE seq = 6"),
    "link": (6, "UPDATE events SET prev_hash = zeroblob(32) WHERE seq = 6"),
    "removed row": (5, "DELETE FROM events WHERE seq = 4"),
    "removed first row": (2, "DELETE FROM events WHERE seq = 1"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_was_done_to_a_row_is_found_there(name: str, path: Path) -> None:
    seq, statement = TAMPERINGS[name]

    tampered(path, statement)

    assert seq in problems(path)


def test_two_rows_in_each_others_place_are_found(path: Path) -> None:
    tampered(
        path,
        "UPDATE events SET seq = -1 WHERE seq = 7",
        "UPDATE events SET seq = 7 WHERE seq = 9",
        "UPDATE events SET seq = 9 WHERE seq = -1",
    )

    assert {7, 9} <= set(problems(path))


def test_removed_row_is_found_though_the_rest_is_numbered_anew(path: Path) -> None:
    tampered(path, "DELETE FROM events WHERE seq = 6", "UPDATE events SET seq = seq - 1 WHERE seq > 6")

    assert 6 in problems(path)


def test_removed_end_is_found_by_what_the_manifest_says(path: Path) -> None:
    found = verify(path)
    (path.parent / "manifest.json").write_text(json.dumps({"journal_head": found.head, "journal_count": found.count}))
    tampered(path, "DELETE FROM events WHERE seq = 11")

    assert verify(path).is_sound
    head, count = known_end(path)
    assert [0] == [seq for seq, _ in verify(path, head=head, count=count).problems]


def test_other_end_of_the_same_length_is_found_by_the_head(path: Path) -> None:
    assert [0] == [seq for seq, _ in verify(path, head="00" * 32, count=11).problems]


@pytest.mark.parametrize("manifest", [b"", b"\xff", b"[]", b'{"journal_count": "9"}', b'{"x":' + b"[" * 100_000])
def test_a_manifest_that_cannot_be_read_says_nothing_against_the_journal(
    manifest: bytes, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = verify(path)
    (path.parent / "manifest.json").write_bytes(manifest)

    code = main(["journal", "verify", str(path)])
    error = capsys.readouterr().err
    told = main(["journal", "verify", str(path), "--head", found.head, "--count", str(found.count)])

    assert EXIT_INPUT == code
    assert error.startswith("error: the manifest cannot be read: ")
    assert f" · {path.parent / 'manifest.json'} · restore it" in error
    assert error.count("\n") == 1
    assert EXIT_OK == told


def test_position_in_a_symbol_without_a_fill_is_found_and_told(path: Path) -> None:
    tampered(path, "UPDATE events SET payload = replace(payload, 'SPY', 'RPY') WHERE seq = 8")

    assert 8 in problems(path)
    assert [text for _, text in verify(path).problems if text == "I11: RPY is said to be 100, its fills say 0"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seq=st.integers(1, 11), place=st.integers(0, 10_000), bit=st.integers(0, 6))
def test_any_changed_bit_of_any_payload_is_found(tmp_path: Path, seq: int, place: int, bit: int) -> None:
    path = tmp_path / "bit.sqlite"
    path.unlink(missing_ok=True)
    written(path)
    (payload,) = (row[6] for row in rows(path) if row[0] == seq)
    raw = bytearray(payload.encode())
    raw[place % len(raw)] ^= 1 << bit
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("DROP TRIGGER events_are_never_updated")
    db.execute("UPDATE events SET payload = ? WHERE seq = ?", (raw.decode("latin-1"), seq))
    db.close()

    assert seq in problems(path)


UPDATED = "events_are_never_updated"
NO_OP = f"CREATE TRIGGER {UPDATED} BEFORE UPDATE ON events BEGIN SELECT 1; END"
SCHEMAS: dict[str, tuple[str, str]] = {
    "a trigger gone": (f"DROP TRIGGER {UPDATED}", f"its trigger {UPDATED} is gone"),
    "a trigger without effect": (
        f"DROP TRIGGER {UPDATED}; {NO_OP}", f"its trigger {UPDATED} is not the one a journal is made with",
    ),
    "a trigger of somebody's": (
        "CREATE TRIGGER forget AFTER INSERT ON events BEGIN DELETE FROM events; END",
        "it has a trigger forget that no journal has",
    ),
    "another view": (
        "DROP VIEW fills; CREATE VIEW fills AS SELECT * FROM events",
        "its view fills is not the one a journal is made with",
    ),
    "a later version": ("PRAGMA user_version = 4", "its schema is version 4, this program knows 3"),
    "no version": ("PRAGMA user_version = 0", "its schema is version 0, this program knows 3"),
    "an earlier version": ("PRAGMA user_version = 1", "its view positions is not the one a journal is made with"),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_journal_that_is_laid_out_otherwise_does_not_verify(name: str, path: Path) -> None:
    script, expected = SCHEMAS[name]
    db = sqlite3.connect(path)
    db.executescript(script)
    db.close()

    assert (0, expected) in verify(path).problems


def laid_out(path: Path, version: int, told: Iterable[tuple[Any, ...]]) -> sqlite3.Connection:
    """Make a journal of a version of the schema that holds these rows."""
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(schema.DDL[version])
    db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {version}")
    db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", told)
    return db


@pytest.mark.parametrize("version", schema.MIGRATIONS)
def test_a_journal_of_an_earlier_version_is_verified_as_one(version: int, path: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.sqlite"
    db = laid_out(earlier, version, rows(path))

    assert () == verify(earlier).problems
    db.execute(f"DROP TRIGGER {UPDATED}")
    db.close()

    assert ((0, f"its trigger {UPDATED} is gone"),) == verify(earlier).problems


@pytest.mark.parametrize("version", schema.MIGRATIONS)
def test_a_journal_of_an_earlier_version_is_brought_up_to_date_and_keeps_its_rows(
    version: int, path: Path, tmp_path: Path
) -> None:
    earlier = tmp_path / "earlier.sqlite"
    db = laid_out(earlier, version, rows(path))
    db.close()

    with Journal(earlier, "r") as journal:
        journal.append(e.RunStopped(ts_us=100, reason="test"))

    assert () == verify(earlier).problems
    assert [*rows(path)] == [*rows(earlier)][:-1]
    db = sqlite3.connect(earlier)
    assert (schema.VERSION,) == db.execute("PRAGMA user_version").fetchone()
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(REPLACED)
    db.close()


def test_truncated_file_does_not_verify(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])

    assert 1 == main(["journal", "verify", str(path)])
    assert "does not hold" in capsys.readouterr().out


def test_another_programs_database_is_no_journal(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "other.sqlite")
    db.execute("CREATE TABLE t (x)")
    db.close()

    with pytest.raises(JournalCorrupt):
        Journal(tmp_path / "other.sqlite", RUN)
    with pytest.raises(JournalCorrupt, match="no journal of axiomd"):
        verify(tmp_path / "other.sqlite")


def test_journal_of_a_later_version_is_refused(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(JournalCorrupt, match="version 99"):
        Journal(path, RUN)


def test_a_replays_journal_is_whole_over_many_blocks_and_commits(tmp_path: Path) -> None:
    path, count = tmp_path / "journal.sqlite", 2 * BLOCK_ROWS + 17

    with BulkJournal(path, RUN) as journal:
        for number in range(count):
            journal.append(e.ReconStarted(ts_us=number))
            if number in (5, BLOCK_ROWS + 5):
                journal.commit()

    found = verify(path)
    assert (found.count, found.problems) == (count, ())
    assert found.head == journal.head.hex()


def test_a_live_journal_is_whole_over_many_statements_runs_and_looks_at_its_head(tmp_path: Path) -> None:
    path, count = tmp_path / "journal.sqlite", 3 * sum(STATEMENT_ROWS) + 5
    heads = []

    with Journal(path, RUN) as journal:
        for number in range(count):
            journal.run_id = f"run-{number // 100}"
            sized = e.OrderSized(ts_us=number, key=f"k{number}", symbol="SPY", side="BUY", qty=1, equity_units=1)
            journal.append(sized, number)
            if number % 90 == 0:
                heads.append((journal.count, journal.head))
            if number == count // 2:
                journal.commit()

    found = list(rows(path))
    assert verify(path).is_sound
    assert [(n + 1, n, f"run-{n // 100}", f"k{n}", n) for n in range(count)] == [
        (seq, ts_us, run_id, key, cause) for seq, ts_us, _, run_id, key, cause, *_ in found
    ]
    assert heads == [(number, found[number - 1][-1]) for number, _ in heads]


def test_an_event_that_cannot_be_written_lets_nothing_of_its_commit_in(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path, RUN)
    for number in range(100):
        journal.append(e.ReconStarted(ts_us=number))
    journal.append(e.ConfigLoaded(ts_us=100, config_hash="", config={"what": object()}))

    for _ in range(2):
        with pytest.raises(TypeError):
            journal.commit()

    assert [] == list(rows(path))
    assert [] == journal._values
    journal.abandon()


def test_a_replays_journal_has_the_rows_of_a_live_one(tmp_path: Path) -> None:
    live, replayed = tmp_path / "live.sqlite", tmp_path / "replayed.sqlite"

    with Journal(live, RUN) as one, BulkJournal(replayed, RUN) as other:
        for event in [*events(), e.BrokerLost(ts_us=99, reason="a line\n\r\u2028and \u00e9\x1c another")]:
            assert one.append(event) == other.append(event)

    assert list(rows(live)) == list(rows(replayed))


@pytest.mark.parametrize("count", [3, BLOCK_ROWS + 3])
def test_a_replays_journal_that_cannot_be_written_says_so(count: int, tmp_path: Path) -> None:
    journal = BulkJournal(tmp_path / "nowhere" / "journal.sqlite", RUN)
    for number in range(count):
        journal.append(e.ReconStarted(ts_us=number))

    with pytest.raises(JournalWriteFailed, match="unable to open"):
        journal.commit()
    journal.abandon()


def test_a_replays_journal_whose_writer_is_gone_says_so(tmp_path: Path) -> None:
    journal = BulkJournal(tmp_path / "journal.sqlite", RUN)
    for number in range(BLOCK_ROWS):
        journal.append(e.ReconStarted(ts_us=number))
    assert journal._writer is not None
    journal._writer.kill()
    journal._writer.wait()

    with pytest.raises(JournalWriteFailed, match="its writer is gone"):
        journal.commit()
    journal.abandon()


def broken(change: Callable[[list[e.Event]], list[e.Event]], path: Path) -> list[str]:
    with BulkJournal(path, RUN) as journal:
        for event in change(events()):
            journal.append(event)
    return [text for _, text in verify(path).problems]


@pytest.mark.parametrize(
    ("expected", "change"),
    [
        ("I1", lambda life: [*life[:4], life[3], *life[4:]]),
        ("I2", lambda life: [*life[:3], *life[4:]]),
        ("I3", lambda life: [*life[:7], life[6], *life[7:]]),
        ("I11", lambda life: [*life[:7], e.PositionChanged(ts_us=20, symbol="SPY", qty=50, cash_units=0), life[-1]]),
    ],
)
def test_sound_chain_over_what_may_never_happen_does_not_verify(
    expected: str, change: Callable[[list[e.Event]], list[e.Event]], tmp_path: Path
) -> None:
    found = broken(change, tmp_path / "j.sqlite")

    assert [text for text in found if text.startswith(expected)]


def test_views_say_what_the_events_say(path: Path) -> None:
    db = sqlite3.connect(path)

    assert [("SPY", 0)] == db.execute("SELECT symbol, qty FROM positions").fetchall()
    assert [("key1", "SPY", "BUY", 100)] == db.execute("SELECT key, symbol, side, qty FROM orders").fetchall()
    assert 2 == db.execute("SELECT count(*) FROM fills").fetchone()[0]
    assert [("inside_bar", '["SPY"]')] == db.execute("SELECT strategy, symbols FROM candidates").fetchall()

    db.close()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from axiomd.contracts import events as e
from axiomd.contracts.errors import JournalWriteFailed
from axiomd.journal.log import Journal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path(sys.argv[1]), "run-1")
journal.append(e.RunStopped(ts_us=1, reason="first"))
journal.commit()
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    for number in range(4000):
        journal.append(e.RunStopped(ts_us=2, reason="x" * 100))
        if number % 100 == 99:
            journal.commit()
except JournalWriteFailed as failed:
    print(failed.line())
    sys.exit(failed.exit_code)
"""


def test_full_disk_fails_aloud_and_leaves_whole_groups(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"

    result = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=False)

    assert 7 == result.returncode, result.stderr
    assert result.stdout.startswith("error: the journal cannot be written")
    found = verify(path)
    assert found.is_sound
    assert 1 == found.count % 100


def test_rows_cut_off_after_a_session_closed_are_missed(tmp_path: Path) -> None:
    """The chain that is left is whole; the side file of the session's close knows how long it was."""
    path = tmp_path / "journal.sqlite"
    with Journal(path, "run") as journal:
        for minute in range(5):
            journal.append(e.ReconStarted(ts_us=minute))
        journal.append(e.SessionClosed(ts_us=9, session="2024-01-02"))
        journal.commit()
        journal.note_end()
    assert verify(path).is_sound
    tampered(path, "DELETE FROM events WHERE seq > 4")

    found = verify(path)

    assert not found.is_sound
    assert "had 6 when a session closed" in found.problems[0][1]
