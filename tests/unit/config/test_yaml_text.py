"""A YAML file means what a trader wrote, or is refused with line and column."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiomd.config.yaml_text import FILE_BYTES_MAX, read_scalar, read_yaml
from axiomd.contracts.errors import ConfigError


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "c.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("ON", "ON"),
        ("no", "no"),
        ("14:00", "14:00"),
        ("2025-01-02", "2025-01-02"),
        ("0x10", "0x10"),
        (True, "true"),
        (None, "null"),
        (None, ""),
        (7, "007"),
        (-1, "-1"),
        (1.5, "1.5"),
        (1e6, "1e6"),
        ("1.2.3", "1.2.3"),
        (["SPY", "QQQ"], "[SPY, QQQ]"),
        ({"a": 1}, "{a: 1}"),
    ],
)
def test_scalar_means_what_stands_there(expected: object, text: str) -> None:
    value = read_scalar(text, "AXIOMD_X")

    assert (type(value), value) == (type(expected), expected)


def test_lines_of_values_are_known(tmp_path: Path) -> None:
    text = read_yaml(written(tmp_path, "a: 1\nb:\n  c: [x, y]\n  d: {}\n"))

    assert {"a": 1, "b.c": 3, "b.c.0": 3, "b.c.1": 3, "b.d": 4} == text.lines


def test_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    assert {} == read_yaml(written(tmp_path, "# nothing\n")).mapping


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("c.yml:2:1", "a: 1\n\tb: 2\n"),
        ("c.yml:3:1", "a: [1,\nb: 2\n"),
        ("c.yml:2:1", "a: 1\na: 2\n"),
        ("c.yml:1:4", "a: !!python/object:os.system x\n"),
        ("c.yml:1", "- a\n- b\n"),
        ("c.yml:1:1", "[a]: 1\n"),
        ("c.yml", b"\xff\xfe\x00"),
        ("c.yml", b"a: \x00\n"),
        ("c.yml", "a: " + "[" * 50_000),
        ("c.yml", "#" * (FILE_BYTES_MAX + 1)),
        ("c.yml:1:4", "a: &x [*x]\n"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(tmp_path: Path, expected: str, text: str | bytes) -> None:
    with pytest.raises(ConfigError) as problem:
        read_yaml(written(tmp_path, text))

    assert problem.value.where.endswith(expected) or f"{expected}:" in problem.value.where


def test_file_that_grows_by_aliases_is_refused(tmp_path: Path) -> None:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9))

    with pytest.raises(ConfigError, match="anchors"):
        read_yaml(written(tmp_path, f"l0: &l0 [x]\n{levels}\n"))


@pytest.mark.parametrize("name", ["missing.yml", "."])
def test_path_that_is_no_file_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        read_yaml(tmp_path / name)


@given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = written(tmp_path_factory.mktemp("yaml"), content)
    try:
        text = read_yaml(path)
    except ConfigError as problem:
        assert 1 == len(problem.line().splitlines())
        return

    assert isinstance(text.mapping, dict)
