"""Find the configuration that ships with axiomd: inside an installed wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

from axiomd.contracts.errors import ConfigError


def shipped(name: str) -> Path:
    """Return the path of a shipped file, as in ``risk.yml`` or ``runs/inside_bar.yml``; `ConfigError` if it is gone."""
    here = Path(__file__).resolve().parent
    for folder in (here / "packaged", here.parents[1] / "configs"):
        path = folder / name
        if path.is_file():
            return path
    raise ConfigError(f"the shipped file {name} is missing", str(here), "install axiomd again")
