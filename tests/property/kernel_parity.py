"""Kernel, replay and narrow API held against each other on drawn cases: `python -m tests.property.kernel_parity`."""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from axiomd.config.binding import bind
from axiomd.contracts.orders import CSV_HEADER, Order, to_row
from axiomd.contracts.outcome import RunRecord
from axiomd.contracts.runs import RunConfig
from axiomd.core.kernel_record import backtest
from axiomd.core.kernel_run import SelectCandidates
from axiomd.core.market.tape import Tape
from axiomd.core.strategies.api import Candidates
from axiomd.core.strategies.stage1 import listed
from axiomd.replay.identity import Identity
from axiomd.replay.narrow import OrderReplay, groups_of, orders_config, read_orders
from tests.parity import RUN_ID, lone_case, random_case, replay_record


def differences_of(config: Mapping[str, Any], tape: Tape) -> list[str]:
    """Name every part in which the compiled backtest, or the narrow API where it can do the case, differs."""
    return kernel_differences(config, tape, replay_record(config, tape))


def screened_differences(config: Mapping[str, Any], tape: Tape) -> list[str]:
    """Name likewise what differs where each session has candidates and ranks of its own."""
    plan = bind(RunConfig.model_validate(config), tape.sessions, tape.timeframe_us, RUN_ID, "replay")
    own_symbols = {own.id: own.symbols for own in plan.strategies}

    def select(session: int) -> dict[str, Candidates]:
        chosen = {}
        for name, symbols in own_symbols.items():
            first = session % len(symbols)
            chosen[name] = listed((*symbols[first:], *symbols[: max(0, first - 1)]), max_candidates=50)
        return chosen

    return kernel_differences(config, tape, replay_record(config, tape, select), select)


def kernel_differences(
    config: Mapping[str, Any], tape: Tape, replayed: RunRecord, select: SelectCandidates | None = None
) -> list[str]:
    """Name every part of the compiled backtest's record that differs from a replay's."""
    plan = bind(RunConfig.model_validate(config), tape.sessions, tape.timeframe_us, RUN_ID, "replay")
    return compare(replayed, backtest(plan, tape, select))


def compare(replayed: RunRecord, compiled: RunRecord) -> list[str]:
    """Compare two records field by field."""
    out = []
    for field in fields(RunRecord):
        one, other = getattr(replayed, field.name), getattr(compiled, field.name)
        if one != other:
            out.append(f"{field.name}: {_first(one, other)}")
    return out


def is_for_narrow(config: Mapping[str, Any], record: RunRecord) -> bool:
    """Say whether orders alone tell a case: nothing but the market, time and their groups ended one, in one currency.

    The narrow API judges nothing and trips nothing, so that what a trip or a limit took off would go on there.
    """
    sent = [outcome for outcome in record.orders if outcome.was_sent]
    ended = {outcome.reason for outcome in sent} | {trade.exit_reason for trade in record.trades}
    return bool(sent) and "fx" not in config and not ended & {"killed", "stale", "KILL"}


def narrow_differences(config: Mapping[str, Any], tape: Tape, record: RunRecord) -> list[str]:
    """Name what the narrow API makes otherwise of a record's orders, written to a file and read again."""
    sent = [outcome for outcome in record.orders if outcome.was_sent]
    orders = _through_a_file([outcome.order for outcome in sent])
    given = (config.get(name) for name in ("costs", "initial_cash", "fills", "instrument"))
    plan = bind(
        orders_config(orders, "America/New_York", *given, "XNYS"), tape.sessions, tape.timeframe_us, RUN_ID, "replay",
        "orders_csv",
    )  # fmt: skip
    narrow = OrderReplay(plan, _only(tape, plan.symbols), groups_of(orders), Identity(RUN_ID, "", {}, "0"))
    narrow.run()
    out = []
    for name, ours, theirs in (
        ("orders", sent, narrow.recorder.record.orders),
        ("trades", record.trades, narrow.recorder.record.trades),
    ):
        one, other = sorted(map(_ending, ours)), sorted(map(_ending, theirs))
        if one != other:
            out.append(f"narrow {name}: {_first(one, other)}")
    return out


def _only(tape: Tape, symbols: tuple[str, ...]) -> Tape:
    """Cut a tape down to the symbols that orders name, as the API reads its file."""
    places = np.full(len(tape.symbols), -1)
    for place, symbol in enumerate(symbols):
        places[tape.symbols.index(symbol)] = place
    bars = tape.bars[places[tape.bars[:, 1]] >= 0].copy()
    bars[:, 1] = places[bars[:, 1]]
    bars = bars[np.lexsort((bars[:, 1], bars[:, 0]))]
    return replace(tape, symbols=symbols, bars=bars, sha256="")


def _through_a_file(orders: Sequence[Order]) -> list[Order]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, CSV_HEADER)
            writer.writeheader()
            writer.writerows(map(to_row, orders))
        return read_orders(path)


def _ending(record: Any) -> tuple[str, str]:
    """Give an order's key and what became of it, or all of a trade, in one form for all places it comes from."""
    order = getattr(record, "order", None)
    if order is None:
        return record.idempotency_key, repr(record)
    ended = (record.status, record.reason, record.fill_ts_us, record.fill_price, record.fill_qty, record.commission)
    return order.idempotency_key, repr((*ended, record.slippage_ticks))


def _first(one: Any, other: Any) -> str:
    if isinstance(one, list):
        pair = next(((a, b) for a, b in zip(one, other, strict=False) if a != b), None)
        return f"{len(one)} and {len(other)}; first different {pair}"
    return f"{one} and {other}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run drawn cases and report; a difference prints the line that reproduces it."""
    parser = argparse.ArgumentParser(prog="kernel_parity")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--lone", action="store_true", help="one symbol on bars of its strategy's own")
    args = parser.parse_args(argv)
    began_s = time.monotonic()
    broken = trades = narrow = 0
    for seed in range(args.first, args.first + args.seeds):
        config, tape = lone_case(seed) if args.lone else random_case(seed)[::2]
        record = replay_record(config, tape)
        found = kernel_differences(config, tape, record)
        if is_for_narrow(config, record):
            narrow += 1
            found += narrow_differences(config, tape, record)
        trades += len(record.trades)
        if found:
            broken += 1
            again = f"python -m tests.property.kernel_parity --first {seed} --seeds 1{' --lone' if args.lone else ''}"
            print(f"seed {seed}: {found[0][:400]}\n  {again}", flush=True)
    print(
        f"{args.seeds} cases, {trades} trades, {narrow} cases by the narrow API too, in "
        f"{time.monotonic() - began_s:.0f} s: {broken} differ"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
