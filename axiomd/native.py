"""The modules that every order goes through, as machine code: these very sources, translated by mypyc at installation.

Nothing is written twice. Where no compiler was at hand, where a source is not the one that was translated any more, and
with `AXIOMD_NATIVE=off`, Python runs the sources themselves. It is imported with the package, so it loads nothing until
one of these modules is asked for.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as a checker knows it; typing itself is for who needs more
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

MODULES = (
    "axiomd.contracts.names",
    "axiomd.core.books",
    "axiomd.core.curve",
    "axiomd.core.engine",
    "axiomd.core.entries",
    "axiomd.core.judging",
    "axiomd.core.orders.bracket",
    "axiomd.core.reports",
    "axiomd.replay.driver",
    "axiomd.runs.recorder",
)
LIBRARY = "axiomd__mypyc"
"""What they are translated to together, as they call each other; the modules themselves are doors to it."""
ROOMS = ("broker", "contracts", "core", "replay", "runs")
"""Where the sources lie that the translation took anything from, be it a constant."""
SWITCH = "AXIOMD_NATIVE"
FOLDER, SUM_FILE = "native_code", "sources.sha256"

_NAMES = frozenset((LIBRARY, *MODULES))


class Finder:
    """Find these modules where their machine code lies, all or none: translated together, they know no other form."""

    def __init__(self, package: str) -> None:
        self._package = package
        self._suffix = ""
        self._reason: str | None = None

    @property
    def reason(self) -> str:
        """Say why the sources are run, nothing where machine code is."""
        if self._reason is None:
            self._reason = self._look()
        return self._reason

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Give where a module's machine code lies, None where Python is to look on: as `importlib` asks for it."""
        del path, target
        if fullname not in _NAMES or self.reason:
            return None
        from importlib.machinery import ExtensionFileLoader, ModuleSpec

        file = f"{self._package}/{FOLDER}/{fullname}{self._suffix}"
        spec = ModuleSpec(fullname, ExtensionFileLoader(fullname, file), origin=file)
        spec.has_location = True
        return spec

    def _look(self) -> str:
        from importlib.machinery import EXTENSION_SUFFIXES
        from os import environ
        from pathlib import Path

        if environ.get(SWITCH) == "off":
            return f"{SWITCH} is off"
        folder, self._suffix = Path(self._package, FOLDER), EXTENSION_SUFFIXES[0]
        try:
            made_of = Path(folder, SUM_FILE).read_text("ascii").split()
        except (OSError, ValueError):
            return "not translated when it was installed"
        if made_of != [sum_of(self._package), self._suffix]:
            return "translated from other sources, or for another Python"
        return ""


def sum_of(package: str) -> str:
    """Give the SHA-256 of all sources that machine code may have been made of."""
    from hashlib import sha256
    from pathlib import Path

    total = sha256()
    for room in ROOMS:
        for file in sorted(Path(package, room).rglob("*.py")):
            total.update(f"{file.relative_to(package)}\0".encode())
            total.update(file.read_bytes())
    return total.hexdigest()


finder = Finder(__file__.rpartition("/")[0])
sys.meta_path.insert(0, finder)
