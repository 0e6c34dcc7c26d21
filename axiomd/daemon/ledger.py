"""The ledger: what happens written down, made durable, and told to who listens, in that order.

It owns no rule and no engine. A commit runs beside the loop; one that fails is for the desk to act on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio
import anyio.to_thread

from axiomd.contracts import events as e
from axiomd.daemon.clock import monotonic_us
from axiomd.daemon.ears import Ears
from axiomd.journal.beside import ANSWER_S_MAX, Writer
from axiomd.journal.live import LiveJournal
from axiomd.journal.log import Journal

Beside = Callable[[Callable[[], None]], Awaitable[None]]
"""Runs a job off the loop."""


@dataclass(frozen=True, slots=True)
class Committing:
    """A commit that is under way: when it began on the monotonic clock, and its end."""

    began_us: int
    end: Awaitable[None]


class Ledger:
    """Keep one daemon's journal. All methods are called by one task at a time."""

    def __init__(self, journal: Journal, ears: Ears, beside: Beside | None) -> None:
        self.journal = journal
        self.is_dead = False
        """From then on events are numbered and told, and nothing is kept."""
        self._ears = ears
        self._beside: Beside = beside or (lambda job: anyio.to_thread.run_sync(job))
        self._seq_of: dict[str, int] = {}
        self._unfiled: list[tuple[int, Sequence[str]]] = []
        """Keys that are not in `_seq_of` yet, each time with the seq of the first."""

    async def hand_over(self, writer: Writer) -> None:
        """Have a process beside write the journal from here on, which lays out first what commits will need."""
        journal = self.journal
        if self.is_dead or not isinstance(journal, LiveJournal) or not journal.hand_over(writer):
            await self._beside(writer.end)
            return
        await self._beside(journal.make_room)

    # --- events ---

    def append(self, event: e.Event, cause: int) -> int:
        """Write an event down, tell it to who listens, and give its seq."""
        if isinstance(event, e.SessionOpened):
            self.journal.run_id = event.run_id
        key = e.key_of(event)
        seq = self.journal.append(event, cause, key)
        if key:
            self._file()
            self._seq_of[key] = seq
        self._ears.untold.append((seq, (event,)))
        self._ears.hear()
        return seq

    def append_ahead(self, events: Sequence[e.Event], causes: Sequence[int]) -> None:
        """Write decisions of a moment down while the rest of them is made; `tell` tells them.

        They come by the thousand, and orders wait: a call for each takes twice as long, and whatever can be done
        behind those orders is left until then.
        """
        keys = e.keys_of(events)
        first = self.journal.append_all(events, causes, keys) - len(events) + 1
        self._unfiled.append((first, keys))
        self._ears.untold.append((first, events))
        self.journal.run_ahead()

    def tell(self) -> None:
        """Tell who listens of all that they have not been told."""
        self._ears.hear()

    def cause_of(self, key: str) -> int:
        """Give the seq of what was written down last of an order or signal, 0 where nothing was in this session."""
        self._file()
        return self._seq_of.get(key, 0)

    def end_session(self) -> None:
        """Forget the orders of the session."""
        self._unfiled.clear()
        self._seq_of.clear()

    def _file(self) -> None:
        for first, keys in self._unfiled:
            self._seq_of.update(zip(keys, range(first, first + len(keys)), strict=True))
        self._unfiled.clear()

    # --- commits ---

    def begin_commit(self) -> Committing | None:
        """Begin to make durable what was appended; nothing where there is nothing, or nowhere."""
        journal = self.journal
        if self.is_dead:
            journal.discard()
            return None
        if not journal.is_dirty:
            return None
        began_us = monotonic_us()
        journal.push()
        answers_at = journal.answers_at
        return Committing(began_us, self._beside(journal.commit) if answers_at is None else self._answered(answers_at))

    async def _answered(self, answers_at: int) -> None:
        """End a commit that another process does: no thread has to wait for it, unless it is gone or hangs."""
        with anyio.move_on_after(ANSWER_S_MAX) as waiting:
            await anyio.wait_readable(answers_at)
        if waiting.cancelled_caught:
            self.journal.give_up()
        elif self.journal.is_answered:
            self.journal.commit()
            return
        await self._beside(self.journal.commit)

    async def end_commit(self, committing: Committing | None) -> None:
        """Wait until it is durable. Raises `JournalWriteFailed`, and then nothing of it was written."""
        if committing is None:
            return
        # a commit that has begun is seen through: half of it known would be worse than either
        with anyio.CancelScope(shield=True):
            await committing.end
        for ear in self._ears.commit:
            ear((monotonic_us() - committing.began_us) / 1e6)

    async def tidy(self) -> None:
        """Do what no order should wait for, where it is due."""
        if self.journal.is_checkpoint_due and not self.is_dead:
            with anyio.CancelScope(shield=True):
                await self._beside(self.journal.checkpoint)

    def note_end(self) -> None:
        """Say beside the journal how far it goes, at the end of a session."""
        if not self.is_dead:
            self.journal.note_end()

    def lose(self) -> None:
        """It cannot be written any more."""
        self.is_dead = True
        self.journal.discard()
