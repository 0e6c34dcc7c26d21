"""Peers on the same bars, each in a child process under a Python of its own, taking turns with the product.

The children never import the product and the product never imports them. What a peer cannot express of the job stands
in its module as `DIFFERS` and beside its figure in the table. A peer that cannot be installed is a line that says so.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from benchmarks.measure import NotBuiltError

ROOT: Final = Path(__file__).resolve().parents[2]
ENVIRONMENT: Final = ROOT / ".venv-peers"
CHILD: Final = Path(__file__).with_name("child.py")


def python() -> Path:
    """Give the peers' interpreter. Raises `NotBuiltError` where there is none: `make bench-peers` makes it."""
    found = ENVIRONMENT / "bin/python"
    if not found.exists():
        raise NotBuiltError("the peers are not installed: make bench-peers")
    return found


@dataclass(frozen=True, slots=True)
class Ready:
    """What a child says once its bars are loaded and its code is warm."""

    version: str
    trades: int
    differs: str


class Peer:
    """A peer's child process with its bars loaded; `run()` lets it do the work once and gives its own seconds."""

    def __init__(self, name: str, bars: Path, **options: object) -> None:
        self.name = name
        command = [str(python()), str(CHILD), name, str(bars), json.dumps(options)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHILD.parent
        )
        said = self._answer()
        self.ready = Ready(str(said["version"]), int(said["trades"]), str(said["differs"]))

    def run(self) -> float:
        """Do the work once; seconds, without loading bars, starting or compiling."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return float(self._answer()["seconds"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        _, said = self._process.communicate()
        last = (said.strip().splitlines() or ["no word"])[-1]
        raise NotBuiltError(f"{self.name} cannot run here: {last}")

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()
