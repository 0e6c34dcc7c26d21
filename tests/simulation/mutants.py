"""Daemons broken on purpose: each must be caught, or an invariant is missing. The checker is tested by them.

A mutant patches one thing of the real code for as long as it is tried. What it breaks is the kind of mistake that has
cost others money; the number of seeds it took to catch it says how sharp the invariants are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import msgspec

from axiomd import latch
from axiomd.contracts import events as e
from axiomd.contracts.fills import Fill
from axiomd.contracts.truth import Truth
from axiomd.core.board import SYMBOL, column
from axiomd.core.books import Books
from axiomd.core.engine import Engine
from axiomd.core.frame import Frame
from axiomd.core.judging import Chain
from axiomd.core.kill_switch import KillSwitch
from axiomd.core.orders.book import Book
from axiomd.core.orders.lifecycle import Happening
from axiomd.core.pauses import Pauses
from axiomd.daemon import desk as desk_module
from axiomd.daemon.desk import Desk
from axiomd.journal.log import Journal
from tests.simulation.broker import RoughBroker

Mutant = Callable[[], Any]


@contextmanager
def sends_before_commit() -> Iterator[None]:
    """Opening orders leave before their intents are durable."""

    async def send(self: Desk, sends: Any, began_us: int) -> None:
        for command in sends:
            if latch.read(self._state_dir).is_tripped:
                await self._give_up(command)
            else:
                await self._execute(command)

    with patch.object(Desk, "_send", send):
        yield


@contextmanager
def commits_nothing() -> Iterator[None]:
    """The journal says it wrote and did not."""

    def commit(self: Journal) -> None:
        self.discard()

    with patch.object(Journal, "commit", commit):
        yield


@contextmanager
def forgets_pauses() -> Iterator[None]:
    """A person paused entries, and they go on."""
    with patch.object(Pauses, "holds", lambda self, strategy, symbol, now_us: False):
        yield


@contextmanager
def forgets_exec_ids() -> Iterator[None]:
    """An execution that is told twice counts twice."""
    with patch.object(Books, "knows", lambda self, exec_id: False):
        yield


@contextmanager
def ignores_the_latch() -> Iterator[None]:
    """The file is not read before a send."""
    armed = latch.LatchState(level="", trip_id="", at_us=0, by="", reason="")

    class Blind:
        def __getattr__(self, name: str) -> Any:
            return getattr(latch, name)

        def read(self, folder: object) -> latch.LatchState:
            return armed

    with patch.object(desk_module, "latch", Blind()):
        yield


@contextmanager
def trusts_its_memory() -> Iterator[None]:
    """The broker is never asked what it did."""
    with patch.object(desk_module, "unheard_reports", lambda engine, truth, since_us: ()):
        yield


@contextmanager
def resends_whatever_is_unsure() -> Iterator[None]:
    """An order without an answer is sent again without a look at the broker's orders."""

    async def recover(self: Desk, since_us: int) -> Any:
        keys = [leg.order.idempotency_key for legs in self.engine.book.open.values() for leg in legs]
        commands, _ = self.engine.settle_unsure(keys, self.market_us, 10**12)
        await self._carry_out(commands, 0)
        return await original(self, since_us)

    original = Desk.recover
    with patch.object(Desk, "recover", recover):
        yield


@contextmanager
def drops_whatever_is_unsure() -> Iterator[None]:
    """An intent that never left is neither sent nor given up."""
    with patch.object(Engine, "settle_unsure", lambda self, keys, now_us, age_us_max: ([], [])):
        yield


@contextmanager
def reuses_a_key() -> Iterator[None]:
    """A key without its group: the second setup of a day has the first one's."""
    from axiomd.core.orders import bracket

    real = bracket.naming_keys

    def naming(*parts: Any) -> Callable[[str], str]:
        return lambda group: real(*parts)(group[:0])

    with (
        patch.object(bracket, "naming_keys", naming),
        patch.object(Book, "is_known", lambda self, names: False),
    ):
        yield


@contextmanager
def keeps_working_orders_of_yesterday() -> Iterator[None]:
    """What expired at the broker is believed to work for ever."""
    real = Book.happen

    def happen(self: Book, leg: Any, happening: Happening) -> bool:
        return True if happening is Happening.EXPIRED else real(self, leg, happening)

    with patch.object(Book, "happen", happen):
        yield


@contextmanager
def double_counts_partial_fills() -> Iterator[None]:
    """A partial fill is booked with the whole quantity."""
    real = Books.enter

    def enter(self: Books, fill: Fill, leg: Any, ts_us: int) -> None:
        real(self, msgspec.structs.replace(fill, qty=leg.order.qty), leg, ts_us)

    with patch.object(Books, "enter", enter):
        yield


@contextmanager
def protects_with_the_wrong_quantity() -> Iterator[None]:
    """After a partial fill the broker is left with exits for the whole order."""
    real = RoughBroker.truth

    async def truth(self: RoughBroker, since_us: int = 0) -> Truth:
        return await real(self, since_us)

    from axiomd.broker.sim_orders import OpenPosition

    whole = OpenPosition.working_exits

    def exits(position: OpenPosition) -> Any:
        return [msgspec.structs.replace(order, qty=order.qty + 1) for order in whole(position)]

    with patch.object(RoughBroker, "truth", truth), patch.object(OpenPosition, "working_exits", exits):
        yield


@contextmanager
def opens_before_both_truths_agree() -> Iterator[None]:
    """Orders are placed while journal and broker differ, or the broker is away; limits are not asked."""
    judges = Chain.judge

    def judge(self: Chain, order: Any, index: int, **flags: Any) -> Any:
        flags.update(is_ready=True, is_latched=False)
        return judges(self, order, index, **flags)

    def weigh(frame: Frame, weighs: Callable[..., Any], row: int, k: int, index: int, *flags: Any) -> Any:
        _, _, *others = flags
        return weighs(row, k, index, False, True, *others)

    with patch.object(Chain, "judge", judge), _through("weigh", weigh), ignores_the_latch():
        yield


@contextmanager
def does_not_count_working_orders() -> Iterator[None]:
    """Exposure is that of positions alone: two orders each within the limit break it together."""

    def work(frame: Frame, works: Callable[..., Any], place: int, index: int, *entry: int) -> Any:
        place = works(place, index, *entry)
        for name in ("work_long", "work_short", "work_legs"):
            frame.symbols[index * SYMBOL.itemsize // 8 + column(SYMBOL, name)] = 0
        return place

    with _through("work", work):
        yield


@contextmanager
def _through(name: str, change: Callable[..., Any]) -> Iterator[None]:
    """Have every call of a frame's rule go through `change`: (frame, the rule, what it is called with)."""
    real = Frame.__init__

    def bind(self: Frame, board: Any, sizings: Any) -> None:
        real(self, board, sizings)
        rule = getattr(self, name)

        def through(*args: Any) -> Any:
            result = change(self, rule, *args)
            # a first call binds the rule to its machine code
            setattr(self, name, through)
            return result

        setattr(self, name, through)

    with patch.object(Frame, "__init__", bind):
        yield


@contextmanager
def leaves_entries_when_killed() -> Iterator[None]:
    """A trip stops new orders and leaves the working ones."""
    with patch.object(KillSwitch, "obey", lambda self, ts_us, *, is_urgent: []):
        yield


@contextmanager
def forgets_the_latch_over_a_restart() -> Iterator[None]:
    """A guard trips in memory alone."""

    def trip(folder: Any, level: str, **fields: Any) -> latch.LatchState:
        return latch.LatchState(level=level, trip_id="memory", at_us=0, by="", reason="")

    class Forgetful:
        def __getattr__(self, name: str) -> Any:
            return trip if name == "trip" else getattr(latch, name)

    with patch.object(desk_module, "latch", Forgetful()):
        yield


@contextmanager
def journals_after_it_acts() -> Iterator[None]:
    """The engine has an event before the journal does: a crash in between loses what it led to."""

    async def take(self: Desk, event: e.Event, cause: int = 0) -> None:
        commands = self.engine.handle(event)
        await self._carry_out(commands, cause)
        self.ledger.append(event, cause)

    with patch.object(Desk, "take", take):
        yield


@contextmanager
def marks_before_it_matches() -> Iterator[None]:
    """Decisions of a moment are made before the fills of its bars are known."""

    async def moment(self: Desk, ts_us: int, rows: Any, heard_us: int = 0) -> None:
        event = e.BarsClosed(ts_us=ts_us, rows=rows, heard_us=heard_us)
        seq = self.ledger.append(event, 0)
        await self._carry_out(self.engine.handle(event), seq)
        for report in await self.link.tell_moment(ts_us, rows):
            await self._report(report)
        await self.commit()

    with patch.object(Desk, "moment", moment):
        yield


MUTANTS: tuple[Mutant, ...] = (
    sends_before_commit, commits_nothing, forgets_exec_ids, forgets_pauses, ignores_the_latch, trusts_its_memory,
    resends_whatever_is_unsure, drops_whatever_is_unsure, reuses_a_key, keeps_working_orders_of_yesterday,
    double_counts_partial_fills, protects_with_the_wrong_quantity, opens_before_both_truths_agree,
    does_not_count_working_orders, leaves_entries_when_killed, forgets_the_latch_over_a_restart,
    journals_after_it_acts, marks_before_it_matches,
)  # fmt: skip
