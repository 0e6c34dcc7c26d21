"""One alarm a cause, with the time it began."""

from __future__ import annotations

from collections.abc import Mapping

from axiomd.daemon.alarms import ALARMS_MAX, Alarms


def alarms() -> tuple[Alarms, list[tuple[str, Mapping[str, str | int]]]]:
    notes: list[tuple[str, Mapping[str, str | int]]] = []
    return Alarms(lambda name, fields: notes.append((name, fields))), notes


def test_a_cause_that_is_raised_again_keeps_its_first_time_and_takes_the_new_text() -> None:
    kept, notes = alarms()
    kept.put("ReconDrift", "urgent", "AAA differs", 5)
    kept.put("ReconDrift", "urgent", "AAA differs", 6)
    kept.put("ReconDrift", "urgent", "BBB differs", 7)

    alarm = kept.facts["ReconDrift"]

    assert (5, "BBB differs") == (alarm.since_us, alarm.text)
    assert ["alarm.raised", "alarm.raised"] == [name for name, _ in notes]


def test_a_cleared_alarm_is_gone_and_told_once() -> None:
    kept, notes = alarms()
    kept.put("BrokerLost", "urgent", "gone", 5)

    kept.clear("BrokerLost")
    kept.clear("BrokerLost")

    assert {} == kept.facts
    assert ["alarm.raised", "alarm.cleared"] == [name for name, _ in notes]


def test_an_acknowledged_alarm_stays_until_its_cause_is_gone() -> None:
    kept, _ = alarms()
    kept.put("ClockSkew", "urgent", "3 s", 5)

    assert kept.acknowledge("ClockSkew")
    assert not kept.acknowledge("ReconDrift")
    assert kept.facts["ClockSkew"].is_acknowledged


def test_alarms_are_bounded_and_the_oldest_goes() -> None:
    kept, _ = alarms()
    for number in range(ALARMS_MAX + 1):
        kept.put(f"cause {number}", "low", "text", number)

    assert ALARMS_MAX == len(kept.facts)
    assert "cause 0" not in kept.facts
