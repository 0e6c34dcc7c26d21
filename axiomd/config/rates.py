"""Exchange rates of a configuration: a number, or a file of daily bars with a rate for every day."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from axiomd.contracts.bars import TS
from axiomd.contracts.errors import AxiomdError, ConfigError
from axiomd.contracts.runs import FX_FROM_BROKER, RunConfig
from axiomd.contracts.units import DAY_US, RATE_PART_MAX, rate_ratio
from axiomd.core.market.rates import DailyRates, Rate

if TYPE_CHECKING:
    # with numpy behind it: a daemon reads its configuration before anything heavy is loaded
    from axiomd.core.market.tape import TapeFile

_DIGITS: Final = 9
_FILES_KEPT: Final = 32


@dataclass(frozen=True, slots=True)
class _Bars:
    """What was read of a pair: days since 1970, the CLOSE of each as a fraction, the hash of both, and the files."""

    days: tuple[int, ...]
    closes: tuple[Rate, ...]
    sha256: str
    files: tuple[TapeFile, ...]


def rates_of(config: RunConfig, where: str, *, reads_files: bool = True) -> dict[str, Rate | DailyRates]:
    """Give what one of each currency traded is in the account's, read anew where a file changed.

    A journal names a file's hash, and the rates of its sessions stand in it: nothing is read then, and no day is known
    beforehand. Raises `ConfigError`.
    """
    rates: dict[str, Rate | DailyRates] = {}
    for currency in dict.fromkeys(config.instrument_config(symbol).currency for symbol in config.all_symbols()):
        pair = config.rate_key(currency)
        if pair is None:
            continue
        rate, is_direct = config.fx[pair], pair.startswith(currency)
        if not isinstance(rate, str):
            rates[currency] = _way(rate_ratio(rate), is_direct)
        elif rate == FX_FROM_BROKER:
            raise ConfigError(f"fx.{pair} names ib", where, "give a rate or a path of daily bars")
        elif not reads_files:
            rates[currency] = DailyRates((), ())
        else:
            bars = _bars(pair, rate, where)
            rates[currency] = DailyRates(bars.days, tuple(_way(close, is_direct) for close in bars.closes))
    return rates


def path_hashes(config: RunConfig, where: str = "configuration") -> dict[str, str]:
    """Give the hash of what is read of each path under `fx`, for whatever pairs. Raises `ConfigError`."""
    hashes: dict[str, list[str]] = {}
    for path, bars in _all_bars(config, where):
        hashes.setdefault(path, []).append(bars.sha256)
    joined = {path: "\n".join(own).encode() for path, own in hashes.items()}
    return {path: hashlib.sha256(own).hexdigest() for path, own in joined.items()}


def rate_files(config: RunConfig, where: str = "configuration") -> tuple[TapeFile, ...]:
    """Give the files behind the paths under `fx`, each once. Raises `ConfigError`."""
    return tuple(dict.fromkeys(file for _, bars in _all_bars(config, where) for file in bars.files))


def _all_bars(config: RunConfig, where: str) -> list[tuple[str, _Bars]]:
    paths = [(pair, rate) for pair, rate in sorted(config.fx.items()) if isinstance(rate, str)]
    return [(path, _bars(pair, path, where)) for pair, path in paths if path != FX_FROM_BROKER]


def _way(rate: Rate, is_direct: bool) -> Rate:
    numerator, denominator = rate
    return (numerator, denominator) if is_direct else (denominator, numerator)


def _bars(pair: str, path: str, where: str) -> _Bars:
    try:
        return _read(pair, path, _state_of(path))
    except AxiomdError as problem:
        raise ConfigError(problem.what, f"{where} fx.{pair}: {path}", problem.remedy) from None


def _state_of(path: str) -> tuple[tuple[str, int, int], ...]:
    """Tell one state of a file or folder from another without reading it."""
    root = Path(path)
    try:
        found = sorted(root.rglob("*")) if root.is_dir() else [root]
        states = [(str(one), one.stat()) for one in found]
        return tuple((one, state.st_mtime_ns, state.st_size) for one, state in states)
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", path, "give a rate or a path of daily bars") from None


@lru_cache(maxsize=_FILES_KEPT)
def _read(pair: str, path: str, state: object) -> _Bars:
    """Read a pair's bars; kept, since a sweep binds a file by the thousand."""
    from axiomd.feeds.files import load_daily

    del state
    bars = load_daily(path, [pair])
    if not bars.frame.height:
        raise ConfigError(f"the file holds no bar of {pair}", path, f"name the symbol {pair} in it")
    days = tuple(start_us // DAY_US for start_us in bars.frame[TS].to_physical().to_list())
    rates = tuple(_ratio(close, path) for close in bars.frame["CLOSE"].to_list())
    # not the hash of bars, whose prices are cut to 1/10,000
    text = "\n".join(("axiomd rates 1", *(f"{day} {num}/{den}" for day, (num, den) in zip(days, rates, strict=True))))
    return _Bars(days, rates, hashlib.sha256(text.encode()).hexdigest(), bars.files)


def _ratio(close: float, path: str) -> Rate:
    """Give a CLOSE as a fraction, to nine digits: a file's float means the decimal that it was written from."""
    rate = Decimal(f"{close:.{_DIGITS}g}")
    ratio = rate_ratio(rate) if rate > 0 else (0, 0)
    if not all(0 < part <= RATE_PART_MAX for part in ratio):
        raise ConfigError(f"a CLOSE of {close:g} is no exchange rate", path, "quote the pair the other way round")
    return ratio
