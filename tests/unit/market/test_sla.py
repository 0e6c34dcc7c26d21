"""The four service levels on sessions with known holes."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts.quality import SLA_NAMES, QualityReport, summarise
from axiomd.core.market import sla
from axiomd.core.market.sla import measure_frame
from axiomd.feeds.calendars import session_table
from tests.unit.market.minutes import DAY, OPEN, minutes, with_cell

TABLE = session_table("XNYS", DAY - timedelta(days=5), DAY + timedelta(days=5))
OPEN_US = int(OPEN.timestamp()) * 1_000_000
MINUTE_US = 60_000_000


def measure(frame: pl.DataFrame, now_minute: int | None = None) -> QualityReport:
    now_us = None if now_minute is None else OPEN_US + now_minute * MINUTE_US
    (report,) = measure_frame(frame, TABLE, now_us=now_us)
    return report


def test_whole_session_passes_everything() -> None:
    report = measure(minutes())

    assert report.passed
    assert report.failed() == ()
    assert tuple(report.slas()) == SLA_NAMES
    assert (report.m5_expected, report.m5_present) == (78, 78)
    assert report.gaps == ()


def test_interval_with_one_minute_is_present_and_every_gap_is_listed() -> None:
    kept = [0, *range(5, 100), *range(105, 200), *range(210, 390)]

    report = measure(minutes(kept))

    assert report.m5_present == 75
    assert report.m5_completeness.figure == 75 / 78
    assert not report.m5_completeness.passed
    assert [
        ("2024-03-05T16:10:00+00:00", "2024-03-05T16:15:00+00:00", 1),
        ("2024-03-05T17:50:00+00:00", "2024-03-05T18:00:00+00:00", 2),
    ] == [(gap.start, gap.end, gap.m5_bars) for gap in report.gaps]


def test_gap_ends_with_its_session() -> None:
    report = measure(pl.concat([minutes(range(380)), minutes(range(10, 390), start=OPEN + timedelta(days=1))]))

    assert [("2024-03-05", 2), ("2024-03-06", 2)] == [(gap.session, gap.m5_bars) for gap in report.gaps]


def test_days_without_a_bar_in_between_are_missing() -> None:
    report = measure(pl.concat([minutes(), minutes(start=OPEN + timedelta(days=2))]))

    assert (report.m5_expected, report.m5_present) == (234, 156)
    assert [("2024-03-06", 78)] == [(gap.session, gap.m5_bars) for gap in report.gaps]


@pytest.mark.parametrize(("minutes_missing", "passes"), [(0, True), (5, True), (6, False)])
def test_lateness_counts_the_minutes_up_to_the_close(minutes_missing: int, passes: bool) -> None:
    report = measure(minutes(range(390 - minutes_missing)))

    assert report.lateness_minutes.figure == minutes_missing
    assert report.lateness_minutes.passed is passes


def test_half_day_expects_its_own_intervals() -> None:
    table = session_table("XNYS", date(2015, 12, 24), date(2015, 12, 24))

    (report,) = measure_frame(minutes(range(210), start=datetime(2015, 12, 24, 14, 30, tzinfo=UTC)), table)

    assert (report.m5_expected, report.m5_present, report.passed) == (42, 42, True)


@pytest.mark.parametrize(
    ("now_minute", "expected", "lateness"),
    [(30, 6, 10), (34, 6, 14), (35, 7, 15), (20, 4, 0), (2000, 2 * 78, 370 + 1440)],
)
def test_live_counts_what_has_ended_by_now(now_minute: int, expected: int, lateness: int) -> None:
    report = measure(minutes(range(20)), now_minute)

    assert (expected, lateness) == (report.m5_expected, report.lateness_minutes.figure)


def test_before_the_first_minute_is_over_nothing_is_late() -> None:
    frame = pl.concat([minutes(), minutes([0], start=OPEN + timedelta(days=1))])

    assert measure(frame[:390], 1440).lateness_minutes.figure == 0
    assert measure(frame, 1441).lateness_minutes.figure == 0


def test_missing_prices_and_double_bars_are_counted() -> None:
    frame = pl.concat([minutes(), minutes([0, 1])])

    report = measure(with_cell(with_cell(frame, 5, "LOW", math.nan), 6, "OPEN", None))

    assert (report.no_nan_ohlc.figure, report.no_dupe_index.figure) == (2, 2)
    assert report.failed() == ("no_nan_ohlc", "no_dupe_index")


def test_bars_outside_sessions_fill_no_interval() -> None:
    report = measure(minutes([-10, *range(5, 390), 395]))

    assert (report.m5_present, report.lateness_minutes.figure) == (77, 0)


def test_symbol_without_a_bar_in_a_session_has_no_report() -> None:
    assert measure_frame(minutes([-10]), TABLE) == ()


def test_summary_takes_the_worst_of_each() -> None:
    reports = measure_frame(pl.concat([minutes(range(380)), minutes(range(100, 390), "BBB")]), TABLE)

    summary = summarise(reports)

    assert not summary.passed
    assert summary.lateness_minutes.figure == 10
    assert summary.m5_completeness.figure == 58 / 78
    assert len(summary.gaps) == 2


@given(st.lists(st.integers(0, 60), max_size=40), st.sets(st.integers(0, 60), max_size=40))
def test_intervals_are_present_and_bars_double_as_sets_say(found: list[int], expected: set[int]) -> None:
    starts_us, found_us = np.array(sorted(expected), np.int64), np.array(found, np.int64)

    assert [start in found for start in sorted(expected)] == sla._present(starts_us, found_us).tolist()
    assert len(found) - len(set(found)) == sla._doubled(found_us)
