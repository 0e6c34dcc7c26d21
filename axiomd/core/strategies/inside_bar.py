"""`inside_bar`: a breakout of the mother bar's range, once a window (04, Strategy `inside_bar`).

An M5 bar inside the one directly before it, in a window, with a mother bar wide enough against ATR: two resting stop
orders around the mother bar. Stage 1 asks for volume, price and daily range. Everything is decided at a bar's close.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from axiomd.contracts.exact import Count, NotNegative, Positive, PositiveCount
from axiomd.contracts.units import MINUTE_US, PPM, to_ppm
from axiomd.core import fills
from axiomd.core.compiled import njit
from axiomd.core.market.wilder import smooth, true_range
from axiomd.core.rounding import round_stop_entry, round_stop_loss, round_take_profit
from axiomd.core.strategies import api

if TYPE_CHECKING:
    import polars as pl

# int state, in front what `observe` keeps
TICK: Final = 0
SEEN: Final = 1
CLOSE: Final = 2
START: Final = 3
HIGH: Final = 4
LOW: Final = 5
MOTHER_START: Final = 6
MOTHER_HIGH: Final = 7
MOTHER_LOW: Final = 8
WINDOW: Final = 9
USED_WINDOW: Final = 10
"""One more than the index of the window that was used up last."""
WARM_UP: Final = 11
OUTSIDE: Final = 12
ZERO_VALIDITY: Final = 13
NARROW: Final = 14
# float state
ATR: Final = 0
# int params
IS_STRICT: Final = 0
PERIOD: Final = 1
OFFSET_TICKS: Final = 2
STOP_CAP_TICKS: Final = 3
RISK_REWARD_PPM: Final = 4
WANTS_LONG: Final = 5
WANTS_SHORT: Final = 6
TO_SESSION_END: Final = 7
LIMIT_TICKS: Final = 8
# float params
MOTHER_RANGE_ATR: Final = 0

_BAR_US: Final = 5 * MINUTE_US
_OFF: Final = -1


class Params(BaseModel):
    """The parameters of 04, with its defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inside_bar_mode: Literal["inclusive", "strict"] = "inclusive"
    min_mother_range_atr: Annotated[NotNegative, Field(le=1000)] = Decimal("0.5")
    atr_period: Annotated[PositiveCount, Field(le=1000)] = 14
    windows: tuple[str, ...] = Field(default=("09:30-11:00", "14:00-15:00"), min_length=1, max_length=50)
    windows_tz: str | None = None
    entry_offset_ticks: Annotated[Count, Field(le=100_000)] = 1
    stop_cap_ticks: Annotated[PositiveCount, Field(le=1_000_000)] | None = None
    risk_reward: Annotated[Positive, Field(le=1000)] = Decimal("2.0")
    sides: Literal["both", "long", "short"] = "both"
    validity: Literal["window_end", "session_end"] = "window_end"
    entry_limit_ticks: Annotated[Count, Field(le=1_000_000)] | None = None
    warmup_sessions: Annotated[Count, Field(le=1000)] = 5


@njit
def observe(si, sf, pi, pf, win, n, bar, out):  # type: ignore[no-untyped-def]
    """Take a closed M5 bar in: it becomes the last bar, the last becomes the mother, ATR moves on."""
    tr = true_range(bar[2], bar[3], si[CLOSE])
    if si[SEEN] < max(pi[PERIOD], 2):
        sf[ATR] = smooth(sf[ATR], float(tr), si[SEEN], pi[PERIOD])
        si[SEEN] += 1
    else:  # nobody asks for more, and a count that ends depends on the last bars alone
        sf[ATR] = smooth(sf[ATR], float(tr), pi[PERIOD], pi[PERIOD])
    si[MOTHER_START] = si[START]
    si[MOTHER_HIGH] = si[HIGH]
    si[MOTHER_LOW] = si[LOW]
    si[START] = bar[0]
    si[HIGH] = bar[2]
    si[LOW] = bar[3]
    si[CLOSE] = bar[4]
    return 0


@njit
def trigger(si, sf, pi, pf, win, n, bar, out):  # type: ignore[no-untyped-def]
    """Say whether the bar that was just observed arms its window, and with which levels."""
    # most bars are none: asked before anything else is looked up, and in one branch, since which extreme is outside
    # cannot be foretold: of two numbers ored the sign is negative where one is
    mother_high, mother_low, strict = si[MOTHER_HIGH], si[MOTHER_LOW], pi[IS_STRICT]
    if ((mother_high - strict - si[HIGH]) | (si[LOW] - strict - mother_low)) < 0:
        return api.NO_SETUP
    start = si[START]
    if si[SEEN] < 2 or si[MOTHER_START] != start - _BAR_US:
        return api.NO_SETUP
    window = si[WINDOW]
    while window < n and win[4 * window + 1] <= start:
        window += 1
    si[WINDOW] = window
    if window >= n or start < win[4 * window] or si[USED_WINDOW] == window + 1:
        return api.NO_SETUP
    if si[MOTHER_START] < win[4 * window]:
        si[OUTSIDE] += 1
        return api.NO_SETUP
    if si[SEEN] < pi[PERIOD]:
        si[WARM_UP] += 1
        return api.NO_SETUP
    if mother_high - mother_low < pf[MOTHER_RANGE_ATR] * sf[ATR]:
        si[NARROW] += 1
        return api.NO_SETUP
    valid_from = start + _BAR_US
    valid_to = win[4 * window + 2] if pi[TO_SESSION_END] else win[4 * window + 1]
    valid_to = min(valid_to, win[4 * window + 3])
    if valid_to <= valid_from:
        si[ZERO_VALIDITY] += 1
        return api.NO_SETUP
    out[api.VALID_FROM] = valid_from
    out[api.VALID_TO] = valid_to
    out[api.ENTRY_KIND] = fills.STOP
    out[api.SCORE_PPM] = PPM
    tick = si[TICK]
    for column in range(api.LONG_ENTRY, api.SHORT_LIMIT + 1):
        out[column] = 0
    has_leg = False
    entry, stop, target = levels(pi, 1, mother_high, mother_low, tick)
    if pi[WANTS_LONG] and entry != stop:
        has_leg = True
        out[api.LONG_ENTRY], out[api.LONG_STOP], out[api.LONG_TARGET] = entry, stop, target
        if pi[LIMIT_TICKS] >= 0:
            out[api.LONG_LIMIT] = entry + pi[LIMIT_TICKS] * tick
    entry, stop, target = levels(pi, -1, mother_low, mother_high, tick)
    if pi[WANTS_SHORT] and entry != stop:
        has_leg = True
        out[api.SHORT_ENTRY], out[api.SHORT_STOP], out[api.SHORT_TARGET] = entry, stop, target
        if pi[LIMIT_TICKS] >= 0:
            out[api.SHORT_LIMIT] = entry - pi[LIMIT_TICKS] * tick
    if not has_leg:  # a mother bar without range and no offset: there is nothing between entry and stop
        return api.NO_SETUP
    si[USED_WINDOW] = window + 1
    return api.SETUP


@njit
def levels(pi, side: int, near: int, far: int, tick: int) -> tuple[int, int, int]:  # type: ignore[no-untyped-def]
    """Give entry, stop-loss and take-profit from the mother bar's near and far extreme, rounded against us."""
    entry = round_stop_entry(near + side * pi[OFFSET_TICKS] * tick, side, tick)
    stop = round_stop_loss(far, side, tick)
    if pi[STOP_CAP_TICKS] > 0 and abs(entry - stop) > pi[STOP_CAP_TICKS] * tick:
        stop = entry - side * pi[STOP_CAP_TICKS] * tick
    reward_units = -(-pi[RISK_REWARD_PPM] * abs(entry - stop) // PPM)
    target = round_take_profit(entry + side * reward_units, side, tick)
    # nothing stands for "none" in a setup: an order must be refused for such an exit, not go without one
    return entry, stop if stop != 0 else -tick, target if target != 0 else -tick


def _numbers(params: Params) -> tuple[Sequence[int], Sequence[float]]:
    ints = (
        int(params.inside_bar_mode == "strict"),
        params.atr_period,
        params.entry_offset_ticks,
        _OFF if params.stop_cap_ticks is None else params.stop_cap_ticks,
        to_ppm(params.risk_reward),
        int(params.sides != "short"),
        int(params.sides != "long"),
        int(params.validity == "session_end"),
        _OFF if params.entry_limit_ticks is None else params.entry_limit_ticks,
    )
    return ints, (float(params.min_mother_range_atr),)


def _windows(params: Params, tz: str) -> api.WindowSpec:
    return api.WindowSpec(params.windows, params.windows_tz or tz)


def _screen(daily: pl.DataFrame, session: date, stage1: Mapping[str, Any]) -> Sequence[str]:
    from axiomd.core.strategies.stage1 import rank_inside_bar

    low, high = stage1["atr_pct"]
    return rank_inside_bar(
        daily,
        session,
        min_adv=stage1["min_adv"],
        min_price=stage1["min_price"],
        atr_pct=(low, high),
        max_candidates=stage1["max_candidates"],
    )


STRATEGY: Final = api.Strategy(
    name="inside_bar",
    version="1.0.0",
    setup="inside_bar",
    timeframe="M5",
    timeframe_us=_BAR_US,
    params=Params,
    observe=observe,
    trigger=trigger,
    numbers=_numbers,
    windows=_windows,
    screen=_screen,
    counters={
        "warm_up": WARM_UP,
        "mother_bar_outside_window": OUTSIDE,
        "zero_validity": ZERO_VALIDITY,
        "narrow_mother": NARROW,
    },
    memory=api.Memory(ints=(PERIOD,)),
)
