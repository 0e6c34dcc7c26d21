"""Documents keep their promises: links lead somewhere, keys are explained, and no file names somebody's machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from axiomd.config.mistakes import config_keys
from axiomd.contracts.daemon import DaemonConfig
from axiomd.contracts.risk import RiskConfig
from tests.house.source import ROOT, pyproject, tracked_files

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Put together here, so that this file does not find itself.
MACHINE_PATH = re.compile("/" + r"(?:work|root|home/[a-z]+|opt/(?:pypi|wheels))" + "/")
BINARY = {".png", ".parquet", ".sqlite", ".ico"}


def documents() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".md"]


def texts() -> list[Path]:
    return [path for path in tracked_files() if path.suffix not in BINARY]


def test_no_link_is_dead() -> None:
    dead = []
    for path in documents():
        for target in LINK.findall(path.read_text()):
            if "://" in target or target.startswith(("#", "mailto:")):
                continue
            if not (path.parent / target.partition("#")[0]).exists():
                dead.append(f"{path.relative_to(ROOT)}: {target}")

    assert [] == dead


def test_no_file_names_a_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in texts()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]

    assert [] == found


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_names_no_index_and_pins_every_hash(name: str) -> None:
    text = re.sub(r"^#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==\S+ \\\n    --hash=sha256:", text, re.MULTILINE)

    assert [] == re.findall(r"^-.*|://|file:", text, re.MULTILINE)
    assert re.findall(r"^([A-Za-z0-9_.-]+)==", text, re.MULTILINE) == pins


def test_every_dependency_is_locked() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE))
    project = pyproject()["project"]
    named = [
        *project["dependencies"],
        *project["optional-dependencies"]["dev"],
        *pyproject()["build-system"]["requires"],
    ]

    assert [] == [line for line in named if re.split(r"[<>=]", line)[0] not in locked]


@pytest.mark.parametrize("model", [DaemonConfig, RiskConfig])
def test_every_key_is_explained(model: type[BaseModel]) -> None:
    text = (ROOT / "docs/configuration.md").read_text()

    assert [] == [key for key in config_keys(model) if f"`{key}`" not in text]


def test_every_limit_stands_in_the_shipped_file() -> None:
    text = (ROOT / "configs/risk.yml").read_text()

    limits = set(config_keys(RiskConfig)) - {"plugins"}  # filled with the keys of plug-in guards, never written
    assert set() == {key for key in limits if not re.search(rf"^{key}:", text, re.MULTILINE)}


def test_every_target_is_listed_by_make_help() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z\\:]+):(?!=)[^=\n]*$", text, re.MULTILINE)

    assert [] == [target for target in targets if not re.search(rf"^{re.escape(target)}:.*## ", text, re.MULTILINE)]
