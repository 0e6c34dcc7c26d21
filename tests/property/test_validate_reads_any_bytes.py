"""Whatever bytes a bars file holds, reading it gives a frame or one line of error, never anything else."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from axiomd.contracts.errors import InputError
from axiomd.feeds import load_tape
from tests.unit.market.minutes import minutes

GOOD_CSV = minutes(range(3)).write_csv(datetime_format="%Y-%m-%dT%H:%M:%S+00:00").encode()
_BUFFER = io.BytesIO()
minutes(range(3)).write_parquet(_BUFFER, statistics=False)
GOOD_PARQUET = _BUFFER.getvalue()


def outcome(content: bytes, suffix: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"bars{suffix}"
        path.write_bytes(content)
        try:
            return f"{len(load_tape(path, None, 'XNYS'))} bars"
        except InputError as error:
            return error.line()


@st.composite
def spoiled(draw: st.DrawFn, good: bytes) -> bytes:
    """A good file with some bytes overwritten, cut out or put in."""
    content = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        new = draw(
            st.binary(max_size=6) | st.sampled_from([b",", b"\n", b'"', b";", b"\x00", b"9" * 30, b"-", b"e400"])
        )
        content[at : at + draw(st.integers(0, 8))] = new
    return bytes(content)


@settings(deadline=None, max_examples=150)
@given(spoiled(GOOD_CSV) | st.binary(max_size=200))
def test_spoiled_csv_is_bars_or_one_line(content: bytes) -> None:
    said = outcome(content, ".csv")

    assert said.endswith("bars") or said.startswith("error: ")
    assert "\n" not in said


@settings(deadline=None, max_examples=150)
@given(spoiled(GOOD_PARQUET))
def test_spoiled_parquet_is_bars_or_one_line(content: bytes) -> None:
    said = outcome(content, ".parquet")

    assert said.endswith("bars") or said.startswith("error: ")
    assert "\n" not in said
