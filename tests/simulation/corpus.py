"""Seeds that found a bug, each with what it was: they are run for ever."""

from __future__ import annotations

from typing import Final

CORPUS: Final[dict[int, str]] = {
    0: "an execution told twice was journaled twice",
    13: "an exit told before its entry was booked without a position",
    27: "a fill told after the session's close stood outside the day's books",
    53: "a partial fill told after its cancellation brought the order back to life",
    3094: "a new setup was placed while a fill of the symbol was still on its way",
    3957: "a late entry was added to the position of the next order",
    4837: "a close was believed to be under way that no journal row had asked for",
    6404: "a resume that lost against a trip left journal and memory apart",
}
