"""Bars of the journal stay with their symbols, whichever symbols the configuration names today."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts import events as e
from axiomd.contracts.daemon import DaemonConfig
from axiomd.journal.log import Journal
from axiomd.journal.watched import SymbolPlaces, journaled_symbols, with_watched

NAMES = st.lists(st.sampled_from([f"S{k:02d}" for k in range(12)]), min_size=1, max_size=8, unique=True)


def loaded(symbols: list[str]) -> e.ConfigLoaded:
    return e.ConfigLoaded(ts_us=0, config_hash="", config={"strategies": [{"symbols": symbols}]})


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_every_bar_keeps_its_symbol_over_any_history_of_configurations(history: list[list[str]]) -> None:
    today = sorted({symbol for symbols in history for symbol in symbols})
    places = SymbolPlaces(tuple(today))
    known: set[str] = set()
    for symbols in history:
        known |= set(symbols)
        places.loaded(loaded(symbols))
        then = sorted(known)
        rows = tuple((60, place, *[100 + int(symbol[1:])] * 4, 7) for place, symbol in enumerate(then))

        event = places.today(e.BarsClosed(ts_us=120, rows=rows, heard_us=3))  # type: ignore[arg-type]

        assert [(symbol, 100 + int(symbol[1:])) for symbol in then] == [(today[row[1]], row[2]) for row in event.rows]
        assert list(event.rows) == sorted(event.rows)
        assert (120, 3) == (event.ts_us, event.heard_us)


def test_dropped_symbols_are_watched_behind_those_of_the_first_strategy(tmp_path: Path) -> None:
    config = DaemonConfig.model_validate({"strategy": {"name": "inside_bar"}, "symbols": ["BBB"]})
    path = tmp_path / "journal.sqlite"
    with Journal(path, "") as journal:
        journal.append(loaded(["AAA", "BBB"]))

    assert ("BBB", "AAA") == with_watched(config, journaled_symbols(path)).all_symbols()


def test_a_journal_of_the_same_symbols_changes_nothing(tmp_path: Path) -> None:
    config = DaemonConfig.model_validate({"strategy": {"name": "inside_bar"}, "symbols": ["BBB", "AAA"]})
    path = tmp_path / "journal.sqlite"
    with Journal(path, "") as journal:
        journal.append(loaded(["AAA", "BBB"]))

    assert with_watched(config, journaled_symbols(path)) is config
