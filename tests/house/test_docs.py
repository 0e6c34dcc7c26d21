"""What the docs say of the code is what the code says: generated blocks are current, nothing of it is left out."""

from __future__ import annotations

import re

import pytest

from axiomd.core.guards.chain import GUARDS
from axiomd.core.guards.loss import NAMES
from axiomd.core.orders.lifecycle import State
from axiomd.runs.artifacts import FILES
from tests.house.generated import BLOCKS, renewed
from tests.house.source import ROOT

DECISIONS = ROOT / "docs/decisions"


@pytest.mark.parametrize("name", BLOCKS)
def test_generated_block_is_current(name: str) -> None:
    path, expected = renewed(name)

    assert expected == path.read_text(), "run python -m tests.house.generated"


def test_every_state_stands_in_the_diagram() -> None:
    text = (ROOT / "docs/architecture.md").read_text()

    assert [] == [state for state in State if f" {state.value} --> " not in text]


def test_every_decision_has_its_context_its_choice_and_its_price() -> None:
    pages = sorted(DECISIONS.glob("[0-9]*.md"))

    assert [f"{number:04d}" for number in range(1, len(pages) + 1)] == [page.name[:4] for page in pages]
    for page in pages:
        headings = re.findall(r"^#+ .*$", page.read_text(), re.MULTILINE)
        assert headings[0].startswith(f"# {page.name[:4]} · ")
        assert ["## Context", "## Choice", "## Price"] == headings[1:], page.name


def test_every_guard_has_a_key_in_the_shipped_limits_or_is_never_off() -> None:
    never_off = {"KillSwitch", "BrokerReady", "JournalFailure", "SessionOpen", "TickAndLot", "DuplicateOrder"}
    text = (ROOT / "configs/risk.yml").read_text()
    keys = {name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in {*GUARDS, *filter(None, NAMES)}}

    assert never_off == {name for name, key in keys.items() if not re.search(rf"^{key}:", text, re.MULTILINE)}


def test_readme_names_every_file_of_a_run_folder() -> None:
    text = (ROOT / "README.md").read_text()

    assert [] == [name for name in FILES if name not in text]


def test_readme_begins_with_the_two_commands() -> None:
    blocks = re.findall(r"```[a-z]*\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)

    assert ["make demo", "make test"] == [line.partition("#")[0].strip() for line in blocks[0].splitlines()]
