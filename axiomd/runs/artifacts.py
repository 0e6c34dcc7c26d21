"""The files of a run: rows and figures written to a folder that is there whole or not at all.

It decides what stands in which file, and nothing about what happened. The same record gives the same bytes. Replay,
backtest, paper and live days call it at their end; the report is built from what it wrote.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

import msgspec

from axiomd.contracts.errors import InputError, OrderContractError
from axiomd.contracts.fills import TRADE_COLUMNS
from axiomd.contracts.orders import CSV_HEADER, Order
from axiomd.contracts.outcome import OrderOutcome, RunRecord
from axiomd.contracts.quality import QualitySummary
from axiomd.contracts.runs import Manifest, Metrics
from axiomd.contracts.signals import Signal
from axiomd.contracts.units import iso_time
from axiomd.runs import tables
from axiomd.runs.for_people import write_for_people
from axiomd.runs.table_files import TablesBeside, write_table
from axiomd.runs.tables import CURVE_COLUMNS, FILLED_COLUMNS, curve_rows, filled_order_rows, trade_rows

__all__ = (
    "CURVE_COLUMNS", "FILES", "FILLED_COLUMNS", "TRADE_COLUMNS", "append_orders", "check_target", "curve_rows",
    "filled_order_rows", "label_of", "trade_rows", "write_run", "write_signals",
)  # fmt: skip

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


def write_run(
    folder: Path,
    record: RunRecord,
    manifest: Manifest,
    metrics: Metrics,
    *,
    quality: QualitySummary | None = None,
    label: str | None = None,
    journal: Path | None = None,
    living_journal: Path | None = None,
    plots: bool = True,
    for_people: Callable[[Path], None] | None = None,
    writer: TablesBeside | None = None,
) -> Path:
    """Write the run folder and give its path; a run folder that was there is replaced, whole.

    ``journal`` is a finished journal, which is moved in; ``living_journal`` one that goes on elsewhere, which is linked
    to: a copy in the folder of every day would be all days again. Without ``label`` one is made from the manifest.
    ``plots`` False leaves both pictures out; ``for_people`` makes pictures and report where that is not done here, and
    ``writer`` writes some of the tables beside this process. Raises `InputError` where something that is no run folder
    is in the way, or the place cannot be written: then nothing has changed.
    """
    folder = folder.resolve()
    check_target(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
            # a folder made by tempfile is its owner's alone; one inside it has the modes of any other
            fresh = Path(beside) / "new"
            fresh.mkdir()
            _write_words(fresh, manifest, metrics, quality, label or label_of(manifest, record))
            _write_tables(fresh, record, writer)
            # before the report, which names what lies beside it
            if journal is not None:
                shutil.move(journal, fresh / JOURNAL)
            if living_journal is not None and living_journal.is_file():
                (fresh / JOURNAL).symlink_to(os.path.relpath(living_journal.resolve(), folder))
            with ThreadPoolExecutor(max_workers=1, thread_name_prefix="disk") as disk:
                # the tables are on their way to the disk while the report is made of them
                synced = disk.submit(_sync_files, sorted(fresh.iterdir()))
                if for_people is not None:
                    for_people(fresh)
                else:
                    write_for_people(fresh, plots=plots)
            synced.result()
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
        header = [",".join(CSV_HEADER)] if whole_bytes == 0 else []
        text = tables.text_of([*header, *tables.ORDERS.lines(list(added.values()))])
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
    # a session may open before the midnight (UTC) of its date; none closes after that of the next
    days = [iso_time(close_us)[:10] for close_us, _ in (record.session_closes[:1] + record.session_closes[-1:])]
    span = " .. ".join(dict.fromkeys(days)) or "no sessions"
    return f"{manifest.strategy} {manifest.strategy_version} · {symbols} · {span} · {manifest.mode}"


def write_signals(path: Path, signals: Iterable[Signal]) -> None:
    """Write signals.csv alone."""
    write_table(path, tables.SIGNALS, signals)


def _write_words(
    folder: Path, manifest: Manifest, metrics: Metrics, quality: QualitySummary | None, label: str
) -> None:
    _write(folder / MANIFEST, _json_text(manifest.model_dump(mode="json")))
    _write(folder / METRICS, _json_text(metrics.model_dump(mode="json")))
    _write(folder / LABEL, " ".join(label.split()) + "\n")
    if quality is not None:
        _write(folder / QUALITY, _json_text(msgspec.to_builtins(quality)))


def _write_tables(folder: Path, record: RunRecord, writer: TablesBeside | None) -> None:
    if writer is None:
        write_signals(folder / SIGNALS, record.signals)
        write_table(folder / TRADES, tables.TRADES, record.trades)
        write_table(folder / EQUITY_CURVE, tables.CURVE, record.curve)
        _write_orders(folder, record.orders)
        return
    if "signals" not in writer.sent:
        writer.send_first(record)
    writer.send("trades", record.trades)
    beside = writer.write({"signals": folder / SIGNALS, "trades": folder / TRADES, "curve": folder / EQUITY_CURVE})
    try:
        _write_orders(folder, record.orders)
    finally:
        wait((beside,))  # nobody writes any more into a folder that goes away because this failed
    beside.result()


def _write_orders(folder: Path, outcomes: Iterable[OrderOutcome]) -> None:
    """Write orders.csv, each key once, and filled_orders.csv: an order is the same line in both."""
    sent: set[str] = set()
    with (folder / ORDERS).open("wb") as orders, (folder / FILLED_ORDERS).open("wb") as filled:
        orders.write(tables.text_of([",".join(CSV_HEADER)]))
        filled.write(tables.text_of([",".join(FILLED_COLUMNS)]))
        for some in tables.together(outcomes):
            lines = tables.ORDERS.lines([outcome.order for outcome in some])
            ends = tables.lines_of(tables.end_columns(some))
            filled.write(tables.text_of(list(map(",".join, zip(lines, ends, strict=True)))))
            new = []
            for outcome, line in zip(some, lines, strict=True):
                if outcome.was_sent and outcome.order.idempotency_key not in sent:
                    sent.add(outcome.order.idempotency_key)
                    new.append(line)
            orders.write(tables.text_of(new))


def _json_text(document: object) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _write(path: Path, text: str) -> None:
    # a path of the bars may be no UTF-8; so it stands as JSON escapes it, and is the path again when it is read
    path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


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
    _sync_files(sorted(folder.iterdir()))
    _sync_folder(folder)


def _sync_files(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_symlink():  # to a journal that goes on, whose commits are its own business
            continue
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # a name is durable only once its folder is
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
