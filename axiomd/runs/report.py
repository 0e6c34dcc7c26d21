"""The report of a run: one page without scripts or outside links, made from the files beside it.

It shows what the files say and computes no figure but notional = quantity * price. Everything in it is escaped. The
same files give the same bytes, so that writing it again changes nothing.
"""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any, Final

from axiomd.contracts.errors import InputError
from axiomd.runs.folder import RunFiles, read_run

TRADES_SHOWN_MAX: Final = 2_000
"""A page with more rows than this no browser likes; trades.csv has them all."""

_LINKED: Final = (
    "manifest.json", "metrics.json", "label.txt", "quality.json", "signals.csv", "orders.csv", "filled_orders.csv",
    "trades.csv", "equity_curve.csv", "equity_curve.png", "drawdown_curve.png", "journal.sqlite",
)  # fmt: skip

# name in metrics.json -> (title, unit); a unit in capitals stands for the account's currency
_TITLES: Final[dict[str, tuple[str, str]]] = {
    "net_pnl": ("Net result", "CCY"),
    "max_drawdown": ("Max drawdown", "CCY"),
    "num_trades": ("Trades", ""),
    "win_rate": ("Win rate", "share"),
    "profit_factor": ("Profit factor", ""),
    "sharpe": ("Sharpe ratio", ""),
    "expectancy_r": ("Expectancy", "R"),
    "initial_cash": ("Initial cash", "CCY"),
    "final_cash": ("Final cash", "CCY"),
    "max_drawdown_pct": ("Max drawdown", "%"),
    "avg_trade": ("Average trade", "CCY"),
    "pnl_per_trade": ("Result a trade", "CCY"),
    "total_costs": ("Costs", "CCY"),
    "turnover": ("Turnover", "x initial cash"),
    "exposure_pct": ("Time with a position", "%"),
    "sharpe_periods": ("Sessions in the Sharpe ratio", ""),
    "num_signals": ("Signals", ""),
    "num_orders": ("Orders sent", ""),
    "fill_rate": ("Orders filled", "share"),
    "ambiguous_bars": ("Ambiguous bars", ""),
    "fills_beyond_volume": ("Fills beyond a tenth of volume", ""),
    "operator_resumes": ("Resumed by an operator", ""),
}
_TILES: Final = ("net_pnl", "max_drawdown", "num_trades", "win_rate", "profit_factor", "sharpe")

_STYLE: Final = """
:root{--ink:#22313f;--muted:#66758a;--line:#dde3ea;--ground:#fff;--card:#f6f8fa;--won:#1b8a5a;--lost:#c0392b;--link:#1f5fa8}
@media(prefers-color-scheme:dark){:root{--ink:#e3e9ef;--muted:#95a3b3;--line:#33404d;--ground:#141a20;--card:#1d252d;
--won:#4fc48d;--lost:#ef7b6d;--link:#7db4f0}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:70rem;padding:2rem 1.25rem 4rem;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .6rem}
p.sub{color:var(--muted);margin:.2rem 0 1.4rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.75rem}
.tile{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem}
.tile b{display:block;font-size:1.3rem;font-variant-numeric:tabular-nums}.tile span{color:var(--muted);font-size:.85rem}
img{max-width:100%;height:auto;background:#fff;border:1px solid var(--line);border-radius:.5rem;margin:.4rem 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .7rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child,td.t,th.t{text-align:left}th{color:var(--muted);font-weight:600}
a{color:var(--link)}.won{color:var(--won)}.lost{color:var(--lost)}
.badge{display:inline-block;border-radius:1rem;padding:.1rem .7rem;font-size:.85rem;border:1px solid currentColor}
ul.files{padding:0;list-style:none;display:flex;flex-wrap:wrap;gap:.3rem 1.2rem}
"""


def write_report(folder: Path) -> Path:
    """Write report.html into a run folder from the files in it, atomically; give its path.

    Raises `InputError` where the folder is no run or cannot be written.
    """
    page = render_report(read_run(folder))
    path, fresh = folder / "report.html", folder / ".report.html.new"
    try:
        fresh.write_text(page, encoding="utf-8", newline="\n")
        fresh.replace(path)
    except OSError as error:
        raise InputError(
            f"the report cannot be written ({error.strerror or error})", str(path), "check the folder's permissions"
        ) from error
    return path


def render_report(run: RunFiles) -> str:
    """Give the page as text."""
    title = escape(run.label)
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        f'<p class="sub">{_subtitle(run)} {_badge(run.quality)}</p>',
        _tiles(run),
        *_pictures(run.folder),
        _section("Figures", _figures_table(run)),
        _section("By strategy", _strategies_table(run)),
        _section("What became of the orders", _reasons_table(run)),
        _section(_trades_title(run), _trades_table(run)),
        _section("Setups and bars left out", _counts_table(run)),
        _section("Raw files", _links(run.folder)),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _subtitle(run: RunFiles) -> str:
    manifest = run.manifest
    known = [
        str(manifest["run_id"]),
        f"{manifest['strategy']} {manifest.get('strategy_version', '')}".strip(),
        str(manifest.get("mode", "")),
        str(manifest.get("engine", "")),
        " ".join(map(str, manifest.get("symbols", ()))),
        str(manifest.get("calendar", "")),
    ]
    return escape(" · ".join(part for part in dict.fromkeys(known) if part))


def _badge(quality: Mapping[str, Any] | None) -> str:
    if quality is None:
        return '<span class="badge">data quality not measured</span>'
    if quality.get("pass") is True:
        return '<span class="badge won">data quality: pass</span>'
    failed = [name for name, sla in quality.items() if isinstance(sla, dict) and sla.get("pass") is False]
    return f'<span class="badge lost">data quality: FAIL {escape(", ".join(failed))}</span>'


def _tiles(run: RunFiles) -> str:
    tiles = [
        f'<div class="tile"><span>{escape(_TITLES[name][0])}</span>'
        f"<b{_tone(name, run.metrics.get(name))}>{_figure(name, run.metrics.get(name), run.currency)}</b></div>"
        for name in _TILES
    ]
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _pictures(folder: Path) -> Iterable[str]:
    for name, title in (("equity_curve.png", "Equity"), ("drawdown_curve.png", "Drawdown")):
        path = folder / name
        if path.is_file():
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            yield _section(title, f'<img alt="{title} over the sessions" src="data:image/png;base64,{data}">')


def _figures_table(run: RunFiles) -> str:
    rows = [
        [escape(title), _figure(name, run.metrics[name], run.currency), f"<code>{name}</code>"]
        for name, (title, _) in _TITLES.items()
        if name in run.metrics
    ]
    return _table(("figure", "value", "name in metrics.json"), rows)


def _strategies_table(run: RunFiles) -> str:
    names = ("net_pnl", "num_trades", "win_rate", "profit_factor", "expectancy_r", "max_drawdown", "sharpe")
    parts: Mapping[str, Mapping[str, Any]] = run.metrics.get("by_strategy", {})
    rows = [
        [escape(strategy), *(_figure(name, figures.get(name), run.currency) for name in names)]
        for strategy, figures in parts.items()
    ]
    return _table(("strategy", *(_TITLES[name][0] for name in names)), rows)


def _reasons_table(run: RunFiles) -> str:
    ends = Counter(run.filled_orders.columns("status", "reason"))
    rows = [[escape(status), escape(reason) or "–", str(count)] for (status, reason), count in sorted(ends.items())]
    return _table(("status", "reason", "orders"), rows)


def _counts_table(run: RunFiles) -> str:
    counts: Mapping[str, Any] = run.metrics.get("counts", {})
    return _table(("why", "count"), [[escape(name), escape(str(count))] for name, count in sorted(counts.items())])


def _trades_title(run: RunFiles) -> str:
    total = len(run.trades)
    return f"Trades: the first {TRADES_SHOWN_MAX:,} of {total:,}" if total > TRADES_SHOWN_MAX else f"Trades: {total:,}"


def _trades_table(run: RunFiles) -> str:
    shown = run.trades[:TRADES_SHOWN_MAX]
    currencies = _currencies(run, {trade["symbol"] for trade in shown})
    rows = [_trade_cells(trade, currencies.get(trade["symbol"], "")) for trade in shown]
    currency = escape(run.currency)
    return _table(
        (
            "symbol", "side", "qty (Stk)", "entry (UTC)", "price", "notional", "exit (UTC)", "price",
            "exit", f"gross ({currency})", f"costs ({currency})", f"net ({currency})", "R", "bars", "strategy", "",
        ),
        rows,
    )  # fmt: skip


def _currencies(run: RunFiles, symbols: set[str]) -> dict[str, str]:
    """Give the currencies that symbols are priced in; what a trade made is in that of the account."""
    found: dict[str, str] = {}
    if {"symbol", "currency"} <= set(run.filled_orders.header):
        for symbol, currency in run.filled_orders.columns("symbol", "currency"):
            if len(found) == len(symbols):
                break
            if symbol in symbols:
                found[symbol] = currency
    return found


def _trade_cells(trade: Mapping[str, str], currency: str) -> list[str]:
    def cell(name: str) -> str:
        return escape(trade.get(name, ""))

    return [
        cell("symbol"),
        cell("side"),
        cell("qty"),
        _clock(trade.get("entry_ts", "")),
        cell("entry_price"),
        f"{_notional(trade)} {escape(currency)}".strip(),
        _clock(trade.get("exit_ts", "")),
        cell("exit_price"),
        cell("exit_reason"),
        cell("gross_pnl"),
        cell("costs"),
        f'<span class="{"lost" if trade["net_pnl"].startswith("-") else "won"}">{cell("net_pnl")}</span>',
        cell("r_multiple"),
        cell("bars_held"),
        cell("strategy"),
        "ambiguous" if trade.get("ambiguous") == "true" else "",
    ]


def _notional(trade: Mapping[str, str]) -> str:
    try:
        return f"{Decimal(trade['qty']) * Decimal(trade['entry_price']):,.2f}"
    except (KeyError, ArithmeticError):
        return ""


def _clock(iso_time: str) -> str:
    return escape(iso_time.replace("T", " ").removesuffix("+00:00"))


def _links(folder: Path) -> str:
    items = [f'<li><a href="{name}">{name}</a></li>' for name in _LINKED if os.path.lexists(folder / name)]
    return f'<ul class="files">{"".join(items)}</ul>'


def _figure(name: str, value: object, currency: str) -> str:
    unit = _TITLES[name][1]
    if value is None:
        return "–"
    if not isinstance(value, (int, float)):
        return escape(str(value))
    if unit == "share":
        return f"{100 * value:.1f} %"
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
    return f"{text} {escape(currency if unit == 'CCY' else unit)}".rstrip()


def _tone(name: str, value: object) -> str:
    if name != "net_pnl" or not isinstance(value, (int, float)) or value == 0:
        return ""
    return ' class="won"' if value > 0 else ' class="lost"'


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{content}" if content else ""


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a table; headers and cells are HTML already."""
    if not rows:
        return ""
    head = "".join(f"<th>{header}</th>" for header in headers)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'
