"""Drivers of the engine without a market: the virtual clock over recorded bars, the journal, the narrow API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from axiomd.replay.narrow import simulate_insidebar_from_orders

__all__ = ["simulate_insidebar_from_orders"]


def __getattr__(name: str) -> Any:
    """Load the narrow API when it is asked for: the drivers beside it must not pay for its imports."""
    if name in __all__:
        from axiomd.replay import narrow

        return getattr(narrow, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
