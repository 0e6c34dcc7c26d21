"""A run's configuration as it is written, and the manifest and metrics that it leaves behind.

It decides which values make sense together and what identifies a configuration (`config_hash`). It opens no file: paths
are text here, `axiomd.config` reads them. The parameters of a strategy are that strategy's own business.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)

from axiomd.contracts.errors import ConfigError
from axiomd.contracts.exact import (
    Count,
    Exact,
    NotNegative,
    Percent,
    Positive,
    PositiveCount,
    at_most,
    canonical,
    exact,
)
from axiomd.contracts.instruments import Instrument, normal_symbol
from axiomd.contracts.risk import RiskConfig
from axiomd.contracts.units import PRICE_SCALE, RATE_PART_MAX, rate_ratio

CANDIDATES_MAX: Final = 50
"""Stage 1 gives at most so many unless a run says otherwise."""
RISK_PACKAGED: Final = "configs/risk.yml"
"""Where a run that names no risk takes it from: the packaged copy of this file."""
FX_FROM_BROKER: Final = "ib"
_LISTS_KEPT_MAX: Final = 16

Version = Annotated[str, Field(min_length=1, max_length=64), BeforeValidator(lambda value: _version(value))]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$"), BeforeValidator(lambda value: _upper(value))]
Params = dict[str, JsonValue]


def _version(value: object) -> object:
    return value if isinstance(value, str) else _refuse('a version is text: write version: "1.0.0" with quotes')


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _refuse(reason: str) -> object:
    raise ValueError(reason)


def _text(value: object) -> str:
    # YAML reads a bare ON or NO as a truth value; guessing which symbol was meant would trade the wrong share.
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no symbol: write it in quotes")
    return value


def _symbol(text: object) -> str:
    try:
        return normal_symbol(_text(text))
    except ConfigError as problem:
        raise ValueError(problem.what) from None


def unique_symbols(value: object) -> object:
    """Return symbols in their one spelling; `ValueError` where one is none, or stands there twice."""
    if not isinstance(value, (list, tuple)):
        raise ValueError("a list of symbols is needed, as in [SPY]")
    return _unique(tuple(map(_text, value)))


# a run says its symbols in several places and a sweep reads it once a set: of five hundred that was most of reading it
@lru_cache(_LISTS_KEPT_MAX)
def _unique(texts: tuple[str, ...]) -> tuple[str, ...]:
    symbols = tuple(map(_symbol, texts))
    twice = sorted(symbol for symbol, count in Counter(symbols).items() if count > 1)
    if twice:
        raise ValueError(f"{', '.join(twice)} stands there twice")
    return symbols


Symbols = Annotated[tuple[str, ...], BeforeValidator(unique_symbols), Field(min_length=1)]


def _on_units(value: Decimal) -> Decimal:
    if (value * PRICE_SCALE) % 1:
        raise ValueError(f"a multiple of 1/{PRICE_SCALE} of the currency is needed")
    return value


Money = Annotated[Positive, AfterValidator(_on_units)]
Leverage = Annotated[Positive, Field(le=1_000_000), at_most(6)]
"""A percentage that may be more than a hundred: up to ten thousand times an equity, for whoever wants no cap."""
CASH_MAX: Final = 10**13
"""What an account may begin with, in its currency: in 1/10,000 it may still grow 90 times inside 64 bits."""


class Strict(BaseModel):
    """A mapping of a file: unknown keys are errors, and nothing changes once it is read."""

    # most are only ever read as a part of another, whose validator holds theirs
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class StrategyRef(Strict):
    """Name a strategy of an entry point, its version and any subset of its parameters."""

    name: Name
    version: Version = "1.0.0"
    params: Params = {}


class Stage1(Strict):
    """Say how candidates come about: as listed, or screened from daily bars."""

    mode: Literal["list", "screen"] = "list"
    max_candidates: PositiveCount = CANDIDATES_MAX
    min_adv: NotNegative = Decimal(1_000_000)
    min_price: NotNegative = Decimal(10)
    atr_pct: tuple[NotNegative, NotNegative] = (Decimal(1), Decimal(10))

    @field_validator("atr_pct")
    @classmethod
    def _bounds(cls, value: tuple[Decimal, Decimal]) -> tuple[Decimal, Decimal]:
        if value[0] > value[1]:
            raise ValueError("the lower bound stands above the upper one")
        return value


class InstrumentConfig(Strict):
    """Say in what steps and what currency symbols are traded; ``tick_size`` in currency, ``lot`` in shares."""

    currency: Currency = "USD"
    tick_size: Annotated[Money, Field(le=1_000_000)] = Decimal("0.01")
    lot: PositiveCount = 1


class InstrumentOverride(Strict):
    """Say in which keys one symbol differs from ``instrument``; what is left out is as there."""

    currency: Currency = "USD"
    tick_size: Annotated[Money, Field(le=1_000_000)] = Decimal("0.01")
    lot: PositiveCount = 1


class SizingConfig(Strict):
    """Say how many shares an entry gets; percentages are of the equity (``max_volume_pct``: of a bar's VOLUME)."""

    mode: Literal["fixed", "pct_equity", "risk"] = "fixed"
    fixed_qty: PositiveCount = 100
    pos_pct: Leverage = Decimal(10)
    risk_pct: Percent = Decimal(1)
    max_pos_pct: Leverage = Decimal(100)
    max_volume_pct: Percent | None = None
    min_qty: PositiveCount = 1


class CostsConfig(Strict):
    """Say what a fill costs; commissions in the instrument's currency, slippage in bp of the price and in ticks."""

    commission_per_share: Annotated[NotNegative, Field(le=1_000), at_most(8)] = Decimal(0)
    commission_min: Annotated[NotNegative, Field(le=1_000_000), at_most(12)] = Decimal(0)
    commission_bps: Annotated[NotNegative, Field(le=10_000), at_most(4)] = Decimal(0)
    slippage_bps: Annotated[NotNegative, Field(le=10_000), at_most(4)] = Decimal(0)
    slippage_ticks: Annotated[Count, Field(le=1_000_000)] = 0


class FillsConfig(Strict):
    """Say what is taken where a bar does not tell, and how long before the close a day ends."""

    ambiguity: Literal["worst", "skip"] = "worst"
    flatten_minutes: Annotated[Count, Field(le=24 * 60)] = 5


class StrategyConfig(StrategyRef):
    """One strategy of an account: what it trades, with which share of the equity, and its own loss limit."""

    id: Name = ""
    symbols: Symbols
    stage1: Stage1 = Stage1()
    sizing: SizingConfig = SizingConfig()
    budget_pct: Percent = Decimal(100)
    max_daily_loss: Positive | None = None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if isinstance(value, Mapping) and value.get("id") is None and "name" in value:
            return {**value, "id": value["name"]}
        return value

    @model_validator(mode="after")
    def _within_the_cap(self) -> StrategyConfig:
        if self.stage1.mode == "list" and len(self.symbols) > self.stage1.max_candidates:
            raise ValueError(
                f"{len(self.symbols)} symbols are listed, stage1.max_candidates is {self.stage1.max_candidates}"
            )
        return self


def _fx_rate(value: object) -> object:
    if isinstance(value, str):
        try:
            rate = exact(value)
        except ValueError:
            return value.strip() or _refuse("a rate, a path of daily bars or ib is needed")
    else:
        rate = exact(value)
    if rate <= 0:
        return _refuse("a rate above zero is needed")
    if max(rate_ratio(rate)) > RATE_PART_MAX:
        return _refuse("a rate of at most nine digits is needed")
    return rate


_SHORT_FORM: Final = ("strategy", "symbols", "stage1", "sizing")
_DEFAULT_STAGE1: Final = Stage1()
_DEFAULT_SIZING: Final = SizingConfig()


class RunConfig(Strict):
    """Hold one run as written: strategies, account, instruments, costs, fills and limits.

    Either ``strategy``, ``symbols``, ``stage1`` and ``sizing`` stand there, or ``strategies``; `normalised` reads both.
    """

    strategy: StrategyRef | None = None
    strategies: Annotated[tuple[StrategyConfig, ...], Field(min_length=1)] | None = None
    calendar: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]{1,32}$")] = "XNYS"
    tz: str = "America/New_York"
    symbols: Symbols | None = None
    stage1: Stage1 = _DEFAULT_STAGE1
    initial_cash: Annotated[Money, Field(le=CASH_MAX)] = Decimal(100_000)
    currency: Currency = "USD"
    fx: dict[Annotated[str, Field(pattern=r"^[A-Z]{6}$")], Annotated[Exact | str, BeforeValidator(_fx_rate)]] = {}
    instrument: InstrumentConfig = InstrumentConfig()
    instruments: dict[str, InstrumentOverride] = {}
    sizing: SizingConfig = _DEFAULT_SIZING
    costs: CostsConfig = CostsConfig()
    fills: FillsConfig = FillsConfig()
    risk: RiskConfig | str = RISK_PACKAGED
    resume: Literal["next_session", "never"] = "next_session"
    seed: Count = 0

    @field_validator("tz")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no IANA time zone, as in America/New_York") from None
        return value

    @field_validator("instruments", mode="before")
    @classmethod
    def _instrument_keys(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        keyed = {_symbol(key): item for key, item in value.items()}
        if len(keyed) != len(value):
            raise ValueError("a symbol stands there twice")
        return keyed

    @model_validator(mode="after")
    def _one_form(self) -> RunConfig:
        given = [key for key in _SHORT_FORM if key in self.model_fields_set and getattr(self, key) is not None]
        if self.strategies is not None:
            if given:
                raise ValueError(f"{given[0]} and strategies exclude each other: move it into its entries")
            ids = [entry.id for entry in self.strategies]
            twice = sorted({entry for entry in ids if ids.count(entry) > 1})
            if twice:
                raise ValueError(f"strategies name the id {twice[0]} twice: give each its own")
        elif self.strategy is None:
            raise ValueError("strategy is missing: name one, as in strategy: {name: inside_bar}")
        elif self.symbols is None:
            raise ValueError("symbols are missing: list them, as in symbols: [SPY]")
        self._check_rates(self.normalised())
        return self

    def _check_rates(self, strategies: list[StrategyConfig]) -> None:
        for strategy in strategies:
            for symbol in strategy.symbols:
                self.rate_key(self.instrument_config(symbol).currency)

    def normalised(self) -> list[StrategyConfig]:
        """Return the strategies in the order listed; the short form is a list of one whose id is its name."""
        if self.strategies is not None:
            return list(self.strategies)
        assert self.strategy is not None
        assert self.symbols is not None
        return [
            StrategyConfig(
                id=self.strategy.name,
                name=self.strategy.name,
                version=self.strategy.version,
                params=self.strategy.params,
                symbols=self.symbols,
                stage1=self.stage1,
                sizing=self.sizing,
            )
        ]

    def all_symbols(self) -> tuple[str, ...]:
        """Return every symbol of the run once, in the order in which strategies list them."""
        return tuple(dict.fromkeys(symbol for entry in self.normalised() for symbol in entry.symbols))

    def instrument_config(self, symbol: str) -> InstrumentConfig:
        """Return the settings of a symbol: its own where given, else those of ``instrument``."""
        own = self.instruments.get(symbol)
        return self.instrument if own is None else self.instrument.model_copy(update=own.model_dump(exclude_unset=True))

    def instrument_of(self, symbol: str) -> Instrument:
        """Return a symbol's instrument in integer units."""
        settings = self.instrument_config(symbol)
        return Instrument(symbol, settings.currency, int(settings.tick_size * PRICE_SCALE), settings.lot)

    def rate_key(self, instrument_currency: str) -> str | None:
        """Return the key under ``fx`` that converts a currency into the account's, None where they are the same.

        The key may quote either way: EURUSD serves a USD instrument on a EUR account and the reverse. `ValueError`
        where there is none.
        """
        if instrument_currency == self.currency:
            return None
        for key in (instrument_currency + self.currency, self.currency + instrument_currency):
            if key in self.fx:
                return key
        raise ValueError(
            f"fx has no rate between {instrument_currency} and {self.currency}: "
            f"add fx: {{{instrument_currency}{self.currency}: RATE}}"
        )

    def limits(self) -> RiskConfig:
        """Return the limits; `ConfigError` where ``risk`` is still the name of a file."""
        if isinstance(self.risk, str):
            raise ConfigError("the limits were not read yet", f"risk: {self.risk}", "load it by axiomd.config")
        return self.risk


def config_document(config: RunConfig, path_hashes: Mapping[str, str]) -> dict[str, object]:
    """Return what identifies a configuration, as plain JSON values, without mode, feed, clock, broker and the like.

    ``path_hashes`` maps each path under ``fx`` to the hash of its content. `ConfigError` where one is missing.
    """
    fx: dict[str, object] = {}
    for pair, rate in config.fx.items():
        if isinstance(rate, str) and rate != FX_FROM_BROKER:
            if rate not in path_hashes:
                raise ConfigError("the content of a path is not known", f"fx.{pair}: {rate}", "hash the file before")
            fx[pair] = path_hashes[rate]
        else:
            fx[pair] = canonical(rate)
    document: dict[str, object] = {
        "strategies": [entry.model_dump(mode="json") for entry in config.normalised()],
        "risk": config.limits().model_dump(mode="json", exclude={"plugins"} if not config.limits().plugins else None),
        "instruments": {
            symbol: config.instrument_config(symbol).model_dump(mode="json") for symbol in config.instruments
        },
        "fx": fx,
    }
    alone = set(RunConfig.model_fields) - set(_SHORT_FORM) - {"strategies"} - set(document)
    document.update(config.model_dump(mode="json", include=alone))
    plain = canonical(document)
    assert isinstance(plain, dict)
    return plain


def config_hash(config: RunConfig, path_hashes: Mapping[str, str]) -> str:
    """Return the sha256 of a configuration: the same in replay, paper and live, and for any spelling of a number."""
    text = json.dumps(config_document(config, path_hashes), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class DataFile(Strict):
    """Identify one file of bars: its content's hash, its rows, its first and last bar's start (ISO, UTC)."""

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rows: Count
    first_ts: str | None
    last_ts: str | None


class Manifest(Strict):
    """Identify a run: what decided, on which data, with which code; the same inputs give the same but for its times."""

    schema_version: int = 1
    run_id: str
    created_at: str
    engine: Literal["replay", "daemon", "kernel"]
    mode: Literal["replay", "backtest", "paper", "live"]
    strategy: str
    strategy_version: str
    params: Params
    symbols: tuple[str, ...]
    calendar: str
    tz: str
    data: tuple[DataFile, ...]
    config_hash: str
    code_version: str
    git_sha: str | None
    packages: dict[str, str]
    seed: int
    costs: CostsConfig
    initial_cash: Exact
    currency: str
    journal_head: str | None = None
    journal_count: Count | None = None
    started_at: str
    finished_at: str


Figure = Annotated[float, Field(allow_inf_nan=False)]


class StrategyMetrics(Strict):
    """Hold the figures of one strategy or, with cash, of a whole run; null where a figure has no meaning."""

    net_pnl: Figure
    max_drawdown: Annotated[Figure, Field(le=0)]
    num_trades: Count
    win_rate: Annotated[Figure, Field(ge=0, le=1)] | None
    avg_trade: Figure | None
    pnl_per_trade: Figure | None
    sharpe: Figure | None
    max_drawdown_pct: Annotated[Figure, Field(le=0)]
    profit_factor: Figure | None
    expectancy_r: Figure | None
    exposure_pct: Figure
    turnover: Figure
    total_costs: Figure
    ambiguous_bars: Count
    num_signals: Count
    num_orders: Count
    fill_rate: Annotated[Figure, Field(ge=0, le=1)] | None
    sharpe_periods: Count
    fills_beyond_volume: Count


class Metrics(StrategyMetrics):
    """Hold metrics.json: money in account currency, ``max_drawdown`` zero or below, never NaN."""

    initial_cash: Figure
    final_cash: Figure
    operator_resumes: Count = 0
    counts: dict[str, Count] = {}
    by_strategy: dict[str, StrategyMetrics] = {}
