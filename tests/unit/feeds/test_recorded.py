"""A recorded feed read by a process of its own: the very bars, sessions and mistakes that reading it here gives."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from axiomd.contracts.errors import DataContractError, InputError
from axiomd.feeds.files import load_tape
from axiomd.feeds.recorded import Asked, TapeProcess
from axiomd.presence import start_time_of
from tests.markets import SPANS, frame_of, random_market, sessions_of
from tests.unit.feeds.test_known_sessions import assert_same

pytestmark = pytest.mark.slow

SYMBOLS = ("AAA", "BBB", "CCC")
TICKS = dict.fromkeys(SYMBOLS, 100)


@contextmanager
def reading(path: Path) -> Iterator[TapeProcess]:
    process = TapeProcess().read(path)
    try:
        yield process
    finally:
        process.end()


@pytest.fixture
def market(tmp_path: Path) -> Path:
    path = tmp_path / "bars.parquet"
    frame_of(random_market(5, SYMBOLS, sessions_of(SPANS[0]))).write_parquet(path)
    return path


def test_each_session_has_the_rows_that_reading_here_gives_it(market: Path) -> None:
    tape = load_tape(market, SYMBOLS[:2], "XNYS", tick_units=TICKS)

    with reading(market) as process:
        recorded = process.bars(SYMBOLS[:2], "XNYS", TICKS)

        assert_same(tape.sessions, recorded.table)
        assert tape.timeframe_us == recorded.bar_us
        sessions = [recorded.session(index) for index in range(len(recorded.table))]
        assert np.array_equal(tape.bars, np.concatenate(sessions))
        for index, rows in enumerate(sessions):
            assert set(tape.sessions.indices_of(rows[:, 0]).tolist()) <= {index}


def test_a_session_without_a_bar_has_no_rows(market: Path) -> None:
    frame = pl.read_parquet(market)
    first, last = frame["ts"].dt.date().min(), frame["ts"].dt.date().max()
    frame.filter(pl.col("ts").dt.date().is_in([first, last])).write_parquet(market)

    with reading(market) as process:
        recorded = process.bars(SYMBOLS, "XNYS", TICKS)

        counts = [len(recorded.session(index)) for index in range(len(recorded.table))]
    assert sum(count > 0 for count in counts) == 2 < len(counts)


@pytest.mark.parametrize("name", ["nowhere.parquet", "torn.parquet", "one.txt"])
def test_what_is_wrong_with_a_file_is_told_as_if_it_had_been_read_here(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name != "nowhere.parquet":
        path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError) as here:
        load_tape(path, SYMBOLS, "XNYS")

    with reading(path) as process, pytest.raises(InputError) as there:
        process.bars(SYMBOLS, "XNYS", TICKS)

    assert here.value.line() == there.value.line()


def test_bars_that_break_the_contract_keep_the_class_of_their_error(market: Path) -> None:
    pl.read_parquet(market).with_columns(VOLUME=pl.lit(-1, pl.Int64)).write_parquet(market)

    with reading(market) as process, pytest.raises(DataContractError, match="negative_volume"):
        process.bars(SYMBOLS, "XNYS", TICKS)


def test_a_symbol_that_is_not_there_is_named(market: Path) -> None:
    with reading(market) as process, pytest.raises(InputError, match="no bars of ZZZ"):
        process.bars(("AAA", "ZZZ"), "XNYS", TICKS)


def test_a_process_that_is_not_wanted_any_more_is_gone(market: Path) -> None:
    process = TapeProcess().read(market)

    process.end()

    assert start_time_of(process.pid) is None


def test_one_that_died_is_no_feed(market: Path) -> None:
    process = TapeProcess().read(market)
    subprocess.run(["kill", "-KILL", str(process.pid)], check=True)

    with pytest.raises(RuntimeError, match="ended with -9"):
        process.bars(SYMBOLS, "XNYS", TICKS)


@pytest.mark.parametrize(
    "asked", [b"", msgspec.json.encode(Asked(SYMBOLS, "XNYS", TICKS))], ids=["before it asked", "when it had asked"]
)
@pytest.mark.parametrize("name", ["bars.parquet", "none.parquet"])
def test_a_reader_whose_daemon_was_killed_ends_without_a_word(market: Path, name: str, asked: bytes) -> None:
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as laid:
        reader = subprocess.Popen(
            [sys.executable, "-m", "axiomd.feeds.tape_process", str(laid.fileno())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, pass_fds=(laid.fileno(),),
        )  # fmt: skip
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdout.close()
        reader.stdin.write(msgspec.json.encode(str(market.with_name(name))) + b"\n" + asked)
        reader.stdin.close()

        code = reader.wait(30)

        said.seek(0)
        assert (0, b"") == (code, said.read())
