"""What holds for every test: no variable of the person who runs it leaks in, and in CI no test is left out quietly."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from axiomd import native

REAL_DATA = Path(__file__).resolve().parents[1] / ".." / "shared/data/market"
NO_SKIP = os.environ.get("AXIOMD_NO_SKIP") == "1"

pytest_plugins = ["pytester"]

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if NO_SKIP else "local")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in list(os.environ):
        if (name.startswith("AXIOMD_") and name != native.SWITCH) or name in ("TR_MODE", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state_home"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What changes code from outside says nothing of machine code, which has no place for that."""
    if native.finder.reason:
        return
    for item in items:
        if item.get_closest_marker("as_python") is not None:
            item.add_marker(pytest.mark.skip(reason=f"runs with {native.SWITCH}=off"))


def _may_skip(item: pytest.Item) -> bool:
    is_real = item.get_closest_marker("real_data") is not None or "real" in item.path.parent.parts
    return is_real and not REAL_DATA.is_dir()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where AXIOMD_NO_SKIP=1; real data that is not there is the one excuse."""
    report = yield
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail") and not _may_skip(item):
        report.outcome = "failed"
        report.longrepr = f"skipped where no skip is allowed: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same for a module that skips itself while it is collected."""
    report = yield
    is_real = "real" in collector.path.parent.parts and not REAL_DATA.is_dir()
    if NO_SKIP and report.skipped and not is_real:
        report.outcome = "failed"
        report.longrepr = f"skipped where no skip is allowed: {report.longrepr}"
    return report
