"""Where an instance lives depends on the environment and --instance, never on where the shell stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from axiomd.config.settings import places
from axiomd.contracts.errors import ConfigError


def test_state_dir_is_below_xdg_state_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/x/state")

    found = places()

    assert ("main", Path("/srv/x/state/axiomd/main")) == (found.instance, found.state_dir)
    assert (found.runtime_dir, found.artifacts_dir) == (found.state_dir, found.state_dir / "artifacts")
    assert found.run_artifacts_dir == Path("artifacts")


@pytest.mark.parametrize("home", ["", "relative/state"])
def test_invalid_xdg_state_home_is_left_aside(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", home)
    monkeypatch.setenv("HOME", "/srv/x")

    assert Path("/srv/x/.local/state/axiomd/main") == places().state_dir


def test_flag_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXIOMD_INSTANCE", "second")

    assert ("second", "third") == (places().instance, places("third").instance)


def test_variables_name_the_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXIOMD_STATE_DIR", "/var/lib/axiomd/main")
    monkeypatch.setenv("AXIOMD_RUNTIME_DIR", "/run/axiomd/main")
    monkeypatch.setenv("AXIOMD_ARTIFACTS_DIR", "/srv/artifacts")

    found = places()

    assert found.journal == Path("/var/lib/axiomd/main/journal.sqlite")
    assert found.settings_file == Path("/var/lib/axiomd/main/settings.yml")
    assert found.control_socket == Path("/run/axiomd/main/control.sock")
    assert found.artifacts_dir == found.run_artifacts_dir == Path("/srv/artifacts")


@pytest.mark.parametrize("variable", ["AXIOMD_STATE_DIR", "AXIOMD_RUNTIME_DIR"])
def test_relative_folder_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "state")

    with pytest.raises(ConfigError, match=variable):
        places()


@pytest.mark.parametrize("name", ["../other", "a/b", ".", "a b", "x" * 65])
def test_instance_that_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        places(name)


def test_dotenv_file_in_the_current_folder_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("AXIOMD_INSTANCE=elsewhere\n")
    monkeypatch.chdir(tmp_path)

    assert "main" == places().instance
