"""The other side of `feeds.recorded`: read a file of bars, check it, and lay its rows out in a file without a name.

`python -m axiomd.feeds.tape_process DESCRIPTOR`; a line with the path comes on stdin, then what is asked; the answer
goes to stdout. The file is read before the question is there. It ends when it has answered, or when nobody asks any
more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import msgspec
import numpy as np

from axiomd.contracts.errors import EXIT_OK, AxiomdError
from axiomd.core.market.tape import TS_US
from axiomd.core.uncollected import uncollected
from axiomd.feeds.files import BarFile, load_tape, read_files
from axiomd.feeds.known_sessions import columns_of
from axiomd.feeds.recorded import ROW_BYTES, Asked, Laid


def main(argv: Sequence[str]) -> int:
    """Read, wait for the question, answer."""
    line = sys.stdin.buffer.readline()
    if not line:
        return EXIT_OK
    path = msgspec.json.decode(line, type=str)
    with uncollected():
        try:
            files = read_files(path)
            asked = sys.stdin.buffer.read()
            if not asked:
                return EXIT_OK
            laid = lay_out(path, msgspec.json.decode(asked, type=Asked), files, int(argv[0]))
        except AxiomdError as error:
            laid = Laid(error=(type(error).__name__, error.what, error.where, error.remedy))
    try:
        sys.stdout.buffer.write(msgspec.msgpack.encode(laid))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # who asked was killed: nothing is left to say, and nothing to flush at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_OK


def lay_out(path: str, asked: Asked, files: Sequence[BarFile], descriptor: int) -> Laid:
    """Write the rows of the bars that were asked for into a file; raises as `load_tape` does."""
    tape = load_tape(path, asked.symbols, asked.calendar, tick_units=asked.tick_units, files=files)
    # every bar lies in a session, so that a session's rows end where the next one's begin
    bounds = [*tape.bars[:, TS_US].searchsorted(tape.sessions.open_us, "left").tolist(), len(tape)]
    assert tape.bars.shape[1] * 8 == ROW_BYTES
    with os.fdopen(descriptor, "wb") as file:
        np.ascontiguousarray(tape.bars, dtype="<i8").tofile(file)
    return Laid(
        bar_us=tape.timeframe_us, calendar=tape.sessions.calendar, columns=columns_of(tape.sessions),
        bounds=tuple(bounds), dropped=tuple(tape.dropped_near.tolist()),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
