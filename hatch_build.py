"""Translate the modules of `axiomd.native` to machine code, at every installation: `python hatch_build.py`.

A machine without a C compiler, or without Python's headers, goes without: the same sources run as Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # the script alone needs no hatchling
    BuildHookInterface = object

ROOT = Path(__file__).parent
_MYPY = """[mypy]
follow_imports = silent
ignore_missing_imports = True
[mypy-numba.*,llvmlite.*]
follow_imports = skip
"""


class NativeCode(BuildHookInterface):
    """hatchling asks for it before it puts a wheel together, or an editable installation."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Translate, and have the wheel carry what came of it and say which Python it is for."""
        done = subprocess.run([sys.executable, __file__], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode == 0 and version != "editable":
            folder = Path(done.stdout.strip())
            for file in sorted(folder.iterdir()):
                build_data["force_include"][str(file)] = f"axiomd/{folder.name}/{file.name}"
            build_data["pure_python"], build_data["infer_tag"] = False, True


def main() -> int:
    """Translate in a process of its own and print the folder; 1, and a line that says why, where that cannot be."""
    from axiomd import native

    folder = ROOT / "axiomd" / native.FOLDER
    if not native.Finder(str(folder.parent)).reason:
        sys.stdout.write(f"{folder}\n")  # of these very sources already
        return 0
    shutil.rmtree(folder, ignore_errors=True)
    why_not = _lacking()
    if not why_not:
        with tempfile.TemporaryDirectory() as out:
            done = subprocess.run(
                [sys.executable, __file__, out], cwd=ROOT, capture_output=True, text=True, check=False,
                env={**os.environ, native.SWITCH: "off"},
            )  # fmt: skip
            if done.returncode == 0:
                _keep(Path(out), folder)
            else:
                why_not = (done.stdout + done.stderr).strip()[-2000:]
    if why_not:
        sys.stderr.write(f"axiomd runs as Python, slower by half: {why_not}\n")
        return 1
    sys.stdout.write(f"{folder}\n")
    return 0


def _lacking() -> str:
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"no C compiler ({compiler})"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "no headers of Python (on Debian python3-dev)"
    return ""


def _keep(out: Path, folder: Path) -> None:
    from axiomd import native

    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    folder.mkdir()
    for name in (native.LIBRARY, *native.MODULES):
        shutil.copy(out / "lib" / (name.replace(".", "/") + suffix), folder / (name + suffix))
    (folder / native.SUM_FILE).write_text(f"{native.sum_of(str(ROOT / 'axiomd'))} {suffix}\n", "ascii")


def translate(out: Path) -> None:
    """Translate and compile into `out`/lib."""
    from mypyc.build import mypycify
    from setuptools import setup

    from axiomd import native

    config = out / "mypy.ini"
    config.write_text(_MYPY)
    sources = [name.replace(".", "/") + ".py" for name in native.MODULES]
    extensions = mypycify(
        ["--config-file", str(config), "--cache-dir", str(out / "cache"), *sources],
        opt_level="3", debug_level="0", target_dir=str(out / "c"), group_name=native.LIBRARY.removesuffix("__mypyc"),
    )  # fmt: skip
    setup(
        name=native.LIBRARY, packages=[], ext_modules=extensions,
        script_args=["--quiet", "build_ext", "--build-lib", str(out / "lib"), "--build-temp", str(out / "objects")],
    )  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) > 1:
        translate(Path(sys.argv[1]))
    else:
        sys.exit(main())
