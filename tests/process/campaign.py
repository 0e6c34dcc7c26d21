"""Random kills through scripted days: what is held afterwards against the broker's own record, and how long it took.

`python -m tests.process.campaign --kills 200 --seed 1` prints the table; the test runs a smaller budget. Each tape is
first run undisturbed, by a replay and by a daemon; then daemons are killed over it at random moments, their broker's
process too now and then, until the tape is over.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from axiomd.contracts import events as e
from axiomd.contracts.orders import split_reference
from axiomd.journal.verify import verify
from tests.markets import SPANS
from tests.process.stage import Row, Running, Stage, keys_in

KILLS_A_TAPE = 25
RECOVERY_S_MAX = 5.0


@dataclass
class Tally:
    """What a campaign came to."""

    seed: int
    tapes: int = 0
    kills: int = 0
    kills_while_starting: int = 0
    kills_of_broker: int = 0
    trades: int = 0
    orders: int = 0
    fills: int = 0
    recoveries_s: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def table(self) -> str:
        """Write it for people."""
        times = self.recoveries_s or [0.0]
        rows = (
            ("seed", self.seed),
            ("tapes (scripted days each)", self.tapes),
            ("SIGKILLs of the daemon", self.kills),
            ("  of them while it was starting", self.kills_while_starting),
            ("SIGKILLs of the broker's process", self.kills_of_broker),
            ("recoveries", len(self.recoveries_s)),
            ("recovery, median s", f"{statistics.median(times):.2f}"),
            ("recovery, longest s", f"{max(times):.2f}"),
            ("orders at the broker", self.orders),
            ("executions at the broker", self.fills),
            ("trades, all as in the undisturbed runs", self.trades),
            ("doubled, lost, unprotected, drifted or different", len(self.problems)),
        )
        return "\n".join([*(f"{name:<50} {figure:>10}" for name, figure in rows), *self.problems])


def run_campaign(folder: Path, *, kills: int, seed: int, tell: Callable[[str], None] = lambda _: None) -> Tally:
    """Kill until the budget is used up."""
    tally = Tally(seed)
    while tally.kills < kills:
        before = tally.kills
        place = folder / f"tape{tally.tapes}"
        place.mkdir()
        _work_tape(place, random.Random(f"{seed}|{tally.tapes}"), min(KILLS_A_TAPE, kills - tally.kills), tally)
        tally.tapes += 1
        tell(f"tape {tally.tapes}: {tally.kills - before} kills, {len(tally.problems)} problems so far")
    return tally


def _work_tape(folder: Path, dice: random.Random, kills: int, tally: Tally) -> None:
    script, span = dice.randrange(1 << 30), dice.choice(SPANS)
    undisturbed, crashed = Stage(folder / "calm"), Stage(folder / "crash")
    for stage in (undisturbed, crashed):
        stage.folder.mkdir()
        stage.write_tape(script, span=span)
        stage.write_config(
            risk={"max_open_positions": 4, "max_gross_exposure": 40_000, "max_open_orders": 8},
            costs={"commission_per_share": 0.005, "slippage_ticks": 1},
        )
    try:
        expected = undisturbed.replay()
        code = undisturbed.start().wait(120)
        if code != 0 or undisturbed.trades() != expected:
            tally.problems.append(f"undisturbed: exit {code}, {len(undisturbed.trades())} of {len(expected)} trades")
        _crash(crashed, dice, kills, tally)
        tally.trades += len(expected)
        tally.problems += [f"tape {tally.tapes}: {text}" for text in audit(crashed, expected, _orders(undisturbed))]
        sent, fills = crashed.sent_to_broker(), crashed.filled_at_broker()
        tally.orders, tally.fills = tally.orders + len(sent), tally.fills + len(fills)
    finally:
        undisturbed.close()
        crashed.close()


def _crash(stage: Stage, dice: random.Random, kills: int, tally: Tally) -> None:
    """Start, wait for a random moment, kill; the last daemon goes on to the end of the tape."""
    for _ in range(kills):
        running = stage.start()
        if dice.random() < 0.2:
            delay_s = dice.random() * 2
            is_over = _passes(running, delay_s)
            tally.kills_while_starting += not (is_over or running.is_ready())
        else:
            tally.recoveries_s.append(running.wait_ready())
            if dice.random() < 0.15 and not _passes(running, dice.random() * 0.2):
                stage.kill_broker()
                tally.kills_of_broker += 1
            is_over = _passes(running, dice.random() * dice.choice((0.02, 0.2, 0.6)))
        if is_over:
            _end(running, tally)
            return
        # the next one waits for what may still be writing, not we
        running.process.kill()
        running.process.wait()
        tally.kills += 1
        if dice.random() < 0.15:
            stage.kill_broker()
            tally.kills_of_broker += 1
        if stage.journal.is_file():
            tally.problems += unprotected(stage)
    running = stage.start()
    tally.recoveries_s.append(running.wait_ready())
    _end(running, tally)


def _passes(running: Running, delay_s: float) -> bool:
    """Let time pass; say whether the daemon ended meanwhile."""
    try:
        running.process.wait(delay_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(running: Running, tally: Tally) -> None:
    code = running.wait(120)
    if code != 0:
        tally.problems.append(f"it ended with {code}: {running.log[-2000:]}")


def unprotected(stage: Stage) -> list[str]:
    """I4, asked of the broker while nobody else lives: every position has a working stop of its size, or is closing."""
    truth = stage.broker_truth()
    stops: dict[str, int] = {}
    for order in truth.orders:
        role = split_reference(str(order["reference"])).role
        if role.startswith(("SL", "KILL")):
            stops[str(order["symbol"])] = stops.get(str(order["symbol"]), 0) + int(str(order["qty"]))
    return [
        f"I4: {symbol} {qty} at the broker, {stops.get(symbol, 0)} protected"
        for symbol, qty in truth.positions.items()
        if stops.get(symbol, 0) != abs(qty)
    ]


def audit(stage: Stage, expected: list[Row], orders: list[Row]) -> list[str]:
    """Hold what is left against the broker's own record (I1, I3, I7) and the undisturbed runs."""
    problems = [f"journal seq {seq}: {text}" for seq, text in verify(stage.journal).problems]
    sent, fills = stage.sent_to_broker(), stage.filled_at_broker()
    problems += [f"I1: {key} was sent {times} times" for key, times in Counter(sent).items() if times > 1]
    journaled = Counter(event.fill.exec_id for event in stage.events(e.FillReceived))
    problems += [f"I3: execution {exec_id} is journaled {n} times" for exec_id, n in journaled.items() if n > 1]
    problems += [f"I3: execution {exec_id} is not journaled" for exec_id in fills if exec_id not in journaled]
    problems += [f"I3: execution {exec_id} is not the broker's" for exec_id in journaled if exec_id not in fills]
    intents = {event.order.idempotency_key for event in stage.events(e.OrderIntent)}
    problems += [f"I2: {key} was sent without an intent" for key in sent if key not in intents]
    problems += [f"I7: drift {event.differences}" for event in stage.events(e.ReconDrift)]
    found = stage.trades()
    if found != expected:
        problems.append(f"trades differ: {sorted(set(found) ^ set(expected))[:6]}")
    if _orders(stage) != orders:
        problems.append(f"orders differ: {sorted(set(_orders(stage)) ^ set(orders))[:6]}")
    return problems


def _orders(stage: Stage) -> list[Row]:
    return keys_in(sorted((stage.state_dir / "artifacts" / "runs").glob("*")))


def main(arguments: list[str] | None = None) -> int:
    """Run a campaign and print its table; exit 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.process.campaign")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="axiomd-crash-") as folder:
        tally = run_campaign(Path(folder), kills=args.kills, seed=args.seed, tell=lambda line: print(line, flush=True))
    print(tally.table())
    is_slow = max(tally.recoveries_s, default=0.0) > RECOVERY_S_MAX
    return 1 if tally.problems or is_slow else 0


if __name__ == "__main__":
    sys.exit(main())
