"""Ways to drive a case: by the scan as `axiomd replay` does, or moment by moment as a daemon must."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axiomd import __version__
from axiomd.config.binding import bind
from axiomd.contracts import events as e
from axiomd.contracts.runs import RunConfig, config_document, config_hash
from axiomd.core.market.tape import Tape
from axiomd.core.strategies.stage1 import listed
from axiomd.replay.driver import Log, Replay
from axiomd.replay.identity import Identity

RUN_ID = "replay-drive"


class EventLog:
    """Keep every event in order."""

    def __init__(self) -> None:
        self.events: list[e.Event] = []

    def append(self, event: e.Event, cause: int = 0) -> int:
        self.events.append(event)
        return len(self.events)

    def commit(self) -> None:
        pass


class EveryMoment(Replay):
    """Let the broker match and the engine decide every moment for itself, with the bars in the event, as live does."""

    def _walk(self, first: int, last: int, horizon_us: int) -> None:
        engine, bars, row = self.engine, self._tape.bars, first
        while True:
            interval_us = int(engine.account["interval_end_us"])
            closes_us = int(bars[row, 0]) + self.plan.bar_us if row < last else horizon_us + 1
            if 0 < interval_us < closes_us:
                moment_us, stop = interval_us, row
            elif row < last:
                moment_us, stop = closes_us, row + 1
                while stop < last and bars[stop, 0] == bars[row, 0]:
                    stop += 1
            else:
                return
            together = bars[row:stop].tolist()
            self._hear(self.broker.match(together, moment_us))
            self._take(e.BarsClosed(ts_us=moment_us, rows=tuple(map(tuple, together))))
            if engine.has_setups_left:
                seq = self._log.append(e.BarsClosed(ts_us=moment_us)) if self._log else 0
                self._carry_out(engine.take_setups(), seq)
            row = stop


def drive(
    config: Mapping[str, Any], tape: Tape, log: Log | None = None, *, kind: type[Replay] = Replay, run_id: str = RUN_ID
) -> Replay:
    """Run a configuration over a tape to the end."""
    parsed = RunConfig.model_validate(config)
    plan = bind(parsed, tape.sessions, tape.timeframe_us, run_id, "replay")
    chosen = {own.id: listed(own.symbols, max_candidates=50) for own in plan.strategies}
    identity = Identity(run_id, config_hash(parsed, {}), config_document(parsed, {}), __version__)
    replay = kind(plan, tape, log, lambda _: chosen, identity=identity)
    replay.run()
    return replay
