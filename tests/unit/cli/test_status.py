"""`axiomd status`: exit codes, words and the screen, against a real socket; and what it loads."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd import latch, presence
from axiomd.cli import control_client, status
from axiomd.cli.control_client import ControlClient, ControlError
from axiomd.cli.main import main
from axiomd.cli.status_screen import bar, clean, date_text, grouped, screen
from axiomd.contracts import control
from axiomd.contracts.units import iso_date

HEAVY = ("numba", "polars", "pydantic", "anyio", "rich", "numpy", "pandas", "yaml", "msgspec", "asyncio", "structlog")

STATE: dict[str, Any] = {
    "run": {"run_id": "paper-SIM-2025-01-02", "mode": "paper", "account": "SIM", "is_ready": True},
    "clock": {"market_us": 1_700_000_000_000_000, "session": "2025-01-02", "is_open": True},
    "kill": {"state": "ARMED", "level": ""},
    "broker": {"kind": "sim", "is_connected": True, "is_reconciled": True, "differences": [], "recon_us": 1},
    "journal": {"seq": 18204, "is_ok": True},
    "account": {
        "currency": "USD", "equity": "99388.20", "cash": "33311.70", "day_pnl": "-611.80", "realised": "-533.33",
        "unrealised": "-78.47", "gross": "66076.00", "net": "21077.00", "working": "0.00", "drawdown": "-734.00",
        "costs": "7.84", "trades": 4, "won": 1,
    },
    "positions": {
        "SPY": {
            "side": "LONG", "qty": 100, "average": "501.23", "last": "500.88", "stop": "499.10", "target": "505.46",
            "unrealised": "-30.45", "strategy": "inside_bar", "protected_by": "SL TP", "is_closing": False,
        },
        "QQQ": {
            "side": "SHORT", "qty": 60, "average": "430.10", "last": "431.02", "unrealised": "-48.02",
            "strategy": "inside_bar", "protected_by": "", "is_closing": False,
        },
    },
    "orders": {
        "9f2c41d000000000": {
            "symbol": "AAPL", "side": "BUY", "type": "stop", "qty": 40, "stop": "228.15", "state": "working",
            "valid_to_us": 1_700_000_000_000_000, "strategy": "inside_bar",
        }
    },
    "guards": {
        "MaxGrossExposure": {"is_on": True, "unit": "money", "figure": "83000.00", "limit": "100000.00",
                             "used_ppm": 830_000},
        "MaxOpenPositions": {"is_on": True, "unit": "count", "figure": 2, "limit": 5, "used_ppm": 400_000},
        "TickAndLot": {"is_on": True, "unit": "yes"},
    },
    "quality": {"SPY": {"is_stale": False}},
    "tasks": {"engine": {"is_hung": False}},
    "alarms": {},
    "events": {"18204": {"ts_us": 1_700_000_000_000_000, "kind": "order.sent", "key": "9f2c", "text": "symbol=AAPL"}},
}  # fmt: skip

Answer = Callable[[socket.socket], None]


def sent(*messages: object) -> Answer:
    """Answer with these lines once a hello has come."""

    def answer(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    return answer


WELCOME = {"type": "welcome", "version": 1, "run_id": "r", "mode": "paper", "account": "SIM"}


def well(**tables: Any) -> Answer:
    """Answer as a daemon does whose state is the usual one but for these tables."""
    heartbeat = {"type": "heartbeat", "ts": 1, "seq": 1}
    return sent(WELCOME, heartbeat, {"type": "snapshot", "seq": 1, "state": STATE | tables})


def in_silence(client: socket.socket) -> None:
    """Read until the client goes, and say nothing."""
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        return


@contextmanager
def daemon(path: Path, answer: Answer) -> Iterator[None]:
    """Play a daemon for one client."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                answer(client)
                in_silence(client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            with socket.socket(socket.AF_UNIX) as last:  # whoever was never asked is let go
                last.connect(str(path))
            thread.join(5)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AXIOMD_STATE_DIR", str(tmp_path))
    return tmp_path


def settle(home: Path, **given: Any) -> None:
    usual: dict[str, Any] = {
        "pid": os.getpid(), "start_time": presence.start_time_of(os.getpid()), "version": "0.1.0", "instance": "main",
        "account": "SIM", "mode": "paper", "run_id": "paper-SIM-2025-01-02", "socket": str(home / "c.sock"),
        "broker": {}, "metrics": {}, "is_ready": True,
    }  # fmt: skip
    presence.write(home, presence.Presence(**(usual | given)))
    latch.create(home, at_us=1, by="test")


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


# --- exit codes ---


def test_healthy_daemon_is_0_and_its_whole_state_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settle(home)
    with daemon(home / "c.sock", well()):
        code = main(["status", "--json"])
    document = told(capsys)

    assert 0 == code == document["exit_code"]
    assert ("healthy", [], STATE) == (document["health"], document["problems"], document["state"])
    assert (os.getpid(), "SIM", True) == (
        document["daemon"]["pid"], document["daemon"]["account"], document["is_running"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ({"broker": {"is_connected": False}}, "the broker is not connected"),
        ({"broker": {"is_connected": True, "is_reconciled": False}}, "not reconciled with the broker"),
        (
            {"broker": {"is_connected": True, "is_reconciled": False, "differences": ["a", "b"]}},
            "journal and broker differ in 2 places",
        ),
        ({"journal": {"is_ok": False}}, "the journal cannot be written"),
        ({"tasks": {"engine": {"is_hung": True}}}, "task engine hangs"),
        ({"quality": {"KO": {"is_stale": True}}}, "stale data, no entries: KO"),
        ({"alarms": {"x": {"text": "odd", "is_acknowledged": False}}}, "odd"),
        ({"run": {"is_ready": False}}, "not ready yet: recovery is under way"),
    ],
)
def test_what_is_wrong_is_1_and_named(
    home: Path, capsys: pytest.CaptureFixture[str], tables: dict[str, Any], problem: str
) -> None:
    settle(home)
    with daemon(home / "c.sock", well(**tables)):
        code = main(["status", "--json"])

    assert 1 == code
    assert [problem] == told(capsys)["problems"]


def test_no_daemon_is_3(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 3 == main(["status", "--json"])
    assert "not running" == told(capsys)["health"]


def test_dead_daemon_is_3_whatever_it_left_behind(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settle(home, start_time=1)

    assert 3 == main(["status", "--json"])
    assert not told(capsys)["is_running"]


def test_not_running_wins_over_killed_and_both_are_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settle(home, start_time=1)
    latch.trip(home, latch.HALT, at_us=1_700_000_000_000_000, by="op1", reason="odd fills")
    assert 3 == main(["status"])
    text = capsys.readouterr().out

    assert "NOT RUNNING, KILLED" in text
    assert "TRIPPED at level halt: odd fills  (by op1, 2023-11-14 22:13:20Z)" in text


def test_killed_daemon_is_4_even_where_it_is_degraded(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settle(home)
    latch.trip(home, latch.FLATTEN, at_us=1, by="op1", reason="test")
    with daemon(home / "c.sock", well(broker={"is_connected": False})):
        code = main(["status", "--json"])
    document = told(capsys)

    assert (4, "killed") == (code, document["health"])
    assert ("TRIPPED", "flatten", "test") == tuple(document["kill"][name] for name in ("state", "level", "reason"))


def test_daemon_that_is_tripped_with_an_armed_file_is_killed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settle(home)
    with daemon(home / "c.sock", well(kill={"state": "TRIPPED", "level": "halt"})):
        code = main(["status", "--json"])

    assert 4 == code
    assert "tripped wins" in told(capsys)["problems"][0]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (in_silence, "no answer"),
        (sent(WELCOME), "no answer"),
        (sent({"type": "closing", "reason": "full"}), "the daemon closed: full"),
        (sent(WELCOME, {"type": "snapshot", "seq": 1, "state": []}), "makes no sense"),
        (sent(["rubbish"]), "no JSON object"),
    ],
)
def test_daemon_that_does_not_answer_well_within_a_second_is_degraded(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answer: Answer, problem: str
) -> None:
    monkeypatch.setattr(status, "ANSWER_S_MAX", 0.2)
    settle(home)
    with daemon(home / "c.sock", answer):
        code = main(["status", "--json"])
    document = told(capsys)

    assert (1, True, None) == (code, document["is_running"], document["state"])
    assert problem in document["problems"][0]


def test_daemon_without_a_socket_is_degraded_and_recovering_is_said(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(home, is_ready=False)

    assert 1 == main(["status", "--json"])
    assert "recovery is under way" in told(capsys)["problems"][1]


def test_torn_latch_is_killed_and_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settle(home)
    (home / latch.LATCH_FILE).write_bytes(b"torn")
    with daemon(home / "c.sock", well()):
        code = main(["status", "--json"])

    assert 4 == code
    assert ["the latch is torn or not understood"] == told(capsys)["problems"]


@given(st.booleans(), st.booleans(), st.booleans())
def test_verdict_puts_not_running_over_killed_over_degraded(is_running: bool, is_tripped: bool, is_sound: bool) -> None:
    expected = 3 if not is_running else 4 if is_tripped else 0 if is_sound else 1

    assert expected == status.verdict(is_running=is_running, is_tripped=is_tripped, is_sound=is_sound)[0]


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_instance_that_would_leave_its_folder_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["status", "--instance", name])
    assert capsys.readouterr().err.startswith("error: ")


# --- the screen ---


def drawn(home: Path, *, is_coloured: bool = False, width: int = 120, **tables: Any) -> str:
    settle(home)
    with daemon(home / "c.sock", well(**tables)):
        return screen(status.look(dict(os.environ)), is_coloured=is_coloured, width=width)


def test_screen_says_what_counts(home: Path) -> None:
    text = drawn(home)

    for part in (
        "● HEALTHY  PAPER  SIM  main", "session 2025-01-02 open", "broker sim connected, reconciled", "ARMED",
        "99 388.20", "-611.80", "Positions 2", "■ UNPROTECTED", "SL TP", "Working entries 1", "9f2c41d0", "22:13:20",
        "MaxGrossExposure   █████████░   83 %  83 000.00 / 100 000.00 USD", "order.sent",
    ):  # fmt: skip
        assert part in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_screen_keeps_to_its_width_and_is_plain_without_colour(home: Path, width: int) -> None:
    text = drawn(home, width=width)

    assert width >= max(map(len, text.splitlines()))
    assert "\x1b" not in text


def test_colour_changes_no_word(home: Path) -> None:
    import re

    coloured = drawn(home, is_coloured=True)

    assert "\x1b[" in coloured
    assert drawn_again(home) == re.sub(r"\x1b\[[0-9;]*m", "", coloured)


def drawn_again(home: Path) -> str:
    (home / "c.sock").unlink()
    return drawn(home)


def test_live_mode_is_told_in_words(home: Path) -> None:
    settle(home, mode="live", account="U7654321")
    with daemon(home / "c.sock", well()):
        text = screen(status.look(dict(os.environ)), is_coloured=False, width=120)

    assert "LIVE  REAL MONEY  U7654321" in text


def test_text_from_outside_cannot_steer_the_terminal(home: Path) -> None:
    hostile = {"1": {"ts_us": 1, "kind": "x\x1b[2J", "key": "", "text": "a\nb\x07"}}
    text = drawn(home, events=hostile)

    assert "\x1b" not in text
    assert "\x07" not in text
    assert "x?[2J" in text


def test_state_of_another_version_still_makes_a_screen(home: Path) -> None:
    settle(home)
    with daemon(home / "c.sock", sent(WELCOME, {"type": "snapshot", "seq": 1, "state": {"positions": {"SPY": {}}}})):
        text = screen(status.look(dict(os.environ)), is_coloured=False, width=80)

    assert "Positions 1" in text


@given(st.integers(0, 4_000_000_000))
def test_date_by_hand_is_the_date(second: int) -> None:
    assert iso_date(second * 1_000_000) == date_text(second * 1_000_000)


@given(st.integers(-(10**12), 10**12), st.integers(0, 9999))
def test_grouping_changes_blanks_only(whole: int, part: int) -> None:
    text = f"{whole}.{part:04d}"

    assert text == grouped(text).replace(" ", "")


@given(st.integers(0, 3_000_000))
def test_bar_is_full_at_the_limit_and_empty_at_nothing_only(used_ppm: int) -> None:
    cells = bar(used_ppm).count("█")

    assert 10 == len(bar(used_ppm))
    assert (used_ppm == 0) == (cells == 0)
    assert (used_ppm > 900_000) == (cells == 10)


@given(st.text())
def test_clean_text_is_one_printable_line(text: str) -> None:
    assert clean(text).isprintable()
    assert len(text) == len(clean(text))


# --- the client ---


def test_client_speaks_the_contracts_version() -> None:
    assert control.PROTOCOL_VERSION == control_client.PROTOCOL_VERSION


def test_command_is_asked_and_its_own_result_waited_for(tmp_path: Path) -> None:
    asked: list[Any] = []

    def answer(client: socket.socket) -> None:
        lines = client.makefile("rb")
        asked.append(control.parse_client(lines.readline().rstrip()))
        client.sendall(json.dumps(WELCOME).encode() + b"\n")
        for error in (None, "changed since"):
            command = control.parse_client(lines.readline().rstrip())
            asked.append(command)
            assert isinstance(command, control.ControlCommand)
            for command_id in ("another", command.id):
                result = control.CommandResult(id=command_id, ok=error is None, error=error)
                client.sendall(control.line_of(result))
        lines.close()

    path = tmp_path / "c.sock"
    with daemon(path, answer), ControlClient(str(path), role="operator", name="kill") as client:
        assert "" == client.command("kill", {"level": "halt", "reason": "odd"})
        assert "changed since" == client.command("cancel", {"key": "ab"}, timeout_s=2.0)

    assert [("kill", {"level": "halt", "reason": "odd"}), ("cancel", {"key": "ab"})] == [
        (each.name, each.args) for each in asked[1:]
    ]
    assert ("operator", "kill") == (asked[0].role, asked[0].name)


def test_nobody_listening_is_an_answer(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no connection"):
        ControlClient(str(tmp_path / "nothing"), role="observer", name="x").__enter__()


def test_deadline_holds_for_the_whole_conversation_however_it_trickles(tmp_path: Path) -> None:
    def answer(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(json.dumps(WELCOME).encode() + b"\n")
        try:
            while True:
                client.sendall(json.dumps({"type": "heartbeat", "ts": 1, "seq": 1}).encode() + b"\n")
        except OSError:
            return

    path = tmp_path / "c.sock"
    with (
        daemon(path, answer),
        pytest.raises(ControlError, match=r"no answer within 0\.2 s"),
        ControlClient(str(path), role="observer", name="x", timeout_s=0.2) as client,
    ):
        client.snapshot()


def test_line_without_an_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_client, "LINE_BYTES_MAX", 1000)

    def answer(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(b"x" * 5000)

    path = tmp_path / "c.sock"
    with daemon(path, answer), pytest.raises(ControlError, match="more than 1000 bytes"):
        ControlClient(str(path), role="observer", name="x").__enter__()


# --- what it loads ---


def test_status_loads_nothing_heavy(home: Path) -> None:
    settle(home)
    script = (
        "import sys; from axiomd.cli.main import main; code = main(['status']); "
        f"print('loaded', *[name for name in {HEAVY!r} if name in sys.modules]); sys.exit(code)"
    )
    environ = {**os.environ, "AXIOMD_STATE_DIR": str(home)}
    with daemon(home / "c.sock", well()):
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environ, check=False)

    assert (0, "", "loaded") == (ended.returncode, ended.stderr, ended.stdout.splitlines()[-1])
    assert "\x1b" not in ended.stdout
