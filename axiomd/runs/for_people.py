"""What a run folder holds for people: two pictures and a report, made of its files alone.

matplotlib takes longer to load than a short replay to run, and 30 MB that a daemon would keep for good; drawing would
hold up everything else in it. So a daemon has it done by `python -m axiomd.runs.for_people FOLDER`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from axiomd.contracts.errors import EXIT_INPUT, EXIT_OK, InputError

MADE_S_MAX: Final = 120.0


def write_for_people(folder: Path, *, plots: bool) -> None:
    """Draw the pictures, where they are wanted, and write the report. Raises `InputError` as those do."""
    from axiomd.runs.report import write_report

    if plots:
        from axiomd.runs.plots import draw_curves

        draw_curves(folder)
    write_report(folder)


def write_beside(folder: Path) -> None:
    """Have both done by a process of its own, and wait for it. Raises `InputError` with what went wrong."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "axiomd.runs.for_people", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=MADE_S_MAX,
            start_new_session=True,  # a terminal's ^C is the daemon's
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_made(str(error), folder) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with {done.returncode}"]
        raise _not_made(said[-1], folder)


def _not_made(why: str, folder: Path) -> InputError:
    return InputError(f"pictures and report cannot be made ({why})", str(folder), "run axiomd report on it")


def main(argv: Sequence[str]) -> int:
    """Write them into one folder."""
    try:
        write_for_people(Path(argv[0]), plots=True)
    except InputError as error:
        print(error, file=sys.stderr)
        return EXIT_INPUT
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
