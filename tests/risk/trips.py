"""What trips the kill switch after the fact: losses, losing streaks, fills off their level, repeats, contradictions.

A tripwire that stays silent says no figure: then it is the account's, or what a scenario put before it (`put`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from axiomd.contracts import events as e
from axiomd.contracts.orders import SUFFIX_EOD, SUFFIX_STOP, SUFFIX_TARGET
from tests.risk.outcome import FLATTEN, HALT, PASSED, REFUSED, Outcome, of_contradiction, of_order, of_trip
from tests.risk.scenario import Scenario, scenarios_of
from tests.risk.stage import Setting, Stage
from tests.risk.ticket import Ticket

Risk = tuple[tuple[str, Any], ...]

SPY: Final = "SPY"
_BASES: Final = {"MaxDailyLoss": ("loss_base", "max_daily_loss"), "MaxDrawdown": ("drawdown_peak", "max_drawdown")}
"""What equity is measured from, and the limit."""
_LOSS_FLATTENS: Final[Risk] = (("max_daily_loss", {"limit": 2000, "level": "flatten"}),)
_FALL_FLATTENS: Final[Risk] = (("max_drawdown", {"limit": 8000, "level": "flatten"}),)
_STREAK_FLATTENS: Final[Risk] = (("consecutive_losses", {"count": 6, "level": "flatten"}),)


def _marked(guard: str, *, path: Sequence[str], risk: Risk = ()) -> Outcome:
    """Hold 1000 shares bought at 50.00 while CLOSE goes along a path."""
    stage = Stage(Setting(qty=1000, risk=risk))
    stage.hold(SPY, "50.00")
    for close in path:
        stage.bar({SPY: close})
    return _of_loss(stage, guard)


def _asked_beside(guard: str) -> Outcome:
    """Ask in another symbol in the very moment whose marks trip."""
    stage = Stage(Setting(symbols=(SPY, "IBM"), qty=1000))
    stage.hold(SPY, "50.00")
    stage.bar({SPY: "48.00", "IBM": "40.00"}, ("IBM",))
    return of_order(stage, guard)


def _released(guard: str) -> Outcome:
    """Lose 1990.00, be killed and released, and lose 1990.00 more."""
    stage = Stage(Setting(qty=1000))
    stage.hold(SPY, "50.00")
    stage.bar({SPY: "48.01"})
    stage.kill()
    stage.resume()
    stage.bar({SPY: "46.02"})
    return _of_loss(stage, guard)


def _of_loss(stage: Stage, guard: str) -> Outcome:
    base, limit = _BASES[guard]
    account = stage.engine.account
    return of_trip(stage, guard, int(account[base] - account["equity"]), limit)


def _streak(guard: str, *, trades: str, resumes: bool = False, risk: Risk = ()) -> Outcome:
    """Trade 100 shares again and again, `-` with a loss of 1.00 a share and `0` without; a position stands beside."""
    stage = Stage(Setting(symbols=("IBM", SPY), risk=risk))
    stage.hold("IBM", "20.00")
    for place, trade in enumerate(trades):
        order = stage.hold(SPY, "100.00")
        price, role = ("99.00", SUFFIX_STOP) if trade == "-" else ("100.00", SUFFIX_EOD)
        stage.fill(order, price, role=role)
        if resumes and place == 0:
            stage.kill()
            stage.resume()
    return of_trip(stage, guard, stage.engine.tripwires.losses_in_a_row, "consecutive_losses")


def _filled_at(guard: str, *, price: str, put: int) -> Outcome:
    """Have a stop entry at 100.00 executed at some price; `put` in ppm of the level."""
    stage = Stage(Setting(ticket=Ticket(kind="stop")))
    stage.ask({SPY: "100.00"})
    stage.fill(stage.order(), price)
    return of_trip(stage, guard, put, "fill_ppm")


def _exited_at(guard: str, *, price: str, put: int) -> Outcome:
    """Have the stop-loss at 99.00 of an entry executed at some price."""
    stage = Stage(Setting(ticket=Ticket(kind="stop")))
    stage.fill(stage.hold(SPY, "100.00"), price, role=SUFFIX_STOP)
    return of_trip(stage, guard, put, "fill_ppm")


def _bought_at_market(guard: str, *, price: str) -> Outcome:
    """Have a market entry executed at some price."""
    stage = Stage(Setting(ticket=Ticket(kind="market")))
    stage.ask({SPY: "100.00"})
    stage.fill(stage.order(), price)
    return of_trip(stage, guard, 0, "fill_ppm")


def _rejected(guard: str, *, count: int, put: int, last_after_s: int = 0) -> Outcome:
    """Have so many orders of one moment rejected, the last one later."""
    symbols = tuple(f"S{place}" for place in range(count))
    stage = Stage(Setting(symbols=symbols, qty=1))
    stage.ask(dict.fromkeys(symbols, "100.00"))
    orders = [event.order for event in stage.judged]
    for order in orders[:-1]:
        stage.reject(order)
    stage.wait(last_after_s)
    stage.reject(orders[-1])
    return of_trip(stage, guard, put, "rejects")


def _repeated(guard: str, *, count: int, put: int, every_s: int, parts: int = 1) -> Outcome:
    """Buy and sell the same symbol so many times, the last of them in so many parts."""
    stage = Stage(Setting(bar_s=every_s))
    for _ in range(count - 1):
        stage.fill(stage.hold(SPY, "100.00"), "102.00", role=SUFFIX_TARGET)
    stage.ask({SPY: "100.00"})
    order = stage.order()
    for _ in range(parts):
        stage.fill(order, "100.00", qty=order.qty // parts)
    return of_trip(stage, guard, put, "execution_fills")


def _executed(guard: str, *, is_ours: bool) -> Outcome:
    """Have the broker tell of an execution of an order of ours, or of one that no journal knows."""
    del guard
    stage = Stage(Setting())
    stage.ask({SPY: "100.00"})
    order = stage.order()
    if not is_ours:
        other = Stage(Setting(qty=10))
        other.bar({SPY: "100.00"})
        other.ask({SPY: "100.00"})
        order = other.order()
    stage.fill(order, "100.00")
    return of_contradiction(stage)


def _differing(guard: str, *, is_over: bool) -> Outcome:
    """Ask while journal and broker differ, or after they agree again."""
    del guard
    stage = Stage(Setting())
    stage.take(e.ReconDrift(ts_us=stage.now_us, differences=("SPY: the journal holds 0, the broker 100",)))
    if is_over:
        stage.take(e.ReconCompleted(ts_us=stage.now_us, positions={}))
    stage.ask({SPY: "100.00"})
    return of_order(stage, "BrokerReady")


SCENARIOS: Final = (
    *scenarios_of(
        "SlippageSanity",
        ("stop entry at 100.00 filled at 100.50", PASSED, partial(_filled_at, price="100.50", put=5_000)),
        ("stop entry at 100.00 filled at 100.51", HALT, partial(_filled_at, price="100.51", put=5_100)),
        ("stop-loss at 99.00 filled at 98.51", PASSED, partial(_exited_at, price="98.51", put=4_949)),
        ("stop-loss at 99.00 filled at 98.50", HALT, partial(_exited_at, price="98.50", put=5_050)),
        ("market entry, no level, filled at 105.00", PASSED, partial(_bought_at_market, price="105.00")),
    ),
    *scenarios_of(
        "MaxDailyLoss",
        ("1000 shares bought at 50.00, CLOSE 48.01", PASSED, partial(_marked, path=("48.01",))),
        ("1000 shares bought at 50.00, CLOSE 48.00", HALT, partial(_marked, path=("48.00",))),
        ("the same at level flatten", FLATTEN, partial(_marked, path=("48.00",), risk=_LOSS_FLATTENS)),
        ("1990 lost, killed and released, 1990 more", PASSED, _released),
    ),
    Scenario("MaxDailyLoss", "an order of the moment that trips", REFUSED, _asked_beside, by="KillSwitch"),
    *scenarios_of(
        "MaxDrawdown",
        ("1000 shares from 50.00 to 57.00 to 49.01", PASSED, partial(_marked, path=("57.00", "49.01"))),
        ("1000 shares from 50.00 to 57.00 to 49.00", HALT, partial(_marked, path=("57.00", "49.00"))),
        (
            "the same at level flatten",
            FLATTEN,
            partial(_marked, path=("57.00", "49.00"), risk=_FALL_FLATTENS),
        ),
    ),
    *scenarios_of(
        "ConsecutiveLosses",
        ("5 losing trades", PASSED, partial(_streak, trades="-----")),
        ("6 losing trades", HALT, partial(_streak, trades="------")),
        ("5 losing trades, one of 0.00, one losing", PASSED, partial(_streak, trades="-----0-")),
        ("1 losing, killed and released, 5 losing", PASSED, partial(_streak, trades="------", resumes=True)),
        ("6 losing trades at level flatten", FLATTEN, partial(_streak, trades="------", risk=_STREAK_FLATTENS)),
    ),
    *scenarios_of(
        "RejectStorm",
        ("4 rejects at once", PASSED, partial(_rejected, count=4, put=4)),
        ("5 rejects at once", HALT, partial(_rejected, count=5, put=5)),
        ("4 rejects, a 5th 60 s later", HALT, partial(_rejected, count=5, put=5, last_after_s=60)),
        ("4 rejects, a 5th 61 s later", PASSED, partial(_rejected, count=5, put=1, last_after_s=61)),
    ),
    *scenarios_of(
        "RepeatedExecution",
        ("7 buys of SPY filled, one each 30 s", PASSED, partial(_repeated, count=7, put=7, every_s=30)),
        ("8 buys of SPY filled, one each 30 s", HALT, partial(_repeated, count=8, put=8, every_s=30)),
        ("7 buys, the last in 4 parts", PASSED, partial(_repeated, count=7, put=7, every_s=30, parts=4)),
        ("8 buys, one each 45 s: 315 s in all", PASSED, partial(_repeated, count=8, put=7, every_s=45)),
    ),
    *scenarios_of(
        "ReconDrift",
        ("an execution of an order of ours", PASSED, partial(_executed, is_ours=True)),
        ("an execution of an order unknown to us", HALT, partial(_executed, is_ours=False)),
        ("journal and broker agree again", PASSED, partial(_differing, is_over=True)),
    ),
    Scenario("ReconDrift", "journal and broker differ", REFUSED, partial(_differing, is_over=False), by="BrokerReady"),
)
