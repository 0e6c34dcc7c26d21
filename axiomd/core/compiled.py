"""The one way a rule is compiled: numba with a cache on disk, no fastmath, no parallel reductions.

Both of those would let a sum depend on the machine, and a decision must not. The cache folder carries a fingerprint of
the package's own source, because numba notices a change in the file of a function but not in the functions it calls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numba
from numba import config as _numba_config
from platformdirs import user_cache_path

F = TypeVar("F", bound=Callable[..., object])


def _source_fingerprint() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


if not _numba_config.CACHE_DIR:  # NUMBA_CACHE_DIR, set by systemd's unit, wins
    _numba_config.CACHE_DIR = str(user_cache_path("axiomd") / "numba" / _source_fingerprint())


def njit(function: F) -> F:
    """Compile a rule: cached, nopython, IEEE arithmetic, no bounds checks, wrap-free integer semantics of int64."""
    compiled: F = numba.njit(cache=True, fastmath=False, parallel=False, error_model="numpy")(function)
    return compiled
