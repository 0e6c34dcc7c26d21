"""Guards on our own condition and the data's: latch, broker, journal, session, stale data, market halt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from axiomd.contracts import events as e
from axiomd.contracts.units import MINUTE_US
from tests.risk.outcome import CANCELLED, PASSED, REFUSED, Outcome, of_order, of_working
from tests.risk.scenario import Play, scenarios_of
from tests.risk.stage import Setting, Stage

CALM: Final = {"SPY": "100.00"}
FRAME_MINUTES: Final = 10
"""Of a strategy on longer bars: one of its own may end while the newest bar of the feed is old."""


def _after(prepare: Callable[[Stage], None]) -> Play:
    """Ask for 100 shares at 100.00 after something happened."""

    def play(guard: str) -> Outcome:
        stage = Stage(Setting())
        prepare(stage)
        stage.ask(CALM)
        return of_order(stage, guard)

    return play


def _nothing(stage: Stage) -> None:
    del stage


def _released(stage: Stage) -> None:
    stage.kill()
    stage.resume()


def _journal_lost(stage: Stage) -> None:
    stage.engine.lose_journal()


def _connected(stage: Stage) -> None:
    stage.take(e.BrokerConnected(ts_us=stage.now_us, broker="sim", account="SIM"))


def _reconnected(stage: Stage) -> None:
    _connected(stage)
    stage.take(e.ReconCompleted(ts_us=stage.now_us, positions={}))


def _line_lost(stage: Stage) -> None:
    stage.take(e.BrokerLost(ts_us=stage.now_us, reason="simulated"))


def _at(minutes: int) -> Play:
    """Ask with a bar that closes so many minutes after the open, a bar of each minute before it."""

    def prepare(stage: Stage) -> None:
        stage.bars(minutes - 1, CALM)

    return _after(prepare)


def _late(guard: str, *, minutes: int) -> Outcome:
    """Ask at the end of a frame whose last bar closed so many minutes before."""
    stage = Stage(Setting(frame_s=60 * FRAME_MINUTES))
    stage.bars(FRAME_MINUTES - minutes - 1, CALM)
    stage.ask(CALM)
    stage.skip_until(stage.open_us + FRAME_MINUTES * MINUTE_US)
    return of_order(stage, guard)


def _incomplete(guard: str, *, intervals: int, missing: int) -> Outcome:
    """Ask at the end of so many intervals, some of which had no bar."""
    stage = Stage(Setting())
    stage.bars(4, CALM)
    stage.skip_until(stage.now_us + missing * MINUTE_US)
    stage.bars(intervals - missing - 5, CALM)
    stage.ask(CALM)
    return of_order(stage, guard)


def _left_working(guard: str, *, minutes: int) -> Outcome:
    """Leave an entry working in a symbol that has no bar for so many minutes, while the other has one in each."""
    stage = Stage(Setting(symbols=("SPY", "IBM")))
    stage.bar({"SPY": "100.00", "IBM": "150.00"}, ("SPY",))
    stage.bars(minutes, {"IBM": "150.00"})
    return of_working(stage, guard, minutes * MINUTE_US, "lateness_us")


def _silent(guard: str, *, minutes: int, others: tuple[str, ...], heard: int) -> Outcome:
    """Ask in a symbol that has been silent for so many minutes, like all others but those that are heard."""
    stage = Stage(Setting(symbols=("SPY", *others), frame_s=60 * FRAME_MINUTES))
    prices = dict.fromkeys(("SPY", *others), "100.00")
    stage.bars(FRAME_MINUTES - minutes - 1, prices)
    stage.bar(prices, ("SPY",))
    stage.bars(minutes, dict.fromkeys(others[:heard], "100.00"))
    return of_order(stage, guard)


def _jumped(guard: str, *, close: str, minutes_after: int = 0) -> Outcome:
    """Ask so many minutes after a CLOSE that jumped from 100.00."""
    stage = Stage(Setting())
    stage.bar(CALM)
    if minutes_after:
        stage.bars(minutes_after, {"SPY": close})
    stage.ask({"SPY": close})
    return of_order(stage, guard)


SCENARIOS: Final = (
    *scenarios_of(
        "KillSwitch",
        ("armed", PASSED, _after(_nothing)),
        ("latched at halt by hand", REFUSED, _after(Stage.kill)),
        ("latched by hand, then released", PASSED, _after(_released)),
    ),
    *scenarios_of(
        "BrokerReady",
        ("connected and reconciled again", PASSED, _after(_reconnected)),
        ("connected again, not reconciled yet", REFUSED, _after(_connected)),
        ("the line is lost", REFUSED, _after(_line_lost)),
    ),
    *scenarios_of(
        "JournalFailure",
        ("the journal is written", PASSED, _after(_nothing)),
        ("the journal cannot be written", REFUSED, _after(_journal_lost)),
    ),
    *scenarios_of(
        "SessionOpen",
        ("a setup at 15:54, flatten_at is 15:55", PASSED, _at(384)),
        ("a setup at 15:55, at flatten_at", REFUSED, _at(385)),
        ("a setup with the last bar, at the close", REFUSED, _at(390)),
    ),
    *scenarios_of(
        "StaleData",
        ("newest bar closed 5 min ago", PASSED, partial(_late, minutes=5)),
        ("newest bar closed 6 min ago", REFUSED, partial(_late, minutes=6)),
        ("20 of 20 intervals had a bar", PASSED, partial(_incomplete, intervals=20, missing=0)),
        ("19 of 20 intervals had a bar", REFUSED, partial(_incomplete, intervals=20, missing=1)),
        ("18 of 19 had: too few to judge", PASSED, partial(_incomplete, intervals=19, missing=1)),
        ("an entry works, no bar for 5 min", PASSED, partial(_left_working, minutes=5)),
        ("an entry works, no bar for 6 min", CANCELLED, partial(_left_working, minutes=6)),
    ),
    *scenarios_of(
        "MarketHaltProxy",
        ("silent for 4 min, 1 of 2 others heard", PASSED, partial(_silent, minutes=4, others=("IBM", "QQQ"), heard=1)),
        ("silent for 5 min, 1 of 2 others heard", REFUSED, partial(_silent, minutes=5, others=("IBM", "QQQ"), heard=1)),
        (
            "silent for 5 min, 1 of 3 others heard",
            PASSED,
            partial(_silent, minutes=5, others=("IBM", "QQQ", "XOM"), heard=1),
        ),
        ("CLOSE from 100.00 to 109.99", PASSED, partial(_jumped, close="109.99")),
        ("CLOSE from 100.00 to 110.00, by 1000 bp", REFUSED, partial(_jumped, close="110.00")),
        ("4 min after that jump, cooldown 5 min", REFUSED, partial(_jumped, close="110.00", minutes_after=4)),
        ("5 min after that jump, cooldown 5 min", PASSED, partial(_jumped, close="110.00", minutes_after=5)),
    ),
)
