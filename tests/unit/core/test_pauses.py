"""What is paused, until when, and what lifts it: property-tested against the plain reading of the commands."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from axiomd.core.pauses import Pauses

SCOPES: list[dict[str, str]] = [{}, {"symbol": "SPY"}, {"symbol": "IBM"}, {"strategy": "inside_bar"}]
commands = st.lists(
    st.tuples(st.sampled_from(["pause", "unpause"]), st.sampled_from(SCOPES), st.one_of(st.none(), st.integers(1, 20)))
)


@given(commands, st.integers(0, 25))
def test_an_entry_is_held_back_while_anything_that_names_it_is_paused(
    asked: list[tuple[str, dict[str, str], int | None]], now_us: int
) -> None:
    pauses = Pauses()
    plain: list[tuple[dict[str, str], int]] = []
    for name, scope, until in asked:
        args: dict[str, Any] = dict(scope) if until is None else {**scope, "until": until}
        (pauses.begin if name == "pause" else pauses.end)(args)
        plain = [] if name == "unpause" and not scope else [each for each in plain if each[0] != scope]
        if name == "pause":
            plain.append((scope, until or 10**9))
    on = [scope for scope, until in plain if now_us < until]

    for symbol in ("SPY", "IBM"):
        concerns = [{}, {"symbol": symbol}, {"strategy": "inside_bar"}]
        assert pauses.holds("inside_bar", symbol, now_us) == any(scope in concerns for scope in on)
    assert len(on) == len(pauses.at(now_us))
