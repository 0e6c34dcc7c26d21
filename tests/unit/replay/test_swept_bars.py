"""Bars that were laid out in a file are those that were read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from axiomd.replay.swept_bars import SharedBars, TapeBars
from tests.markets import SPANS, random_market, sessions_of, tape_of

SYMBOLS = ("AAA", "BBB", "CCC")


@pytest.fixture
def bars() -> TapeBars:
    table = sessions_of(SPANS[0])
    return TapeBars(tape_of(random_market(5, list(SYMBOLS), table, wildness=8), table))


def test_shared_bars_of_one_symbol_are_its_own(bars: TapeBars, tmp_path: Path) -> None:
    bars.share(tmp_path / "bars", by_symbol=True)
    shared = SharedBars.at(tmp_path / "bars")

    for symbol in ("BBB", "AAA", "CCC", "CCC"):
        expected, found = bars.tape_of((symbol,)), shared.tape_of((symbol,))
        assert expected.symbols == found.symbols == (symbol,)
        assert np.array_equal(expected.bars, found.bars)
        assert expected.bars.flags.writeable == found.bars.flags.writeable


def test_shared_bars_of_all_symbols_are_the_tape(bars: TapeBars, tmp_path: Path) -> None:
    shared = bars.share(tmp_path / "bars", by_symbol=False)

    assert np.array_equal(bars.tape.bars, shared.tape_of(("CCC", "AAA", "BBB")).bars)
    assert SYMBOLS == shared.tape_of(SYMBOLS).symbols


def test_what_is_laid_out_is_said_before_the_bars_are_there(bars: TapeBars, tmp_path: Path) -> None:
    said: list[tuple[bool, SharedBars]] = []
    path = tmp_path / "bars"

    bars.share(path, by_symbol=True, announced=lambda: said.append((path.exists(), SharedBars.at(path))))

    [(is_there, shared)] = said
    assert not is_there
    assert (bars.symbols, bars.timeframe_us) == (shared.symbols, shared.timeframe_us)
    assert np.array_equal(bars.sessions.open_us, shared.sessions.open_us)
    assert np.array_equal(bars.tape_of(("BBB",)).bars, shared.tape_of(("BBB",)).bars)


def test_bars_by_symbol_are_not_given_for_all(bars: TapeBars, tmp_path: Path) -> None:
    shared = bars.share(tmp_path / "bars", by_symbol=True)

    with pytest.raises(AssertionError, match="laid out for other trials"):
        shared.tape_of(SYMBOLS)
