"""The options and the ending that replay, backtest and signals share: what to run, and what it came to.

It parses and shows; what a run is, it leaves to `axiomd.replay`.
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from axiomd.contracts.errors import UsageError

if TYPE_CHECKING:
    from axiomd.contracts.outcome import RunRecord
    from axiomd.contracts.runs import Metrics
    from axiomd.replay.prepare import Request

TRADES_SHOWN = 20


def add_run_options(parser: argparse.ArgumentParser, *, needs_bars: bool = True) -> None:
    """Add the options that name bars, configuration, symbols and days."""
    parser.add_argument("--bars", type=Path, required=needs_bars, metavar="PATH", help="M1 or M5 bars: file or folder")
    parser.add_argument("--daily", type=Path, metavar="PATH", help="daily bars, for stage1: {mode: screen}")
    parser.add_argument("--config", type=Path, metavar="FILE", help="run configuration; without it, settings.yml")
    parser.add_argument("--symbols", metavar="A,B", help="instead of those of the configuration")
    parser.add_argument("--from", dest="first", metavar="DATE", help="first session to trade; earlier ones warm up")
    parser.add_argument("--to", dest="last", metavar="DATE", help="last session, included")
    parser.add_argument("--timeframe", choices=("m1", "m5"), default="m1", help="of the bars; default m1")
    parser.add_argument("--run-id", metavar="ID", help="instead of the one derived from the inputs")
    parser.add_argument("--json", action="store_true", help="print JSON")


def request_of(args: argparse.Namespace) -> Request:
    """Turn parsed options into a request; `UsageError` for a date or a symbol list that is none."""
    from axiomd.replay.prepare import Request

    symbols = None
    if args.symbols is not None:
        symbols = tuple(part.strip() for part in args.symbols.split(",") if part.strip())
        if not symbols:
            raise UsageError("no symbol is named", "--symbols", "write --symbols SPY,IBM")
    run_id = args.run_id
    if run_id is not None and not _is_run_id(run_id):
        raise UsageError(f"{run_id!r} is no run id", "--run-id", "use letters, digits and, behind the first, - _ .")
    return Request(
        bars=args.bars,
        daily=args.daily,
        config=args.config,
        symbols=symbols,
        first=_date(args.first, "--from"),
        last=_date(args.last, "--to"),
        timeframe=args.timeframe,
        run_id=run_id,
    )


def _is_run_id(text: str) -> bool:
    # it names a folder: neither this one nor the one above
    return text[:1].isalnum() and all(char.isalnum() or char in "-_." for char in text)


def _date(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no date", option, "write it as 2013-10-04") from None


def run_folder(out: Path | None, run_id: str) -> Path:
    """Give the folder a run is written to: the one named, else its own under the artifacts dir."""
    if out is not None:
        return out
    from axiomd.config.settings import places

    return places().run_artifacts_dir / "runs" / run_id


def show_run(record: RunRecord, metrics: Metrics, folder: Path, *, as_json: bool) -> None:
    """Print what a run came to: its trades, its figures, its folder."""
    from axiomd.cli.printing import print_json, print_table
    from axiomd.contracts.units import decimal_text, iso_time

    if as_json:
        print_json({"folder": str(folder), "metrics": metrics.model_dump(mode="json")})
        return
    rows = [
        (
            iso_time(trade.entry_ts_us)[:16].replace("T", " "),
            trade.symbol,
            trade.side,
            f"{trade.qty:,}",
            decimal_text(trade.entry_price),
            decimal_text(trade.exit_price),
            trade.exit_reason,
            decimal_text(trade.net_pnl),
            "" if trade.r_multiple is None else f"{trade.r_multiple:+.2f}",
        )
        for trade in record.trades[-TRADES_SHOWN:]
    ]
    more = len(record.trades) - len(rows)
    title = f"{len(record.trades)} trades" + (f", the last {len(rows)}" if more else "")
    print_table(
        ("entry (UTC)", "symbol", "side", "Stk", "entry", "exit", "by", f"net {record.currency}", "R"),
        rows,
        title=title,
        right=(3, 4, 5, 7, 8),
    )
    print_table(("figure", "value"), _figures(record, metrics), title="figures", right=(1,))
    print(f"run folder: {_from_here(folder)}")


def _from_here(folder: Path) -> Path:
    """Give a path as it is typed into the next command."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _figures(record: RunRecord, metrics: Metrics) -> list[tuple[str, str]]:
    unit = record.currency

    def money(value: float | None) -> str:
        return "-" if value is None else f"{value:,.2f} {unit}"

    def plain(value: float | None, digits: int = 2) -> str:
        return "-" if value is None else f"{value:,.{digits}f}"

    return [
        ("net P&L", money(metrics.net_pnl)),
        ("final cash", money(metrics.final_cash)),
        ("max drawdown", f"{money(metrics.max_drawdown)} ({metrics.max_drawdown_pct:.2f} %)"),
        ("win rate", "-" if metrics.win_rate is None else f"{100 * metrics.win_rate:.1f} %"),
        ("average trade", money(metrics.avg_trade)),
        ("profit factor", plain(metrics.profit_factor)),
        ("expectancy", "-" if metrics.expectancy_r is None else f"{metrics.expectancy_r:+.2f} R"),
        ("Sharpe ratio", f"{plain(metrics.sharpe)} over {metrics.sharpe_periods} sessions"),
        ("costs", money(metrics.total_costs)),
        ("exposure", f"{metrics.exposure_pct:.1f} %"),
        ("signals / orders", f"{metrics.num_signals} / {metrics.num_orders}"),
        ("ambiguous bars", str(metrics.ambiguous_bars)),
        ("fills beyond a tenth of VOLUME", str(metrics.fills_beyond_volume)),
        ("operator resumes", str(metrics.operator_resumes)),
    ]
