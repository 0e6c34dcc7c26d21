"""How a state changes on the wire: a JSON merge patch (RFC 7396) from what a console knows to what is.

Objects merge key by key, None takes a key away, everything else replaces. So a state that is to be patched never holds
None; tables in it are objects by the name of their rows, and a row that did not change is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

State = dict[str, JsonValue]


def changes_between(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> State:
    """Give the patch that turns `before` into `after`; empty where nothing changed."""
    changes: State = {}
    for name, value in after.items():
        if name not in before:
            changes[name] = value
            continue
        known = before[name]
        if known is value or (known == value and type(known) is type(value)):
            continue
        if isinstance(known, dict) and isinstance(value, dict):
            # An empty object merges to nothing, so what it replaces is taken away row by row.
            changes[name] = changes_between(known, value)
        else:
            changes[name] = value
    for name in before:
        if name not in after:
            changes[name] = None
    return changes


def patched(state: Mapping[str, JsonValue], changes: Mapping[str, JsonValue]) -> State:
    """Give the state after a patch; neither argument is changed."""
    after = dict(state)
    for name, value in changes.items():
        known = after.get(name)
        if value is None:
            after.pop(name, None)
        elif isinstance(value, dict):
            after[name] = patched(known if isinstance(known, dict) else {}, value)
        else:
            after[name] = value
    return after
