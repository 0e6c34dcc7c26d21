"""Recorded bars from Parquet and CSV, one file or a folder of them, into checked frames and tapes.

Whatever is wrong with a file becomes one line that names the file and the way out, never a traceback. A tape drops bars
outside sessions and counts them; any other violation ends the reading before anything else happens.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from axiomd.contracts.bars import SYMBOL, TS, Rule, Timeframe, Violation, normalise_symbol
from axiomd.contracts.errors import DataContractError, InputError
from axiomd.contracts.units import DAY_US
from axiomd.core.market.columns import Unread, normalise, take_apart
from axiomd.core.market.sessions import Int64Array, SessionTable
from axiomd.core.market.tape import (
    TS_US,
    Tape,
    TapeFile,
    bars_array,
    bars_sha256,
    count_between_ticks,
    frame_sha256,
)
from axiomd.core.market.validate import (
    bar_violations,
    daily_violations,
    moment,
    placeable_span,
    raise_if_any,
    structure_violations,
)
from axiomd.feeds import csv_cells
from axiomd.feeds.calendars import session_table
from axiomd.feeds.frames import intraday_timeframe
from axiomd.feeds.known_sessions import known_sessions

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

BarPaths = str | Path | Sequence[str | Path]
"""A bars file, a folder of them, or several of either."""

TICK_UNITS_DEFAULT: Final = 100
SUFFIXES: Final = (".parquet", ".csv")
_FIRST_ROWS: Final = 2_000
_NAMES_SHOWN_MAX: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class BarFile:
    """One file as read: its frame is not judged yet, but for the cells that could not be read (`unread`, and `faults`
    that name them); they are null.
    """

    path: Path
    sha256: str
    frame: pl.DataFrame
    unread: Unread = field(default_factory=dict)
    faults: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class DailyBars:
    """Valid daily bars sorted by (symbol, ts), with the hash over them and the files they came from."""

    frame: pl.DataFrame
    sha256: str
    files: tuple[TapeFile, ...]


def read_bars(path: BarPaths, timeframe: str | Timeframe = Timeframe.M1) -> pl.DataFrame:
    """Read bars into one frame of the contract's columns and dtypes, symbols in upper case.

    Files of a folder are taken in the order of their names; a symbol may be in several of them, and rows are then
    sorted by (symbol, ts) unless a file is itself out of order. Values are not judged: validate the frame. Raises
    `InputError` for a file that is missing, empty, truncated or of another kind, `DataContractError` for wrong columns.
    """
    frames = [_structured(file, Timeframe(timeframe)) for file in read_files(path)]
    joined = pl.concat(frames)
    if len(frames) > 1 and all(_rises(frame) for frame in frames):
        return joined.sort(SYMBOL, TS, maintain_order=True)
    return joined


def read_files(path: BarPaths) -> list[BarFile]:
    """Read every bars file behind a path as it is; raises as `read_bars` does, but for wrong columns of a Parquet."""
    files = []
    for file in read_each(path):
        if file.faults:
            remedy = (
                "write ts as ISO-8601 with its offset, like 2013-10-04T13:30:00+00:00"
                if all(fault.rule == Rule.NAIVE_TIMESTAMP for fault in file.faults)
                else "write plain numbers with a decimal point and ISO-8601 times with an offset"
            )
            raise DataContractError(str(file.faults[0]), str(file.path), remedy, violations=file.faults)
        files.append(file)
    return files


def read_each(path: BarPaths) -> Iterator[BarFile]:
    """Read file after file as it is, cells that cannot be read among them."""
    return map(_read, _bar_paths(path))


def duplicates_between(frames: Sequence[pl.DataFrame]) -> list[Violation]:
    """Find the bars that stand in more than one of several frames of the contract's columns."""
    if len(frames) < 2:
        return []
    once = pl.concat([frame.select(SYMBOL, TS).unique() for frame in frames])
    again = once.filter(pl.struct(SYMBOL, TS).is_duplicated()).unique().sort(SYMBOL, TS)
    detail = "the bar is in more than one file"
    return [Violation(Rule.DUPLICATE_INDEX, symbol, ts, detail) for symbol, ts in again.iter_rows()]


def timeframe_of(file: BarFile) -> Timeframe:
    """Tell M5 bars from M1 bars by how far apart the first ones of a file are, and whether they begin as M5 bars do."""
    first = BarFile(file.path, file.sha256, file.frame.head(_FIRST_ROWS))
    starts_us = np.unique(_structured(first, Timeframe.M1)[TS].to_physical().to_numpy())
    # minutes in which few traded may lie as far apart, but not all on the grid
    if len(starts_us) < 2 or (starts_us % Timeframe.M5.us).any():
        return Timeframe.M1
    return Timeframe.M5 if int(np.diff(starts_us).min()) >= Timeframe.M5.us else Timeframe.M1


def load_tape(
    paths: BarPaths,
    symbols: Sequence[str] | None,
    calendar: str | ExchangeCalendar,
    *,
    timeframe: str | Timeframe = Timeframe.M1,
    first: date | None = None,
    last: date | None = None,
    tick_units: int | Mapping[str, int] = TICK_UNITS_DEFAULT,
    files: Sequence[BarFile] | None = None,
) -> Tape:
    """Read, check and sort the bars of `symbols` (None: all there are) for a run over sessions `first` to `last`.

    Bars before `first` are kept to warm up, sessions after `last` are cut off. Bars outside sessions are dropped and
    counted. `tick_units` is the tick in price units, for all or by symbol; `files` are those of `paths` where they were
    read already. Raises `DataContractError` for any other violation and `InputError` for a symbol that is not there or
    for dates without a bar.
    """
    if first is not None and last is not None and first > last:
        raise InputError(f"{first} is after {last}", _span_text(first, last), "give the earlier date first")
    if files is None:
        files = read_files(paths)
    step = intraday_timeframe(timeframe)
    frames = [_structured(file, step) for file in files]
    there = sorted({name for frame in frames for name in frame[SYMBOL].unique().to_list()})
    names = _chosen(there, symbols)
    if len(names) < len(there):
        frames = [frame.filter(pl.col(SYMBOL).is_in(names)) for frame in frames]
    sessions = _sessions(frames, calendar, first, last)
    frames, dropped = _inside(frames, sessions, last)
    for file, frame in zip(files, frames, strict=True):
        raise_if_any(bar_violations(take_apart(frame), sessions, timeframe_us=step.us), str(file.path))
    joined = pl.concat(frames)
    raise_if_any(duplicates_between(frames), "several files together")
    bars = bars_array(joined, names)
    _check_span(bars[:, TS_US], sessions, first, last)
    ticks = np.array([_tick(tick_units, name) for name in names], dtype=np.int64)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="hash") as beside:
        # neither the hash nor the division of every price holds the interpreter: they take their time together
        digest = beside.submit(bars_sha256, names, bars, step.us)
        between_ticks = count_between_ticks(bars, ticks)
    return Tape(
        symbols=names,
        bars=bars,
        timeframe_us=step.us,
        sessions=sessions,
        dropped=int(dropped.sum()),
        dropped_near=dropped,
        between_ticks=between_ticks,
        sha256=digest.result(),
        files=tuple(_described(file) for file in files),
    )


def load_daily(paths: BarPaths, symbols: Sequence[str] | None = None, *, before: date | None = None) -> DailyBars:
    """Read and check the daily bars of `symbols` (None: all), of sessions before a date where one is given.

    A symbol without daily bars is no error: it is too young for any indicator. Raises `DataContractError` for any
    violation and `InputError` as `read_bars` does.
    """
    files = read_files(paths)
    frames = []
    for file in files:
        frame = _structured(file, Timeframe.D1)
        if symbols is not None:
            frame = frame.filter(pl.col(SYMBOL).is_in([normalise_symbol(name) for name in symbols]))
        if before is not None:
            frame = frame.filter(pl.col(TS).dt.date() < before)
        raise_if_any(daily_violations(frame), str(file.path))
        frames.append(frame)
    joined = pl.concat(frames).sort(SYMBOL, TS, maintain_order=True)
    raise_if_any(duplicates_between(frames), "several files together")
    return DailyBars(joined, frame_sha256(joined, Timeframe.D1.us), tuple(_described(file) for file in files))


def _bar_paths(path: BarPaths) -> list[Path]:
    roots = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    found = [file for root in roots for file in _files_of(root)]
    if not found:
        raise InputError("no bars file was given", "--bars", "give a Parquet or CSV file, or a folder of them")
    return found


def _files_of(root: Path) -> list[Path]:
    if root.is_file():
        if root.suffix.lower() not in SUFFIXES:
            raise InputError(f"a {root.suffix or 'nameless'} file is no bars file", str(root), "use .parquet or .csv")
        return [root]
    if not root.is_dir():
        raise InputError("there is no such file or folder", str(root), "check the path")
    try:
        inside = sorted(
            file
            for file in root.rglob("*")
            if file.suffix.lower() in SUFFIXES and file.is_file() and not file.name.startswith(".")
        )
    except OSError as error:
        # of a folder of another kind of file system, /proc for one
        raise InputError(
            f"the folder cannot be listed ({error.strerror})", str(root), "name the bars' own folder"
        ) from None
    if not inside:
        raise InputError("the folder holds no .parquet or .csv file", str(root), "check the path")
    return inside


def _read(path: Path) -> BarFile:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", str(path), "check its permissions") from None
    if not content.strip():
        raise InputError("the file is empty", str(path), "write it again")
    is_parquet = path.suffix.lower() == ".parquet"
    frame = _parquet(content, path) if is_parquet else csv_cells.read_text(content, path)
    if not frame.height:
        raise InputError("the file has no rows", str(path), "write it again or leave it out")
    digest = hashlib.sha256(content).hexdigest()
    return BarFile(path, digest, frame) if is_parquet else BarFile(path, digest, *csv_cells.typed(frame))


def _parquet(content: bytes, path: Path) -> pl.DataFrame:
    if content[:4] != b"PAR1" or content[-4:] != b"PAR1":
        raise InputError("not a whole Parquet file (truncated?)", str(path), "copy or write it again")
    try:
        # each column in one piece, so that an array of it is no copy
        return pl.read_parquet(io.BytesIO(content)).rechunk()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise InputError(f"not a readable Parquet file ({error})", str(path), "copy or write it again") from None


def _structured(file: BarFile, timeframe: Timeframe) -> pl.DataFrame:
    raise_if_any(structure_violations(file.frame, take_apart(file.frame)), str(file.path))
    midnight = bool((file.frame[TS].to_physical() % DAY_US == 0).all())
    if midnight and timeframe is not Timeframe.D1:
        raise InputError("holds daily bars where intraday bars are read", str(file.path), "give it with --daily")
    if not midnight and timeframe is Timeframe.D1 and not bool((file.frame[TS].to_physical() % DAY_US == 0).any()):
        raise InputError("holds intraday bars where daily bars are read", str(file.path), "give it with --bars")
    return normalise(file.frame)


def _rises(frame: pl.DataFrame) -> bool:
    return bool(frame.select((pl.col(TS).diff().over(SYMBOL) >= timedelta(0)).fill_null(value=True).all()).item())


def _chosen(there: Sequence[str], symbols: Sequence[str] | None) -> tuple[str, ...]:
    if symbols is None:
        return tuple(there)
    names = tuple(sorted({normalise_symbol(name) for name in symbols}))
    missing = [name for name in names if name not in there]
    if missing or not names:
        shown = ", ".join(there[:_NAMES_SHOWN_MAX]) + (" ..." if len(there) > _NAMES_SHOWN_MAX else "")
        what = f"no bars of {', '.join(missing)}" if missing else "no symbols were asked for"
        raise InputError(what, "symbols", f"choose from those in the data: {shown}")
    return names


def _sessions(
    frames: Sequence[pl.DataFrame], calendar: str | ExchangeCalendar, first: date | None, last: date | None
) -> SessionTable:
    ends = [frame.select(end) for frame in frames for end in (pl.col(TS).min(), pl.col(TS).max())]
    first_us, last_us = placeable_span(take_apart(pl.concat(ends))) or (0, 0)
    begin, end = moment(first_us).date() - timedelta(days=1), moment(last_us).date() + timedelta(days=1)
    whole = _table(calendar, begin, end)
    if last is None or not len(whole):
        return whole
    if last < whole.date(0):
        # no calendar reaches back to whatever date can be written
        span = f"the bars span {moment(first_us).date()} to {moment(last_us).date()}"
        raise InputError("no bars in these dates", _span_text(first, last), span)
    return _table(calendar, whole.date(0), min(last, whole.date(len(whole) - 1)))


def _table(calendar: str | ExchangeCalendar, first: date, last: date) -> SessionTable:
    if isinstance(calendar, str):
        return known_sessions(calendar, first, last)
    return session_table(calendar, first, last)


def _inside(
    frames: Sequence[pl.DataFrame], sessions: SessionTable, last: date | None
) -> tuple[list[pl.DataFrame], Int64Array]:
    """Keep the bars inside sessions; gives how many lie outside, by the nearest session: `int64[sessions]`."""
    kept: list[pl.DataFrame] = []
    dropped = np.zeros(len(sessions), np.int64)
    between_us = (sessions.close_us[:-1] + sessions.open_us[1:]) // 2
    for frame in frames:
        ts_us = frame[TS].to_physical().to_numpy()
        if last is not None:
            wanted = frame.filter(pl.Series(ts_us < _end_us(sessions, last)))
            ts_us = wanted[TS].to_physical().to_numpy()
        else:
            wanted = frame
        inside = sessions.indices_of(ts_us) >= 0
        dropped += np.bincount(np.searchsorted(between_us, ts_us[~inside], "right"), minlength=len(sessions))
        kept.append(wanted if bool(inside.all()) else wanted.filter(pl.Series(inside)))
    return kept, dropped


def _end_us(sessions: SessionTable, last: date) -> int:
    """Where a run to `last` ends: the midnight (UTC) after it, or its session's close where that is later."""
    midnight = (last - date(1970, 1, 1)).days * DAY_US + DAY_US
    return max(midnight, int(sessions.close_us[-1])) if len(sessions) else midnight


def _check_span(
    ts_us: np.ndarray[tuple[int], np.dtype[np.int64]], sessions: SessionTable, first: date | None, last: date | None
) -> None:
    if not len(ts_us):
        raise InputError(
            "no bars in these dates and sessions", _span_text(first, last), "check calendar, dates and data"
        )
    newest = sessions.date(sessions.index_of(int(ts_us[-1])))
    oldest = sessions.date(sessions.index_of(int(ts_us[0])))
    if first is not None and newest < first:
        until = "" if last is None else f"until {last} "
        raise InputError(
            "no bars in these dates", _span_text(first, last), f"{until}the bars span {oldest} to {newest}"
        )


def _span_text(first: date | None, last: date | None) -> str:
    return f"--from {first or '(start)'} --to {last or '(end)'}"


def _tick(tick_units: int | Mapping[str, int], name: str) -> int:
    return tick_units if isinstance(tick_units, int) else tick_units.get(name, TICK_UNITS_DEFAULT)


def _described(file: BarFile) -> TapeFile:
    ts_us = file.frame[TS].to_physical()
    first, last = ts_us.min(), ts_us.max()
    assert isinstance(first, int)
    assert isinstance(last, int)
    return TapeFile(str(file.path), file.sha256, file.frame.height, first, last)
