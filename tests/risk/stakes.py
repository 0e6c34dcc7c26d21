"""Guards on what is at stake: positions and groups, entry legs, exposure gross and net, buying power."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Literal

from tests.risk.outcome import PASSED, REFUSED, Outcome, of_order
from tests.risk.scenario import scenarios_of
from tests.risk.stage import Setting, Stage
from tests.risk.ticket import Ticket

Risk = tuple[tuple[str, Any], ...]

QTY: Final = 500
_NO_COUNT: Final[Risk] = (("max_open_positions", None),)
_NET: Final[Risk] = (("max_net_exposure", 100_000),)
_TWO: Final = ("100.00", "100.00")
_BEYOND_TWO: Final = ("100.00", "100.02")
_FOUR: Final = _TWO + _TWO
_BEYOND_FOUR: Final = _TWO + _BEYOND_TWO


def _many(guard: str, *, count: int, held: int = 0, risk: Risk = ()) -> Outcome:
    """Ask for a share each in so many symbols in one moment, after positions in some others."""
    symbols = tuple(f"S{number:03d}" for number in range(held + count))
    stage = Stage(Setting(symbols=symbols, qty=1, risk=risk))
    for symbol in symbols[:held]:
        stage.hold(symbol, "100.00")
    stage.bar(dict.fromkeys(symbols, "100.00"), symbols[held:])
    return of_order(stage, guard)


def _worth(
    guard: str, *, prices: Sequence[str], side: Literal["long", "short"] = "long", cash: int = 1_000_000,
    risk: Risk = (),
) -> Outcome:  # fmt: skip
    """Ask for 500 shares each in as many symbols as there are prices, in one moment."""
    closes = {f"S{place}": price for place, price in enumerate(prices)}
    stage = Stage(Setting(symbols=tuple(closes), ticket=Ticket(side=side), qty=QTY, cash=cash, risk=risk))
    stage.ask(closes)
    return of_order(stage, guard)


def _beside_positions(guard: str, *, close: str) -> Outcome:
    """Hold 3 times 500 shares bought at 100.00, the first of which comes to another CLOSE, and ask for 500 more."""
    held, asked = ("S0", "S1", "S2"), "S3"
    stage = Stage(Setting(symbols=(*held, asked), qty=QTY))
    for symbol in held:
        stage.hold(symbol, "100.00")
    stage.bar(dict.fromkeys((*held, asked), "100.00") | {held[0]: close}, (asked,))
    return of_order(stage, guard)


def _beside_a_short(guard: str, *, prices: Sequence[str]) -> Outcome:
    """Work a group that may become short as well as long, and ask for the like in more symbols: it offsets nothing."""
    closes = {f"S{place}": price for place, price in enumerate(prices)}
    stage = Stage(Setting(symbols=tuple(closes), ticket=Ticket(side="both"), qty=QTY, risk=_NET))
    stage.ask(closes)
    return of_order(stage, guard)


SCENARIOS: Final = (
    *scenarios_of(
        "MaxOpenPositions",
        ("9 entry groups work, one more", PASSED, partial(_many, count=10)),
        ("10 entry groups work, one more", REFUSED, partial(_many, count=11)),
        ("3 positions and 6 groups, one more", PASSED, partial(_many, count=7, held=3)),
        ("4 positions and 6 groups, one more", REFUSED, partial(_many, count=7, held=4)),
    ),
    *scenarios_of(
        "MaxOpenOrders",
        ("99 legs work, one more (positions off)", PASSED, partial(_many, count=100, risk=_NO_COUNT)),
        ("100 legs work, one more (positions off)", REFUSED, partial(_many, count=101, risk=_NO_COUNT)),
    ),
    *scenarios_of(
        "MaxGrossExposure",
        ("3 entries of 50000 work, 50000 more", PASSED, partial(_worth, prices=_FOUR)),
        ("3 entries of 50000 work, 50010 more", REFUSED, partial(_worth, prices=_BEYOND_FOUR)),
        ("3 positions of 50000 held, 50000 more", PASSED, partial(_beside_positions, close="100.00")),
        ("the same, one of them worth 50010 now", REFUSED, partial(_beside_positions, close="100.02")),
    ),
    *scenarios_of(
        "MaxNetExposure",
        ("50000 long works, 50000 more", PASSED, partial(_worth, prices=_TWO, risk=_NET)),
        ("50000 long works, 50010 more", REFUSED, partial(_worth, prices=_BEYOND_TWO, risk=_NET)),
        ("50000 short works, 50000 more", PASSED, partial(_worth, prices=_TWO, side="short", risk=_NET)),
        ("50000 short works, 50010 more", REFUSED, partial(_worth, prices=_BEYOND_TWO, side="short", risk=_NET)),
        ("50000 long or short works, 50010 short", REFUSED, partial(_beside_a_short, prices=_BEYOND_TWO)),
    ),
    *scenarios_of(
        "BuyingPower",
        ("50000 works, 50000 more, equity 100000", PASSED, partial(_worth, prices=_TWO, cash=100_000)),
        ("50000 works, 50010 more, equity 100000", REFUSED, partial(_worth, prices=_BEYOND_TWO, cash=100_000)),
    ),
)
