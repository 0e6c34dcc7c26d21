"""The ledger: who listens hears of decisions behind their orders, and a report finds what it is about all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from axiomd.contracts import events as e
from axiomd.daemon.ears import Ears
from axiomd.daemon.ledger import Ledger
from axiomd.journal.log import Journal
from axiomd.journal.reading import rows


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def ledger(tmp_path: Path, ears: Ears) -> Iterator[Ledger]:
    with Journal(tmp_path / "journal.sqlite", "run-1") as journal:
        yield Ledger(journal, ears, None)


def sized(*keys: str) -> list[e.Event]:
    return [e.OrderSized(ts_us=1, key=key, symbol="AAA", side="BUY", qty=1, equity_units=1) for key in keys]


def test_decisions_are_told_when_it_is_asked_for_and_in_their_order(ledger: Ledger, ears: Ears) -> None:
    heard: list[tuple[int, str]] = []
    ears.event.append(lambda seq, event: heard.append((seq, e.key_of(event))))

    ledger.append_ahead(sized("a", "b"), (0, 0))
    ledger.append_ahead(sized("c"), (0,))
    assert heard == []

    ledger.tell()
    ledger.append(e.OrderSent(ts_us=2, key="a"), 1)

    assert heard == [(1, "a"), (2, "b"), (3, "c"), (4, "a")]


def test_the_cause_of_a_report_is_what_was_written_down_last_of_its_order(ledger: Ledger) -> None:
    ledger.append_ahead(sized("a", "b"), (0, 0))
    assert (ledger.cause_of("a"), ledger.cause_of("b"), ledger.cause_of("c")) == (1, 2, 0)

    ledger.append_ahead(sized("a", "c"), (0, 0))
    ledger.append(e.OrderSent(ts_us=2, key="a"), 3)

    assert (ledger.cause_of("a"), ledger.cause_of("b"), ledger.cause_of("c")) == (5, 2, 4)


def test_a_session_that_is_over_is_no_cause(ledger: Ledger) -> None:
    ledger.append(e.OrderSent(ts_us=1, key="a"), 0)
    ledger.append_ahead(sized("b"), (0,))

    ledger.end_session()

    assert (ledger.cause_of("a"), ledger.cause_of("b")) == (0, 0)


@pytest.mark.anyio
async def test_what_is_lost_is_numbered_and_told_and_not_written(ledger: Ledger, ears: Ears) -> None:
    heard: list[int] = []
    ears.event.append(lambda seq, event: heard.append(seq))
    ledger.append(e.OrderSent(ts_us=1, key="a"), 0)
    await ledger.end_commit(ledger.begin_commit())

    ledger.lose()
    ledger.append(e.OrderSent(ts_us=2, key="b"), 0)

    assert ledger.begin_commit() is None
    assert heard == [1, 2]
    assert [row[0] for row in rows(ledger.journal.path)] == [1]
