"""A command that is asked to end does, wherever the word finds it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from axiomd.cli.unwinding import EXIT_TERMINATED, unwinding
from tests.markets import SPANS, frame_of, random_market, sessions_of

PATIENCE_S = 10


@pytest.mark.parametrize(("number", "ends"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_word_that_comes_while_c_calls_back_is_not_lost(
    number: signal.Signals, ends: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """Python prints what a callback raises and goes on: a sweep that was compiling ran to its end."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGALRM), sys.unraisablehook
    called_back = ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), number))

    def be_asked_meanwhile() -> None:
        with unwinding():
            called_back()
            threading.Event().wait(PATIENCE_S)

    with pytest.raises(ends) as ended:
        be_asked_meanwhile()

    assert ended.value.args == ((EXIT_TERMINATED,) if ends is SystemExit else ())
    assert "" == capsys.readouterr().err
    assert before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGALRM), sys.unraisablehook)


@pytest.mark.slow
def test_a_replay_that_is_ended_says_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    frame_of(random_market(5, ["AAA"], sessions_of(SPANS[0]))).write_parquet(tmp_path / "bars.parquet")
    (tmp_path / "run.yml").write_text("{strategy: {name: inside_bar}, symbols: [AAA], risk: {}}")
    runs = tmp_path / "runs"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "axiomd", "replay", "--bars", str(tmp_path / "bars.parquet"),
            "--config", str(tmp_path / "run.yml"), "--out", str(runs / "one"), "--speed", "60",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline_s = time.monotonic() + 60
    while not list(runs.glob(".one-*")) and time.monotonic() < deadline_s:
        time.sleep(0.01)

    process.terminate()
    said = process.communicate(timeout=30)

    assert (EXIT_TERMINATED, (b"", b"")) == (process.returncode, said)
    assert [] == list(runs.iterdir())


def test_what_else_cannot_be_raised_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_type))

    with unwinding():
        ctypes.CFUNCTYPE(None)(lambda: [][1])()

    assert [IndexError] == told
