"""One engine, however it is driven: scanned or moment by moment, from a journal again, from its own orders again."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from axiomd.contracts import events as e
from axiomd.contracts.fills import Trade
from axiomd.contracts.units import PRICE_SCALE
from axiomd.core.market.tape import Tape
from axiomd.journal.bulk import BulkJournal
from axiomd.journal.reading import entries
from axiomd.journal.verify import verify
from axiomd.replay import simulate_insidebar_from_orders
from axiomd.replay.rejournal import Confirmation, replay_journal
from axiomd.runs.artifacts import append_orders
from tests.markets import SPANS, frame_of, random_market, sessions_of, tape_of
from tests.parity import random_case, random_config
from tests.property.drives import RUN_ID, EventLog, EveryMoment, drive

# where a scan stands, what would wake it, where its code lies: no decision comes of these
SCRATCH = {"cursor", "touched_us", "deadline_us", "touch_high", "touch_low", "setups", "step", "walk"}
# limits that end or cancel working orders by something a file of orders does not know
ENDING = {
    "max_daily_loss", "max_drawdown", "consecutive_losses", "slippage_sanity", "repeated_execution", "stale_data",
}  # fmt: skip

pytestmark = pytest.mark.slow


def decisions(log: EventLog) -> list[e.Event]:
    return [event for event in log.events if not isinstance(event, e.BarsClosed)]


def plain(records: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    names = [name for name in records.dtype.names or () if name not in SCRATCH]
    return [{name: row[name].item() for name in names} for row in records]


@pytest.mark.parametrize("seed", [*range(24), 156, 1177, 1522, 1526, 20033, 30020])
def test_scan_decides_what_every_moment_alone_decides(seed: int) -> None:
    config, _, tape = random_case(seed)
    alone, scanned = EventLog(), EventLog()

    expected = drive(config, tape, alone, kind=EveryMoment)
    replay = drive(config, tape, scanned)

    assert decisions(alone) == decisions(scanned)
    assert expected.recorder.record == replay.recorder.record
    for name in ("account", "symbols", "strategies"):
        assert plain(getattr(expected.engine.board, name)) == plain(getattr(replay.engine.board, name))
    assert expected.engine.board.int_state.tolist() == replay.engine.board.int_state.tolist()


@pytest.mark.parametrize("seed", [*range(8), 156, 1177])
def test_a_run_that_keeps_no_event_leaves_the_same_record(seed: int) -> None:
    config, _, tape = random_case(seed)

    kept, forgotten = drive(config, tape, EventLog()), drive(config, tape)

    assert kept.recorder.record == forgotten.recorder.record


def journaled(path: Path, config: dict[str, Any], tape: Tape) -> None:
    with BulkJournal(path, RUN_ID) as journal:
        drive(config, tape, journal)


def decided_again(path: Path, tape: Tape) -> Confirmation:
    return replay_journal(path, lambda *_: tape)


@pytest.mark.parametrize("seed", [*range(100, 116), 156, 1177, 1522, 1526, 20033, 30020])
def test_journal_confirms_every_decision(seed: int, tmp_path: Path) -> None:
    config, _, tape = random_case(seed)
    path = tmp_path / "journal.sqlite"

    journaled(path, config, tape)

    found = decided_again(path, tape)
    assert () == found.differences
    assert found.decisions == sum(isinstance(entry.event, e.DECISIONS) for entry in entries(path))
    assert () == verify(path).problems


def test_decision_changed_in_the_file_is_named_whatever_its_hash_says(tmp_path: Path) -> None:
    """`journal verify` says that a row was changed; this says what would have been decided."""
    config, _, tape = random_case(100)
    path = tmp_path / "journal.sqlite"
    journaled(path, config, tape)
    intent = next(entry for entry in entries(path) if isinstance(entry.event, e.OrderIntent))
    with sqlite3.connect(path) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        db.executescript("".join(f"DROP TRIGGER {name};" for (name,) in names))
        more = """UPDATE events SET payload = replace(payload, '"qty":', '"qty":9') WHERE seq = ?"""
        db.execute(more, (intent.seq,))

    found = decided_again(path, tape)

    assert intent.seq in [difference.seq for difference in found.differences]
    assert verify(path).problems


def forged(source: Path, target: Path, kind: type[e.Event], change: Any) -> int:
    """Write a journal again with one decision changed and every hash right; give its seq."""
    changed = 0
    with BulkJournal(target, RUN_ID) as journal:
        for entry in entries(source):
            event = entry.event
            if not changed and isinstance(event, kind) and change(event) != event:
                event, changed = change(event), entry.seq
            journal.append(event, entry.cause)
    return changed


def larger(event: Any) -> e.Event:
    return msgspec.structs.replace(event, order=msgspec.structs.replace(event.order, qty=event.order.qty + 1))


def richer(event: Any) -> e.Event:
    return msgspec.structs.replace(event, cash_units=event.cash_units + 1)


def blocked(event: Any) -> e.Event:
    return msgspec.structs.replace(event, signal=msgspec.structs.replace(event.signal, outcome="blocked:netting"))


@pytest.mark.parametrize(
    ("kind", "change"), [(e.OrderIntent, larger), (e.PositionChanged, richer), (e.SignalEmitted, blocked)]
)
def test_one_forged_decision_is_found_where_every_hash_is_right(
    kind: type[e.Event], change: Any, tmp_path: Path
) -> None:
    config, _, tape = random_case(3)
    journaled(tmp_path / "true.sqlite", config, tape)

    seq = forged(tmp_path / "true.sqlite", tmp_path / "forged.sqlite", kind, change)

    assert seq > 0
    assert seq in [difference.seq for difference in decided_again(tmp_path / "forged.sqlite", tape).differences]


def case_of_orders(seed: int) -> tuple[dict[str, Any], Tape, pl.DataFrame]:
    dice = random.Random(seed)
    symbols = ["AAA", "BBB"][: dice.choice((1, 2))]
    table = sessions_of(dice.choice(SPANS))
    rows = random_market(seed, symbols, table, missing=dice.choice((0, 0.05, 0.3)), between=0.05)
    config = random_config(dice, symbols)
    config["risk"] = {key: limit for key, limit in config["risk"].items() if key not in ENDING}
    config.pop("currency", None)
    config.pop("fx", None)
    return config, tape_of(rows, table), frame_of(rows)


def seen(trades: list[Trade]) -> list[tuple[object, ...]]:
    return sorted(
        (
            t.trade_id, t.symbol, t.side, t.qty, t.entry_ts_us, t.entry_price / PRICE_SCALE, t.exit_ts_us,
            t.exit_price / PRICE_SCALE, t.exit_reason, t.gross_pnl / PRICE_SCALE, t.costs / PRICE_SCALE,
            t.net_pnl / PRICE_SCALE, t.bars_held, t.mae / PRICE_SCALE, t.mfe / PRICE_SCALE, t.ambiguous, t.strategy,
        )
        for t in trades
    )  # fmt: skip


def told(trades: pl.DataFrame) -> list[tuple[object, ...]]:
    columns = [
        "trade_id",
        "symbol",
        "side",
        "qty",
        "entry_ts",
        "entry_price",
        "exit_ts",
        "exit_price",
        "exit_reason",
        "gross_pnl",
        "costs",
        "net_pnl",
        "bars_held",
        "mae",
        "mfe",
        "ambiguous",
        "strategy",
    ]
    return sorted(trades.with_columns(pl.col("entry_ts", "exit_ts").dt.epoch("us")).select(columns).rows())


@pytest.mark.parametrize("seed", range(300, 316))
def test_own_orders_give_the_replays_own_trades(seed: int, tmp_path: Path) -> None:
    config, tape, frame = case_of_orders(seed)
    record = drive(config, tape).recorder.record
    frame.write_parquet(tmp_path / "bars.parquet")
    sent = [outcome.order for outcome in record.orders if outcome.was_sent]
    if not sent:
        assert [] == record.trades
        return
    append_orders(tmp_path / "orders.csv", sent)

    result = simulate_insidebar_from_orders(
        tmp_path / "orders.csv", tmp_path / "bars.parquet", "America/New_York", config["costs"],
        config["initial_cash"], fills=config["fills"], instrument=config["instrument"],
    )  # fmt: skip

    assert seen(record.trades) == told(result.trades)
