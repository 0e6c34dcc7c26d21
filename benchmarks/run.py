"""The runner: picks the rows, measures them one after the other, prints the table and writes JSON. It asserts nothing.

`python -m benchmarks.run [--only P1,P3] [--peers] [--json FILE] [--pairs 5] [--bars 1000000]`
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import backtests, daemons, desk, live, processes, sweeps
from benchmarks.bench import Bench, RowsOf
from benchmarks.measure import PAIRS, NotBuiltError, Row
from benchmarks.table import text_of, write_json

ROWS: Final[dict[str, RowsOf]] = {
    "P1": backtests.p1,
    "P2": backtests.p2,
    "P3": backtests.p3,
    "P4": backtests.p4,
    "P5": backtests.p5,
    "P6": processes.p6,
    "P8": sweeps.p8,
    "P9": sweeps.p9,
    "L1": desk.l1,
    "L2": desk.l2,
    "L3": live.l3,
    "L4": live.l4,
    "L5": daemons.l5,
    "S1": processes.s1,
    "S2": processes.s2,
    "S3": daemons.s3,
    "S4": processes.s4,
    "C2": daemons.c2,
}
"""P7 is measured with P6."""
BARS: Final = 1_000_000


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 2 where a row is asked for that there is none of."""
    asked = _parser().parse_args(argv)
    chosen = [name.strip().upper() for name in asked.only.split(",")] if asked.only else list(ROWS)
    chosen = list(dict.fromkeys("P6" if name == "P7" else name for name in chosen))
    unknown = [name for name in chosen if name not in ROWS]
    if unknown:
        print(f"error: there is no row {', '.join(unknown)} · --only · one of {' '.join(ROWS)}", file=sys.stderr)
        return 2
    # a user's program is not compiled from its source at every start: nor are those that are measured
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="axiomd-bench-") as folder:
        bench = Bench(max(asked.pairs, 1), asked.bars, asked.peers, Path(folder))
        for name in chosen:
            print(f"{name} ...", file=sys.stderr, flush=True)
            try:
                measured = ROWS[name](bench)
                rows += measured
                print("\n".join(text_of(measured).splitlines()[2 : 2 + len(measured)]), file=sys.stderr, flush=True)
            except NotBuiltError as missing:
                rows.append(
                    Row(name, (ROWS[name].__doc__ or name).partition(";")[0].rstrip("."), "-", note=str(missing))
                )
    print(text_of(rows))
    if asked.pairs < PAIRS:
        print(f"\nfewer than {PAIRS} pairs: no figure to quote", file=sys.stderr)
    if asked.json:
        write_json(rows, asked.json, pairs=asked.pairs, bars=asked.bars)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure; assert nothing.")
    parser.add_argument("--only", default="", help="rows, as in P1,P3 (all)")
    parser.add_argument("--peers", action="store_true", help="measure the peers too (make bench-peers installs them)")
    parser.add_argument("--json", type=Path, help="write the rows here as well")
    parser.add_argument(
        "--pairs", type=int, default=PAIRS, help="rounds of reference and product in turn (%(default)s)"
    )
    parser.add_argument("--bars", type=int, default=BARS, help="bars of the job (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
