"""What a board has counted of a run: what each strategy did, and why there was no setup."""

from __future__ import annotations

from axiomd.contracts.outcome import Activity, RunRecord
from axiomd.core.board import Board
from axiomd.core.market.tape import Tape
from axiomd.core.plan import Plan


def note_activity(record: RunRecord, plan: Plan, board: Board) -> None:
    """Put on the record what the board knows of each strategy."""
    account = board.account[0]
    for own, strategy in zip(plan.strategies, board.strategies, strict=True):
        # of one that is alone the account's count is its own
        exposed = strategy if len(board.strategies) > 1 else account
        record.by_strategy[own.id] = Activity(
            int(strategy["turnover"]), int(exposed["moments_exposed"]), int(strategy["beyond_volume"])
        )


def counts_of(plan: Plan, tape: Tape, board: Board) -> dict[str, int]:
    """Say why there was no setup, and what was left out of the data."""
    return {**left_out(tape.dropped, tape.between_ticks), **no_setups_of(plan, board)}


def left_out(dropped: int, between_ticks: int) -> dict[str, int]:
    """Name what was left out of the data, or is odd in it."""
    return {"bars_outside_sessions": dropped, "prices_between_ticks": between_ticks}


def no_setups_of(plan: Plan, board: Board) -> dict[str, int]:
    """Say why there was no setup, by what the board has counted up to now."""
    counts: dict[str, int] = {}
    for position, (k, *_) in enumerate(board.slots.tolist()):
        for name, column in plan.strategies[k].strategy.counters.items():
            counts[name] = counts.get(name, 0) + int(board.int_state[position, column])
    return counts
