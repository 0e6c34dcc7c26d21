"""The files of a run: rows and figures written to a folder that is there whole or not at all.

It decides how a record looks in CSV and JSON, and nothing about what happened. The same record gives the same bytes.
Replay, backtest, paper and live days call it at their end; the report is built from what it wrote.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from axiomd.contracts import signals as signal_schema
from axiomd.contracts.errors import InputError, OrderContractError
from axiomd.contracts.fills import TRADE_COLUMNS, Trade
from axiomd.contracts.orders import CSV_HEADER, Order, to_row
from axiomd.contracts.outcome import CurvePoint, OrderOutcome, RunRecord
from axiomd.contracts.quality import QualitySummary
from axiomd.contracts.runs import Manifest, Metrics
from axiomd.contracts.signals import Signal
from axiomd.contracts.units import decimal_text, iso_time

MANIFEST: Final = "manifest.json"
METRICS: Final = "metrics.json"
LABEL: Final = "label.txt"
QUALITY: Final = "quality.json"
SIGNALS: Final = "signals.csv"
ORDERS: Final = "orders.csv"
FILLED_ORDERS: Final = "filled_orders.csv"
TRADES: Final = "trades.csv"
EQUITY_CURVE: Final = "equity_curve.csv"
JOURNAL: Final = "journal.sqlite"
FILES: Final = (
    MANIFEST, METRICS, LABEL, QUALITY, SIGNALS, ORDERS, FILLED_ORDERS, TRADES, EQUITY_CURVE, "equity_curve.png",
    "drawdown_curve.png", "report.html", JOURNAL,
)  # fmt: skip

FILLED_COLUMNS: Final = (
    *CSV_HEADER, "fill_ts", "fill_price", "fill_qty", "commission", "slippage_ticks", "status", "reason",
)  # fmt: skip
CURVE_COLUMNS: Final = ("ts", "equity", "cash", "gross_exposure", "drawdown")
ROWS_TOGETHER: Final = 4_096
"""Rows that are made and written at a time: a run of any length is written in the memory of so many."""
RATIO_DIGITS: Final = 6
"""Decimals of a ratio in a CSV: more than anyone reads, fewer than where machines begin to differ."""


def write_run(
    folder: Path,
    record: RunRecord,
    manifest: Manifest,
    metrics: Metrics,
    *,
    quality: QualitySummary | None = None,
    label: str | None = None,
    journal: Path | None = None,
    plots: bool = True,
) -> Path:
    """Write the run folder and give its path; a run folder that was there is replaced, whole.

    ``journal`` is a finished journal, which is moved in. Without ``label`` one is made from the manifest. ``plots``
    False leaves both pictures out. Raises `InputError` where something that is no run folder is in the way, or the
    place cannot be written: then nothing has changed.
    """
    folder = folder.resolve()
    check_target(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
            # a folder made by tempfile is its owner's alone; one inside it has the modes of any other
            fresh = Path(beside) / "new"
            fresh.mkdir()
            _write_files(fresh, record, manifest, metrics, quality, label or label_of(manifest, record))
            _write_for_people(fresh, plots=plots)
            if journal is not None:
                shutil.move(journal, fresh / JOURNAL)
            _sync(fresh)
            if folder.exists():
                folder.rename(Path(beside) / "old")
            fresh.rename(folder)
        _sync_folder(folder.parent)
    except OSError as error:
        raise InputError(
            f"the run cannot be written ({error.strerror or error})",
            str(folder),
            "check the folder and its permissions",
        ) from error
    return folder


def check_target(folder: Path) -> None:
    """Raise `InputError` where a run must not be written: at a file, or at a folder that holds anything but a run."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError("a file is in the way", str(folder), "name a folder")
    if not (folder / MANIFEST).is_file() and any(folder.iterdir()):
        raise InputError("the folder holds something that is no run", str(folder), "name an empty or a new folder")


def append_orders(path: Path, orders: Iterable[Order]) -> int:
    """Append to a canonical CSV the orders whose key is not in it yet, fsynced; give how many those were.

    A last line without its end was torn by a crash before it counted: it is cut off and written anew if it is among
    ``orders``. Raises `OrderContractError` where the file is no canonical CSV, `InputError` where it cannot be written.
    """
    try:
        known, whole_bytes = _known_keys(path)
        added: dict[str, Order] = {}
        for order in orders:
            if order.idempotency_key not in known:
                added.setdefault(order.idempotency_key, order)
        rows = [list(to_row(order).values()) for order in added.values()]
        text = b"".join(_csv_text(CSV_HEADER if whole_bytes == 0 else (), rows))
        with path.open("ab") as file:
            file.truncate(whole_bytes)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if whole_bytes == 0:
            _sync_folder(path.parent)
    except OSError as error:
        raise InputError(
            f"orders cannot be written ({error.strerror or error})", str(path), "check the folder and its permissions"
        ) from error
    return len(added)


def label_of(manifest: Manifest, record: RunRecord) -> str:
    """Make a title: strategy and version, symbols, the days, and how it was run."""
    symbols = " ".join(manifest.symbols[:5]) + (" …" if len(manifest.symbols) > 5 else "")
    days = [iso_time(point.ts_us)[:10] for point in (record.curve[:1] + record.curve[-1:])]
    span = " .. ".join(dict.fromkeys(days)) or "no sessions"
    return f"{manifest.strategy} {manifest.strategy_version} · {symbols} · {span} · {manifest.mode}"


def write_signals(path: Path, signals: Iterable[Signal]) -> None:
    """Write signals.csv alone."""
    _write_csv(path, signal_schema.COLUMNS, map(_signal_row, signals))


def filled_order_rows(outcomes: Iterable[OrderOutcome]) -> list[list[str]]:
    """Give the rows of filled_orders.csv under `FILLED_COLUMNS`; the fill's cells are empty where there was none."""
    return [[*to_row(outcome.order).values(), *_fill_cells(outcome)] for outcome in outcomes]


def trade_rows(trades: Iterable[Trade]) -> list[list[str]]:
    """Give the rows of trades.csv under `TRADE_COLUMNS`."""
    return list(map(_trade_row, trades))


def curve_rows(points: Iterable[CurvePoint]) -> list[list[str]]:
    """Give the rows of equity_curve.csv under `CURVE_COLUMNS`."""
    return list(map(_curve_row, points))


def _write_files(
    folder: Path, record: RunRecord, manifest: Manifest, metrics: Metrics, quality: QualitySummary | None, label: str
) -> None:
    _write(folder / MANIFEST, _json_text(manifest.model_dump(mode="json")))
    _write(folder / METRICS, _json_text(metrics.model_dump(mode="json")))
    _write(folder / LABEL, " ".join(label.split()) + "\n")
    if quality is not None:
        _write(folder / QUALITY, _json_text(msgspec.to_builtins(quality)))
    write_signals(folder / SIGNALS, record.signals)
    _write_orders(folder, record.orders)
    _write_csv(folder / TRADES, TRADE_COLUMNS, map(_trade_row, record.trades))
    _write_csv(folder / EQUITY_CURVE, CURVE_COLUMNS, map(_curve_row, record.curve))


def _write_orders(folder: Path, outcomes: Iterable[OrderOutcome]) -> None:
    """Write orders.csv, each key once, and filled_orders.csv: the cells of an order stand in both."""
    sent: set[str] = set()
    left, width = iter(outcomes), len(CSV_HEADER)
    with (folder / ORDERS).open("wb") as orders, (folder / FILLED_ORDERS).open("wb") as filled:
        orders.write(_csv_lines([CSV_HEADER]))
        filled.write(_csv_lines([FILLED_COLUMNS]))
        while together := list(islice(left, ROWS_TOGETHER)):
            rows = filled_order_rows(together)
            filled.write(_csv_lines(rows))
            new = []
            for outcome, row in zip(together, rows, strict=True):
                if outcome.was_sent and outcome.order.idempotency_key not in sent:
                    sent.add(outcome.order.idempotency_key)
                    new.append(row[:width])
            orders.write(_csv_lines(new))


def _write_for_people(folder: Path, *, plots: bool) -> None:
    from axiomd.runs.report import write_report

    if plots:
        # matplotlib takes longer to load than a short replay to run
        from axiomd.runs.plots import draw_curves

        draw_curves(folder)
    write_report(folder)


def _signal_row(signal: Signal) -> list[str]:
    meta: dict[str, object] = {}
    if signal.outcome:
        meta["reason"] = signal.outcome
    for name in ("limit_long", "limit_short"):
        limit = getattr(signal, name)
        if limit is not None:
            meta[name] = decimal_text(limit)
    levels = (
        signal.long_entry, signal.short_entry, signal.sl_long, signal.sl_short, signal.tp_long, signal.tp_short,
    )  # fmt: skip
    return [
        signal.signal_id,
        str(signal_schema.SCHEMA_VERSION),
        signal.run_id,
        signal.symbol,
        iso_time(signal.ts_us),
        signal.timeframe,
        *map(_price, levels),
        signal.setup,
        _ratio(signal.score),
        signal.strategy,
        signal.strategy_version,
        iso_time(signal.valid_from_us),
        iso_time(signal.valid_to_us),
        signal.entry_type,
        str(signal.stage1_rank),
        json.dumps(meta, sort_keys=True) if meta else "{}",
    ]


def _fill_cells(outcome: OrderOutcome) -> list[str]:
    if outcome.fill_ts_us is None or outcome.fill_price is None:
        return ["", "", "", "", "", outcome.status, outcome.reason]
    return [
        iso_time(outcome.fill_ts_us),
        decimal_text(outcome.fill_price),
        str(outcome.fill_qty),
        decimal_text(outcome.commission),
        str(outcome.slippage_ticks),
        outcome.status,
        outcome.reason,
    ]


def _trade_row(trade: Trade) -> list[str]:
    return [
        trade.trade_id,
        trade.idempotency_key,
        trade.symbol,
        trade.side,
        str(trade.qty),
        iso_time(trade.entry_ts_us),
        decimal_text(trade.entry_price),
        iso_time(trade.exit_ts_us),
        decimal_text(trade.exit_price),
        trade.exit_reason,
        decimal_text(trade.gross_pnl),
        decimal_text(trade.costs),
        decimal_text(trade.net_pnl),
        "" if trade.r_multiple is None else _ratio(trade.r_multiple),
        trade.currency,
        str(trade.bars_held),
        decimal_text(trade.mae),
        decimal_text(trade.mfe),
        str(trade.ambiguous).lower(),
        trade.strategy,
    ]


def _curve_row(point: CurvePoint) -> list[str]:
    return [
        iso_time(point.ts_us),
        decimal_text(point.equity),
        decimal_text(point.cash),
        decimal_text(point.gross_exposure),
        decimal_text(point.drawdown),
    ]


def _price(units: int | None) -> str:
    return "" if units is None else decimal_text(units)


def _ratio(value: float) -> str:
    return repr(round(value, RATIO_DIGITS) + 0.0)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("wb") as file:
        file.writelines(_csv_text(header, rows))


def _csv_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """Give a CSV, some rows at a time; without a header where that is empty."""
    if header:
        yield _csv_lines([header])
    left = iter(rows)
    while together := list(islice(left, ROWS_TOGETHER)):
        yield _csv_lines(together)


def _csv_lines(rows: Sequence[Sequence[str]]) -> bytes:
    """Write rows as the csv module does, which is asked only where a cell needs quotes: it takes three times as long.

    A cell needs none where it holds no quote, no comma and no end of a line; a comma or an end within a cell shows as
    one more than there are between cells and rows.
    """
    if not rows:
        return b""
    text = "\n".join(map(",".join, rows)) + "\n"
    commas = sum(map(len, rows)) - len(rows)
    if '"' in text or "\r" in text or text.count(",") != commas or text.count("\n") != len(rows):
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(rows)
        text = buffer.getvalue()
    return text.encode()


def _json_text(document: object) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _known_keys(path: Path) -> tuple[set[str], int]:
    """Give the keys of a canonical CSV, and how many bytes of it are whole lines."""
    if not path.exists():
        return set(), 0
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    try:
        rows = csv.DictReader(io.StringIO(whole.decode(), newline=""))
        if whole and tuple(rows.fieldnames or ()) != CSV_HEADER:
            raise OrderContractError("its header is not the canonical one", str(path), "name another file")
        return {row["idempotency_key"] for row in rows}, len(whole)
    except (UnicodeDecodeError, csv.Error) as error:
        raise OrderContractError(f"it is no CSV: {error}", str(path), "name another file") from error


def _sync(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    # a name is durable only once its folder is
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
