"""A simulated week at high speed in one process: how its memory, threads and open files grow.

`python -m tests.process.soak --sessions 12` prints the figures. The first week is not counted: it loads what is
loaded once, such as the pictures of a run folder.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.process.stage import SYMBOLS, Running, Stage, wait_until

WARM_SESSIONS = 7
WEEK_SESSIONS = 5
GROWTH_KB_MAX = 8 * 1024


@dataclass(frozen=True)
class Sample:
    """A process at the end of a session."""

    sessions: int
    rss_kb: int
    threads: int
    files: int
    at_s: float


def sample(pid: int, sessions: int) -> Sample:
    """Look at a process from outside."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines())
    return Sample(
        sessions,
        int(status["VmRSS"].split()[0]),
        int(status["Threads"]),
        len(list(Path(f"/proc/{pid}/fd").iterdir())),
        time.monotonic(),
    )


def soak(stage: Stage, sessions: int) -> list[Sample]:
    """Run the synthetic market as fast as it goes and take a sample whenever another run folder is there."""
    stage.write_config(feed={"kind": "synthetic", "speed": "max"}, symbols=SYMBOLS)
    running = stage.start_ready()
    runs = stage.state_dir / "artifacts" / "runs"
    samples: list[Sample] = []
    while len(samples) < sessions:
        wait_until(lambda: _days(runs) > len(samples) or has_ended(running), "another day is over", 60)
        assert not has_ended(running), running.log[-2000:]
        samples.append(sample(running.pid, _days(runs)))
    assert running.stop() == 0
    return samples


def has_ended(running: Running) -> bool:
    return running.process.poll() is not None


def _days(runs: Path) -> int:
    return len(list(runs.glob("paper-*"))) if runs.is_dir() else 0


def growth_kb(samples: list[Sample]) -> int:
    """Give the growth of resident memory once all is loaded."""
    return samples[-1].rss_kb - samples[WARM_SESSIONS - 1].rss_kb


def main(arguments: list[str] | None = None) -> int:
    """Soak and print; exit 1 where memory grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.process.soak")
    parser.add_argument("--sessions", type=int, default=WARM_SESSIONS + WEEK_SESSIONS)
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="axiomd-soak-") as folder:
        stage = Stage(Path(folder))
        try:
            samples = soak(stage, args.sessions)
        finally:
            stage.close()
    for each in samples:
        print(
            f"session {each.sessions:>3}  RSS {each.rss_kb / 1024:7.1f} MB  threads {each.threads}  files {each.files}"
        )
    grown = growth_kb(samples)
    print(f"growth over {args.sessions - WARM_SESSIONS} sessions: {grown / 1024:+.1f} MB")
    return 1 if grown > GROWTH_KB_MAX else 0


if __name__ == "__main__":
    sys.exit(main())
