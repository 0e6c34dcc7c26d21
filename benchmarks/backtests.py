"""P1 to P5: the compiled backtest and the replay against the bound, the peers and an exact reading, in one process.

Every row's work is the whole job of `benchmarks.job`; loading bars, starting and compiling are apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from axiomd.core.market.tape import Tape, bars_sha256
from axiomd.journal.bulk import BulkJournal
from benchmarks import bound, compare, exact, product
from benchmarks.alone import rate_alone
from benchmarks.bench import Bench
from benchmarks.job import RUN_ID, job_of, plan_of, record_of, replay_of
from benchmarks.measure import LONG_ENOUGH_S, Goal, Measure, NotBuiltError, Row, best_rate, in_turn, seconds
from benchmarks.peers import Peer, feed

SPARSE_MOTHER_RANGE_ATR: Final = 1.85
"""At so many average ranges a mother bar of this market comes once in about ten sessions."""
COMPARED_BARS: Final = 1_000_000
SLOW_PEER_BARS: Final = 40_000
SMALL_BARS: Final = 10_000
TINY_BARS: Final = 156
LARGE_BARS: Final = 10_000_000

_ALONE: Final = "each figure of a process started for it: where code comes to lie moves it by a fifth"

_PEERS_P2: Final[tuple[tuple[str, str, Mapping[str, object], Goal | None], ...]] = (
    ("vectorbt_signals", "vectorbt from_signals, rust", {}, Goal(">=", 5, 15)),
    ("raptorbt", "raptorbt signals", {}, Goal(">=", 10, 35)),
    ("raptorbt", "raptorbt signals, long trades alone", {"directions": ["long"]}, None),
    ("vectorbt_orders", "vectorbt from_order_func", {}, Goal(">=", 40, 110)),
)


def p1(bench: Bench) -> list[Row]:
    """The compiled backtest against the bare loop; and the bare loop's own figures."""
    tape = bench.tape()
    job, count = job_of(tape), len(tape)
    whole, floats = best_rate(bound.bare_loop(job), count), best_rate(bound.bare_loop(job, floats=True), count)
    speeds = in_turn([floats, whole], bench.pairs)
    rows = [
        Row(
            "P1", "bare loop on integers", "bare loop on floats", "bars/s", speeds[0], speeds[1], speeds[1] / speeds[0],
            None, "the bound itself, on integers and on floats: float prices give other trades, see P4",
        )
    ]  # fmt: skip
    goal = Goal(">=", 0.5, 1.5)
    alone = [rate_alone(what, count) for what in ("bare loop", "compiled backtest")]
    try:
        named = best_rate(product.backtest_record(tape, plan_of(tape)), count)
        loop, kernel, records = in_turn([*alone, named], bench.pairs)
    except NotBuiltError as missing:
        return [*rows, Row("P1", "compiled backtest", "bare loop", "bars/s", speeds[1], goal=goal, note=str(missing))]
    note = "the same with every order, signal and trade made a record with its ids, as the run folder is written from"
    return [
        *rows,
        Row("P1", "compiled backtest", "bare loop", "bars/s", loop, kernel, kernel / loop, goal, _ALONE),
        Row("P1", "compiled backtest, as records", "bare loop", "bars/s", loop, records, records / loop, None, note),
    ]


def p2(bench: Bench) -> list[Row]:
    """The compiled backtest against peers that work on arrays."""
    bench.need_peers()
    tape = bench.tape()
    bars = feed.write(tape, bench.folder / "peers-m5.npz")
    what, rows = "compiled backtest", []
    ours = rate_alone(what, len(tape))
    for name, called, options, goal in _PEERS_P2:
        try:
            with Peer(name, bars, **options) as peer:
                theirs, speed = in_turn([_warm_rate(peer, len(tape)), ours], bench.pairs)
                row = _against_peer("P2", what, peer, theirs, speed, goal)
                rows.append(replace(row, reference=f"{row.reference}, {called.partition(', ')[2]}") if options else row)
        except NotBuiltError as missing:
            rows.append(Row("P2", what, called, "bars/s", goal=goal, note=str(missing)))
    return rows


def p3(bench: Bench) -> list[Row]:
    """The replay against vnpy on the same bars: in memory, with a journal, then other bars."""
    in_memory, on_file, rare = Goal(">=", 8, 20), Goal(">=", 2, 5), Goal(">=", 8, 50)
    rows = _replay_rows(bench, "", bench.tape(), 5, in_memory, on_file)
    rows += _replay_rows(bench, ", M1 bars", bench.tape(step_minutes=1), 1, in_memory, on_file)
    rows += _replay_rows(bench, ", 20 symbols", bench.tape(symbols=20), 5, in_memory, on_file)
    rows += _replay_rows(bench, ", rare setups", bench.tape(), 5, rare, on_file, SPARSE_MOTHER_RANGE_ATR)
    return rows + (_slow_peers(bench) if bench.has_peers else [])


def p4(bench: Bench) -> list[Row]:
    """The trades of every contestant against the exact-rational reading."""
    tape = bench.tape(bars=min(COMPARED_BARS, bench.bars))
    job = job_of(tape)
    right = compare.of_exact(exact.trades(job))
    goal = Goal(">=", 1.0, 1.0)
    reference = f"exact reading, {len(right)} trades"

    def row(what: str, trades: list[compare.Plain], asked: Goal | None = goal, note: str = "") -> Row:
        share = compare.share_identical(trades, right)
        return Row("P4", what, reference, "trades", len(right), len(trades), share, asked, note)

    rows = [row("replay", compare.of_product(record_of(tape).trades))]
    try:
        rows.append(row("compiled backtest", compare.of_product(product.backtest_record(tape, plan_of(tape))().trades)))
    except NotBuiltError as missing:
        rows.append(Row("P4", "compiled backtest", reference, "trades", len(right), goal=goal, note=str(missing)))
    rows.append(row("bare loop on integers", compare.of_bound(job, bound.integer_trades(job))))
    floats = compare.of_floats(job, bound.float_trades(job))
    decided = compare.share_identical(compare.decisions(floats), compare.decisions(right))
    note = (
        f"identical to the cent and the share; {decided:.1%} of its trades begin and end on the same side in the same "
        "bars, the rest of the difference is equity and thus size from the first wrong trade on"
    )
    return [*rows, row("bare loop on floats", floats, None, note)]


def p5(bench: Bench) -> list[Row]:
    """Speed on many bars against speed on few."""
    small, large = bench.tape(bars=SMALL_BARS), bench.tape(bars=min(LARGE_BARS, 10 * bench.bars))
    tiny = bench.tape(bars=TINY_BARS)
    what, reference = "many bars", f"the same on {len(small):,}"
    note = (
        f"{len(large):,} bars; a run over {len(tiny)} bars is taken off both as start-up, without which few bars "
        "look slow and hide what many bars lose; few bars lie in the processor's cache and many do not"
    )

    def row(name: str, run_of: Callable[[Tape], Callable[[], object]], goal: Goal | None) -> Row:
        runs = [(run_of(tape), len(tape)) for tape in (small, large)]
        start_up = run_of(tiny)
        few, many = in_turn([_net_rate(run, count, start_up, len(tiny)) for run, count in runs], bench.pairs)
        return Row("P5", f"{name}, {what}", reference, "bars/s", few, many, many / few, goal, note)

    rows = [row("bare loop", lambda tape: bound.bare_loop(job_of(tape)), None)]
    goal = Goal(">=", 0.9, 0.98)
    try:
        return [*rows, row("compiled backtest", lambda tape: product.compiled_backtest(tape, plan_of(tape)), goal)]
    except NotBuiltError as missing:
        return [*rows, Row("P5", f"compiled backtest, {what}", reference, "bars/s", goal=goal, note=str(missing))]


def _net_rate(work: Callable[[], object], count: int, start_up: Callable[[], object], start_up_count: int) -> Measure:
    """Measure bars a second of what lies beyond a run over a few bars."""
    whole, fixed = best_rate(work, 1), best_rate(start_up, 1)
    return lambda: (count - start_up_count) / (1 / whole() - 1 / fixed())


def _replay_rows(
    bench: Bench, suffix: str, tape: Tape, step_minutes: int, in_memory: Goal, on_file: Goal,
    mother_range_atr: float = 0.5,
) -> list[Row]:  # fmt: skip
    plan = plan_of(tape, mother_range_atr)
    journal = bench.folder / "replay.sqlite"

    def with_journal() -> None:
        journal.unlink(missing_ok=True)
        with BulkJournal(journal, RUN_ID) as log:
            replay_of(tape, plan, log).run()

    ours: list[Measure] = [
        _rate(seconds(lambda: replay_of(tape, plan).run()), len(tape)),
        _rate(seconds(with_journal), len(tape)),
    ]
    names = (f"replay in memory{suffix}", f"replay with journal{suffix}")
    goals = (in_memory, on_file)
    if not bench.has_peers:
        speeds = in_turn(ours, bench.pairs)
        return [
            Row("P3", name, "vnpy_ctastrategy", "bars/s", None, speed, None, goal, "needs the peers: make bench-peers")
            for name, speed, goal in zip(names, speeds, goals, strict=True)
        ]
    files = [
        feed.write(one, bench.folder / f"peers-{step_minutes}-{index}.npz", mother_range_atr=mother_range_atr)
        for index, one in enumerate(one_by_one(tape))
    ]
    try:
        # many symbols are as many runs of vnpy, one after the other, since it takes one symbol a run
        options = {"step_minutes": step_minutes, "more": [str(file) for file in files[1:]]}
        with (
            Peer("vnpy", files[0], has_array_manager=True, **options) as usual,
            Peer("vnpy", files[0], has_array_manager=False, **options) as lean,
        ):
            figures = in_turn([*(_rate(peer.run, len(tape)) for peer in (usual, lean)), *ours], bench.pairs)
            version = usual.ready.version
            rows = [
                Row("P3", name, version, "bars/s", figures[0], speed, speed / figures[0], goal, usual.ready.differs)
                for name, speed, goal in zip(names, figures[2:], goals, strict=True)
            ]
            lean_name = f"{version}, lean"
            note = "vnpy with the average kept by hand instead of its ArrayManager: as fast as it can be written"
            return [
                *rows,
                Row("P3", names[0], lean_name, "bars/s", figures[1], figures[2], figures[2] / figures[1], None, note),
            ]
    except NotBuiltError as missing:
        return [
            Row("P3", name, "vnpy_ctastrategy", "bars/s", goal=goal, note=str(missing))
            for name, goal in zip(names, goals, strict=True)
        ]


def _slow_peers(bench: Bench) -> list[Row]:
    """Peers too slow for the whole job, on the first bars of it; nothing is asked of these ratios."""
    tape = bench.tape(bars=min(bench.bars, SLOW_PEER_BARS))
    plan = plan_of(tape)
    bars = feed.write(tape, bench.folder / "peers-few.npz")
    ours = _rate(seconds(lambda: replay_of(tape, plan).run()), len(tape))
    what, rows = f"replay in memory, {len(tape):,} bars", []
    for name in ("backtesting", "backtrader"):
        try:
            with Peer(name, bars) as peer:
                theirs, speed = in_turn([_rate(peer.run, len(tape)), ours], bench.pairs)
                rows.append(_against_peer("P3", what, peer, theirs, speed, None))
        except NotBuiltError as missing:
            rows.append(Row("P3", what, name, "bars/s", note=str(missing)))
    return rows


def one_by_one(tape: Tape) -> list[Tape]:
    """Give each symbol of a tape a tape of its own."""
    out = []
    for index, symbol in enumerate(tape.symbols):
        own = np.ascontiguousarray(tape.bars[tape.bars[:, 1] == index])
        own[:, 1] = 0
        out.append(replace(tape, symbols=(symbol,), bars=own, sha256=bars_sha256((symbol,), own, tape.timeframe_us)))
    return out


def _rate(measure: Measure, count: int) -> Measure:
    return lambda: count / measure()


def _warm_rate(peer: Peer, count: int) -> Measure:
    """Measure a peer as the product is: once for nothing, since another process ran meanwhile, then for long enough."""

    def measure() -> float:
        peer.run()
        taken, rounds = 0.0, 0
        while taken < LONG_ENOUGH_S:
            taken += peer.run()
            rounds += 1
        return count * rounds / taken

    return measure


def _against_peer(number: str, what: str, peer: Peer, theirs: float, ours: float, goal: Goal | None) -> Row:
    return Row(number, what, peer.ready.version, "bars/s", theirs, ours, ours / theirs, goal, peer.ready.differs)
