"""A stretch of work that makes many records and no cycles, without the collector walking over them again and again.

Naming and writing a million bars' rows allocates half a million objects, each of which lives to the end; the collector
found nothing among them and took 0.8 s of 3.1 s to say so. Loading packages is such a stretch too. It changes no result
and must hold no loop that runs for days.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def collect_again() -> None:
    """Let a collector that was paused for a start go on, past all that the start made: it lives to the end."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def set_apart() -> None:
    """Collect once, and have the collector walk past what is left: it lives to the end."""
    gc.collect()
    gc.freeze()


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the cyclic collector; where it was paused already, leave it so."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
