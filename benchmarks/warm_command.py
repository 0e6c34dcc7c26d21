"""A command of the product, run again and again in a process that keeps what it has read, and timed there.

For what is left of a command when starting and reading are taken off: reading ten million bars takes three times as
long as a sweep over them, and varies by more. Each line on stdin is the words of a command, each answer its seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from types import TracebackType

from benchmarks.measure import NotBuiltError


class WarmCommand:
    """The process; `run()` lets it run a command once and gives its own seconds."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *words: object) -> float:
        """Run `axiomd WORDS`. Raises `NotBuiltError` where it fails; it says why on stderr."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(list(map(str, words))) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        code, seconds = json.loads(line) if line else (-1, 0.0)
        if code:
            raise NotBuiltError(f"axiomd {words[0]} ended with {code}")
        return float(seconds)

    def __enter__(self) -> WarmCommand:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()


def serve() -> None:
    """Serve until stdin ends. What a command prints goes nowhere, since stdout speaks JSON."""
    from axiomd.cli.main import main

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        words = json.loads(line)
        begin = time.perf_counter()
        code = main(words)
        print(json.dumps([code, time.perf_counter() - begin]), file=answers, flush=True)


if __name__ == "__main__":
    serve()
