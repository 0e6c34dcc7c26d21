"""Session and window tables against days whose hours are known from the exchange."""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import exchange_calendars as xc
import numpy as np
import pytest

from axiomd.contracts.errors import ConfigError
from axiomd.core.market.sessions import SessionTable
from axiomd.feeds.calendars import session_table, window_table


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture(scope="module")
def christmas() -> SessionTable:
    return session_table("XNYS", date(2015, 12, 23), date(2015, 12, 28))


def test_holiday_has_no_session_and_half_day_closes_early(christmas: SessionTable) -> None:
    assert [date(2015, 12, 23), date(2015, 12, 24), date(2015, 12, 28)] == [christmas.date(i) for i in range(3)]
    assert [False, True, False] == christmas.early.tolist()
    assert us("2015-12-24 18:00") == christmas.close_us[1]
    assert christmas.index_of_date(date(2015, 12, 25)) == -1
    assert christmas.index_of_date(date(2015, 12, 28)) == 2


def test_session_holds_its_open_and_not_its_close(christmas: SessionTable) -> None:
    moments = ["2015-12-23 14:29", "2015-12-23 14:30", "2015-12-24 17:59", "2015-12-24 18:00", "2015-12-25 15:00"]

    assert [-1, 0, 1, -1, -1] == [christmas.index_of(us(moment)) for moment in moments]
    assert [-1, 0, 1, -1, -1] == christmas.indices_of(np.array([us(moment) for moment in moments])).tolist()


def test_lunch_break_belongs_to_no_session() -> None:
    table = session_table("XHKG", date(2024, 3, 4), date(2024, 3, 4))

    assert [0, -1, 0] == [table.index_of(us(f"2024-03-04 {at}")) for at in ("03:59", "04:00", "05:00")]


def test_weekend_gives_an_empty_table() -> None:
    table = session_table("XNYS", date(2024, 3, 2), date(2024, 3, 3))

    assert len(table) == 0
    assert table.index_of(us("2024-03-02 15:00")) == -1
    assert table.indices_of(np.array([us("2024-03-02 15:00")])).tolist() == [-1]


def test_alias_and_calendar_object_give_the_same_table() -> None:
    days = (date(2013, 10, 4), date(2013, 10, 11))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        narrow = xc.get_calendar("XNYS", start="2020-01-02", end="2020-02-03")

    by_name, by_alias, by_object = (session_table(calendar, *days) for calendar in ("XNYS", "NYSE", narrow))

    assert by_name.calendar == by_alias.calendar == by_object.calendar == "XNYS"
    assert by_name.open_us.tolist() == by_alias.open_us.tolist() == by_object.open_us.tolist()
    assert len(by_name) == 6


@pytest.mark.parametrize("calendar", ["XNYS", "XTKS"])
def test_many_moments_are_placed_as_each_alone_whether_they_rise_or_not(calendar: str) -> None:
    table = session_table(calendar, date(2024, 3, 1), date(2024, 3, 8))
    rising = np.arange(us("2024-02-29 00:00"), us("2024-03-10 00:00"), 7 * 60 * 1_000_000)
    shuffled = np.random.default_rng(1).permutation(rising)

    assert [table.index_of(int(ts)) for ts in rising] == table.indices_of(rising).tolist()
    assert [table.index_of(int(ts)) for ts in shuffled] == table.indices_of(shuffled).tolist()


def test_unknown_calendar_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="XNYS"):
        session_table("XNYZ", date(2024, 1, 1), date(2024, 1, 5))


def test_dates_beyond_the_calendar_are_refused_in_one_line() -> None:
    with pytest.raises(ConfigError) as caught:
        session_table("XKRX", date(2300, 1, 1), date(2300, 1, 5))

    assert "\n" not in str(caught.value)


def test_windows_are_cut_to_a_half_day(christmas: SessionTable) -> None:
    windows = window_table(christmas, ["14:00-15:00", "09:30-11:00", "12:30-13:30"], "America/New_York")

    starts = ["23 14:30", "23 17:30", "23 19:00", "24 14:30", "24 17:30", "28 14:30", "28 17:30", "28 19:00"]
    assert [us(f"2015-12-{start}") for start in starts] == windows.start_us.tolist()
    assert [0, 0, 0, 1, 1, 2, 2, 2] == windows.session.tolist()
    assert us("2015-12-24 18:00") == windows.end_us[4]


def test_berlin_window_moves_while_only_new_york_has_changed_its_clocks() -> None:
    table = session_table("XNYS", date(2024, 3, 8), date(2024, 4, 1))

    windows = window_table(table, ["15:30-16:30"], "Europe/Berlin")

    by_day = {table.date(int(s)): int(start) for s, start in zip(windows.session, windows.start_us, strict=True)}
    assert us("2024-03-08 14:30") == by_day[date(2024, 3, 8)]
    assert us("2024-03-11 14:30") == by_day[date(2024, 3, 11)]
    assert us("2024-04-01 13:30") == by_day[date(2024, 4, 1)]


def test_window_of_another_day_of_the_zone_reaches_its_session() -> None:
    table = session_table("XNYS", date(2024, 3, 12), date(2024, 3, 12))

    windows = window_table(table, ["03:00-04:00"], "Asia/Tokyo")

    assert [us("2024-03-12 18:00")] == windows.start_us.tolist()


@pytest.mark.parametrize("zone", ["America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Gaza"])
def test_windows_stand_at_their_local_time_on_the_days_the_clocks_change_too(zone: str) -> None:
    table = session_table("24/7", date(2011, 1, 1), date(2012, 1, 31))

    windows = window_table(table, ["00:30-02:15", "23:00-23:59"], zone)

    local = ZoneInfo(zone)
    ends = [
        [datetime(day.year, day.month, day.day, hour, minute, tzinfo=local).timestamp() * 1e6 for hour, minute in times]
        for day in (date(2010, 12, 31) + timedelta(days=n) for n in range(400))
        for times in (((0, 30), (2, 15)), ((23, 0), (23, 59)))
    ]
    expected = sorted(
        (max(start, int(opens)), min(end, int(closes)))
        for start, end in ends
        for opens, closes in zip(table.open_us, table.close_us, strict=True)
        if max(start, opens) < min(end, closes)
    )
    assert expected == list(zip(windows.start_us.tolist(), windows.end_us.tolist(), strict=True))


def test_window_table_answers_which_window_holds_a_moment(christmas: SessionTable) -> None:
    windows = window_table(christmas, ["09:30-11:00"], "America/New_York")

    assert [-1, 0, 0, -1] == [windows.index_of(us(f"2015-12-23 {at}")) for at in ("14:29", "14:30", "15:59", "16:00")]


@pytest.mark.parametrize("windows", [["9-10"], ["11:00-09:30"], ["09:30-09:30"], ["09:30-24:30"], ["9:30-10:00"], [7]])
def test_malformed_window_is_a_configuration_error(christmas: SessionTable, windows: list[str]) -> None:
    with pytest.raises(ConfigError):
        window_table(christmas, windows, "America/New_York")


def test_overlapping_windows_are_a_configuration_error(christmas: SessionTable) -> None:
    with pytest.raises(ConfigError, match="overlap"):
        window_table(christmas, ["10:30-12:00", "09:30-11:00"], "America/New_York")


def test_unknown_time_zone_names_the_nearest(christmas: SessionTable) -> None:
    with pytest.raises(ConfigError, match="Europe/Berlin"):
        window_table(christmas, ["09:30-11:00"], "Europe/Berlon")
