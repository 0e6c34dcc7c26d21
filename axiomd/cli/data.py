"""``axiomd data``: judge bars by the contract, measure their quality, and bring them into the local store.

It reads files and writes reports and the store; it changes no bar and trades nothing. A failed check ends with 1, a
file that cannot be read with 2.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from axiomd.cli.printing import print_json, print_table
from axiomd.config.settings import places
from axiomd.contracts.bars import Timeframe, Violation
from axiomd.contracts.errors import EXIT_OK, EXIT_REFUSED, UsageError, cut
from axiomd.contracts.instruments import SYMBOL_LENGTH_MAX
from axiomd.contracts.units import PRICE_SCALE, PRICE_UNITS_MAX, exact_units

if TYPE_CHECKING:
    import polars as pl

    from axiomd.contracts.quality import QualityReport

DETAIL_LENGTH_MAX = 500
"""A cell that cannot be read may be a whole file; so much of it tells what it is."""

_EXAMPLE = """example:
  axiomd data validate --bars bars.parquet --daily daily.parquet --calendar XNYS
  axiomd data import --bars recorded/ --timeframe m1
  axiomd data quality --bars bars.parquet --json"""


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation and the file it stands in."""

    path: str
    violation: Violation


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and options of the command."""
    parser.epilog = _EXAMPLE
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        ("validate", "list every violation and failed service level of bars; exit 1 on one"),
        ("quality", "measure the service levels of bars and write their reports; exit 1 on a failed one"),
        ("import", "check bars and add them to the local store"),
    ):
        action = actions.add_parser(name, help=text, description=text, epilog=_EXAMPLE)
        needs_bars = name == "validate"
        action.add_argument("--bars", type=Path, required=needs_bars, metavar="PATH", help="bars file or folder")
        if name != "quality":
            action.add_argument("--daily", type=Path, metavar="PATH", help="daily bars file or folder")
        action.add_argument("--timeframe", choices=["m1", "m5"], default="m1", help="timeframe of --bars, default m1")
        action.add_argument("--calendar", default="XNYS", help="exchange-calendars name, default XNYS")
        action.add_argument("--tz", default="America/New_York", help="time zone of the texts, default %(default)s")
        if name == "validate":
            action.add_argument("--tick-size", default="0.01", help="tick that prices are counted against")
        if name != "validate":
            action.add_argument("--instance", metavar="NAME", help="whose store, default main")
        action.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; 0, or 1 where a check failed."""
    if args.action == "validate":
        return _validate(args)
    if args.action == "quality":
        return _quality(args)
    return _import(args)


def _validate(args: argparse.Namespace) -> int:
    from axiomd.feeds.symbols import of_symbols

    tick_units = _tick_units(args.tick_size)
    findings, frames = _find_intraday(args)
    if args.daily is not None:
        findings += _find_daily(args.daily)
    reports, written = _measure([of_symbols(frame) for frame in frames], args)
    off_tick = sum(_between_ticks(frame, tick_units) for frame in frames)
    is_good = not findings and all(report.passed for report in reports)
    if args.json:
        print_json(
            {
                "ok": is_good,
                "counts": dict(sorted(_counts(findings, reports).items())),
                "violations": [_finding_document(finding) for finding in findings],
                "slas": {report.symbol: _sla_document(report) for report in reports},
                "prices_between_ticks": off_tick,
                "quality_files": [str(path) for path in written],
            }
        )
        return EXIT_OK if is_good else EXIT_REFUSED
    _print_findings(findings)
    _print_slas(reports)
    counts = ", ".join(f"{rule} x {count}" for rule, count in sorted(_counts(findings, reports).items()))
    rows = sum(frame.height for frame in frames)
    print(f"{rows} bars, {off_tick} prices between ticks; {counts or 'no violation, every service level holds'}")
    return EXIT_OK if is_good else EXIT_REFUSED


def _quality(args: argparse.Namespace) -> int:
    from axiomd.feeds.files import read_bars
    from axiomd.feeds.store import BarStore

    source = args.bars or BarStore(places(args.instance).state_dir).folder(Timeframe(args.timeframe))
    reports, written = _measure([read_bars(source, args.timeframe)], args)
    is_good = all(report.passed for report in reports)
    if args.json:
        print_json(
            {
                "ok": is_good,
                "slas": {report.symbol: _sla_document(report) for report in reports},
                "quality_files": [str(path) for path in written],
            }
        )
    else:
        _print_slas(reports)
        for path in written:
            print(path)
    return EXIT_OK if is_good else EXIT_REFUSED


def _import(args: argparse.Namespace) -> int:
    from axiomd.feeds.store import BarStore

    if args.bars is None and args.daily is None:
        raise UsageError("nothing to import", "axiomd data import", "give --bars or --daily")
    store = BarStore(places(args.instance).state_dir)
    # both judged before either is written
    checked, dropped = [], 0
    if args.bars is not None:
        frame, dropped = _checked_bars(args)
        checked.append((frame, Timeframe(args.timeframe)))
    if args.daily is not None:
        checked.append((_checked_daily(args.daily), Timeframe.D1))
    rows = sum(frame.height for frame, _ in checked)
    imported = [path for frame, timeframe in checked for path in store.merge(frame, timeframe)]
    if args.json:
        print_json({"rows": rows, "dropped_outside_sessions": dropped, "files": [str(path) for path in imported]})
        return EXIT_OK
    for path in imported:
        print(path)
    print(f"{rows} bars imported, {dropped} outside sessions left out")
    return EXIT_OK


def _checked_bars(args: argparse.Namespace) -> tuple[pl.DataFrame, int]:
    import polars as pl

    from axiomd.core.market.columns import take_apart
    from axiomd.core.market.validate import intraday_violations, raise_if_any
    from axiomd.feeds.calendars import time_zone
    from axiomd.feeds.files import read_bars
    from axiomd.feeds.frames import covering_table
    from axiomd.feeds.symbols import symbol_violations

    frame = read_bars(args.bars, args.timeframe)
    raise_if_any(symbol_violations(frame), str(args.bars))
    table = covering_table(take_apart(frame), args.calendar)
    inside = pl.Series(table.indices_of(frame["ts"].to_physical().to_numpy()) >= 0)
    kept = frame.filter(inside)
    raise_if_any(
        intraday_violations(kept, table, timeframe_us=Timeframe(args.timeframe).us, zone=time_zone(args.tz)),
        str(args.bars),
    )
    return kept, frame.height - kept.height


def _checked_daily(path: Path) -> pl.DataFrame:
    from axiomd.core.market.validate import raise_if_any
    from axiomd.feeds.files import load_daily
    from axiomd.feeds.symbols import symbol_violations

    frame = load_daily(path).frame
    raise_if_any(symbol_violations(frame), str(path))
    return frame


def _find_intraday(args: argparse.Namespace) -> tuple[list[Finding], list[pl.DataFrame]]:
    from axiomd.core.market.columns import legible
    from axiomd.feeds.files import duplicates_between, read_each
    from axiomd.feeds.frames import find_intraday
    from axiomd.feeds.symbols import symbol_violations

    findings: list[Finding] = []
    frames: list[pl.DataFrame] = []
    for file in read_each(args.bars):
        findings += _findings(file.path, (*file.faults, *symbol_violations(file.frame)))
        judged = find_intraday(file.frame, args.calendar, args.tz, args.timeframe, file.unread)
        findings += _findings(file.path, judged)
        frames.append(legible(file.frame))
    findings += _findings(args.bars, duplicates_between(frames))
    return findings, frames


def _find_daily(daily: Path) -> list[Finding]:
    from axiomd.core.market.columns import legible
    from axiomd.core.market.validate import daily_violations
    from axiomd.feeds.files import duplicates_between, read_each
    from axiomd.feeds.symbols import symbol_violations

    findings: list[Finding] = []
    frames: list[pl.DataFrame] = []
    for file in read_each(daily):
        findings += _findings(file.path, (*file.faults, *symbol_violations(file.frame)))
        findings += _findings(file.path, daily_violations(file.frame, file.unread))
        frames.append(legible(file.frame))
    return findings + _findings(daily, duplicates_between(frames))


def _measure(frames: Sequence[pl.DataFrame], args: argparse.Namespace) -> tuple[tuple[QualityReport, ...], list[Path]]:
    import polars as pl

    from axiomd.core.market.columns import take_apart
    from axiomd.core.market.sla import measure_frame
    from axiomd.feeds.frames import covering_table
    from axiomd.feeds.store import write_quality

    if not frames:
        return (), []
    joined = pl.concat(frames)
    table = covering_table(take_apart(joined), args.calendar)
    reports = measure_frame(joined, table, bar_us=Timeframe(args.timeframe).us)
    artifacts_dir = places().run_artifacts_dir
    return reports, [write_quality(report, artifacts_dir) for report in reports]


def _between_ticks(frame: pl.DataFrame, tick_units: int) -> int:
    import numpy as np

    from axiomd.contracts.bars import PRICE_COLUMNS

    prices = frame.select(PRICE_COLUMNS).to_numpy()
    sound = prices[np.isfinite(prices) & (np.abs(prices) < 1e9)]
    return int(np.count_nonzero(np.rint(sound * PRICE_SCALE).astype(np.int64) % tick_units))


def _tick_units(text: str) -> int:
    try:
        size = Decimal(text)
        # bounded first: neither infinity nor 1e99999999 can be written out as a whole number
        units = exact_units(size) if 0 < size * PRICE_SCALE <= PRICE_UNITS_MAX else 0
    except (ValueError, ArithmeticError):
        units = 0
    if units <= 0:
        raise UsageError(f"{text!r} is no tick size", "--tick-size", "give one like 0.01, at least 0.0001")
    return units


def _findings(path: Path, violations: Sequence[Violation]) -> list[Finding]:
    """Give findings that are bounded, whatever the bars hold: a name or a cell may be of any length."""
    return [
        Finding(
            str(path),
            replace(
                found, symbol=found.symbol and cut(found.symbol, SYMBOL_LENGTH_MAX),
                detail=cut(found.detail, DETAIL_LENGTH_MAX),
            ),
        )
        for found in violations
    ]  # fmt: skip


def _counts(findings: Sequence[Finding], reports: Sequence[QualityReport]) -> Counter[str]:
    counts = Counter(str(finding.violation.rule) for finding in findings)
    counts.update(name for report in reports for name in report.failed())
    return counts


def _finding_document(finding: Finding) -> dict[str, str | None]:
    found = finding.violation
    return {
        "rule": str(found.rule),
        "symbol": found.symbol,
        "ts": found.ts.isoformat() if found.ts else None,
        "detail": found.detail,
        "path": finding.path,
    }


def _sla_document(report: QualityReport) -> dict[str, dict[str, float | bool]]:
    return {name: {"figure": sla.figure, "limit": sla.limit, "pass": sla.passed} for name, sla in report.slas().items()}


def _print_findings(findings: Sequence[Finding]) -> None:
    if not findings:
        return
    rows = [
        (
            str(finding.violation.rule),
            finding.violation.symbol or "",
            finding.violation.ts.isoformat() if finding.violation.ts else "",
            finding.violation.detail,
            finding.path,
        )
        for finding in findings
    ]
    print_table(("rule", "symbol", "ts", "detail", "file"), rows, title="violations")


def _print_slas(reports: Sequence[QualityReport]) -> None:
    rows = [
        (report.symbol, f"{report.first_date} .. {report.last_date}", name, _figure(sla.figure), _figure(sla.limit))
        + (("pass",) if sla.passed else ("FAIL",))
        for report in reports
        for name, sla in report.slas().items()
    ]
    print_table(("symbol", "sessions", "service level", "figure", "limit", ""), rows)


def _figure(value: float) -> str:
    return f"{Decimal(repr(float(value))).quantize(Decimal('0.0001')).normalize():f}"
