"""A strategy that asks for an order whenever a bar says so: what scenarios put before the guards.

An interval whose VOLUME is `ASKS` is a setup, and its levels are so far from its CLOSE as the ticket says. It rounds
nothing and looks at nothing else, so that what is wrong with an order comes to the guards as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from axiomd.contracts.units import MINUTE_US
from axiomd.core import fills
from axiomd.core.compiled import njit
from axiomd.core.strategies import api

ASKS: Final = 4_242
QUIET: Final = 0
"""So that an interval of several bars asks where one of them does."""
VALID_US: Final = 60 * MINUTE_US

# int state
START: Final = 1
CLOSE: Final = 2
VOLUME: Final = 3
# int params
KIND: Final = 0
WANTS_LONG: Final = 1
WANTS_SHORT: Final = 2
ENTRY: Final = 3
STOP: Final = 4
TARGET: Final = 5
FRAME: Final = 6


class Ticket(BaseModel):
    """What is asked for; distances in 1/10,000 units, of the entry from CLOSE and of the exits from the entry."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["stop", "limit", "market"] = "limit"
    side: Literal["long", "short", "both"] = "long"
    entry_units: int = 0
    stop_units: int = 10_000
    target_units: int = 20_000
    frame_us: int = MINUTE_US


@njit
def observe(si, sf, pi, pf, win, n, bar, out):  # type: ignore[no-untyped-def]
    """Keep the bar that closed."""
    si[START], si[CLOSE], si[VOLUME] = bar[0], bar[4], bar[5]
    return 0


@njit
def trigger(si, sf, pi, pf, win, n, bar, out):  # type: ignore[no-untyped-def]
    """Say whether that bar asks, and for what."""
    if si[VOLUME] != ASKS:
        return api.NO_SETUP
    out[api.VALID_FROM] = si[START] + pi[FRAME]
    out[api.VALID_TO] = out[api.VALID_FROM] + VALID_US
    out[api.ENTRY_KIND] = pi[KIND]
    out[api.SCORE_PPM] = 0
    for column in range(api.LONG_ENTRY, api.SHORT_LIMIT + 1):
        out[column] = 0
    if pi[WANTS_LONG]:
        entry = si[CLOSE] + pi[ENTRY]
        out[api.LONG_ENTRY], out[api.LONG_STOP], out[api.LONG_TARGET] = entry, entry - pi[STOP], entry + pi[TARGET]
    if pi[WANTS_SHORT]:
        entry = si[CLOSE] - pi[ENTRY]
        out[api.SHORT_ENTRY], out[api.SHORT_STOP], out[api.SHORT_TARGET] = entry, entry + pi[STOP], entry - pi[TARGET]
    return api.SETUP


def _numbers(ticket: Ticket) -> tuple[Sequence[int], Sequence[float]]:
    wants_long, wants_short = int(ticket.side != "short"), int(ticket.side != "long")
    return (
        fills.KINDS[ticket.kind], wants_long, wants_short, ticket.entry_units, ticket.stop_units, ticket.target_units,
        ticket.frame_us,
    ), ()  # fmt: skip


def strategy_of(frame_us: int) -> api.Strategy:
    """Give the strategy on bars of a length of its own."""
    return api.Strategy(
        name="ticket",
        version="1.0.0",
        setup="ticket",
        timeframe=str(timedelta(microseconds=frame_us)),
        timeframe_us=frame_us,
        params=Ticket,
        observe=observe,
        trigger=trigger,
        numbers=_numbers,
        windows=lambda _, tz: api.WindowSpec((), tz),
        screen=_listed_only,
        counters={},
    )


def _listed_only(*_: Any) -> Sequence[str]:
    raise AssertionError("its symbols are listed")
