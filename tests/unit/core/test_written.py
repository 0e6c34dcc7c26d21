"""Verdicts written by compiled code: byte for byte what the journal's encoder writes of the same, and read back so."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from axiomd.contracts import events as e
from axiomd.contracts.verdicts import NO_VERDICTS, read, text_behind, text_of
from axiomd.core.guards import written
from axiomd.core.guards.chain import GUARDS, PASSED
from tests.unit.observe.test_logging import order

LEAST, MOST = -(2**63), 2**63 - 1
FIGURES = st.one_of(st.sampled_from((0, 9, 10, -1, -9, -10, -11, LEAST, LEAST + 8, MOST)), st.integers(LEAST, MOST))


def compiled(figures: list[int]) -> bytes:
    table = np.array(figures + [7] * (2 * PASSED - len(figures)), np.int64).reshape(PASSED, 2)
    out = np.full(written.TEXT_BYTES, 255, np.uint8)
    size = written.write(table, len(figures) // 2, written.names(), out)
    return out[:size].tobytes()


@given(st.integers(1, PASSED).flatmap(lambda count: st.lists(FIGURES, min_size=2 * count, max_size=2 * count)))
@example([LEAST] * 2 * PASSED)
def test_it_is_what_the_encoder_writes(figures: list[int]) -> None:
    verdicts = tuple(zip(GUARDS, figures[::2], figures[1::2], strict=False))

    text = compiled(figures)

    assert msgspec.json.encode(verdicts) == text
    assert text_of(verdicts) == msgspec.Raw(text)
    assert verdicts == read(msgspec.Raw(text))


def test_one_more_stands_behind_the_others() -> None:
    told = text_behind(text_behind(NO_VERDICTS, ("First", 1, -1)), ("Second", 2, 0))

    assert b'[["First",1,-1],["Second",2,0]]' == bytes(told)


def test_an_event_reads_back_as_it_was_and_not_where_its_verdicts_are_none() -> None:
    event = e.OrderIntent(ts_us=1, order=order(), told=text_of((("KillSwitch", 0, 0),)))
    payload = msgspec.json.encode(event).decode()
    back = e.readers()[event.KIND](payload)

    assert event == back
    assert isinstance(back, e.OrderIntent)
    assert (("KillSwitch", 0, 0),) == back.verdicts
    for broken in ('"KillSwitch"', '["KillSwitch",0]', '["KillSwitch",0,"0"]', "7"):
        with pytest.raises(msgspec.MsgspecError):
            e.readers()[event.KIND](payload.replace('["KillSwitch",0,0]', broken))
