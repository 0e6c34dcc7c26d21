"""The quality report of one symbol's bars: four service levels with figure, limit and verdict, and every gap.

It is what `artifacts/quality/*.json` and a run's `quality.json` hold, what promotion is gated by and what the console
shows. It measures nothing itself: `axiomd.core.market.sla` does.
"""

from __future__ import annotations

from typing import Final

import msgspec

SCHEMA_VERSION: Final = 1
M5_COMPLETENESS_MIN: Final = 0.99
LATENESS_MINUTES_MAX: Final = 5.0
SLA_NAMES: Final = ("m5_completeness", "lateness_minutes", "no_nan_ohlc", "no_dupe_index")


class Sla(msgspec.Struct, frozen=True, kw_only=True):
    """One service level: what was measured, what it is measured against, and whether it holds."""

    figure: float
    limit: float
    passed: bool = msgspec.field(name="pass")


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A run of M5 intervals of one session without a single bar: [start, end) in ISO-8601, UTC."""

    symbol: str
    session: str
    start: str
    end: str
    m5_bars: int


class QualityReport(msgspec.Struct, frozen=True, kw_only=True):
    """The service levels of one symbol from its first session to its last.

    The figures: `m5_completeness` a ratio (at least the limit), `lateness_minutes` minutes (at most the limit),
    `no_nan_ohlc` the bars with a missing price and `no_dupe_index` the bars that come twice (none of either).
    """

    symbol: str
    calendar: str
    first_date: str
    last_date: str
    m5_expected: int
    m5_present: int
    m5_completeness: Sla
    lateness_minutes: Sla
    no_nan_ohlc: Sla
    no_dupe_index: Sla
    passed: bool = msgspec.field(name="pass")
    gaps: tuple[Gap, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def slas(self) -> dict[str, Sla]:
        """Give the four service levels by name."""
        return {name: getattr(self, name) for name in SLA_NAMES}

    def failed(self) -> tuple[str, ...]:
        """Name the service levels that do not hold."""
        return tuple(name for name, sla in self.slas().items() if not sla.passed)


class QualitySummary(msgspec.Struct, frozen=True, kw_only=True):
    """The service levels of a run over all its symbols: of each the worst figure, and the reports behind them."""

    m5_completeness: Sla
    lateness_minutes: Sla
    no_nan_ohlc: Sla
    no_dupe_index: Sla
    passed: bool = msgspec.field(name="pass")
    gaps: tuple[Gap, ...] = ()
    symbols: tuple[QualityReport, ...] = ()
    schema_version: int = SCHEMA_VERSION


def summarise(reports: tuple[QualityReport, ...]) -> QualitySummary:
    """Take the worst figure of each service level; counts of faulty bars are added up."""
    assert reports, "there is no quality without a symbol"
    nan_bars = sum(report.no_nan_ohlc.figure for report in reports)
    dupe_bars = sum(report.no_dupe_index.figure for report in reports)
    return QualitySummary(
        m5_completeness=min((report.m5_completeness for report in reports), key=lambda sla: sla.figure),
        lateness_minutes=max((report.lateness_minutes for report in reports), key=lambda sla: sla.figure),
        no_nan_ohlc=Sla(figure=nan_bars, limit=0, passed=nan_bars == 0),
        no_dupe_index=Sla(figure=dupe_bars, limit=0, passed=dupe_bars == 0),
        passed=all(report.passed for report in reports),
        gaps=tuple(gap for report in reports for gap in report.gaps),
        symbols=reports,
    )
