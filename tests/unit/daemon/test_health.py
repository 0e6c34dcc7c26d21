"""Who hangs: from heartbeats and a moment, nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from axiomd.daemon.health import SILENCE_US_MAX, Health, Heartbeats, judge

TIMES = st.integers(0, 10**12)
BEATS = st.dictionaries(st.text(min_size=1, max_size=5), TIMES, max_size=6)


def test_task_at_its_limit_lives_and_a_microsecond_later_hangs() -> None:
    assert judge({"engine": 0}, SILENCE_US_MAX).is_healthy
    assert ("engine",) == judge({"engine": 0}, SILENCE_US_MAX + 1).hung


def test_longest_silence_is_named_first() -> None:
    judged = judge({"engine": 100, "journal": 0, "feed": 10_000_000}, 10_000_000)

    assert ("journal", "engine") == judged.hung
    assert "hung: journal, engine" == judged.status
    assert 10_000_000 == judged.silence_us_max


def test_task_may_have_a_limit_of_its_own() -> None:
    beats = Heartbeats()
    beats.expect("stage1", 0, silence_us_max=60_000_000)
    beats.expect("engine", 0)

    assert ("engine",) == beats.judge(30_000_000).hung


def test_beat_makes_it_healthy_and_forgetting_ends_the_expectation() -> None:
    beats = Heartbeats()
    beats.expect("engine", 0)
    beats.expect("feed", 0)
    beats.beat("engine", 9_000_000)
    beats.forget("feed")

    assert Health((), 1_000_000) == beats.judge(10_000_000)
    assert {"engine": 1.0} == beats.ages_s(10_000_000)


def test_late_beat_never_sets_a_heartbeat_back() -> None:
    beats = Heartbeats()
    beats.expect("engine", 5_000_000)
    beats.beat("engine", 1_000_000)

    assert {"engine": 0.0} == beats.ages_s(5_000_000)


def test_nobody_is_expected_nobody_hangs() -> None:
    assert "healthy" == Heartbeats().judge(1).status


@given(BEATS, TIMES)
def test_exactly_the_silent_hang(beats_us: dict[str, int], now_us: int) -> None:
    expected = {name for name, beat_us in beats_us.items() if now_us - beat_us > SILENCE_US_MAX}

    assert expected == set(judge(beats_us, now_us).hung)
    assert (not expected) == judge(beats_us, now_us).is_healthy


@given(BEATS, TIMES, TIMES)
def test_who_hangs_goes_on_hanging_without_a_beat(beats_us: dict[str, int], now_us: int, later_us: int) -> None:
    earlier_us, later_us = sorted((now_us, later_us))

    assert set(judge(beats_us, earlier_us).hung) <= set(judge(beats_us, later_us).hung)
