"""The life cycle of an entry order: one table of states and events, and nothing else in this file.

Theory. An order begins as an intent in the journal and ends in one of four ways: filled, cancelled, expired, rejected.
The broker's messages come late, twice and out of order: a fill may overtake its acknowledgement, a cancellation may
cross a fill. The table says what each means in each state; what it does not name is a contradiction, which is drift to
be reconciled and never silently accepted. An end is final but for one thing: a fill is a fact, whenever it is told.

Two rules for what may live here: states and events are plain names, and a transition has no condition and no effect.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where an order stands."""

    # an enum hashes by a Python function of its own; the table is looked into at every message
    __hash__ = str.__hash__

    INTENT = "intent"
    SENT = "sent"
    WORKING = "working"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


class Happening(StrEnum):
    """What may happen to an order."""

    __hash__ = str.__hash__

    SENT = "sent"
    ACKED = "acked"
    PARTLY_FILLED = "partly filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


S, H = State, Happening

ENDED: Final = frozenset({S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED})

TRANSITIONS: Final[dict[tuple[State, Happening], State]] = {
    # on its way; a crash may hide the send, so the broker's word is taken from INTENT too
    (S.INTENT, H.SENT): S.SENT,
    (S.INTENT, H.ACKED): S.WORKING,
    (S.INTENT, H.PARTLY_FILLED): S.PARTIAL,
    (S.INTENT, H.FILLED): S.FILLED,
    (S.INTENT, H.CANCELLED): S.CANCELLED,
    (S.INTENT, H.EXPIRED): S.EXPIRED,
    (S.INTENT, H.REJECTED): S.REJECTED,
    (S.SENT, H.ACKED): S.WORKING,
    (S.SENT, H.PARTLY_FILLED): S.PARTIAL,
    (S.SENT, H.FILLED): S.FILLED,
    (S.SENT, H.CANCELLED): S.CANCELLED,
    (S.SENT, H.EXPIRED): S.EXPIRED,
    (S.SENT, H.REJECTED): S.REJECTED,
    # at the broker
    (S.WORKING, H.ACKED): S.WORKING,
    (S.WORKING, H.PARTLY_FILLED): S.PARTIAL,
    (S.WORKING, H.FILLED): S.FILLED,
    (S.WORKING, H.CANCELLED): S.CANCELLED,
    (S.WORKING, H.EXPIRED): S.EXPIRED,
    (S.WORKING, H.REJECTED): S.REJECTED,
    (S.PARTIAL, H.ACKED): S.PARTIAL,
    (S.PARTIAL, H.PARTLY_FILLED): S.PARTIAL,
    (S.PARTIAL, H.FILLED): S.FILLED,
    (S.PARTIAL, H.CANCELLED): S.CANCELLED,
    (S.PARTIAL, H.EXPIRED): S.EXPIRED,
    # late, repeated and crossing messages
    (S.SENT, H.SENT): S.SENT,
    (S.WORKING, H.SENT): S.WORKING,
    (S.PARTIAL, H.SENT): S.PARTIAL,
    (S.CANCELLED, H.SENT): S.CANCELLED,
    (S.EXPIRED, H.SENT): S.EXPIRED,
    (S.REJECTED, H.SENT): S.REJECTED,
    (S.REJECTED, H.ACKED): S.REJECTED,
    (S.FILLED, H.EXPIRED): S.FILLED,
    (S.FILLED, H.SENT): S.FILLED,
    (S.FILLED, H.ACKED): S.FILLED,
    (S.FILLED, H.CANCELLED): S.FILLED,
    (S.CANCELLED, H.ACKED): S.CANCELLED,
    (S.CANCELLED, H.CANCELLED): S.CANCELLED,
    (S.CANCELLED, H.EXPIRED): S.CANCELLED,
    (S.CANCELLED, H.PARTLY_FILLED): S.CANCELLED,
    (S.CANCELLED, H.FILLED): S.FILLED,
    (S.EXPIRED, H.ACKED): S.EXPIRED,
    (S.EXPIRED, H.CANCELLED): S.EXPIRED,
    (S.EXPIRED, H.EXPIRED): S.EXPIRED,
    (S.EXPIRED, H.PARTLY_FILLED): S.EXPIRED,
    (S.EXPIRED, H.FILLED): S.FILLED,
    (S.REJECTED, H.REJECTED): S.REJECTED,
}


AFTER: Final = {what: {before: after for (before, name), after in TRANSITIONS.items() if name is what} for what in H}
"""The table by happening: `AFTER[happening].get(state)`, None where the broker says what cannot be.

That is drift, and for the engine to say so. Two steps, and no pair made at every message to look into the table with.
"""
