"""Journals whose chain is sound and that tell what cannot have been: each forgery is found, and no true one is refused.

A run is replayed; whoever has the file and our code changes rows of it and chains them anew.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from axiomd.cli.main import main
from axiomd.contracts import events as e
from axiomd.contracts.errors import EXIT_OK
from axiomd.journal.log import create
from axiomd.journal.reading import rows
from axiomd.journal.rows import GENESIS, row_hash
from axiomd.journal.verify import verify
from tests.unit.cli.bars import CONFIG, written

COSTS = "costs: {commission_per_share: 0.0037, commission_min: 1, slippage_bps: 1.3}\n"
CURRENCY = "currency: EUR\nfx: {EURUSD: 1.0834}\n"
TRIPS = CONFIG.replace("risk: {}", "risk: {max_daily_loss: {limit: 1, level: flatten}, consecutive_losses: 2}")
RUNS = {"plain": CONFIG, "another currency": CONFIG + COSTS + CURRENCY, "trips": TRIPS + COSTS}

SEQ, TS_US, KIND, _, KEY, CAUSE, PAYLOAD = range(7)
Rows = list[list[Any]]
Forgery = Callable[[Rows], None]


def replayed(folder: Path, config: str) -> Path:
    options = written(folder)
    (folder / "run.yml").write_text(config)
    assert main(["replay", *options, "--out", str(folder / "run"), "--no-plots"]) == EXIT_OK
    return folder / "run" / "journal.sqlite"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The rows of a run with trades in another currency."""
    path = replayed(tmp_path_factory.mktemp("whole"), RUNS["another currency"])
    return [list(row[:7]) for row in rows(path)]


def chained_anew(changed: Rows, path: Path) -> Path:
    db = sqlite3.connect(path, isolation_level=None)
    create(db)
    places = {row[SEQ]: place for place, row in enumerate(changed, start=1)}
    head = GENESIS
    for place, (_, *columns, cause, payload) in enumerate(changed, start=1):
        row = (place, *columns, places.get(cause, 0), payload)
        digest = row_hash(head, *row)
        db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, head, digest))
        head = digest
    db.close()
    return path


def problems(forge: Forgery, whole: Rows, folder: Path) -> list[str]:
    changed = [list(row) for row in whole]
    forge(changed)
    return [text for _, text in verify(chained_anew(changed, folder / "journal.sqlite")).problems]


def places_of(kind: type[e.Event], found: Rows, has: str = "") -> list[int]:
    return [place for place, row in enumerate(found) if row[KIND] == kind.KIND and has in row[PAYLOAD]]


def edited(kind: type[e.Event], edit: Callable[[dict[str, Any]], object], *, has: str = "", number: int = 1) -> Forgery:
    """Change the payload of one event of a kind."""

    def forge(found: Rows) -> None:
        row = found[places_of(kind, found, has)[number]]
        payload = json.loads(row[PAYLOAD])
        edit(payload)
        row[PAYLOAD] = json.dumps(payload, separators=(",", ":"))
        row[TS_US] = payload["ts_us"]

    return forge


def column(kind: type[e.Event], place: int, change: Callable[[Any], Any]) -> Forgery:
    """Change a column of one event of a kind, and leave its payload."""

    def forge(found: Rows) -> None:
        row = found[places_of(kind, found)[1]]
        row[place] = change(row[place])

    return forge


def gone(kind: type[e.Event]) -> Forgery:
    """Take the last event of a kind away."""

    def forge(found: Rows) -> None:
        del found[places_of(kind, found)[-1]]

    return forge


def tripped(*, is_reset: bool) -> Forgery:
    """Say that the kill switch tripped before the second setup, and maybe that an operator reset it."""

    def forge(found: Rows) -> None:
        place = places_of(e.SignalEmitted, found)[1] - 1
        ts_us = found[place][TS_US] - 1
        texts = [
            (e.KillTripped.KIND, f'{{"ts_us":{ts_us},"level":"halt","reason":"x","trip_id":"x","source":"guard"}}')
        ]
        if is_reset:
            texts.append((e.KillReset.KIND, f'{{"ts_us":{ts_us},"trip_id":"x","operator":"x","reason":"x"}}'))
        found[place:place] = [[-1, ts_us, kind, "run", "", 0, text] for kind, text in texts]

    return forge


def trade(**values: object) -> Forgery:
    return edited(e.PositionChanged, lambda payload: payload["trade"].update(values), has='"trade"')


FORGERIES: dict[str, tuple[str, Forgery]] = {
    "cash": ("I11: ", edited(e.PositionChanged, lambda payload: payload.update(cash_units=payload["cash_units"] + 1))),
    "a position": ("I11: ", edited(e.PositionChanged, lambda payload: payload.update(qty=payload["qty"] + 1))),
    "the moment of a move": (
        "I11: ", edited(e.PositionChanged, lambda payload: payload.update(ts_us=payload["ts_us"] + 1)),
    ),
    "a move without a fill": ("I11: ", gone(e.FillReceived)),
    "what a trade won": ("I11: ", trade(net_pnl=1_234_567)),
    "what it took": ("I11: ", trade(gross_pnl=1)),
    "what it cost": ("I11: ", trade(costs=1)),
    "its multiple": ("I11: ", trade(r_multiple=9.5)),
    "its entry": ("I11: ", trade(entry_price=1)),
    "its end": ("I11: ", trade(exit_reason="MANUAL")),
    "its strategy": ("I11: ", trade(strategy="other")),
    "no trade": ("I11: ", edited(e.PositionChanged, lambda payload: payload.pop("trade"), has='"trade"')),
    "a fill's price": ("I11: ", edited(e.FillReceived, lambda payload: payload["fill"].update(price=10_000))),
    "a fill of nothing": ("I11: ", edited(e.FillReceived, lambda payload: payload["fill"].update(qty=0))),
    "no candidates": ("I8: ", edited(e.CandidatesSelected, lambda payload: payload.update(symbols=[]))),
    "a trip before": ("I5: ", tripped(is_reset=False)),
    "a bar that goes back": (
        "its time ", edited(e.BarsClosed, lambda payload: payload.update(ts_us=payload["ts_us"] - 10**12)),
    ),
    "an order before its signal": (
        "its time ", edited(e.OrderIntent, lambda payload: payload.update(ts_us=payload["ts_us"] - 1)),
    ),
    "the time of a row": ("its time or its key ", column(e.BarsClosed, TS_US, lambda ts_us: ts_us + 1)),
    "the key of a row": ("its time or its key ", column(e.OrderIntent, KEY, lambda key: key[::-1])),
    "no cause": ("its cause ", column(e.OrderIntent, CAUSE, lambda _: 0)),
    "another cause": ("its cause ", column(e.OrderIntent, CAUSE, lambda cause: cause - 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_what_cannot_have_been_is_found_under_a_sound_chain(name: str, whole: Rows, tmp_path: Path) -> None:
    expected, forge = FORGERIES[name]

    found = problems(forge, whole, tmp_path)

    assert [text for text in found if text.startswith(expected)]


def test_what_can_have_been_is_not_refused(whole: Rows, tmp_path: Path) -> None:
    (tmp_path / "reset").mkdir()

    assert [] == problems(lambda _: None, whole, tmp_path)
    assert [] == problems(tripped(is_reset=True), whole, tmp_path / "reset")


@pytest.mark.parametrize("name", RUNS)
def test_every_run_verifies(name: str, tmp_path: Path) -> None:
    path = replayed(tmp_path, RUNS[name])

    found = [row[KIND] for row in rows(path)]
    assert () == verify(path).problems
    assert e.PositionChanged.KIND in found
    assert (name == "trips") == (e.KillTripped.KIND in found)
