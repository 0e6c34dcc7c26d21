"""Pages of the docs that are made from the code: the diagram of an order's life, the table of events.

`python -m tests.house.generated` writes them; a test says when they are out of date. Text around a generated block is
a person's and stays.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from axiomd.contracts.events import DECISIONS, EVENTS
from axiomd.core.orders.lifecycle import ENDED, TRANSITIONS, State
from tests.house.source import ROOT

BEGIN = "<!-- generated: {name}; by python -m tests.house.generated -->"
END = "<!-- end of {name} -->"


def lifecycle_diagram() -> str:
    """Draw the table of states and events as a mermaid diagram; what changes nothing is left out."""
    labels: dict[tuple[State, State], list[str]] = defaultdict(list)
    for (before, happening), after in TRANSITIONS.items():
        if before != after:
            labels[before, after].append(happening.value)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.INTENT.value}"]
    lines += [f"    {before.value} --> {after.value}: {', '.join(names)}" for (before, after), names in labels.items()]
    lines += [f"    {state.value} --> [*]" for state in State if state in ENDED]
    return "\n".join([*lines, "```"])


def event_table() -> str:
    """List every kind of event with what it says and what it carries."""
    lines = ["| kind | is | says | carries |", "| --- | --- | --- | --- |"]
    for event in EVENTS:
        is_ = "a decision" if event in DECISIONS else "an input"
        says = (event.__doc__ or "").partition("\n")[0].replace("|", "\\|")
        fields = ", ".join(f"`{name}`" for name in event.__struct_encode_fields__ if name != "ts_us") or "nothing more"
        lines.append(f"| `{event.KIND}` | {is_} | {says} | {fields} |")
    return "\n".join(lines)


BLOCKS = {
    "lifecycle": (ROOT / "docs/architecture.md", lifecycle_diagram),
    "events": (ROOT / "docs/reference/events.md", event_table),
}


def renewed(name: str) -> tuple[Path, str]:
    """Give a page and what it must hold."""
    path, make = BLOCKS[name]
    begin, end = BEGIN.format(name=name), END.format(name=name)
    before, found, rest = path.read_text().partition(begin)
    inside, closed, after = rest.partition(end)
    assert found, f"{path.name} has no block {name}"
    assert closed, f"{path.name} has no end of {name}: {inside[:40]}"
    return path, f"{before}{begin}\n\n{make()}\n\n{end}{after}"


if __name__ == "__main__":
    for block in BLOCKS:
        page, text = renewed(block)
        page.write_text(text)
