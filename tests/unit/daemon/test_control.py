"""The control socket over a real socket: what a console gets, and what a hostile one cannot do."""

from __future__ import annotations

import asyncio
import grp
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from axiomd.contracts.control import (
    LINE_BYTES_MAX,
    Closing,
    CommandResult,
    ControlCommand,
    Delta,
    Heartbeat,
    Hello,
    Snapshot,
    Welcome,
    line_of,
    parse_server,
)
from axiomd.contracts.errors import ConfigError, InputError, NotArmed
from axiomd.contracts.patch import State, patched
from axiomd.daemon import control, control_link, control_socket
from axiomd.daemon.control import Client, ControlServer

ANSWER_S_MAX = 5.0
BIG = "x" * 1_000_000


class Daemon:
    """What the server serves: a state to change, a list of what was asked."""

    def __init__(self) -> None:
        self.seq = 1
        self.state: State = {"account": {"equity": "1.00"}, "positions": {}}
        self.asked: list[tuple[str, str]] = []
        self.notes: list[tuple[str, Mapping[str, Any]]] = []
        self.answer: str | Exception | None = None
        self.gate: asyncio.Event | None = None
        self.under_way_max = 0
        self._under_way = 0

    def change(self, **tables: Any) -> None:
        """Move the state on by one event."""
        self.seq += 1
        self.state = {**self.state, **tables}

    async def handle(self, command: ControlCommand, client: Client) -> str | None:
        self.asked.append((client.name, command.name))
        self._under_way += 1
        self.under_way_max = max(self.under_way_max, self._under_way)
        if self.gate is not None:
            await self.gate.wait()
        self._under_way -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def server(self, path: Path, group: str | None = None) -> ControlServer:
        return ControlServer(
            path,
            welcome=lambda: Welcome(version=1, run_id="paper-SIM-2025-01-02", mode="paper", account="SIM"),
            state=lambda: (self.seq, self.state),
            handle=self.handle,
            now_us=lambda: 1_700_000_000_000_000,
            group=group,
            note=lambda name, fields: self.notes.append((name, fields)),
        )


class Console:
    """A client that reads lines, in the order they come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.commands = 0

    async def read(self) -> Any:
        line = await asyncio.wait_for(self.reader.readline(), ANSWER_S_MAX)
        return parse_server(line) if line else None

    async def until(self, kind: type[BaseModel]) -> Any:
        while not isinstance(message := await self.read(), kind):
            assert message is not None, f"closed before {kind.__name__}"
        return message

    async def ask(self, name: str, **args: Any) -> CommandResult:
        self.commands += 1
        command_id = str(self.commands)
        self.send(line_of(ControlCommand(id=command_id, name=name, seq=0, args=args)))
        result: CommandResult = await self.until(CommandResult)
        assert command_id == result.id
        return result

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def stop_reading(self) -> None:
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def read_on(self) -> None:
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def reason(self) -> str:
        """Read on to why we are closed, and to the end."""
        closing: Closing = await self.until(Closing)
        assert b"" == await asyncio.wait_for(self.reader.read(), ANSWER_S_MAX)
        return closing.reason


@asynccontextmanager
async def serving(path: Path, daemon: Daemon, group: str | None = None) -> AsyncIterator[ControlServer]:
    server = daemon.server(path, group)
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.serve)
        try:
            yield server
        finally:
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[Console]:
    reader, writer = await asyncio.open_unix_connection(str(path), limit=2**24)
    try:
        yield Console(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def attached(path: Path, role: str = "operator", name: str = "op1") -> AsyncIterator[Console]:
    async with connected(path) as console:
        console.send(line_of(Hello(version=1, role=role, name=name)))
        await console.until(Welcome)
        yield console


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


# --- what a console gets ---


@pytest.mark.asyncio
async def test_hello_is_answered_with_welcome_then_the_whole_state(path: Path) -> None:
    daemon = Daemon()
    async with serving(path, daemon), connected(path) as console:
        console.send(line_of(Hello(version=1, role="observer", name="desk2")))

        assert Welcome(version=1, run_id="paper-SIM-2025-01-02", mode="paper", account="SIM") == await console.read()
        assert Snapshot(seq=1, state=daemon.state) == await console.read()


@pytest.mark.asyncio
async def test_only_what_changed_is_sent_and_folds_to_the_newest_state(path: Path) -> None:
    daemon = Daemon()
    async with serving(path, daemon) as server, attached(path) as console:
        snapshot = await console.until(Snapshot)
        daemon.change(positions={"SPY": {"qty": 100}})
        server.wake()
        first = await console.until(Delta)
        daemon.change(positions={})
        server.wake()
        second = await console.until(Delta)

        assert {"positions": {"SPY": {"qty": 100}}} == first.changes
        assert {"positions": {"SPY": None}} == second.changes
        assert daemon.state == patched(patched(snapshot.state, first.changes), second.changes)
        assert (1, 2, 3) == (snapshot.seq, first.seq, second.seq)


@pytest.mark.asyncio
async def test_heartbeat_comes_within_a_second_while_nothing_changes(path: Path) -> None:
    async with serving(path, Daemon()), attached(path) as console:
        await console.until(Heartbeat)
        with anyio.fail_after(1.0):
            heartbeat = await console.until(Heartbeat)

        assert Heartbeat(ts=1_700_000_000_000_000, seq=1) == heartbeat


@pytest.mark.asyncio
async def test_state_is_not_built_while_nobody_looks(path: Path) -> None:
    daemon = Daemon()
    built: list[int] = []
    server = daemon.server(path)
    server._state = lambda: (built.append(1), (1, daemon.state))[1]  # type: ignore[func-returns-value]
    for _ in range(3):
        server._beat(0.0)

    assert [] == built


@pytest.mark.asyncio
async def test_every_console_hears_of_a_change(path: Path) -> None:
    daemon = Daemon()
    async with serving(path, daemon) as server, attached(path) as one, attached(path, name="op2") as two:
        await one.until(Snapshot)
        await two.until(Snapshot)
        daemon.change(account={"equity": "2.00"})
        server.wake()

        assert {"account": {"equity": "2.00"}} == (await one.until(Delta)).changes
        assert {"account": {"equity": "2.00"}} == (await two.until(Delta)).changes
        assert ["op1", "op2"] == [client.name for client in server.clients]
        assert {os.getpid()} == {client.pid for client in server.clients}


# --- commands ---


@pytest.mark.asyncio
async def test_command_is_carried_out_and_answered_under_its_id(path: Path) -> None:
    daemon = Daemon()
    async with serving(path, daemon), attached(path) as console:
        assert CommandResult(id="1", ok=True) == await console.ask("pause", symbol="SPY")
        daemon.answer = "changed since: now FILLED"
        assert CommandResult(id="2", ok=False, error=daemon.answer) == await console.ask("cancel", key="ab")
    assert [("op1", "pause"), ("op1", "cancel")] == daemon.asked


@pytest.mark.asyncio
async def test_refusal_of_ours_is_an_answer(path: Path) -> None:
    daemon = Daemon()
    daemon.answer = NotArmed("the latch is tripped", "kill switch", "resume first")
    async with serving(path, daemon), attached(path) as console:
        result = await console.ask("unpause")

    assert CommandResult(id="1", ok=False, error="the latch is tripped · kill switch · resume first") == result


@pytest.mark.asyncio
async def test_raising_handler_ends_neither_server_nor_client(path: Path) -> None:
    daemon = Daemon()
    daemon.answer = ZeroDivisionError("ours")
    async with serving(path, daemon), attached(path) as console:
        assert "internal failure: ZeroDivisionError" == (await console.ask("note", text="x")).error
        daemon.answer = None
        assert (await console.ask("note", text="y")).ok
    assert ("control.failed", {"command": "note", "problem": "ZeroDivisionError: ours"}) in daemon.notes


@pytest.mark.asyncio
async def test_observer_may_halt_and_nothing_else(path: Path) -> None:
    daemon = Daemon()
    async with serving(path, daemon), attached(path, "observer", "web") as console:
        assert not (await console.ask("flatten")).ok
        assert not (await console.ask("kill", level="flatten")).ok
        assert not (await console.ask("resume", reason="mine")).ok
        assert (await console.ask("kill", level="halt", reason="odd fills")).ok
    assert [("web", "kill")] == daemon.asked


@pytest.mark.asyncio
async def test_command_without_an_answer_in_time_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "COMMAND_S_MAX", 0.05)
    daemon = Daemon()
    daemon.gate = asyncio.Event()
    async with serving(path, daemon), attached(path) as console:
        result = await console.ask("flatten")

    assert not result.ok
    assert "no answer" in str(result.error)


@pytest.mark.asyncio
async def test_commands_of_one_client_under_way_are_bounded(path: Path) -> None:
    daemon = Daemon()
    daemon.gate = asyncio.Event()
    async with serving(path, daemon), attached(path) as console, attached(path, name="op2") as other:
        command = line_of(ControlCommand(id="x", name="note", seq=0, args={"text": "t"}))
        console.send(command * 30)
        await other.until(Heartbeat)
        assert control_link.COMMANDS_MAX == len(daemon.asked)
        daemon.gate.set()
        for _ in range(30):
            await console.until(CommandResult)

    assert control_link.COMMANDS_MAX == daemon.under_way_max


# --- hostile clients ---


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"rubbish\n", "JSON"),
        (b"\n", "JSON"),
        (b"\xff\xfe\x00\n", "JSON"),
        (b"[" * 60_000 + b"\n", ""),
        (b'{"type":"hello"}\n', "version"),
        (b'{"type":"hello","version":2,"role":"operator","name":"x"}\n', "version 2 is not spoken here"),
        (b'{"type":"hello","version":1,"role":"admin","name":"x"}\n', "role"),
        (b'{"type":"command","id":"1","name":"kill","seq":0}\n', "before hello"),
        (b"x" * (LINE_BYTES_MAX + 2), "65536 bytes"),
        (b" " * (LINE_BYTES_MAX + 1) + b"{}\n", "65536 bytes"),
    ],
)
async def test_nonsense_closes_that_client_with_a_reason_and_no_other(path: Path, line: bytes, reason: str) -> None:
    daemon = Daemon()
    async with serving(path, daemon), attached(path) as well, connected(path) as hostile:
        hostile.send(line)

        assert reason in await hostile.reason()
        assert (await well.ask("note", text="still here")).ok
    assert [("op1", "note")] == daemon.asked


@pytest.mark.asyncio
async def test_second_hello_closes(path: Path) -> None:
    async with serving(path, Daemon()), attached(path) as console:
        console.send(line_of(Hello(version=1, role="operator", name="again")))

        assert "a second hello" == await console.reason()


@pytest.mark.asyncio
async def test_longest_line_that_is_allowed_is_heard(path: Path) -> None:
    daemon = Daemon()
    async with serving(path, daemon), attached(path) as console:
        line = line_of(ControlCommand(id="1", name="note", seq=0, args={"text": "t"})).rstrip(b"\n")
        console.send(line + b" " * (LINE_BYTES_MAX - len(line)) + b"\n")

        assert (await console.until(CommandResult)).ok


@pytest.mark.asyncio
async def test_line_may_come_byte_by_byte(path: Path) -> None:
    async with serving(path, Daemon()), connected(path) as console:
        for byte in line_of(Hello(version=1, role="operator", name="slow typist")):
            console.send(bytes([byte]))
            await console.writer.drain()

        assert isinstance(await console.read(), Welcome)


@pytest.mark.asyncio
async def test_ten_thousand_bad_messages_cost_one_connection_each_and_few_notes(path: Path) -> None:
    daemon = Daemon()
    async with serving(path, daemon) as server, attached(path) as well:
        async with connected(path) as hostile:
            hostile.send(b"rubbish\n" * 10_000)
            assert "JSON" in await hostile.reason()
        for _ in range(200):
            async with connected(path) as hostile:
                hostile.send(b"{}\n" * 50)
                await hostile.reason()

        assert (await well.ask("note", text="still here")).ok
        assert 1 == len(server.clients)
    assert 10 > sum(name == "control.refused" for name, _ in daemon.notes)


@pytest.mark.asyncio
async def test_flood_is_read_more_slowly_and_others_are_answered_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_link, "LINES_BURST_MAX", 500)
    daemon = Daemon()
    async with serving(path, daemon), attached(path, name="flood") as flood, attached(path) as well:
        flood.send(line_of(ControlCommand(id="f", name="note", seq=0, args={"text": "t"})) * 20_000)
        began = asyncio.get_running_loop().time()
        for _ in range(20):
            with anyio.fail_after(0.5):
                assert (await well.ask("note", text="t")).ok
        took_s = asyncio.get_running_loop().time() - began
        heard = sum(name == "flood" for name, _ in daemon.asked)

        assert control_link.LINES_BURST_MAX + took_s * control_link.LINES_PER_S_MAX + 1 >= heard
        flood.writer.transport.abort()


@pytest.mark.asyncio
async def test_slow_reader_is_coalesced_to_the_newest_state_in_bounded_memory(path: Path) -> None:
    daemon = Daemon()
    async with serving(path, daemon) as server, attached(path, name="slow") as slow, attached(path) as well:
        await slow.until(Snapshot)
        await well.until(Snapshot)
        slow.stop_reading()
        (link,) = [link for link in server._links if link.client is not None and link.client.name == "slow"]
        loop = asyncio.get_running_loop()
        kept = []
        for number in range(50):
            daemon.change(big={"text": f"{number}{BIG}"})
            server._beat(loop.time())
            assert link._transport is not None
            kept.append(link._transport.get_write_buffer_size())
            await well.until(Delta)

        assert len(BIG) + control_link.OUT_BYTES_HIGH >= max(kept)
        slow.read_on()
        await slow.until(Delta)
        newest = await slow.until(Snapshot)
        assert daemon.state == newest.state
        assert daemon.seq == newest.seq


@pytest.mark.asyncio
async def test_reader_that_catches_up_with_nothing_missed_is_sent_no_second_snapshot(path: Path) -> None:
    daemon = Daemon()
    daemon.change(big={"text": BIG})
    async with serving(path, daemon) as server, attached(path) as console:
        first = await console.until(Snapshot)
        daemon.change(big={"text": "small"})
        server.wake()
        after = [await console.read() for _ in range(2)]

    assert BIG == first.state["big"]["text"]
    assert not any(isinstance(message, Snapshot) for message in after)


@pytest.mark.asyncio
async def test_who_reads_nothing_for_too_long_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_link, "SLOW_S_MAX", 0.0)
    daemon = Daemon()
    async with serving(path, daemon) as server, attached(path, name="deaf") as deaf, attached(path) as well:
        deaf.stop_reading()
        daemon.change(big={"text": BIG})
        while any(client.name == "deaf" for client in server.clients):
            await well.until(Heartbeat)

        assert ["op1"] == [client.name for client in server.clients]


@pytest.mark.asyncio
async def test_who_asks_on_and_never_reads_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_link, "RESULT_BYTES_MAX", 2000)
    daemon = Daemon()
    async with serving(path, daemon) as server, attached(path, name="deaf") as deaf, attached(path) as well:
        await well.until(Snapshot)
        deaf.stop_reading()
        daemon.change(big={"text": BIG})
        server.wake()
        await well.until(Delta)
        deaf.send(line_of(ControlCommand(id="f", name="note", seq=0, args={"text": "t"})) * 100)
        while any(client.name == "deaf" for client in server.clients):
            await well.until(Heartbeat)

        assert (await well.ask("note", text="t")).ok


@pytest.mark.asyncio
async def test_connection_that_never_says_hello_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_link, "HELLO_S_MAX", 0.1)
    async with serving(path, Daemon()), connected(path) as half_open:
        half_open.send(b'{"type":"hel')

        assert "no hello within 0 s" == await half_open.reason()


@pytest.mark.asyncio
async def test_number_of_clients_is_bounded_and_silence_makes_room(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "CLIENTS_MAX", 2)
    daemon = Daemon()
    async with serving(path, daemon), connected(path) as silent, attached(path), attached(path, name="op2"):
        assert "made room for another client" == await silent.reason()


@pytest.mark.asyncio
async def test_whoever_comes_finds_a_place_and_onlookers_make_it_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be an emergency stop."""
    monkeypatch.setattr(control, "CLIENTS_MAX", 2)
    daemon = Daemon()
    async with (
        serving(path, daemon),
        attached(path) as operator,
        attached(path, "observer") as onlooker,
        attached(path, name="op2") as second,
    ):
        assert "made room for another client" == await onlooker.reason()
        async with attached(path, name="op3") as third:
            assert "made room for another client" == await operator.reason()
            assert (await third.ask("note", text="t")).ok
        assert (await second.ask("note", text="t")).ok


@pytest.mark.asyncio
async def test_a_command_under_way_keeps_its_clients_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "CLIENTS_MAX", 1)
    daemon = Daemon()
    daemon.gate = asyncio.Event()
    async with serving(path, daemon), attached(path) as asking:
        asking.send(line_of(ControlCommand(id="1", name="kill", seq=0)))
        while not daemon.asked:
            await asking.until(Heartbeat)
        async with connected(path) as too_many:
            assert "1 clients are attached already" == await too_many.reason()
        daemon.gate.set()

        assert (await asking.until(CommandResult)).ok


@pytest.mark.asyncio
async def test_client_that_goes_while_its_command_runs_leaves_no_trace(path: Path) -> None:
    daemon = Daemon()
    daemon.gate = asyncio.Event()
    async with serving(path, daemon) as server, attached(path) as well:
        async with attached(path, name="gone") as gone:
            gone.send(line_of(ControlCommand(id="1", name="kill", seq=0)))
            while not daemon.asked:
                await well.until(Heartbeat)
        while len(server.clients) > 1:
            await well.until(Heartbeat)
        daemon.gate.set()

        assert (await well.ask("note", text="t")).ok
    assert [("gone", "kill"), ("op1", "note")] == daemon.asked


# --- the door ---


@pytest.mark.asyncio
async def test_another_user_is_not_let_in(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_link, "_peer", lambda _: ((54321, 1), frozenset({54321})))
    async with serving(path, Daemon()), connected(path) as stranger:
        assert "uid 54321 is not let in here" == await stranger.reason()


@pytest.mark.asyncio
async def test_member_of_the_group_is_let_in_and_others_are_not(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gid = os.getegid()
    async with serving(path, Daemon(), grp.getgrgid(gid).gr_name):
        mode = path.stat().st_mode
        monkeypatch.setattr(control_link, "_peer", lambda _: ((54321, 1), frozenset({7, gid})))
        async with attached(path) as member:
            assert (await member.ask("note", text="t")).ok
        monkeypatch.setattr(control_link, "_peer", lambda _: ((54321, 1), frozenset({7})))
        async with connected(path) as stranger:
            assert "not let in" in await stranger.reason()

    assert 0o660 == stat.S_IMODE(mode)


@pytest.mark.asyncio
async def test_socket_is_the_owners_alone_and_goes_with_the_server(path: Path) -> None:
    async with serving(path, Daemon()):
        mode = stat.S_IMODE(path.stat().st_mode)
        console = Console(*await asyncio.open_unix_connection(str(path)))
        console.send(line_of(Hello(version=1, role="operator", name="op1")))
        await console.until(Snapshot)

    assert 0o600 == mode
    assert "the daemon goes" == await console.reason()
    console.writer.close()
    assert not path.exists()


@pytest.mark.asyncio
async def test_socket_of_a_dead_daemon_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(path, Daemon()), attached(path) as console:
        assert (await console.ask("note", text="t")).ok


@pytest.mark.asyncio
async def test_socket_of_a_living_daemon_is_refused_and_left_alone(path: Path) -> None:
    async with serving(path, Daemon()):
        with pytest.raises(control_socket.SocketTaken) as refused:
            await Daemon().server(path).serve()
        async with attached(path) as console:
            assert (await console.ask("note", text="t")).ok

    assert 5 == refused.value.exit_code


def test_socket_of_a_hung_daemon_is_refused(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hung, socket.socket(socket.AF_UNIX) as waiting:
        hung.bind(str(path))
        hung.listen(0)
        waiting.connect(str(path))

        with pytest.raises(control_socket.SocketTaken):
            control_socket.listen(path)


def test_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("mine")

    with pytest.raises(InputError, match="no socket"):
        control_socket.listen(path)
    assert "mine" == path.read_text()


def test_path_too_long_for_a_socket_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="107 bytes"):
        control_socket.listen(tmp_path / ("x" * 120))


def test_group_that_is_not_there_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigError, match="no group"):
        control_socket.gid_of("no-such-group-here")


def test_kernel_says_who_the_peer_is() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        credentials, groups = control_link._peer(ours)

    assert (os.geteuid(), os.getpid()) == credentials
    assert {os.getegid(), *os.getgroups()} == groups


def test_state_on_the_wire_is_what_the_contract_reads() -> None:
    state: State = {"a": {"b": ["c", 1, True]}, "text": "ü\n"}
    line = control._encode({"type": "snapshot", "seq": 3, "state": state}) + b"\n"

    assert Snapshot(seq=3, state=state) == parse_server(line)
    assert state == json.loads(line)["state"]
