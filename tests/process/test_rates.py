"""A daemon that trades in another currency, at rates by day: those of a session are journaled when it opens."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from axiomd.contracts import events as e
from axiomd.contracts.errors import EXIT_INPUT, EXIT_OK
from axiomd.journal.verify import verify
from tests.markets import write_rates
from tests.process.stage import Stage
from tests.process.test_kill import hold
from tests.property.test_daily_rates import FX_BLOCKED

pytestmark = pytest.mark.slow

TWO_DAYS = (date(2019, 11, 27), date(2019, 11, 29))


def in_euros(stage: Stage, rates: dict[date, str], speed: float | str = "max") -> None:
    days = {day: Decimal(rate) for day, rate in rates.items()}
    path = write_rates(stage.folder / "usdeur.parquet", "USDEUR", days)
    stage.write_config(speed=speed, currency="EUR", fx={"USDEUR": path})


def test_a_session_keeps_the_rate_it_opened_with_whatever_the_file_says_after_a_crash(stage: Stage) -> None:
    stage.write_tape(11, span=TWO_DAYS)
    in_euros(stage, {date(2019, 11, 26): "0.9", date(2019, 11, 27): "0.8"}, speed=2500)
    expected = stage.replay()
    running = stage.start_ready()
    hold(stage, running, entries=True, position=True)
    running.kill()
    in_euros(stage, {date(2019, 11, 26): "0.5", date(2019, 11, 27): "0.8"})

    code = stage.start().wait()
    confirmed = stage.run("replay", "--journal", str(stage.journal))

    assert code == EXIT_OK
    assert expected
    assert stage.trades() == expected
    assert [opened.rates for opened in stage.events(e.SessionOpened)] == [{"USD": (9, 10)}, {"USD": (4, 5)}]
    assert verify(stage.journal).is_sound
    assert confirmed.returncode == EXIT_OK, confirmed.stdout + confirmed.stderr


def test_without_a_rate_of_the_last_seven_days_nothing_is_bought_and_it_is_said(stage: Stage) -> None:
    stage.write_tape(11, span=TWO_DAYS)
    in_euros(stage, {date(2019, 11, 20): "0.9"})

    running = stage.start()
    code = running.wait()

    assert code == EXIT_OK
    second_us = stage.events(e.SessionOpened)[1].ts_us
    of_days = [(event.ts_us > second_us, event.signal.outcome == FX_BLOCKED) for event in stage.events(e.SignalEmitted)]
    assert set(of_days) == {(False, False), (True, True)}
    assert {event.order.session for event in stage.events(e.OrderIntent)} == {"2019-11-27"}
    assert "no exchange rate of the last 7 days" in running.log


def test_a_file_of_another_pair_is_refused_before_anything_runs(stage: Stage) -> None:
    stage.write_tape(11, span=TWO_DAYS)
    path = write_rates(stage.folder / "gbpeur.parquet", "GBPEUR", {date(2019, 11, 26): Decimal("1.1")})
    stage.write_config(currency="EUR", fx={"USDEUR": path})

    running = stage.start()

    assert running.wait() == EXIT_INPUT
    assert "the file holds no bar of USDEUR" in running.log
    assert not stage.journal.exists()
