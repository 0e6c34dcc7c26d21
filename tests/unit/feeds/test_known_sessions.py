"""Tables kept on disk are the calendar's own, and nothing but that is ever taken for one."""

from __future__ import annotations

import os
from datetime import date, timedelta
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from axiomd.contracts.errors import ConfigError
from axiomd.core.market.sessions import SessionTable
from axiomd.feeds import known_sessions as module
from axiomd.feeds.calendars import session_table
from axiomd.feeds.known_sessions import known_sessions

FIRST, LAST = date(2023, 11, 20), date(2024, 3, 29)


def assert_same(expected: SessionTable, table: SessionTable) -> None:
    assert expected.calendar == table.calendar
    for name in ("date_days", "open_us", "close_us", "early", "break_start_us", "break_end_us"):
        assert getattr(expected, name).dtype == getattr(table, name).dtype
        assert np.array_equal(getattr(expected, name), getattr(table, name)), name


def unasked(*_: object) -> SessionTable:
    raise AssertionError("the calendar was asked again")


@pytest.mark.parametrize("calendar", ["XNYS", "NYSE", "XHKG", "XETR"])
def test_a_kept_table_is_the_calendars_own(calendar: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = session_table(calendar, FIRST, LAST)

    assert_same(expected, known_sessions(calendar, FIRST, LAST, tmp_path))
    monkeypatch.setattr(module, "session_table", unasked)
    assert_same(expected, known_sessions(calendar, FIRST, LAST, tmp_path))


def test_another_span_calendar_or_version_is_asked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known_sessions("XNYS", FIRST, LAST, tmp_path)

    assert_same(session_table("XLON", FIRST, LAST), known_sessions("XLON", FIRST, LAST, tmp_path))
    shorter = LAST - timedelta(days=1)
    assert_same(session_table("XNYS", FIRST, shorter), known_sessions("XNYS", FIRST, shorter, tmp_path))
    monkeypatch.setattr(metadata, "version", lambda _: "0.0")
    monkeypatch.setattr(module, "session_table", unasked)
    with pytest.raises(AssertionError, match="asked again"):
        known_sessions("XNYS", FIRST, LAST, tmp_path)


def test_a_table_made_under_other_rules_of_the_zone_is_asked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_sessions("XNYS", FIRST, LAST, tmp_path)
    monkeypatch.setattr(module, "_zone_sha256", lambda _: "another")
    monkeypatch.setattr(module, "session_table", unasked)

    with pytest.raises(AssertionError, match="asked again"):
        known_sessions("XNYS", FIRST, LAST, tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.data())
def test_a_damaged_table_is_asked_anew(tmp_path: Path, data: st.DataObject) -> None:
    expected = session_table("XNYS", FIRST, LAST)
    known_sessions("XNYS", FIRST, LAST, tmp_path)
    (kept,) = tmp_path.iterdir()
    content = bytearray(kept.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    kept.write_bytes(content)

    assert_same(expected, known_sessions("XNYS", FIRST, LAST, tmp_path))


def test_where_nothing_can_be_kept_the_calendar_is_asked(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")

    assert_same(session_table("XNYS", FIRST, LAST), known_sessions("XNYS", FIRST, LAST, in_the_way / "below"))


def test_an_unknown_calendar_is_named_and_nothing_kept(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown calendar"):
        known_sessions("NOWHERE", FIRST, LAST, tmp_path)

    assert [] == list(tmp_path.iterdir())


def test_the_oldest_table_goes_where_there_are_too_many(tmp_path: Path) -> None:
    for number in range(module.TABLES_KEPT_MAX):
        (tmp_path / f"t{number:03d}").write_text("")
        os.utime(tmp_path / f"t{number:03d}", (number, number))

    known_sessions("XNYS", FIRST, LAST, tmp_path)

    assert module.TABLES_KEPT_MAX == len(list(tmp_path.iterdir()))
    assert not (tmp_path / "t000").exists()
    assert (tmp_path / "t001").exists()
