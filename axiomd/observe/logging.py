"""Log lines: one JSON object each, its name the journal's kind, key and seq always, against `log_schema.json`.

It decides how a line looks and what never stands in one: no secret, no configuration, no whole record, which the seq
leads to in the journal. A log that cannot be written loses lines and holds nobody up. On a terminal the same fields are
laid out for a person.
"""

from __future__ import annotations

import logging as standard
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Any, Final, TextIO

import orjson

from axiomd.contracts import events as e
from axiomd.contracts.units import iso_time
from axiomd.core.telling import fields_of
from axiomd.observe.outlet import Lines, Outlet


@contextmanager
def _without(package: str) -> Iterator[None]:
    """Import as where a package is not installed; one that is loaded already is left alone."""
    is_loaded = package in sys.modules
    if not is_loaded:
        sys.modules[package] = None  # type: ignore[assignment]  # what stops an import
    try:
        yield
    finally:
        if not is_loaded:
            del sys.modules[package]


# structlog brings rich where it finds it, for tracebacks that no line of ours holds: 35 ms of a start, and 6 MB
with _without("rich"):
    import structlog

SCHEMA_FILE: Final = Path(__file__).with_name("log_schema.json")
TEXT_LENGTH_MAX: Final = 2000
SECRET_LENGTH_MIN: Final = 6
"""A shorter value is a word that may stand anywhere, and would take the line apart."""
SECRET_FILE_BYTES_MAX: Final = 64 * 1024
INTEGER_MAX: Final = 2**63 - 1
HIDDEN: Final = "[secret]"

Scalar = str | int | float | bool
_Line = MutableMapping[str, Any]  # structlog's own type of a line on its way


class Note(StrEnum):
    """What is worth a line and is no event of the journal."""

    DAEMON_READY = "daemon.ready"
    DAEMON_STOPPING = "daemon.stopping"
    DAEMON_STOPPED = "daemon.stopped"
    DAEMON_FAILED = "daemon.failed"
    ENTRIES_LEFT = "entries.left"
    TASK_FAILED = "task.failed"
    TASK_RESTARTED = "task.restarted"
    CONTROL_ATTACHED = "control.attached"
    CONTROL_DETACHED = "control.detached"
    CONTROL_REFUSED = "control.refused"
    CONTROL_FAILED = "control.failed"
    BROKER_MESSAGE = "broker.message"
    LATCH_SEEN = "latch.seen"
    LATCH_FAILED = "latch.failed"
    RECOVERY_STEP = "recovery.step"
    ALARM_RAISED = "alarm.raised"
    ALARM_CLEARED = "alarm.cleared"
    LIBRARY_MESSAGE = "library.message"


LEVELS: Final[dict[str, str]] = {
    e.BarsClosed.KIND: "debug",
    e.OrderSized.KIND: "debug",
    e.ReconStarted.KIND: "debug",
    e.OrderRejected.KIND: "warning",
    e.BrokerLost.KIND: "warning",
    e.FeedStale.KIND: "warning",
    e.ReconAdopted.KIND: "warning",
    e.ReconDrift.KIND: "error",
    e.ClockSkewed.KIND: "error",
    e.GuardTripped.KIND: "error",
    e.KillTripped.KIND: "critical",
    Note.DAEMON_FAILED: "critical",
    Note.ENTRIES_LEFT: "warning",
    Note.TASK_FAILED: "error",
    Note.TASK_RESTARTED: "warning",
    Note.CONTROL_REFUSED: "warning",
    Note.CONTROL_FAILED: "error",
    Note.LATCH_FAILED: "critical",
    Note.ALARM_RAISED: "warning",
}
"""What is not here is info. A trip is critical wherever it is told, so that one filter finds it."""

_SECRET_NAME: Final = re.compile(r"password|passwd|secret|token|api_?key|private_?key|credential", re.IGNORECASE)
_URL_LOGIN: Final = re.compile(r"(?<=://)[^/@\\s]+@")
_RANKS: Final = ("debug", "info", "warning", "error", "critical")
_COLOURS: Final = {"debug": "2", "info": "0", "warning": "33", "error": "31", "critical": "1;31"}


class Log:
    """Write lines to `stream`. `now_us` is wall time; `secrets` never stand in a line, wherever they come from."""

    def __init__(
        self,
        stream: Lines,
        *,
        now_us: Callable[[], int],
        secrets: Iterable[str] = (),
        is_for_person: bool = False,
        is_coloured: bool = False,
        level: str = "info",
    ) -> None:
        self.lost = 0
        self._stream = stream
        self._now_us = now_us
        self._secrets = sorted({each for each in secrets if len(each) >= SECRET_LENGTH_MIN}, key=len, reverse=True)
        self._seq = 0
        self._run_id = ""
        self._rank = _RANKS.index(level)
        render = _person(is_coloured) if is_for_person else _machine
        self._logger = structlog.wrap_logger(
            structlog.WriteLogger(_Sink(self)),  # type: ignore[arg-type]  # it writes and flushes, no more is asked
            processors=[structlog.processors.add_log_level, self._complete, self._hide, render],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            cache_logger_on_first_use=True,
        )

    def event(self, seq: int, event: e.Event) -> None:
        """Write one journaled event."""
        self._seq = seq
        if isinstance(event, (e.RunStarted, e.SessionOpened)):  # a daemon that runs for days has a run a session
            self._run_id = event.run_id
        if self._is_told(event.KIND):
            self._write(event.KIND, {"key": e.key_of(event), "market_ts": iso_time(event.ts_us), **fields_of(event)})

    def note(self, name: str, fields: Mapping[str, Scalar]) -> None:
        """Write what is no event; `name` is one of `Note`, seq that of the newest event."""
        self._write(Note(name).value, {"key": "", **fields})

    def _is_told(self, name: str) -> bool:
        """Look at the level first: most events of a day are below it, and putting one into words costs the most."""
        return _RANKS.index(LEVELS.get(name, "info")) >= self._rank

    def _write(self, name: str, fields: Mapping[str, Scalar]) -> None:
        getattr(self._logger, LEVELS.get(name, "info"))(name, **fields)

    def _complete(self, logger: Any, method: str, line: _Line) -> _Line:
        del logger, method
        first = {"ts": iso_time(self._now_us()), "level": line.pop("level"), "event": line.pop("event")}
        return {**first, "seq": self._seq, "key": line.pop("key"), "run_id": self._run_id, **line}

    def _hide(self, logger: Any, method: str, line: _Line) -> _Line:
        del logger, method
        return {name: self._shown(name, value) for name, value in line.items()}

    def _shown(self, name: str, value: object) -> Scalar:
        if _SECRET_NAME.search(name):
            return HIDDEN
        if isinstance(value, int) and abs(value) <= INTEGER_MAX:
            return value
        if isinstance(value, float) and isfinite(value):
            return value
        # Whatever else comes becomes text that JSON can hold: a line must never raise.
        value = str(value).encode(errors="replace").decode()
        for secret in self._secrets:
            value = value.replace(secret, HIDDEN)
        # Cut last: a cut may not leave half a secret that is no longer known as one.
        return _URL_LOGIN.sub(f"{HIDDEN}@", value)[:TEXT_LENGTH_MAX]

    def put(self, text: str) -> None:
        """Hand text to the stream; where that fails it is lost and counted."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self.lost += 1


def to_stderr(stream: TextIO, environ: Mapping[str, str], *, now_us: Callable[[], int], level: str = "info") -> Log:
    """Make the log of a process: for a person on a terminal (colour unless NO_COLOR), JSON lines anywhere else."""
    is_terminal = stream.isatty()
    try:
        lines: Lines = Outlet(stream.fileno(), stream.encoding)
    except OSError:  # one in memory has no descriptor
        lines = stream
    return Log(
        lines,
        now_us=now_us,
        secrets=secrets_of(environ),
        is_for_person=is_terminal,
        is_coloured=is_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb",
        level=level,
    )


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """Collect what must never be shown: secrets of the environment, and systemd's credentials."""
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    found = [value for name, value in environ.items() if _SECRET_NAME.search(name) and value != folder]
    if folder:
        try:
            paths = [path for path in sorted(Path(folder).iterdir()) if path.is_file()]
        except OSError:
            paths = []
        for path in paths:
            with path.open("rb") as credential:
                text = credential.read(SECRET_FILE_BYTES_MAX).decode(errors="replace").strip()
            found += [text, *text.split()]
    return found


def capture_libraries(log: Log, level: int = standard.WARNING) -> None:
    """Send what libraries say through `logging` into the log, at `level` and above."""
    root = standard.getLogger()
    root.handlers[:] = [_Handler(log)]
    root.setLevel(level)


class _Handler(standard.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: standard.LogRecord) -> None:
        """Write one record as a note."""
        problem = record.exc_info[1] if record.exc_info else None
        fields: dict[str, Scalar] = {"library": record.name, "text": record.getMessage()}
        if problem is not None:
            fields["problem"] = f"{type(problem).__name__}: {problem}"
        self._log.note(Note.LIBRARY_MESSAGE, fields)


class _Sink:
    """The two methods that structlog's WriteLogger asks of a file."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def write(self, text: str) -> None:
        """Write text."""
        self._log.put(text)

    def flush(self) -> None:
        """Nothing waits here."""


def _machine(logger: Any, method: str, line: _Line) -> str:
    del logger, method
    return orjson.dumps(line, default=str).decode()


def _person(is_coloured: bool) -> Callable[[Any, str, _Line], str]:
    def render(logger: Any, method: str, line: _Line) -> str:
        del logger, method
        ts, level, name = str(line.pop("ts")), str(line.pop("level")), str(line.pop("event"))
        seq, key = line.pop("seq"), line.pop("key")
        line.pop("run_id")
        line.pop("market_ts", None)
        told = " ".join(f"{field}={_printable(value)}" for field, value in line.items())
        text = f"{ts[11:23]:<12} {level:<8} {name:<20} {seq:>6} {_printable(key):<16} {told}".rstrip()
        return f"\x1b[{_COLOURS[level]}m{text}\x1b[0m" if is_coloured else text

    return render


def _printable(value: object) -> str:
    """A text on a terminal can neither begin a new line nor steer the terminal."""
    return "".join(each if each.isprintable() else "?" for each in str(value))


__all__ = ["LEVELS", "Log", "Note", "capture_libraries", "secrets_of", "to_stderr"]
