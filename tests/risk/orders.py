"""Guards on the order itself: its grid and lot, its key, its symbol and side, its size, its price, the rate of all."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from axiomd.contracts import events as e
from axiomd.contracts.units import to_units
from tests.risk.outcome import PASSED, REFUSED, Outcome, of_order
from tests.risk.scenario import Play, scenarios_of
from tests.risk.stage import Setting, Stage
from tests.risk.ticket import Ticket

ATR_PERIOD: Final = 14
SOME_LIFTED: Final = (("max_open_positions", None), ("max_open_orders", None))


def _asked(closes: dict[str, str], setting: Setting | None = None, **ticket: Any) -> Play:
    """Ask in every one of these symbols in one moment; what came of the last order of all counts."""
    own = setting or Setting(symbols=tuple(closes))
    if ticket:
        own = Setting(symbols=own.symbols, ticket=Ticket(**ticket), qty=own.qty, lot=own.lot, risk=own.risk)

    def play(guard: str) -> Outcome:
        stage = Stage(own)
        stage.ask(closes)
        return of_order(stage, guard)

    return play


def _after_calm(guard: str, *, bars: int, close: str, above: str) -> Outcome:
    """Ask for a stop entry so far above CLOSE after so many bars of a range of 1.00 each."""
    stage = Stage(Setting(ticket=Ticket(kind="stop", entry_units=to_units(above))))
    stage.bars(bars - 1, {"SPY": close})
    stage.ask({"SPY": close})
    return of_order(stage, guard)


def _decided_again(guard: str, *, minutes_later: int) -> Outcome:
    """Decide a moment whose order, or that of a moment before, stands in the journal already, and has ended."""
    first = Stage(Setting())
    first.ask({"SPY": "100.00"})
    order = first.order()
    stage = Stage(Setting())
    stage.bars(minutes_later, {"SPY": "100.00"})
    stage.take(e.OrderIntent(ts_us=first.now_us, order=order, told=first.judged[0].told))
    stage.take(e.OrderCancelled(ts_us=first.now_us, key=order.idempotency_key, reason="simulated"))
    stage.ask({"SPY": "100.00"})
    return of_order(stage, guard)


def _rate(guard: str, *, legs: int, again: bool = False) -> Outcome:
    """Ask for so many orders in one moment, and for one more a minute later."""
    symbols = tuple(f"S{number:03d}" for number in range(legs + again))
    stage = Stage(Setting(symbols=symbols, qty=1, risk=SOME_LIFTED))
    stage.ask(dict.fromkeys(symbols[:legs], "100.00"))
    if again:
        stage.ask({symbols[-1]: "100.00"})
    return of_order(stage, guard)


def _lots(qty: int) -> Play:
    return _asked({"SPY": "100.00"}, Setting(qty=qty, lot=10))


def _sized(qty: int, close: str) -> Play:
    return _asked({"SPY": close}, Setting(qty=qty))


_NO_GME: Final = Setting(symbols=("GME",), risk=(("short_allowed", {"default": True, "GME": False}),))
_LISTED: Final = Setting(symbols=("GME", "SPY"), risk=(("restricted_list", ["GME"]),))

SCENARIOS: Final = (
    *scenarios_of(
        "TickAndLot",
        ("100 shares in lots of 10", PASSED, _lots(100)),
        ("105 shares in lots of 10", REFUSED, _lots(105)),
        ("target 102.01, tick 0.01", PASSED, _asked({"SPY": "100.00"}, target_units=20100)),
        ("target 102.015, tick 0.01", REFUSED, _asked({"SPY": "100.00"}, target_units=20150)),
        ("entry 0.50, stop-loss -0.50", REFUSED, _asked({"SPY": "0.50"})),
    ),
    *scenarios_of(
        "DuplicateOrder",
        ("an order of 09:31 known; a setup at 09:32", PASSED, partial(_decided_again, minutes_later=1)),
        ("an order of 09:31 known; 09:31 once more", REFUSED, partial(_decided_again, minutes_later=0)),
    ),
    *scenarios_of(
        "MessageRate",
        ("the 200th order of a moment", PASSED, partial(_rate, legs=200)),
        ("the 201st order of a moment", REFUSED, partial(_rate, legs=201)),
        ("one more a minute after 200", PASSED, partial(_rate, legs=200, again=True)),
    ),
    *scenarios_of(
        "RestrictedList",
        ("SPY, with GME on the list", PASSED, _asked({"SPY": "100.00"}, _LISTED)),
        ("GME, with GME on the list", REFUSED, _asked({"GME": "100.00"}, _LISTED)),
    ),
    *scenarios_of(
        "ShortAllowed",
        ("short SPY, as packaged", PASSED, _asked({"SPY": "100.00"}, side="short")),
        ("long GME, shorts in it not allowed", PASSED, _asked({"GME": "100.00"}, _NO_GME)),
        ("short GME, shorts in it not allowed", REFUSED, _asked({"GME": "100.00"}, _NO_GME, side="short")),
    ),
    *scenarios_of(
        "PerSymbolMaxQty",
        ("1000 shares at 50.00", PASSED, _sized(1000, "50.00")),
        ("1001 shares at 50.00", REFUSED, _sized(1001, "50.00")),
    ),
    *scenarios_of(
        "MaxOrderNotional",
        ("600 shares at 100.00", PASSED, _sized(600, "100.00")),
        ("600 shares at 100.01", REFUSED, _sized(600, "100.01")),
    ),
    *scenarios_of(
        "SlippageSanity",
        ("entry 3.00 above CLOSE 100.00", PASSED, partial(_after_calm, bars=ATR_PERIOD, close="100.00", above="3.00")),
        ("entry 3.01 above CLOSE 100.00", REFUSED, partial(_after_calm, bars=ATR_PERIOD, close="100.00", above="3.01")),
    ),
    *scenarios_of(
        "PriceCollar",
        (
            "entry 5.00 above CLOSE 200.00, ATR 1.00",
            PASSED,
            partial(_after_calm, bars=ATR_PERIOD, close="200.00", above="5.00"),
        ),
        (
            "entry 5.01 above CLOSE 200.00, ATR 1.00",
            REFUSED,
            partial(_after_calm, bars=ATR_PERIOD, close="200.00", above="5.01"),
        ),
        ("entry at CLOSE, no ATR yet", PASSED, partial(_after_calm, bars=ATR_PERIOD - 1, close="200.00", above="0.00")),
        (
            "entry 0.01 above CLOSE, no ATR yet",
            REFUSED,
            partial(_after_calm, bars=ATR_PERIOD - 1, close="200.00", above="0.01"),
        ),
    ),
)
