"""A seeded market that looks like one: sessions and half days, a common factor, quiet and wild days, gaps, thin names.

Its bars depend on the seed, the symbol and the session alone, in integer arithmetic throughout, so the same call gives
the same bytes on every machine. It reads no clock and no market data; it is the embedded default of the daemon and of
`make demo`.

How a session is made. Each minute is walked in `STEPS` small steps. A step's return is a sum of uniform 16-bit numbers
from a counter-based hash (no state, so minutes and symbols are independent draws and whole sessions are made at once):
a share from the market's factor and the rest from the name itself, scaled by the day's volatility, which follows its
own past, and by a curve over the day that is high at both ends. Returns are parts of the session's opening price, so a
path is one cumulative sum.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from axiomd.contracts.bars import PRICE_COLUMNS, SYMBOL, TS, VOLUME, normalise_symbol
from axiomd.contracts.errors import InputError
from axiomd.contracts.units import DAY_US, MINUTE_US, PRICE_SCALE
from axiomd.core.market.sessions import Int64Array, SessionTable
from axiomd.core.market.tape import SYMBOL_INDEX, TAPE_WIDTH, TS_US
from axiomd.feeds.calendars import session_table

if TYPE_CHECKING:
    import polars as pl
    from exchange_calendars import ExchangeCalendar

UInt64Array = npt.NDArray[np.uint64]

STEPS: Final = 6
"""Steps a minute is walked in; the first is its OPEN, the last its CLOSE."""
TICK_UNITS: Final = 100
PRICE_MIN_UNITS: Final = 2 * PRICE_SCALE
"""Names do not fall below two of the currency: below, a tick is too coarse for the model."""
START_MAX_UNITS: Final = 1_000_000 * PRICE_SCALE
"""Far above any price, and far below where a product with a return would leave 64 bits."""
SIGMA: Final = 1 << 16
"""One standard deviation of a draw: the sum of twelve uniform 16-bit numbers has a variance of 2**32."""
RETURN_SCALE: Final = 1 << 32
"""Returns are parts of the session's open in units of 2**-32."""
STEP_RETURN_MAX: Final = RETURN_SCALE // 50
FACTOR_SHARE: Final = 11
NAME_SHARE: Final = 11
"""Weights of factor and name in sixteenths; the squares add up to about one."""
END_DEFAULT: Final = date(2024, 12, 26)
"""Fixed, so that a demonstration is the same on any day: a whole session after a half day and a holiday."""

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_WORDS: Final = 3
"""64-bit words behind one draw: twelve 16-bit parts."""


@dataclass(frozen=True, slots=True)
class Name:
    """How one symbol behaves; all of it follows from its letters and the seed.

    `volatility_cbp` is one standard deviation of a minute's return in hundredths of a basis point,
    `volume_mean` the usual shares a minute, `missing_ppm` how often a minute has no trade, in millionths.
    """

    symbol: str
    start_units: int
    volatility_cbp: int
    volume_mean: int
    missing_ppm: int


@dataclass(slots=True)
class SyntheticMarket:
    """A market under way: give it session after session and it goes on from the closes of the one before.

    `symbols` rise and are the order of the symbol index. One market is one path: the bars of a symbol are the same
    whichever others are asked for beside it.
    """

    seed: int
    symbols: tuple[str, ...]
    start_prices: Mapping[str, int] = field(default_factory=dict)
    _names: tuple[Name, ...] = field(init=False)
    _close_units: list[int] = field(init=False)
    _volatility: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.symbols = tuple(sorted({normalise_symbol(symbol) for symbol in self.symbols}))
        if not self.symbols or not all(self.symbols):
            raise InputError("no symbol was named", "synthetic market", "name at least one, for example --symbols DEMO")
        prices = {normalise_symbol(symbol): units for symbol, units in self.start_prices.items()}
        for symbol, units in prices.items():
            if not PRICE_MIN_UNITS <= units <= START_MAX_UNITS:
                raise InputError(
                    f"start price {units / PRICE_SCALE} of {symbol} is out of range",
                    "synthetic market",
                    f"choose one between {PRICE_MIN_UNITS // PRICE_SCALE} and {START_MAX_UNITS // PRICE_SCALE}",
                )
        self._names = tuple(_name(self.seed, symbol, prices.get(symbol)) for symbol in self.symbols)
        self._close_units = [name.start_units for name in self._names]
        self._volatility = [1 << 10] * (len(self._names) + 1)

    def session(self, table: SessionTable, index: int) -> Int64Array:
        """Make the M1 bars of a session of the table: rows of a tape, sorted by (ts, symbol index)."""
        starts_us = _minutes(table, index)
        day = int(table.date_days[index])
        factor_key = _key(self.seed, "market factor", day)
        self._volatility[0] = _next_volatility(self._volatility[0], factor_key)
        factor = _draws(factor_key, len(starts_us) * STEPS) * self._volatility[0] >> 10
        blocks = [self._bars(k, day, starts_us, factor) for k in range(len(self._names))]
        bars = np.concatenate(blocks)
        return np.ascontiguousarray(bars[np.lexsort((bars[:, SYMBOL_INDEX], bars[:, TS_US]))])

    def _bars(self, k: int, day: int, starts_us: Int64Array, factor: Int64Array) -> Int64Array:
        name = self._names[k]
        key = _key(self.seed, name.symbol, day)
        n = len(starts_us)
        self._volatility[k + 1] = _next_volatility(self._volatility[k + 1], key)
        own = _draws(key, n * STEPS) * self._volatility[k + 1] >> 10
        open_units = self._open_after_gap(k, key)
        curve = np.repeat(_curve(n), STEPS)
        # a step's share of a minute's volatility, in returns: cbp = 1e-6, and the root of STEPS steps adds to a minute
        step_return = name.volatility_cbp * RETURN_SCALE // 1_000_000 * 408 // 1_000
        returns = (factor * FACTOR_SHARE + own * NAME_SHARE >> 4) * step_return // SIGMA * curve >> 10
        path = np.cumsum(np.clip(returns, -STEP_RETURN_MAX, STEP_RETURN_MAX))
        prints = open_units + (open_units * (path >> 8) >> 24)
        prints = np.maximum(_on_grid(prints, _hash(key, n * STEPS, stream=2)), PRICE_MIN_UNITS).reshape(n, STEPS)
        bars = np.empty((n, TAPE_WIDTH), dtype=np.int64)
        bars[:, 0] = starts_us
        bars[:, 1] = k
        bars[:, 2] = prints[:, 0]
        bars[:, 3] = prints.max(axis=1)
        bars[:, 4] = prints.min(axis=1)
        bars[:, 5] = prints[:, -1]
        bars[:, 6] = _volume(name, key, bars)
        self._close_units[k] = int(bars[-1, 5])
        traded = _hash(key, n, stream=4) % np.uint64(1_000_000) >= np.uint64(name.missing_ppm)
        return bars[traded]

    def _open_after_gap(self, k: int, key: int) -> int:
        # the night moves a name like some forty of its minutes
        gap = int(_draws(key, 1, stream=5)[0]) * self._names[k].volatility_cbp * 6 * self._volatility[k + 1] >> 10
        units = self._close_units[k]
        return max(PRICE_MIN_UNITS, units + units * gap // (SIGMA * 1_000_000))


def generate(
    symbols: Sequence[str],
    calendar: str | ExchangeCalendar,
    first: date,
    last: date,
    seed: int,
    start_prices: Mapping[str, int] | None = None,
) -> pl.DataFrame:
    """Make M1 bars of every session from `first` to `last`, both included, as a frame that keeps the contract.

    `start_prices` are closes before the first session in 1/10,000 units. Raises `InputError` without a session or a
    symbol, `ConfigError` for an unknown calendar.
    """
    table = session_table(calendar, first, last)
    return _generate(symbols, table, seed, start_prices or {})


def generate_sessions(
    symbols: Sequence[str], calendar: str | ExchangeCalendar, last: date, sessions: int, seed: int
) -> pl.DataFrame:
    """Make M1 bars of the last so many sessions up to a date, included; raises as `generate` does."""
    return _generate(symbols, recent_sessions(calendar, last, sessions), seed, {})


def recent_sessions(calendar: str | ExchangeCalendar, last: date, sessions: int) -> SessionTable:
    """Give the table of the last so many sessions up to a date, included."""
    if sessions < 1:
        raise InputError(f"{sessions} sessions were asked for", "synthetic market", "ask for at least one")
    whole = session_table(calendar, last - timedelta(days=2 * sessions + 20), last)
    first = whole.date(max(0, len(whole) - sessions)) if len(whole) else last
    return session_table(calendar, first, last)


def daily_bars(bars: pl.DataFrame, table: SessionTable) -> pl.DataFrame:
    """Add M1 bars up to daily ones: first OPEN, extremes, last CLOSE, sum of VOLUME; `ts` is the date at 00:00 UTC."""
    import polars as pl

    from axiomd.core.market.columns import DTYPES

    session = table.indices_of(bars[TS].to_physical().to_numpy())
    inside = bars.with_columns(session=pl.Series(session)).filter(pl.col("session") >= 0).sort(SYMBOL, TS)
    days = pl.Series(table.date_days * DAY_US)
    added = inside.group_by(SYMBOL, "session", maintain_order=True).agg(
        pl.col("OPEN").first(),
        pl.col("HIGH").max(),
        pl.col("LOW").min(),
        pl.col("CLOSE").last(),
        pl.col(VOLUME).sum(),
    )
    return added.with_columns(ts=days.gather(added["session"]).cast(DTYPES[TS])).select(list(DTYPES))


def generate_daily(
    symbols: Sequence[str],
    calendar: str | ExchangeCalendar,
    first: date,
    last: date,
    seed: int,
    start_prices: Mapping[str, int] | None = None,
) -> pl.DataFrame:
    """Make the daily bars that belong to `generate` with the same arguments."""
    bars = generate(symbols, calendar, first, last, seed, start_prices)
    return daily_bars(bars, session_table(calendar, first, last))


def to_frame(bars: Int64Array, symbols: Sequence[str]) -> pl.DataFrame:
    """Turn rows of a tape into a frame of the contract, sorted by (symbol, ts)."""
    # a daemon plays the rows and never loads polars for it
    import polars as pl

    from axiomd.core.market.columns import DTYPES

    names = pl.Series(list(symbols), dtype=pl.String)
    frame = pl.DataFrame(
        {
            SYMBOL: names.gather(bars[:, SYMBOL_INDEX]),
            TS: pl.Series(bars[:, TS_US]).cast(DTYPES[TS]),
            **{name: bars[:, k + 2] / PRICE_SCALE for k, name in enumerate(PRICE_COLUMNS)},
            VOLUME: bars[:, 6],
        },
        schema=DTYPES,
    )
    return frame.sort(SYMBOL, TS)


def _generate(symbols: Sequence[str], table: SessionTable, seed: int, start_prices: Mapping[str, int]) -> pl.DataFrame:
    if not len(table):
        raise InputError("no session lies in these dates", "synthetic market", "ask for a span with trading days")
    market = SyntheticMarket(seed, tuple(symbols), start_prices)
    return to_frame(np.concatenate([market.session(table, k) for k in range(len(table))]), market.symbols)


def _minutes(table: SessionTable, index: int) -> Int64Array:
    starts_us = np.arange(int(table.open_us[index]), int(table.close_us[index]), MINUTE_US, dtype=np.int64)
    return starts_us[table.indices_of(starts_us) >= 0]


def _key(seed: int, what: str, day: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}|{what}|{day}".encode()).digest()[:8], "little")


def _hash(key: int, count: int, *, stream: int = 0) -> UInt64Array:
    """Give `count` independent 64-bit numbers of a stream of a key (splitmix64 over a counter)."""
    with np.errstate(over="ignore"):
        x = np.arange(1, count + 1, dtype=np.uint64) + (np.uint64(stream) << np.uint64(40))
        x = np.uint64(key) + x * _GOLDEN
        x = (x ^ (x >> np.uint64(30))) * _MIX_1
        x = (x ^ (x >> np.uint64(27))) * _MIX_2
        return x ^ (x >> np.uint64(31))


def _draws(key: int, count: int, *, stream: int = 0) -> Int64Array:
    """Give bell-shaped integers around 0 with standard deviation `SIGMA`, within six of them."""
    words = _hash(key, count * _WORDS, stream=stream)
    total = np.zeros(count, dtype=np.int64)
    for shift in (0, 16, 32, 48):
        part = (words >> np.uint64(shift)) & np.uint64(0xFFFF)
        total += part.astype(np.int64).reshape(count, _WORDS).sum(axis=1)
    return total - 6 * 0xFFFF


def _next_volatility(before: int, key: int) -> int:
    """Move a volatility (1024 is the usual one) from day to day: seven eighths of yesterday's distance, and a shock."""
    shock = int(_draws(key, 1, stream=6)[0]) * 160 // SIGMA
    return min(4 << 10, max(400, 1024 + (before - 1024) * 7 // 8 + shock + max(0, shock) // 2))


def _curve(n: int) -> Int64Array:
    """Give the shape of a day over its `n` minutes, 1024 on average: high at the open and the close, low at noon."""
    x: Int64Array = (2 * np.arange(n, dtype=np.int64) + 1 - n) * 1024 // max(n, 1)
    curve: Int64Array = 700 + x * x * 972 // (1 << 20)
    return curve


def _on_grid(units: Int64Array, noise: UInt64Array) -> Int64Array:
    """Round to ticks, with one print in 256 at a midpoint between two."""
    prints: Int64Array = (units + TICK_UNITS // 2) // TICK_UNITS * TICK_UNITS
    prints[(noise & np.uint64(0xFF)) == 0] += TICK_UNITS // 2
    return prints


def _volume(name: Name, key: int, bars: Int64Array) -> Int64Array:
    n = len(bars)
    curve = _curve(n)
    noise = (_hash(key, n, stream=3) & np.uint64(0x3FF)).astype(np.int64)
    # wide minutes trade more: a range of one usual minute adds its half
    width = (bars[:, 3] - bars[:, 4]) * 1_000_000 // (bars[:, 2] * name.volatility_cbp) * 512
    weight = curve * curve >> 10
    return np.asarray(np.maximum(1, name.volume_mean * weight // 1024 * (256 + noise) // 768 * (512 + width) // 1024))


def _name(seed: int, symbol: str, start_units: int | None) -> Name:
    draw = hashlib.sha256(f"{seed}|name|{symbol}".encode()).digest()
    price = (20 + int.from_bytes(draw[:2], "little") % 280) * PRICE_SCALE
    thin = draw[2] % 8 == 0
    return Name(
        symbol=symbol,
        start_units=start_units if start_units is not None else price,
        volatility_cbp=500 + draw[3] * 4,
        volume_mean=(600 if thin else 6_000) + int.from_bytes(draw[4:6], "little") % (400 if thin else 60_000),
        missing_ppm=40_000 if thin else (300 if draw[6] % 2 else 0),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a synthetic market to a Parquet file: `python -m axiomd.feeds.synthetic --out FILE --symbols A,B`."""
    parser = argparse.ArgumentParser(prog="python -m axiomd.feeds.synthetic", description="Write a synthetic market.")
    parser.add_argument("--out", type=Path, required=True, help="Parquet file of M1 bars to write")
    parser.add_argument("--daily-out", type=Path, help="Parquet file of the daily bars that belong to them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sessions", type=int, default=6, help="number of sessions up to --end, default 6")
    parser.add_argument("--symbols", default="DEMO", help="comma-separated names, default DEMO")
    parser.add_argument("--end", type=date.fromisoformat, default=END_DEFAULT, help="last date, default %(default)s")
    parser.add_argument("--calendar", default="XNYS")
    args = parser.parse_args(arguments)
    from axiomd.feeds.store import write_frame

    try:
        table = recent_sessions(args.calendar, args.end, args.sessions)
        bars = _generate(args.symbols.split(","), table, args.seed, {})
        write_frame(bars, args.out)
        if args.daily_out:
            write_frame(daily_bars(bars, table), args.daily_out)
    except InputError as error:
        parser.exit(error.exit_code, f"{error.line()}\n")
    print(f"{args.out}: {bars.height} bars of {bars[SYMBOL].n_unique()} symbols")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
