"""A command that is asked to end does, wherever the word finds it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

import pytest

from axiomd.cli.unwinding import EXIT_TERMINATED, unwinding

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


def test_what_else_cannot_be_raised_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_type))

    with unwinding():
        ctypes.CFUNCTYPE(None)(lambda: [][1])()

    assert [IndexError] == told
