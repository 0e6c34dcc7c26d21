"""Where a person wants no new entry for now: in a symbol, of a strategy, or anywhere; for a time or until unpaused.

Working entries and exits are left alone; a setup meanwhile is refused as `blocked:paused` and uses its window up. It
folds operator's commands and reads no clock: a pause is over when market time says so.
"""

from __future__ import annotations

from typing import Any, Final

EVERYTHING: Final = "*"
FOR_EVER: Final = 0
_SCOPES: Final = ("symbol", "strategy")


class Pauses:
    """What a person wants no entries in."""

    def __init__(self) -> None:
        self.until_us: dict[str, int] = {}
        """What is paused, and until when in UTC us (`FOR_EVER`: until it is lifted); some may be over."""

    def begin(self, args: dict[str, Any]) -> None:
        """Pause what a command names; a pause that is there already ends when this one says."""
        self.until_us[scope_of(args)] = int(args.get("until") or FOR_EVER)

    def end(self, args: dict[str, Any]) -> None:
        """Lift what a command names; one that names nothing lifts everything."""
        scope = scope_of(args)
        if scope == EVERYTHING:
            self.until_us.clear()
        else:
            self.until_us.pop(scope, None)

    def holds(self, strategy: str, symbol: str, now_us: int) -> bool:
        """Say whether a strategy may not enter a symbol now."""
        return any(self._is_on(scope, now_us) for scope in (EVERYTHING, f"symbol {symbol}", f"strategy {strategy}"))

    def at(self, now_us: int) -> dict[str, int]:
        """Give what is paused at a moment: scope and end."""
        return {scope: self.until_us[scope] for scope in sorted(self.until_us) if self._is_on(scope, now_us)}

    def _is_on(self, scope: str, now_us: int) -> bool:
        until_us = self.until_us.get(scope)
        return until_us is not None and (until_us == FOR_EVER or now_us < until_us)


def scope_of(args: dict[str, Any]) -> str:
    """Name what the arguments of a command mean: ``symbol SPY``, ``strategy inside_bar``, or ``*``."""
    return next((f"{name} {args[name]}" for name in _SCOPES if args.get(name)), EVERYTHING)
