"""Every error is one line: what, where, what to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.contracts import errors


@given(what=st.text(), where=st.text(), remedy=st.text())
def test_an_error_is_always_one_line(what: str, where: str, remedy: str) -> None:
    line = errors.ConfigError(what, where, remedy).line()

    assert line.startswith("error: ")
    assert 1 == len(line.splitlines())


def test_a_line_is_bounded_whatever_is_echoed_in_it() -> None:
    whole, cut_off = "x" * errors.PART_LENGTH_MAX, "x" * (errors.PART_LENGTH_MAX - 1) + "…"

    assert f"error: {whole} · b · c" == errors.UsageError(whole, "b", "c").line()
    assert f"error: {cut_off} · b · {cut_off}" == errors.UsageError(whole + "x", "b", whole * 1000).line()


def test_parts_stand_in_order() -> None:
    assert "error: a · b · c" == errors.UsageError("a", "b", "c").line()


@pytest.mark.parametrize(
    ("expected", "kind"),
    [
        (2, errors.ConfigError),
        (2, errors.DataContractError),
        (2, errors.OrderContractError),
        (2, errors.PolicyError),
        (2, errors.UsageError),
        (1, errors.GuardRefused),
        (1, errors.PromotionRefused),
        (1, errors.NotArmed),
        (1, errors.WrongAccount),
        (6, errors.JournalCorrupt),
        (7, errors.JournalWriteFailed),
        (7, errors.BrokerUnavailable),
    ],
)
def test_exit_code_belongs_to_the_kind(expected: int, kind: type[errors.AxiomdError]) -> None:
    assert expected == kind("what", "where", "remedy").exit_code


def test_data_error_keeps_every_violation() -> None:
    violations = (object(), object())

    assert violations == errors.DataContractError("two violations", violations=violations).violations


def test_peer_error_names_the_peer() -> None:
    assert "client 3" == errors.ProtocolViolation("noise", peer="client 3").peer


def test_tree_in_the_docstring_names_every_error() -> None:
    kinds = [name for name, kind in vars(errors).items() if isinstance(kind, type)]

    assert [] == [name for name in kinds if name not in (errors.__doc__ or "")]
