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

from axiomd.cli.unwinding import EXIT_SIGNAL, unwinding
from tests.markets import SPANS, frame_of, random_market, sessions_of

PATIENCE_S = 10


HANDLED = (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


@pytest.mark.parametrize(
    ("number", "ends"),
    [(signal.SIGTERM, SystemExit), (signal.SIGHUP, SystemExit), (signal.SIGINT, KeyboardInterrupt)],
)
def test_a_word_that_comes_while_c_calls_back_is_not_lost(
    number: signal.Signals, ends: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """Python prints what a callback raises and goes on: a sweep that was compiling ran to its end."""
    before = *map(signal.getsignal, HANDLED), sys.unraisablehook
    called_back = ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), number))

    def be_asked_meanwhile() -> None:
        with unwinding():
            called_back()
            threading.Event().wait(PATIENCE_S)

    with pytest.raises(ends) as ended:
        be_asked_meanwhile()

    assert ended.value.args == ((EXIT_SIGNAL + number,) if ends is SystemExit else ())
    assert "" == capsys.readouterr().err
    assert before == (*map(signal.getsignal, HANDLED), sys.unraisablehook)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", [("replay", "--speed", "60"), ("backtest",)])
def test_a_run_that_is_ended_says_nothing_and_leaves_nothing(
    command: tuple[str, ...], number: signal.Signals, tmp_path: Path
) -> None:
    frame_of(random_market(5, ["AAA"], sessions_of(SPANS[0]))).write_parquet(tmp_path / "bars.parquet")
    (tmp_path / "run.yml").write_text("{strategy: {name: inside_bar}, symbols: [AAA], risk: {}}")
    runs = tmp_path / "runs"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "axiomd", *command, "--bars", str(tmp_path / "bars.parquet"),
            "--config", str(tmp_path / "run.yml"), "--out", str(runs / "one"),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline_s = time.monotonic() + 60
    while not list(runs.glob(".one-*")) and time.monotonic() < deadline_s:
        time.sleep(0.01)

    process.send_signal(number)
    said = process.communicate(timeout=30)

    assert (EXIT_SIGNAL + number, (b"", b"")) == (process.returncode, said)
    assert [] == list(runs.iterdir())


def test_what_else_cannot_be_raised_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_type))

    with unwinding():
        ctypes.CFUNCTYPE(None)(lambda: [][1])()

    assert [IndexError] == told


def test_a_command_that_was_started_to_outlive_its_terminal_does() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with unwinding():
            assert signal.SIG_IGN == signal.getsignal(signal.SIGHUP)
        assert signal.SIG_IGN == signal.getsignal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
