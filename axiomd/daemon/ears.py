"""Who hears of what the desk does: of events, once they are written down, and of how long each stage took.

What a moment decides is told behind its orders, which should wait for nobody, and in the order of the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from axiomd.contracts import events as e
from axiomd.contracts.outcome import CurvePoint
from axiomd.daemon.clock import monotonic_us
from axiomd.observe.metrics import Stage

Listener = Callable[[int, e.Event], None]
"""Takes every journaled event with its seq: recorder, metrics, log, view."""
Latency = Callable[[Stage, float], None]


@dataclass(slots=True)
class Ears:
    """The listeners, and the events that they have not been told of yet."""

    event: list[Listener] = field(default_factory=list)
    mark: list[Callable[[CurvePoint], None]] = field(default_factory=list)
    latency: list[Latency] = field(default_factory=list)
    commit: list[Callable[[float], None]] = field(default_factory=list)
    trip: list[Callable[[str, str], None]] = field(default_factory=list)
    untold: list[tuple[int, Sequence[e.Event]]] = field(default_factory=list)
    """Each with the seq of the first."""

    def see(self, points: Iterable[CurvePoint]) -> None:
        """Show them what was drawn of the equity curve."""
        for point in points:
            for ear in self.mark:
                ear(point)

    def hear(self) -> None:
        """Tell them all that waits."""
        untold, self.untold = self.untold, []
        for first, events in untold:
            for seq, event in enumerate(events, first):
                for ear in self.event:
                    ear(seq, event)


@dataclass(slots=True)
class Lap:
    """One moment on the monotonic clock: when its bars came in, when its last stage ended, whether an order left."""

    ears: Ears
    began_us: int
    last_us: int
    has_sent: bool = False

    def tell(self, stage: Stage) -> None:
        """Tell how long a stage took that ends now."""
        now_us = monotonic_us()
        for ear in self.ears.latency:
            ear(stage, (now_us - self.last_us) / 1e6)
        self.last_us = now_us

    def tell_pipeline(self) -> None:
        """Tell how long it took from the bars to here."""
        self.has_sent = True
        for ear in self.ears.latency:
            ear("pipeline", (monotonic_us() - self.began_us) / 1e6)
