"""P8 and P9: a sweep over many symbols and parameter sets, against vectorbt doing the same work and against one core.

500 symbols of 20,000 M5 bars, each an account of its own, 20 targets. The product is measured as the command that a
user types, in a process that has read the bars, as the peer's has; what else a sweep of one set takes (starting and
warming the workers, laying the bars out for them, the pictures) is taken off by one. That first set observes the bars,
for all that come behind it: it is taken off with it, as the peer is handed its signals ready-made.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Final

from axiomd.core.market.tape import Tape
from benchmarks import product
from benchmarks.backtests import one_by_one
from benchmarks.bench import Bench
from benchmarks.cores import Cores
from benchmarks.job import document_of, plan_of
from benchmarks.measure import Goal, Measure, NotBuiltError, Row, in_turn
from benchmarks.peers import Peer, feed
from benchmarks.processes import write_parquet
from benchmarks.warm_command import WarmCommand

SYMBOLS: Final = 500
BARS_EACH: Final = 20_000
REWARDS: Final = tuple(1.0 + step / 10 for step in range(20))
"""The 20 sets: risk_reward from 1.0 to 2.9."""
_ON_ONE: Final = "axiomd sweep takes all cores unless told otherwise, vectorbt's engine runs on one"


def p8(bench: Bench) -> list[Row]:
    """The sweep as a user types it, and in one process, against vectorbt doing the same work; start-up apart."""
    what, goal = _what(bench), Goal("<=", 1 / 10, 1 / 30)
    reference = "vectorbt rust, same work"
    try:
        tape = _market(bench)
        bench.need_peers()
        plan = plan_of(tape)
        files = [feed.write(one, bench.folder / f"sweep-{n}.npz", plan=plan) for n, one in enumerate(one_by_one(tape))]
        more = [str(file) for file in files[1:]]
        with Peer("vectorbt_sweep", files[0], more=more, rewards=REWARDS) as peer, WarmCommand() as command:
            typed, alone = _sweep(bench, tape, command), _sweep(bench, tape, command, jobs=1)
            theirs, taken, by_one = in_turn([peer.run, typed, alone], bench.pairs)
            version, differs = peer.ready.version, peer.ready.differs
            return [
                Row("P8", what, version, "s", theirs, taken, taken / theirs, goal, f"{_ON_ONE}; {differs}"),
                Row("P8", f"{what}, one process", version, "s", theirs, by_one, by_one / theirs),
            ]
    except NotBuiltError as missing:
        return [Row("P8", what, reference, "s", goal=goal, note=str(missing))]


def p9(bench: Bench) -> list[Row]:
    """Two cores against one."""
    goal = Goal(">=", 1.7, 1.9)
    try:
        tape = _market(bench)
        with WarmCommand() as command, Cores() as cores:
            both = [_sweep(bench, tape, command, jobs=jobs) for jobs in (1, 2)]
            one, two, loop_on_one, loop_on_two = in_turn([*both, cores.one, cores.two], bench.pairs)
        of_machine = "what the machine has to give: the bare loop twice over, and once on each core"
        return [
            Row("P9", f"{_what(bench)}, two cores", "the same on one", "s", one, two, one / two, goal),
            Row(
                "P9", "the bare loop, two cores", "the same on one", "s", loop_on_one, loop_on_two,
                loop_on_one / loop_on_two, note=of_machine,
            ),
        ]  # fmt: skip
    except NotBuiltError as missing:
        return [Row("P9", "sweep on two cores", "the same on one", "s", goal=goal, note=str(missing))]


def _what(bench: Bench) -> str:
    return f"sweep, {_symbols(bench)} symbols x {BARS_EACH:,} bars x {len(REWARDS)} sets"


def _symbols(bench: Bench) -> int:
    """Fewer bars asked for mean fewer symbols."""
    return max(2, min(SYMBOLS, SYMBOLS * bench.bars // 1_000_000))


def _market(bench: Bench) -> Tape:
    product.command("sweep")
    return bench.tape(symbols=_symbols(bench), bars=_symbols(bench) * BARS_EACH)


def _sweep(bench: Bench, tape: Tape, command: WarmCommand, *, jobs: int | None = None) -> Measure:
    bars = bench.folder / "sweep.parquet"
    if not bars.exists():
        write_parquet(tape, bars)
    out, base = bench.folder / "sweep", bench.folder / "sweep-base.yml"
    # in a file of its own: of another base the process would read its bars anew, which is what is to be left out
    document = document_of(tape.symbols) | {"stage1": {"mode": "list", "max_candidates": len(tape.symbols)}}
    base.write_text(json.dumps(document), encoding="utf-8")

    def run(rewards: tuple[float, ...]) -> Callable[[], float]:
        grid = bench.folder / f"grid-{len(rewards)}.json"
        document = {
            "base": base.name,
            "bars": str(bars),
            "symbols": list(tape.symbols),
            "each_symbol_alone": True,
            "grid": {"strategy.params.risk_reward": list(rewards)},
        }
        grid.write_text(json.dumps(document), encoding="utf-8")

        def measure() -> float:
            shutil.rmtree(out, ignore_errors=True)
            flags = [] if jobs is None else ["--jobs", str(jobs)]
            return command.run("sweep", "--grid", grid, "--out", out, *flags)

        return measure

    whole, start_up = run(REWARDS), run(REWARDS[:1])
    return lambda: (whole() - start_up()) * len(REWARDS) / (len(REWARDS) - 1)
