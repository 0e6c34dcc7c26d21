"""A package of somebody else's, written to a folder: its own strategy behind an entry point, and nothing of ours."""

from __future__ import annotations

from pathlib import Path

STRATEGY = '''
"""Buy the break of an M5 bar that closed above the high of the one before: once a day and symbol."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from axiomd.core.compiled import njit
from axiomd.core.rounding import round_stop_entry, round_stop_loss, round_take_profit
from axiomd.core.strategies import api

TICK, HIGH, LOW, CLOSE, START, MOTHER_HIGH, DAY_USED, SEEN, ASKED = range(9)
DAY_US = 86_400_000_000


class Params(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    minutes: int = 30
    reward: int = 2


@njit
def observe(si, sf, pi, pf, win, n, bar, out):
    si[MOTHER_HIGH] = si[HIGH]
    si[START], si[HIGH], si[LOW], si[CLOSE] = bar[0], bar[2], bar[3], bar[4]
    si[SEEN] += 1
    return 0


@njit
def trigger(si, sf, pi, pf, win, n, bar, out):
    si[ASKED] += 1
    day = si[START] // DAY_US
    if si[SEEN] < 2 or si[CLOSE] <= si[MOTHER_HIGH] or si[DAY_USED] == day:
        return api.NO_SETUP
    for k in range(n):
        if win[4 * k] <= si[START] < win[4 * k + 1]:
            valid_from = si[START] + 300_000_000
            valid_to = min(valid_from + pi[0], win[4 * k + 3])
            if valid_to <= valid_from:
                return api.NO_SETUP
            for column in range(api.LONG_ENTRY, api.SHORT_LIMIT + 1):
                out[column] = 0
            tick = si[TICK]
            entry = round_stop_entry(si[HIGH] + tick, 1, tick)
            stop = round_stop_loss(si[LOW] - tick, 1, tick)
            out[api.VALID_FROM], out[api.VALID_TO], out[api.ENTRY_KIND] = valid_from, valid_to, 0
            out[api.LONG_ENTRY], out[api.LONG_STOP] = entry, stop
            out[api.LONG_TARGET] = round_take_profit(entry + pi[1] * (entry - stop), 1, tick)
            out[api.SCORE_PPM] = 500_000
            si[DAY_USED] = day
            return api.SETUP
    return api.NO_SETUP


def numbers(params):
    return (params.minutes * 60_000_000, params.reward), ()


def windows(params, tz):
    return api.WindowSpec((), tz)


def screen(daily, session, stage1):
    return [min(daily["symbol"])]


STRATEGY = api.Strategy(
    name="break_higher", version="0.3.0", setup="close_above_mother", timeframe="M5", timeframe_us=300_000_000,
    params=Params, observe=observe, trigger=trigger, numbers=numbers, windows=windows, screen=screen,
    counters={"asked": ASKED},
)
'''


def install(folder: Path) -> Path:
    """Write the package and what an installer would write beside it; give the folder to put on the path."""
    package = folder / "break_higher"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "strategy.py").write_text(STRATEGY)
    info = folder / "break_higher-0.3.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: break-higher\nVersion: 0.3.0\n")
    (info / "entry_points.txt").write_text("[axiomd.strategies]\nbreak_higher = break_higher.strategy:STRATEGY\n")
    return folder
