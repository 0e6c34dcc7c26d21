"""Kernel, replay and narrow API held against each other on drawn cases: `python -m tests.property.kernel_parity`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from axiomd.config.binding import bind
from axiomd.contracts.outcome import RunRecord
from axiomd.contracts.runs import RunConfig
from axiomd.core.kernel_record import backtest
from axiomd.core.market.tape import Tape
from tests.parity import RUN_ID, lone_case, random_case, replay_record


def differences_of(config: Mapping[str, Any], tape: Tape) -> list[str]:
    """Name every part of the two records that differs."""
    plan = bind(RunConfig.model_validate(config), tape.sessions, tape.timeframe_us, RUN_ID, "replay")
    return compare(replay_record(config, tape), backtest(plan, tape, None))


def compare(replayed: RunRecord, compiled: RunRecord) -> list[str]:
    """Compare two records field by field."""
    out = []
    for field in fields(RunRecord):
        one, other = getattr(replayed, field.name), getattr(compiled, field.name)
        if one != other:
            out.append(f"{field.name}: {_first(one, other)}")
    return out


def _first(one: Any, other: Any) -> str:
    if isinstance(one, list):
        pair = next(((a, b) for a, b in zip(one, other, strict=False) if a != b), None)
        return f"{len(one)} replayed, {len(other)} compiled; first different {pair}"
    return f"replayed {one}, compiled {other}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run drawn cases and report; a difference prints the line that reproduces it."""
    parser = argparse.ArgumentParser(prog="kernel_parity")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--lone", action="store_true", help="one symbol on bars of its strategy's own")
    args = parser.parse_args(argv)
    began_s = time.monotonic()
    broken = trades = 0
    for seed in range(args.first, args.first + args.seeds):
        config, tape = lone_case(seed) if args.lone else random_case(seed)[::2]
        found = differences_of(config, tape)
        trades += len(replay_record(config, tape).trades) if args.seeds <= 100 else 0
        if found:
            broken += 1
            again = f"python -m tests.property.kernel_parity --first {seed} --seeds 1{' --lone' if args.lone else ''}"
            print(f"seed {seed}: {found[0][:400]}\n  {again}")
    print(f"{args.seeds} cases in {time.monotonic() - began_s:.0f} s, {broken} differ")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
