"""Session tables kept on disk: to ask the exchange calendar takes a quarter of a second, to read what it said none.

What is kept is good for one calendar, one span, one version of exchange-calendars and one content of the zone's file;
anything else, and anything damaged, is asked anew. It never changes a session, and nothing fails where it cannot write.
"""

from __future__ import annotations

import hashlib
import os
import warnings
import zoneinfo
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from importlib import metadata, resources
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from platformdirs import user_cache_path

from axiomd.core.market.sessions import SessionTable
from axiomd.feeds.calendars import session_table

TABLES_KEPT_MAX: Final = 64
"""Tables on disk; beyond, the one written longest ago goes."""
_FORM: Final = "axiomd sessions 1"
_MARGIN: Final = timedelta(days=14)
_COLUMNS: Final = ("date_days", "open_us", "close_us", "early", "break_start_us", "break_end_us")


class _Kept(msgspec.Struct, frozen=True):
    """A table as it lies on disk: little-endian int64 columns, and the hash of the zone's file they were made with."""

    calendar: str
    zone: str
    zone_sha256: str
    columns: tuple[bytes, ...]


def known_sessions(calendar: str, first: date, last: date, folder: Path | None = None) -> SessionTable:
    """Give `session_table(calendar, first, last)`, from disk where it was asked before. Raises as that does."""
    folder = folder or user_cache_path("axiomd") / "sessions"
    key = "\n".join((_FORM, metadata.version("exchange-calendars"), calendar, first.isoformat(), last.isoformat()))
    path = folder / hashlib.sha256(key.encode()).hexdigest()[:32]
    table = _read(path)
    if table is None:
        table = session_table(calendar, first, last)
        _write(path, table)
    return table


def _read(path: Path) -> SessionTable | None:
    try:
        content = path.read_bytes()
        digest, body = content[:32], content[32:]
        if hashlib.sha256(body).digest() != digest:
            return None
        kept = msgspec.msgpack.decode(body, type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None
    if kept.zone_sha256 != _zone_sha256(kept.zone):
        return None
    return table_of(kept.calendar, kept.columns)


def columns_of(table: SessionTable) -> tuple[bytes, ...]:
    """Give a table's columns as little-endian int64."""
    return tuple(np.asarray(getattr(table, name)).astype("<i8").tobytes() for name in _COLUMNS)


def table_of(calendar: str, columns: Sequence[bytes]) -> SessionTable:
    """Give the table of such columns."""
    days, opens, closes, early, breaks, resumes = (np.frombuffer(column, "<i8").astype(np.int64) for column in columns)
    return SessionTable(calendar, days, opens, closes, early.astype(np.bool_), breaks, resumes)


def _write(path: Path, table: SessionTable) -> None:
    zone = _zone_of(table)
    digest = _zone_sha256(zone)
    if not digest:
        return
    body = msgspec.msgpack.encode(_Kept(table.calendar, zone, digest, columns_of(table)))
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}-{os.getpid()}")
        try:
            fresh.write_bytes(hashlib.sha256(body).digest() + body)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        _forget_oldest(path.parent)


def _forget_oldest(folder: Path) -> None:
    kept = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for path in kept[:-TABLES_KEPT_MAX]:
        path.unlink(missing_ok=True)


def _zone_of(table: SessionTable) -> str:
    import exchange_calendars

    if not len(table):
        return ""
    first, last = table.date(0), table.date(len(table) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # as in `calendars`: its use of pandas is its own affair
        known = exchange_calendars.get_calendar(
            table.calendar, start=(first - _MARGIN).isoformat(), end=(last + _MARGIN).isoformat()
        )
    return str(getattr(known.tz, "key", ""))


def _zone_sha256(zone: str) -> str:
    """Hash the zone's file as zoneinfo finds it; empty where there is none."""
    if not zone:
        return ""
    for place in zoneinfo.TZPATH:
        with suppress(OSError):
            return hashlib.sha256((Path(place) / zone).read_bytes()).hexdigest()
    with suppress(OSError, ModuleNotFoundError):
        return hashlib.sha256(resources.files("tzdata.zoneinfo").joinpath(zone).read_bytes()).hexdigest()
    return ""
