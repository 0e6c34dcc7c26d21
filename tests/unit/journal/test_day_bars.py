"""A session's bars come back from the journal: those of its rows alone, where their symbols are today."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from axiomd.contracts import events as e
from axiomd.contracts.errors import JournalWriteFailed
from axiomd.journal import day_bars
from axiomd.journal.day_bars import Span, bars_of
from axiomd.journal.log import Journal


def loaded(*symbols: str) -> e.ConfigLoaded:
    return e.ConfigLoaded(ts_us=0, config_hash="", config={"strategies": [{"symbols": list(symbols)}]})


def closed(start_us: int, *places: int) -> e.BarsClosed:
    return e.BarsClosed(ts_us=start_us + 60, rows=tuple((start_us, place, 1, 2, 1, 2, place) for place in places))


def written(path: Path, *events: e.Event) -> Path:
    with Journal(path, "run") as journal:
        for event in events:
            journal.append(event)
        journal.commit()
    return path


def test_bars_of_a_span_stand_at_the_places_of_today_whatever_was_loaded_on_the_way(tmp_path: Path) -> None:
    before = loaded("BBB", "DDD")
    path = written(
        tmp_path / "j.sqlite", closed(0, 0, 1), closed(60, 0, 1), loaded("AAA"), closed(120, 0, 1, 2), closed(180, 0)
    )

    bars = bars_of(path, Span(2, 4, (before,)), ("AAA", "BBB", "CCC", "DDD"))

    assert [(60, 1), (60, 3), (120, 0), (120, 1), (120, 3)] == [tuple(row) for row in bars[:, :2].tolist()]
    assert [0, 1, 0, 1, 2] == bars[:, 6].tolist()
    assert np.int64 == bars.dtype


def test_a_span_without_bars_gives_none(tmp_path: Path) -> None:
    path = written(tmp_path / "j.sqlite", loaded("AAA"))

    assert (0, 7) == bars_of(path, Span(1, 1, ()), ("AAA",)).shape


def test_a_last_row_that_never_comes_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_bars, "WAITED_S_MAX", 0.05)
    path = written(tmp_path / "j.sqlite", loaded("AAA"))

    with pytest.raises(JournalWriteFailed, match="row 2 does not come"):
        bars_of(path, Span(1, 2, ()), ("AAA",))
