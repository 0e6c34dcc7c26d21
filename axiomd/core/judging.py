"""Orders put through the chain of guards, and the guards of other packages behind it.

What passes all becomes an `Approved`, which is made nowhere else. It keeps no state but the frame it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from axiomd.contracts.commands import Approved
from axiomd.contracts.orders import Order
from axiomd.contracts.verdicts import NO_VERDICTS, text_behind
from axiomd.core.frame import Frame
from axiomd.core.guards.api import Guard
from axiomd.core.guards.chain import GUARDS, PASSED

Judgement = tuple[Approved[Order] | None, str, msgspec.Raw]
"""The approved order, or None; the guard that refused it, or nothing; the verdicts up to there.

Verdicts that nobody reads are none.
"""


class Chain:
    """Judge orders against one run's limits; without `explains` nobody reads the verdicts of what passes."""

    __slots__ = ("_explains", "_frame", "_plugins")

    def __init__(self, frame: Frame, plugins: Sequence[tuple[Guard, Any]] = (), *, explains: bool = True) -> None:
        self._frame = frame
        self._plugins = tuple(plugins)
        self._explains = explains

    def judge(
        self,
        proposed: Order,
        index: int,
        *,
        is_latched: bool,
        is_ready: bool,
        is_journal_ok: bool,
        is_known: bool,
        sends: int,
    ) -> Judgement:
        """Judge an order in symbol `index`."""
        stop_price, limit_price = proposed.stop_price or 0, proposed.limit_price or 0
        position = self._frame.judge(
            index,
            1 if proposed.side == "BUY" else -1,
            proposed.qty,
            stop_price or limit_price,
            stop_price,
            limit_price,
            proposed.stop_loss_price or 0,
            proposed.take_profit_price or 0,
            is_latched,
            is_ready,
            is_journal_ok,
            is_known,
            sends,
        )
        return self.end(proposed, 0, position)

    def end(self, proposed: Order, place: int, position: int) -> Judgement:
        """Say what came of an order judged at a place, where the compiled guards ended: as `judge`."""
        if position != PASSED:
            return None, GUARDS[position], self._told(place, position + 1)
        told = self._told(place, PASSED) if self._explains else NO_VERDICTS
        for guard, params in self._plugins:
            refused, figure, limit = self._ask(guard, params, proposed, place)
            told = text_behind(told, (guard.name, figure, limit))
            if refused:
                return None, guard.name, told
        return Approved(proposed), "", told

    def _told(self, place: int, count: int) -> msgspec.Raw:
        return msgspec.Raw(bytes(self._frame.text[: self._frame.tell(place, count)]))

    def _ask(self, guard: Guard, params: Any, proposed: Order, place: int) -> tuple[bool, int, int]:
        try:
            refused, figure, limit = guard.check(proposed, self._frame.figures(place), params)
            return bool(refused), int(figure), int(limit)
        except Exception:
            # somebody else's code between an order and the market: whatever it raises, the answer is no
            return True, -1, -1
