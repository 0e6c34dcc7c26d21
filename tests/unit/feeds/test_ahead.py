"""Bars read ahead are the bars that would be read later, and so are the mistakes in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from axiomd.contracts.errors import InputError
from axiomd.feeds.ahead import BarsAhead
from axiomd.feeds.files import load_tape
from tests.unit.market.minutes import minutes


def test_bars_read_ahead_make_the_same_tape(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    minutes(range(20)).write_parquet(path)

    ahead = load_tape(path, None, "XNYS", files=BarsAhead(path).files())

    later = load_tape(path, None, "XNYS")
    assert (later.sha256, later.files) == (ahead.sha256, ahead.files)


def test_what_is_wrong_with_a_file_is_told_when_its_content_is_asked_for(tmp_path: Path) -> None:
    bars = BarsAhead(tmp_path / "nowhere.parquet")

    with pytest.raises(InputError, match=r"nowhere\.parquet"):
        bars.files()
