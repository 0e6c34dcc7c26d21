"""Machine code taken from numba's cache without the registries that only compiling needs.

numba brings in every implementation of every operation it knows (70 modules, 0.15 s) before it looks into its cache;
finished code refers to none of them. Where the cache has nothing, the compiler brings them itself, so what comes out is
the same code either way. The cache's folder carries a fingerprint of the package's own source, because numba notices a
change in the file of a function but not in the functions it calls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import config
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc
from numba.core.runtime import rtsys
from numba.core.sigutils import normalize_signature
from platformdirs import user_cache_path


def _source_fingerprint() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


if not config.CACHE_DIR:  # NUMBA_CACHE_DIR, set by systemd's unit, wins
    config.CACHE_DIR = str(user_cache_path("axiomd") / "numba" / _source_fingerprint())


def kept(compiled: Any) -> Any:
    """Have a function that numba compiles kept on disk, and loaded from there by `KeptCode`."""
    if not config.DISABLE_JIT:
        compiled._cache = KeptCode(compiled.py_func)
    return compiled


def kept_step(function: Callable[..., int], signature: str) -> Any:
    """Load or compile a C callback of a signature; what comes has the `address` of its code, while it is held."""
    step: Any = CFunc(function, normalize_signature(signature), {}, {})
    step._cache = KeptCode(function)
    step.compile()
    return step


class KeptCode(FunctionCache):  # type: ignore[misc]  # numba has no types
    """The cache of one function. Kept code finds the runtime's symbols, and those of hashing, before it is linked."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __getattr__(self, name: str) -> Any:
        # its place on disk is looked for when it is first asked: most rules are only ever a part of another's code
        assert "_impl" not in self.__dict__, name
        super().__init__(self._function)
        return getattr(self, name)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Give the kept code of a signature, None where there is none."""
        rtsys.initialize(target_context)
        # its import names the symbols of Python's hash secret; code with unknown symbols ends the process
        import numba.cpython.hashing  # noqa: F401

        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)
