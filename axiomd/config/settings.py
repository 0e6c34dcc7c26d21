"""Where a daemon keeps its state, its socket and its artifacts: from the environment or ``--instance`` alone.

It decides folders and names, and creates none. Nothing here comes from YAML or from where the shell stands, so that two
commands can never mean two places by accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from axiomd.contracts.errors import ConfigError
from axiomd.presence import INSTANCE_CHARS_MAX, INSTANCE_DEFAULT, is_instance


class Environment(BaseSettings):
    """Hold the AXIOMD_ variables that name places; empty counts as not set."""

    model_config = SettingsConfigDict(env_prefix="AXIOMD_", env_ignore_empty=True, extra="ignore", frozen=True)

    state_dir: Path | None = None
    runtime_dir: Path | None = None
    artifacts_dir: Path | None = None
    instance: str = INSTANCE_DEFAULT
    xdg_state_home: Annotated[str, Field(validation_alias="XDG_STATE_HOME")] = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave .env files and secret folders out: they depend on where the shell stands."""
        return init_settings, env_settings


@dataclass(frozen=True, slots=True)
class Places:
    """Name the folders of one instance; ``run_artifacts_dir`` is that of replay, backtest and sweep."""

    instance: str
    state_dir: Path
    runtime_dir: Path
    artifacts_dir: Path
    run_artifacts_dir: Path

    @property
    def journal(self) -> Path:
        """Return the path of the journal."""
        return self.state_dir / "journal.sqlite"

    @property
    def settings_file(self) -> Path:
        """Return the path of the daemon's own configuration."""
        return self.state_dir / "settings.yml"

    @property
    def control_socket(self) -> Path:
        """Return the path of the control socket."""
        return self.runtime_dir / "control.sock"


def places(instance: str | None = None) -> Places:
    """Say where an instance lives; ``instance`` is the flag's value and wins over AXIOMD_INSTANCE.

    Raises `ConfigError` for a name that could leave its folder and for a state or run dir that is no absolute path.
    """
    given = Environment()
    name = instance or given.instance
    if not is_instance(name):
        remedy = f"use letters, digits, _ and -, at most {INSTANCE_CHARS_MAX}"
        raise ConfigError(f"{name!r} is no instance", "--instance", remedy)
    # The XDG rule: a relative path is invalid and is left aside.
    base = Path(given.xdg_state_home) if given.xdg_state_home.startswith("/") else Path.home() / ".local" / "state"
    state_dir = _absolute(given.state_dir, "AXIOMD_STATE_DIR") or base / "axiomd" / name
    runtime_dir = _absolute(given.runtime_dir, "AXIOMD_RUNTIME_DIR") or state_dir
    return Places(
        instance=name,
        state_dir=state_dir,
        runtime_dir=runtime_dir,
        artifacts_dir=given.artifacts_dir or state_dir / "artifacts",
        run_artifacts_dir=given.artifacts_dir or Path("artifacts"),
    )


def _absolute(path: Path | None, variable: str) -> Path | None:
    if path is not None and not path.is_absolute():
        raise ConfigError(f"{path} is a relative path", variable, "give an absolute path")
    return path
