"""Log lines: valid against the published schema, without a secret, whoever reads them."""

from __future__ import annotations

import io
import json
import logging as standard
import os
import re
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts import events as e
from axiomd.contracts.fills import Fill
from axiomd.contracts.orders import Order
from axiomd.contracts.verdicts import text_of
from axiomd.observe import outlet
from axiomd.observe.logging import (
    HIDDEN,
    LEVELS,
    SCHEMA_FILE,
    TEXT_LENGTH_MAX,
    Log,
    Note,
    capture_libraries,
    secrets_of,
    to_stderr,
)

SCHEMA = json.loads(SCHEMA_FILE.read_text())
CANARY = "canary-9f8e7d6c"
NOW_US = 1_700_000_000_123_456
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict,
}  # fmt: skip
KEYWORDS = {"$schema", "$id", "title", "description", "type", "required", "properties", "additionalProperties", "enum",
            "pattern", "minimum"}  # fmt: skip


def problems(value: Any, schema: dict[str, Any], place: str = "line") -> Iterator[str]:
    """Check a value by the few keywords that the schema uses; one it does not know is an error of the test."""
    assert set(schema) <= KEYWORDS, set(schema) - KEYWORDS
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is not in the list"
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(isinstance(value, TYPES[kind]) and (kind != "integer" or value is not True) for kind in kinds):
            yield f"{place}: {value!r} is no {kinds}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{place}: {value!r} has another form"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{place}: {value!r} is too small"
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{place}: {name} is missing"
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name, inside in value.items():
            yield from problems(inside, known.get(name, schema.get("additionalProperties", {})), f"{place}.{name}")


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]


def log_to(stream: io.StringIO, **given: Any) -> Log:
    return Log(stream, now_us=lambda: NOW_US, **given)


def order(**given: Any) -> Order:
    usual: dict[str, Any] = {
        "order_id": "1", "idempotency_key": "ab12", "oco_id": "cd", "run_id": "r", "symbol": "SPY", "side": "BUY",
        "qty": 100, "valid_from_us": 1, "valid_to_us": 2, "session": "2025-01-02", "source": "paper",
        "strategy": "inside_bar", "strategy_version": "1.0.0", "entry_type": "stop", "signal_id": "s",
        "currency": "USD", "tick_size": 100, "created_at_us": 1, "stop_price": 5_012_200,
    }  # fmt: skip
    return Order(**(usual | given))


def test_every_line_of_a_replayed_market_is_valid() -> None:
    stream = io.StringIO()
    log = log_to(stream, level="debug")
    seen: list[tuple[int, e.Event]] = []

    class Keeping:
        def append(self, event: e.Event, cause: int = 0) -> int:
            seen.append((len(seen) + 1, event))
            return len(seen)

    _replayed_into(Keeping())
    for seq, event in seen:
        log.event(seq, event)
    lines = written(stream)

    assert len(seen) == len(lines)
    assert [] == [problem for line in lines for problem in problems(line, SCHEMA)]
    assert [event.KIND for _, event in seen] == [line["event"] for line in lines]
    assert [seq for seq, _ in seen] == [line["seq"] for line in lines]
    assert {"signal.emitted", "order.intent", "fill.received", "position.changed"} <= {line["event"] for line in lines}


def _replayed_into(keeping: Any) -> None:
    from axiomd.config.binding import bind
    from axiomd.contracts.runs import RunConfig
    from axiomd.core.strategies.stage1 import listed
    from axiomd.replay.driver import Replay
    from axiomd.replay.identity import Identity
    from tests.parity import random_case

    config, _, tape = random_case(3)
    plan = bind(RunConfig.model_validate(config), tape.sessions, tape.timeframe_us, "r", "replay")
    chosen = {own.id: listed(own.symbols, max_candidates=50) for own in plan.strategies}
    keeping.commit = lambda: None
    Replay(plan, tape, keeping, lambda _: chosen, identity=Identity("r", "", {}, "0")).run()


@pytest.mark.parametrize(
    "event",
    [
        e.RunStarted(ts_us=1, run_id="r", mode="paper", account="SIM", code_version="0", config_hash="ab"),
        e.ConfigLoaded(ts_us=1, config_hash="ab", config={"password": CANARY}),
        e.BrokerConnected(ts_us=1, broker="sim", account="SIM"),
        e.BrokerLost(ts_us=1, reason="gone"),
        e.FeedStale(ts_us=1, symbol="SPY", lateness_us=5),
        e.ClockSkewed(ts_us=1, skew_us=-5, against="monotonic"),
        e.ReconStarted(ts_us=1),
        e.ReconDrift(ts_us=1, differences=("SPY: journal 0, broker 100",) * 20),
        e.ReconAdopted(ts_us=1, reason="mine", positions={"SPY": 1}),
        e.ReconCompleted(ts_us=1, positions={}),
        e.OperatorCommand(ts_us=1, name="note", operator="op1", args={"text": CANARY}),
        e.KillTripped(ts_us=1, level="halt", reason="test", trip_id="ab", source="cli"),
        e.KillReset(ts_us=1, trip_id="ab", operator="op1", reason="calm"),
        e.RunStopped(ts_us=1, reason="asked"),
        e.GuardTripped(ts_us=1, guard="MaxDailyLoss", figure=1, limit=2, level="flatten"),
        e.OrderBlocked(
            ts_us=1, order=order(), guard="PriceCollar", told=text_of((("KillSwitch", 0, 0), ("PriceCollar", 9, 5)))
        ),
        e.FillReceived(
            ts_us=1,
            fill=Fill(
                exec_id="x", reference="ab12-SL", symbol="SPY", side="SELL", qty=1, price=1, commission=0, bar_ts_us=1
            ),
        ),
    ],
    ids=lambda event: event.KIND,
)
def test_line_of_every_kind_is_valid_and_holds_no_configuration_or_free_argument(event: e.Event) -> None:
    stream = io.StringIO()
    log_to(stream, level="debug").event(7, event)
    (line,) = written(stream)

    assert [] == list(problems(line, SCHEMA))
    assert (event.KIND, 7, e.key_of(event)) == (line["event"], line["seq"], line["key"])
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize("note", list(Note))
def test_line_of_every_note_is_valid_and_carries_the_newest_seq(note: Note) -> None:
    stream = io.StringIO()
    log = log_to(stream)
    log.event(41, e.RunStarted(ts_us=1, run_id="r", mode="paper", account="SIM", code_version="0", config_hash="ab"))
    log.note(note, {"task": "engine", "count": 3, "seconds": 0.5, "is_last": True})
    line = written(stream)[-1]

    assert [] == list(problems(line, SCHEMA))
    assert (41, "", "r", note.value) == (line["seq"], line["key"], line["run_id"], line["event"])


def test_a_line_names_the_run_of_its_session() -> None:
    stream = io.StringIO()
    log = Log(stream, now_us=lambda: 0)
    log.event(1, e.RunStarted(ts_us=1, run_id="r-1", mode="paper", account="SIM", code_version="0", config_hash="ab"))
    log.event(2, e.SessionOpened(ts_us=2, session="2024-01-03", run_id="r-2", open_us=2, close_us=3))
    log.event(3, e.OrderSent(ts_us=3, key="ab12"))

    assert ["r-1", "r-2", "r-2"] == [json.loads(line)["run_id"] for line in stream.getvalue().splitlines()]


def test_schema_knows_every_name_and_no_other() -> None:
    assert {*e.BY_KIND, *(note.value for note in Note)} == set(SCHEMA["properties"]["event"]["enum"])
    assert set(LEVELS) <= set(SCHEMA["properties"]["event"]["enum"])
    assert set(LEVELS.values()) <= set(SCHEMA["properties"]["level"]["enum"])


@pytest.mark.parametrize("note", list(Note))
def test_every_note_is_said_somewhere(note: Note) -> None:
    """By its name, behind which a colon stands where its level is said, or by its text."""
    said = re.compile(rf'Note\.{note.name}\b(?!:)|"{re.escape(note)}"')
    package = SCHEMA_FILE.parents[1]

    assert [
        path
        for path in package.rglob("*.py")
        if any(said.search(line) for line in path.read_text().splitlines() if f'{note.name} = "' not in line)
    ]


@pytest.mark.parametrize("field", ["seq", "key", "event", "ts", "level"])
def test_checker_finds_what_is_missing(field: str) -> None:
    stream = io.StringIO()
    log_to(stream).note(Note.DAEMON_READY, {})
    (line,) = written(stream)
    del line[field]

    assert [f"line: {field} is missing"] == list(problems(line, SCHEMA))


def test_name_that_is_not_published_is_our_mistake() -> None:
    with pytest.raises(ValueError, match=r"not\.published"):
        log_to(io.StringIO()).note("not.published", {})


def test_level_holds_back_what_is_below_it() -> None:
    stream = io.StringIO()
    log = log_to(stream)
    log.event(1, e.BarsClosed(ts_us=1, first=0, last=5))
    log.event(2, e.KillTripped(ts_us=1, level="halt", reason="x", trip_id="ab", source="cli"))

    assert [("kill.tripped", "critical")] == [(line["event"], line["level"]) for line in written(stream)]


# --- secrets ---


def test_secret_of_environment_or_credential_stands_in_no_line(tmp_path: Path) -> None:
    (tmp_path / "notify-urls").write_text(f"tgram://{CANARY}-file/1\n")
    environ = {"BROKER_PASSWORD": f"{CANARY}-env", "CREDENTIALS_DIRECTORY": str(tmp_path), "HOME": "/home"}
    stream = io.StringIO()
    log = to_stderr(stream, environ, now_us=lambda: NOW_US)
    log.note(Note.DAEMON_FAILED, {"problem": f"ValueError: login with {CANARY}-env failed", "password": "short"})
    log.note(Note.LIBRARY_MESSAGE, {"url": f"tgram://{CANARY}-file/1"})
    log.event(1, e.BrokerLost(ts_us=1, reason=f"denied for {CANARY}-env"))

    assert CANARY not in stream.getvalue()
    assert HIDDEN == written(stream)[0]["password"]
    assert f"ValueError: login with {HIDDEN} failed" == written(stream)[0]["problem"]


def test_login_in_an_address_is_hidden_even_where_nobody_named_it() -> None:
    stream = io.StringIO()
    log_to(stream).note(Note.LIBRARY_MESSAGE, {"url": f"https://bot:{CANARY}@example.org/x"})

    assert f"https://{HIDDEN}@example.org/x" == written(stream)[0]["url"]


@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 3 * TEXT_LENGTH_MAX))
def test_no_text_around_a_secret_lets_it_through(before: str, after: str, padding: int) -> None:
    stream = io.StringIO()
    log_to(stream, secrets=[CANARY]).note(Note.DAEMON_FAILED, {"problem": "." * padding + before + CANARY + after})

    assert CANARY not in stream.getvalue()
    assert TEXT_LENGTH_MAX >= len(written(stream)[0]["problem"])


@given(st.text(st.characters(), max_size=10) | st.integers() | st.floats() | st.booleans())
def test_any_value_makes_a_valid_line(value: Any) -> None:
    stream = io.StringIO()
    log_to(stream).note(Note.BROKER_MESSAGE, {"value": value})
    (line,) = written(stream)

    assert [] == list(problems(line, SCHEMA))


def test_value_too_short_for_a_secret_does_not_take_lines_apart() -> None:
    stream = io.StringIO()
    log_to(stream, secrets=["a", ""]).note(Note.DAEMON_READY, {"text": "all is well"})

    assert "all is well" == written(stream)[0]["text"]


def test_credentials_that_cannot_be_read_are_none() -> None:
    assert [] == secrets_of({"CREDENTIALS_DIRECTORY": "/nowhere/at/all"})


# --- readers ---


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_terminal_gets_lines_for_a_person(environ: dict[str, str], is_coloured: bool) -> None:
    stream = Terminal()
    log = to_stderr(stream, environ, now_us=lambda: NOW_US)
    log.event(3, e.KillTripped(ts_us=1, level="halt", reason="odd fills", trip_id="ab", source="cli"))
    text = stream.getvalue()

    assert "22:13:20.123" in text
    assert "kill.tripped" in text
    assert "reason=odd fills" in text
    assert is_coloured == ("\x1b[" in text)


def test_text_from_outside_cannot_steer_a_terminal() -> None:
    stream = Terminal()
    to_stderr(stream, {"NO_COLOR": "1"}, now_us=lambda: NOW_US).event(1, e.BrokerLost(ts_us=1, reason="a\x1b[2J\nb"))

    assert "\x1b" not in stream.getvalue()
    assert 1 == stream.getvalue().count("\n")


def test_log_that_cannot_be_written_holds_nobody_up() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    log = log_to(Full())
    log.note(Note.DAEMON_READY, {})
    log.note(Note.DAEMON_STOPPED, {})

    assert 2 <= log.lost


def test_libraries_speak_through_the_same_log(monkeypatch: pytest.MonkeyPatch) -> None:
    root = standard.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    level = root.level
    stream = io.StringIO()
    try:
        capture_libraries(log_to(stream, secrets=[CANARY]))
        try:
            raise ValueError(CANARY)
        except ValueError:
            standard.getLogger("ib_async.client").exception("lost %s", "the line")
        standard.getLogger("ib_async.client").info("chatter")
    finally:
        root.setLevel(level)
    (line,) = written(stream)

    assert [] == list(problems(line, SCHEMA))
    assert ("ib_async.client", "lost the line", f"ValueError: {HIDDEN}") == (
        line["library"], line["text"], line["problem"],
    )  # fmt: skip


def test_who_reads_no_further_holds_nobody_up_and_reads_whole_lines_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pager that stands still, or a terminal that was stopped: the daemon stood still with it."""
    monkeypatch.setattr(outlet, "ROOM_S_MAX", 0.01)
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as reading, os.fdopen(writer, "w", encoding="utf-8") as stream:
        log = to_stderr(stream, {}, now_us=lambda: NOW_US)
        while not log.lost:
            log.note(Note.DAEMON_FAILED, {"error": "é" * TEXT_LENGTH_MAX})
        before = reading.read(select.PIPE_BUF * 1000)
        log.note(Note.DAEMON_READY, {"ms": 1})
        after = reading.read(select.PIPE_BUF * 1000)

    *whole, torn = before.decode(errors="replace").split("\n")
    assert all(json.loads(line)["event"] == "daemon.failed" for line in whole)
    assert 1 == log.lost
    assert "daemon.ready" == json.loads(after.decode().splitlines()[-1])["event"]
    assert after.startswith(b"\n") == bool(torn)
