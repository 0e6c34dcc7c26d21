"""What clients of the control socket can do to a daemon that trades: nothing (I12)."""

from __future__ import annotations

import json
import os
import random
import socket
import threading
from pathlib import Path

import pytest

from axiomd.contracts.errors import EXIT_OK
from tests.process.stage import HALF_DAY, Stage

pytestmark = pytest.mark.slow

BAD_MESSAGES = 10_000
CLIENTS = 8
HELLO = json.dumps({"type": "hello", "version": 1, "role": "operator", "name": "flood"}).encode() + b"\n"


def bad_line(dice: random.Random) -> bytes:
    """A line that no console would send."""
    return dice.choice(
        (
            b"{}\n",
            b"\xff\xfe\x00\n",
            b"[" * 5000 + b"\n",
            b'{"type":"command","id":"1","name":"nuke","seq":0,"args":{}}\n',
            b'{"type":"command","id":"1","name":"close","seq":-1,"args":{"symbol":1e999}}\n',
            b'{"type":"command","id":"1","name":"pause","seq":0,"args":{"until":"\\ud800"}}\n',
            b'{"type":"hello","version":99,"role":"root","name":""}\n',
            dice.randbytes(200) + b"\n",
            b"a" * 70_000,
        )
    )


def flood(stage: Stage, seed: int, messages: int, is_over: threading.Event) -> None:
    """Send bad messages over ever new connections, some after a hello, never reading an answer."""
    dice = random.Random(seed)
    sent = 0
    while sent < messages and not is_over.is_set():
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(1)
                line.connect(str(stage.state_dir / "control.sock"))
                if dice.random() < 0.5:
                    line.sendall(HELLO)
                for _ in range(dice.randrange(1, 20)):
                    sent += 1
                    line.sendall(bad_line(dice))
        except OSError:
            # closed for what was said, or full: as it should be
            is_over.wait(0.001)


def test_a_flood_of_bad_messages_changes_no_trade_and_no_memory(stage: Stage) -> None:
    stage.write_tape(11, span=HALF_DAY)
    stage.write_config(speed=1200)
    expected = stage.replay()
    running = stage.start_ready()
    # the compiler comes in behind readiness, and is there when a session opens
    running.wait_state(lambda state: state["clock"]["session"], "a session is open")
    before_kb = rss_kb(running.pid)
    is_over = threading.Event()
    floods = [
        threading.Thread(target=flood, args=(stage, seed, BAD_MESSAGES // CLIENTS, is_over)) for seed in range(CLIENTS)
    ]
    for thread in floods:
        thread.start()
    seen = 0
    while running.process.poll() is None and any(thread.is_alive() for thread in floods):
        seen += (
            running.wait_state(lambda state: state["run"]["is_ready"], "it answers under the flood")["journal"]["seq"]
            > 0
        )
    grown_kb = rss_kb(running.pid) - before_kb if running.process.poll() is None else 0

    code = running.wait()
    is_over.set()
    for thread in floods:
        thread.join()

    assert code == EXIT_OK
    assert expected == stage.trades()
    assert seen > 0
    assert grown_kb < 100_000
    assert not stage.latch().is_tripped


def rss_kb(pid: int) -> int:
    """Give the resident memory of a process."""
    pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") // 1024
