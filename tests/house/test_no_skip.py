"""Where no skip is allowed, a skipped test fails, and only absent real data excuses it."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
SKIPPING = """
import pytest

def test_left_out():
    pytest.skip("no reason at all")

@pytest.mark.real_data
def test_of_real_data():
    pytest.skip("the data is not there")
"""


def project(pytester: pytest.Pytester, module: str) -> None:
    pytester.mkpydir("tests")
    (pytester.path / "tests/conftest.py").write_text(CONFTEST.read_text().replace('pytest_plugins = ["pytester"]', ""))
    (pytester.path / "tests/test_it.py").write_text(module)
    pytester.makeini("[pytest]\nmarkers = real_data")


def test_skip_fails_where_none_is_allowed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    project(pytester, SKIPPING)
    monkeypatch.setenv("AXIOMD_NO_SKIP", "1")

    pytester.runpytest_subprocess().assert_outcomes(failed=1, skipped=1)


def test_module_that_skips_itself_fails_where_none_is_allowed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(pytester, "import pytest\npytest.skip('no reason', allow_module_level=True)")
    monkeypatch.setenv("AXIOMD_NO_SKIP", "1")

    pytester.runpytest_subprocess().assert_outcomes(errors=1)


def test_skip_is_a_skip_elsewhere(pytester: pytest.Pytester) -> None:
    project(pytester, SKIPPING)

    pytester.runpytest_subprocess().assert_outcomes(skipped=2)
