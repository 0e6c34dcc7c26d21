"""Nothing that a client sends is more than a message or a refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts import control
from axiomd.contracts.errors import ProtocolViolation

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def command(name: str, **args: Any) -> bytes:
    return json.dumps({"type": "command", "id": "1", "name": name, "seq": 0, "args": args}).encode()


def parsed(name: str, **args: Any) -> control.ControlCommand:
    message = control.parse_client(command(name, **args))
    assert isinstance(message, control.ControlCommand)
    return message


@given(line=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_line_is_a_message_or_a_violation(line: bytes) -> None:
    try:
        message = control.parse_client(line)
    except ProtocolViolation as problem:
        assert "client" == problem.peer
        return

    assert isinstance(message, (control.Hello, control.ControlCommand))


@given(args=st.dictionaries(st.sampled_from(["level", "symbol", "qty", "reason", "x"]), JSON))
def test_arguments_of_a_close_are_known_or_refused(args: dict[str, Any]) -> None:
    try:
        message = parsed("close", **args)
    except ProtocolViolation:
        return

    assert set(message.args) <= {"symbol", "qty"}
    assert isinstance(message.args["symbol"], str)


@pytest.mark.parametrize(
    "message",
    [
        control.Hello(version=1, role="operator", name="console"),
        control.ControlCommand(id="7", name="close", seq=3, args={"symbol": "SPY", "qty": 10}),
    ],
)
def test_a_clients_message_survives_the_line(message: control.Hello | control.ControlCommand) -> None:
    assert message == control.parse_client(control.line_of(message))


@pytest.mark.parametrize(
    "message",
    [
        control.Welcome(version=1, run_id="paper-SIM-2025-01-02", mode="paper", account="SIM"),
        control.Snapshot(seq=4, state={"positions": []}),
        control.Delta(seq=5, changes={"equity": "1.00"}),
        control.Heartbeat(ts=1, seq=5),
        control.CommandResult(id="7", ok=False, error="not armed"),
        control.Closing(reason="a line of more than 65536 bytes"),
    ],
)
def test_a_servers_message_survives_the_line(message: Any) -> None:
    line = control.line_of(message)

    assert message == control.parse_server(line)
    assert 1 == line.count(b"\n")


def test_line_at_the_bound_is_read_and_one_byte_more_is_refused() -> None:
    line = command("note", text="x")
    padded = line + b" " * (control.LINE_BYTES_MAX - len(line))

    assert isinstance(control.parse_client(padded), control.ControlCommand)
    with pytest.raises(ProtocolViolation, match="bytes"):
        control.parse_client(padded + b" ")


def test_deeply_nested_line_is_refused() -> None:
    with pytest.raises(ProtocolViolation):
        control.parse_client(b"[" * 60_000)


@pytest.mark.parametrize(
    "line",
    [
        command("close"),
        command("close", symbol="SPY", qty=0),
        command("close", symbol="SPY", qty=True),
        command("kill", level="maybe"),
        command("kill", symbol="SPY"),
        command("explode"),
        command("note", text=" "),
        command("resume", account="SIM", trip_id="0123456789abcdef"),
        command("resume", account="SIM", trip_id="0123456789abcdef", reason=""),
        command("resume", account="SIM", trip_id="0123456789abcdef", reason="  \t"),
        command("adopt", account="SIM", reason=" "),
        command("resume", account="SIM", trip_id="0123456789abcdef", reason="r", new_peak="false"),
        command("resume", account="SIM", trip_id="0123456789abcdef", reason="r", new_peak=1),
        command("resume", account="SIM", trip_id=7, reason="r"),
        command("kill", everything="no"),
        command("kill", reason=["news"]),
        command("pause", symbol=True),
        command("pause", until=1.5),
        command("pause", until=False),
        command("cancel", key={}),
        command("acknowledge", alarm=3),
    ],
)
def test_command_that_makes_no_sense_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        control.parse_client(line)


def test_an_argument_of_null_is_one_that_was_left_out() -> None:
    assert {"until": None, "symbol": "SPY"} == parsed("pause", until=None, symbol="SPY").args


def test_observer_may_halt_and_nothing_else() -> None:
    assert control.is_allowed("observer", parsed("kill"))
    assert control.is_allowed("observer", parsed("kill", level="halt"))
    assert not control.is_allowed("observer", parsed("kill", level="flatten"))
    assert not control.is_allowed("observer", parsed("kill", everything=True))
    assert not control.is_allowed("observer", parsed("close", symbol="SPY"))


def test_operator_may_ask_for_everything() -> None:
    assert control.is_allowed("operator", parsed("flatten"))
