"""Kept code is loaded without what only compiling needs, and what is not kept is compiled as ever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

RULES = """
import sys
from axiomd.core.compiled import njit
from axiomd.core.steps import step_address
import numpy as np

@njit
def half(amount: int) -> int:
    return amount // 2

@njit
def digest(text: str) -> int:
    return hash(text)

@njit
def observe(si, sf, pi, pf, win, n, bar, out):
    si[0] += half(bar[4])
    return 0

@njit
def add(a, b):
    return np.sqrt(a) + b

def loaded() -> bool:
    return "numba.np.arraymath" in sys.modules

print(half(9), digest("SPY") == hash("SPY"), step_address(observe, observe) > 0, end=" ")
print(sum(half.stats.cache_hits.values()), loaded(), end=" ")
if sys.argv[1:]:
    print(add(4.0, 1), loaded())
"""


def ran(folder: Path, *arguments: str) -> str:
    environ = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "kept"), "PYTHONHASHSEED": "random"}
    script = folder / "rules.py"
    script.write_text(RULES, encoding="utf-8")
    return subprocess.run(
        [sys.executable, script, *arguments], env=environ, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_kept_code_is_loaded_without_the_registries_and_they_come_for_what_is_not_kept(tmp_path: Path) -> None:
    compiled, loaded, both = ran(tmp_path), ran(tmp_path), ran(tmp_path, "new")

    assert compiled == "4 True True 0 True"
    assert loaded == "4 True True 1 False"
    assert both == "4 True True 1 False 3.0 True"
