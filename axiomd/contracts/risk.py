"""The limits an operator writes down: one key a guard, typed, absent or null meaning off.

It says what a limit is, never whether it holds; `core/guards` judges. Money is in account currency. The structural
guards (KillSwitch, BrokerReady, SessionOpen, TickAndLot, DuplicateOrder, MessageRate, JournalFailure, UnknownPosition)
have no off switch here, whatever is written.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, field_validator, model_validator

from axiomd.contracts.errors import ConfigError
from axiomd.contracts.exact import Count, NotNegative, Positive, PositiveCount
from axiomd.contracts.instruments import normal_symbol

Level = Literal["halt", "flatten"]

FOR_LIVE: Final = (
    "max_gross_exposure",
    "per_symbol_max_qty",
    "max_daily_loss",
    "slippage_sanity",
    "market_halt_proxy",
)
"""The five of the source document, without which live refuses to start."""

_DEFAULT: Final = "default"


class _Strict(BaseModel):
    # read as a part of `RiskConfig`, whose validator holds theirs
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _symbol_key(text: str) -> str:
    if text.strip().lower() == _DEFAULT:
        return _DEFAULT
    try:
        return normal_symbol(text)
    except ConfigError as problem:
        raise ValueError(problem.what) from None


def _by_symbol(value: object) -> object:
    """Read a bare value as that of every symbol."""
    if not isinstance(value, dict):
        return {_DEFAULT: value}
    keyed: dict[str, object] = {}
    for key, item in value.items():
        symbol = _symbol_key(str(key))
        if symbol in keyed:
            raise ValueError(f"{symbol} stands there twice")
        keyed[symbol] = item
    return keyed


def _bare(key: str) -> BeforeValidator:
    """Read a bare number as the mapping with that number under ``key``."""

    def widen(value: object) -> object:
        return {key: value} if isinstance(value, (int, float, str)) and not isinstance(value, bool) else value

    return BeforeValidator(widen)


_BP_MAX: Final = 90_000
"""Of a price nine times the price: with the highest there is it stays inside 64 bits in millionths."""
_MINUTES_MAX: Final = 1_000_000
_SECONDS_MAX: Final = 60 * _MINUTES_MAX
_TIMES_MAX: Final = 10_000
"""So many times are kept for each symbol and side."""
_Bp = Annotated[Positive, Field(le=_BP_MAX)]
_Seconds = Annotated[PositiveCount, Field(le=_SECONDS_MAX)]


class LossLimit(_Strict):
    """Trip at ``level`` once the loss reaches ``limit`` of account currency."""

    limit: Positive
    level: Level = "halt"


class LosingStreak(_Strict):
    """Trip at ``level`` after ``count`` losing trades in a row."""

    count: PositiveCount = 6
    level: Level = "halt"


class SlippageSanity(_Strict):
    """Bound an entry against the last CLOSE before (``entry_bp``), a fill against its level after (``fill_bp``).

    Null switches that half off.
    """

    entry_bp: _Bp | None = Decimal(300)
    fill_bp: _Bp | None = Decimal(50)


class PriceCollar(_Strict):
    """Bound an entry to ``atr`` times ATR(14) of the signal timeframe from the last CLOSE."""

    atr: Positive = Decimal(5)


class MarketHaltProxy(_Strict):
    """Take a symbol as halted after ``silent_minutes`` without a bar or a jump of ``jump_bp``."""

    silent_minutes: Annotated[PositiveCount, Field(le=_MINUTES_MAX)] = 5
    jump_bp: Annotated[PositiveCount, Field(le=_BP_MAX)] = 1000
    cooldown_minutes: Annotated[Count, Field(le=_MINUTES_MAX)] = 5


class StaleData(_Strict):
    """Refuse entries on bars later than ``lateness_minutes`` or less complete than ``completeness`` (0 to 1)."""

    lateness_minutes: Annotated[Count, Field(le=_MINUTES_MAX)] = 5
    completeness: NotNegative = Field(default=Decimal("0.99"), le=1)


class BuyingPower(_Strict):
    """Bound exposure to ``multiple`` times the equity."""

    multiple: Annotated[Positive, Field(le=1_000_000)] = Decimal(1)


class MessageRate(_Strict):
    """Bound opening orders to ``orders`` in ``seconds`` of market time."""

    orders: PositiveCount = 200
    seconds: _Seconds = 10


class RepeatedExecution(_Strict):
    """Trip after ``fills`` filled orders of one symbol and side in ``seconds``."""

    fills: Annotated[PositiveCount, Field(le=_TIMES_MAX)] = 8
    seconds: _Seconds = 300


class RejectStorm(_Strict):
    """Trip after ``rejects`` in ``seconds``."""

    rejects: Annotated[PositiveCount, Field(le=_TIMES_MAX)] = 5
    seconds: _Seconds = 60


class ClockSkew(_Strict):
    """Trip once the wall clock strays ``ms`` from the monotonic one."""

    ms: Annotated[PositiveCount, Field(le=1000 * _SECONDS_MAX)] = 2000


class RiskConfig(_Strict):
    """Hold every limit of one account; a field that is None means that guard is off."""

    max_gross_exposure: Positive | None = None
    max_net_exposure: Positive | None = None
    max_order_notional: Positive | None = None
    max_open_positions: PositiveCount | None = None
    max_open_orders: PositiveCount | None = None
    per_symbol_max_qty: Annotated[dict[str, Count], BeforeValidator(_by_symbol)] | None = None
    max_daily_loss: Annotated[LossLimit, _bare("limit")] | None = None
    max_drawdown: Annotated[LossLimit, _bare("limit")] | None = None
    consecutive_losses: Annotated[LosingStreak, _bare("count")] | None = None
    slippage_sanity: SlippageSanity | None = None
    price_collar: PriceCollar | None = None
    market_halt_proxy: MarketHaltProxy | None = None
    stale_data: StaleData | None = None
    buying_power: BuyingPower | None = None
    short_allowed: Annotated[dict[str, bool], BeforeValidator(_by_symbol)] | None = None
    restricted_list: tuple[str, ...] = ()
    message_rate: MessageRate = MessageRate()
    repeated_execution: RepeatedExecution | None = None
    reject_storm: RejectStorm | None = None
    clock_skew: ClockSkew | None = None
    plugins: dict[str, JsonValue] = {}
    """Plug-in guards by key, each with what stands under it; `axiomd.config` gathers them here."""

    @model_validator(mode="before")
    @classmethod
    def _never_off(cls, value: object) -> object:
        """Read null where a guard is never off, or a list is empty, as what stands there by default."""
        if isinstance(value, dict):
            always = ("message_rate", "restricted_list")
            return {key: item for key, item in value.items() if item is not None or key not in always}
        return value

    @field_validator("per_symbol_max_qty", "short_allowed", mode="before")
    @classmethod
    def _null_is_off(cls, value: object) -> object:
        return None if value is None or value == {} else value

    @field_validator("restricted_list", mode="after")
    @classmethod
    def _one_spelling(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            symbols = tuple(normal_symbol(text) for text in value)
        except ConfigError as problem:
            raise ValueError(problem.what) from None
        return tuple(sorted(set(symbols)))

    def max_qty_of(self, symbol: str) -> int | None:
        """Return the largest position of a symbol in shares, None where there is no limit."""
        if self.per_symbol_max_qty is None:
            return None
        return self.per_symbol_max_qty.get(symbol, self.per_symbol_max_qty.get(_DEFAULT))

    def may_short(self, symbol: str) -> bool:
        """Return whether a short entry in a symbol is allowed; without the key it is."""
        if self.short_allowed is None:
            return True
        return self.short_allowed.get(symbol, self.short_allowed.get(_DEFAULT, True))

    def missing_for_live(self) -> tuple[str, ...]:
        """Return the keys of the five limits that live insists on and that are off here."""
        return tuple(key for key in FOR_LIVE if getattr(self, key) is None)
