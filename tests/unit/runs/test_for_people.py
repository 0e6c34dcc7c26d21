"""Pictures and report made beside are those that are made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from axiomd.contracts.errors import InputError
from axiomd.runs.for_people import write_beside, write_for_people
from tests.unit.runs.test_artifacts import write

pytestmark = pytest.mark.slow
MADE = ("equity_curve.png", "drawdown_curve.png", "report.html")


def test_a_process_of_its_own_makes_the_same_bytes(tmp_path: Path) -> None:
    here, beside = write(tmp_path / "here" / "run", plots=False), write(tmp_path / "beside" / "run", plots=False)

    write_for_people(here, plots=True)
    write_beside(beside)

    assert [(here / name).read_bytes() for name in MADE] == [(beside / name).read_bytes() for name in MADE]


def test_what_it_could_not_make_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pictures and report cannot be made"):
        write_beside(tmp_path)
