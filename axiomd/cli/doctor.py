"""``axiomd doctor``: check that this machine can run axiomd, before a session depends on it.

It looks at the interpreter, the packages, time zones, caches and folders, and repairs nothing; ``--compile`` fills the
cache of compiled rules, so that the first bar of a session does not pay for it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from axiomd.cli.printing import print_json, print_table
from axiomd.config.plugins import known_strategies
from axiomd.config.settings import places
from axiomd.config.shipped import shipped
from axiomd.contracts.errors import AxiomdError
from axiomd.native import finder

PYTHON_MIN: Final = (3, 11)
PYTHON_BELOW: Final = (3, 14)
FREE_BYTES_MIN: Final = 1 << 30
"""A day's journal and artifacts of 500 symbols fit many times over."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Say what one check found and, where it failed, what to do."""

    check: str
    found: str
    is_ok: bool
    remedy: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = "example:\n  axiomd doctor\n  axiomd doctor --compile"
    parser.add_argument("--compile", action="store_true", help="compile every rule now and keep it in the cache")
    parser.add_argument("--instance", metavar="NAME", help="whose folders to look at")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print every finding; 0 where all are well, 1 where one is not."""
    findings = list(_findings(args.instance))
    if args.compile:
        findings.append(_compiled(args.instance))
    is_ok = all(finding.is_ok for finding in findings)
    if args.json:
        print_json(
            {
                "ok": is_ok,
                "checks": [
                    {"check": each.check, "found": each.found, "ok": each.is_ok, "remedy": each.remedy}
                    for each in findings
                ],
            }
        )
    else:
        rows = [(each.check, "ok" if each.is_ok else "FAILED", each.found, each.remedy) for each in findings]
        print_table(("check", "", "found", "what to do"), rows)
    return 0 if is_ok else 1


def _findings(instance: str | None) -> Iterator[Finding]:
    yield _python()
    yield from _packages()
    yield _zones()
    yield _shipped_files()
    yield _strategies()
    yield _native()
    where = places(instance)
    yield _folder("state dir", where.state_dir)
    yield _folder("runtime dir", where.runtime_dir)
    yield _free_space(where.state_dir)


def _python() -> Finding:
    current = sys.version_info[:2]
    is_ok = PYTHON_MIN <= current < PYTHON_BELOW
    return Finding(
        "python", ".".join(map(str, sys.version_info[:3])), is_ok, "" if is_ok else "install Python 3.11 to 3.13"
    )


def _packages() -> Iterator[Finding]:
    try:
        needed = requires("axiomd") or []
    except PackageNotFoundError:
        yield Finding("axiomd", "not installed", False, "run make setup")
        return
    missing: list[str] = []
    count = 0
    for line in needed:
        if "extra ==" in line:
            continue
        name = re.split(r"[<>=!~;\[ ]", line, maxsplit=1)[0]
        count += 1
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    found = f"{count} installed" if not missing else f"missing: {', '.join(missing)}"
    yield Finding("packages", found, not missing, "run make setup" if missing else "")


def _zones() -> Finding:
    try:
        for name in ("America/New_York", "Europe/Berlin"):
            ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):
        return Finding("time zones", "not found", False, "install the package tzdata")
    return Finding("time zones", "found", True)


def _shipped_files() -> Finding:
    try:
        folder = shipped("risk.yml").parent
        shipped("settings.yml")
    except AxiomdError as problem:
        return Finding("shipped configuration", problem.what, False, problem.remedy)
    return Finding("shipped configuration", str(folder), True)


def _strategies() -> Finding:
    names = known_strategies()
    return Finding("strategies", " ".join(names) or "none", bool(names), "" if names else "run make setup")


def _native() -> Finding:
    """Run as Python it is whole, and no failure: it is slower by half."""
    reason = finder.reason
    remedy = "install a C compiler and Python's headers, then axiomd again" if reason else ""
    return Finding("machine code", f"none, {reason}" if reason else "in use", True, remedy)


def _nearest(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _folder(check: str, path: Path) -> Finding:
    there = _nearest(path)
    is_ok = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return Finding(check, str(path), is_ok, "" if is_ok else f"make {there} a folder you may write to")


def _free_space(path: Path) -> Finding:
    free_bytes = shutil.disk_usage(_nearest(path)).free
    is_ok = free_bytes >= FREE_BYTES_MIN
    return Finding("free space", f"{free_bytes >> 20} MiB", is_ok, "" if is_ok else "free at least 1 GiB")


def _compiled(instance: str | None) -> Finding:
    """Call what a daemon and a backtest of the instance's own configuration call, of the shipped one without it."""
    from axiomd.config.load import load_run
    from axiomd.contracts.risk import RiskConfig
    from axiomd.contracts.units import MINUTE_US
    from axiomd.core.warm_up import warm_up
    from axiomd.replay.code_ahead import load_code, plan_of_no_session

    own = places(instance).settings_file
    try:
        config = load_run(own if own.is_file() else None, environ=os.environ).config
        plan = plan_of_no_session(config, MINUTE_US, "paper")
    except AxiomdError as problem:
        return Finding("compiled rules", f"{problem.where}: {problem.what}", False, problem.remedy)
    warm_up(plan)
    # one symbol on bars of the strategy's own length has a walk of its own, and another one without limits
    own_us = plan.strategies[0].strategy.timeframe_us
    load_code(config, MINUTE_US)
    load_code(config, own_us)
    load_code(config.model_copy(update={"risk": RiskConfig()}), own_us)
    return Finding("compiled rules", "compiled and kept", True)
