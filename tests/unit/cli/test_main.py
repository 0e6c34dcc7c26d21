"""The command line: one line for every error, and nothing loaded that was not asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from axiomd import __version__, latch
from axiomd.cli import main as cli
from axiomd.contracts.errors import BrokerUnavailable, ConfigError, GuardRefused, JournalCorrupt

HEAVY = ("numba", "polars", "pydantic", "numpy", "pandas", "yaml", "rich", "exchange_calendars", "argparse")


def fake_command(monkeypatch: pytest.MonkeyPatch, outcome: object) -> None:
    """Put one command into the table that ends as told."""

    def run(args: object) -> int:
        if isinstance(outcome, BaseException):
            raise outcome
        assert isinstance(outcome, int)
        return outcome

    module = SimpleNamespace(configure=lambda parser: parser.add_argument("--name"), run=run)
    monkeypatch.setitem(sys.modules, "axiomd.cli.made_up", module)
    monkeypatch.setitem(cli.COMMANDS, "made-up", ("axiomd.cli.made_up", "does what the test says"))


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from axiomd.cli.main import main; main(sys.argv[1:]); "
        "print(*sorted({n.partition('.')[0] for n in sys.modules}), file=sys.stderr)"
    )

    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)

    assert [] == sorted(set(HEAVY) & set(result.stderr.split()))


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.main(["--help"])

    text = capsys.readouterr().out
    assert [] == [name for name in cli.COMMANDS if f"\n  {name} " not in text]


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.main(["--version"])
    assert f"axiomd {__version__}\n" == capsys.readouterr().out


def test_python_m_axiomd_is_the_same_program() -> None:
    result = subprocess.run([sys.executable, "-m", "axiomd", "--version"], capture_output=True, text=True, check=False)

    assert (0, f"axiomd {__version__}\n") == (result.returncode, result.stdout)


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_of_the_table_has_a_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.main([name, "--help"])

    text = capsys.readouterr().out
    assert text.startswith(f"usage: axiomd {name}")
    assert "example" in text
    assert f"axiomd {name}" in text.partition("example")[2]


@pytest.mark.parametrize(
    "words",
    [
        *(f"orders {action}" for action in ("export", "list", "show")),
        *(f"journal {action}" for action in ("verify", "show")),
        *(f"data {action}" for action in ("validate", "import", "quality")),
        *(f"config {action}" for action in ("check", "show", "schema")),
    ],
)
def test_an_action_has_a_help_with_an_example(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.main([*words.split(), "--help"])

    assert f"axiomd {words.split()[0]} " in capsys.readouterr().out.partition("example")[2]


@pytest.mark.parametrize(
    ("expected", "arguments"),
    [
        ("no command is given", []),
        ("did you mean config?", ["confg"]),
        ("see axiomd --help", ["zzz"]),
        ("unrecognized arguments: --nam", ["made-up", "--nam", "x"]),
        ("expected one argument", ["made-up", "--name"]),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(
    expected: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_command(monkeypatch, 0)

    assert 2 == cli.main(arguments)

    captured = capsys.readouterr()
    assert "" == captured.out
    assert captured.err.startswith("error: ")
    assert 1 == captured.err.count("\n")
    assert 2 == captured.err.count(" · ")
    assert expected in captured.err


@pytest.mark.parametrize(
    ("expected", "outcome"),
    [
        (0, 0),
        (3, 3),
        (2, ConfigError("a", "b", "c")),
        (1, GuardRefused("a", "b", "c")),
        (6, JournalCorrupt("a", "b", "c")),
        (7, BrokerUnavailable("a", "b", "c")),
        (2, FileNotFoundError(2, "No such file or directory", "bars.parquet")),
        (2, PermissionError(13, "Permission denied", "artifacts")),
        (7, OSError(28, "No space left on device")),
        (7, ZeroDivisionError("division\nby zero")),
        (7, AssertionError("ours")),
        (7, MemoryError()),
        (130, KeyboardInterrupt()),
    ],
)
def test_outcome_of_a_command_is_its_exit_code(
    expected: int, outcome: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_command(monkeypatch, outcome)

    assert expected == cli.main(["made-up"])

    lines = capsys.readouterr().err.splitlines()
    is_told = isinstance(outcome, BaseException) and not isinstance(outcome, KeyboardInterrupt)
    assert len(lines) == int(is_told)


def test_traceback_is_shown_only_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_command(monkeypatch, ZeroDivisionError("x"))
    monkeypatch.setenv("AXIOMD_DEBUG", "1")

    assert 7 == cli.main(["made-up"])
    assert "Traceback" in capsys.readouterr().err


def test_reader_that_goes_away_is_no_error() -> None:
    code = "import sys; from axiomd.cli.main import main; sys.stdin.readline(); sys.exit(main(['config', 'schema']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.write(b"go\n")
    process.stdin.close()

    assert cli.EXIT_BROKEN_PIPE == process.wait(timeout=30)
    assert b"" == process.stderr.read()
    process.stderr.close()


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["config", "show"]])
def test_a_text_whose_reader_goes_away_is_no_failed_check(words: list[str]) -> None:
    code = (
        "import os, sys; from axiomd.cli.main import main; r, w = os.pipe(); os.close(r); os.dup2(w, 1);"
        f"sys.exit(main({words}))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert (cli.EXIT_BROKEN_PIPE, b"") == (done.returncode, done.stderr)


@pytest.mark.parametrize("out", ["/dev/full", "a pipe that nobody reads", "closed"])
def test_a_kill_goes_on_where_nobody_can_hear_it(out: str, tmp_path: Path) -> None:
    """Story c: a disk that is full, or a terminal that went away, keeps no order from being cancelled."""
    spoil = {
        "/dev/full": "os.dup2(os.open('/dev/full', os.O_WRONLY), 1)",
        "a pipe that nobody reads": "r, w = os.pipe(); os.close(r); os.dup2(w, 1)",
        "closed": "os.close(1); sys.stdout = None",
    }[out]
    code = f"import os, sys; from axiomd.cli.main import main; {spoil}; sys.exit(main(['kill', '--reason', 'é']))"

    done = subprocess.run(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, check=False,
        env={**os.environ, "AXIOMD_STATE_DIR": str(tmp_path)},
    )  # fmt: skip

    assert 3 == done.returncode, done.stderr
    assert b"Traceback" not in done.stderr
    assert out == "closed" or b"latched at halt" in done.stderr
    assert out == "closed" or b"no daemon is known" in done.stderr
    assert latch.read(str(tmp_path)).is_tripped


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_descriptors_that_were_closed_are_given_to_nothing_else(closed: str) -> None:
    """A lock, a socket or a pipe took their numbers: a daemon did not start, or latched as a reader of bars died."""
    code = (
        "import os, sys; from axiomd.cli import main as cli; cli._dispatched = lambda _: print(1) or 0; cli.main([]); "
        "stream = os.open(os.devnull, os.O_RDONLY); "
        "sys.exit(stream < 3 or None in (sys.stdin, sys.stdout, sys.stderr) or not os.get_inheritable(2))"
    )
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", code]

    done = subprocess.run(command, capture_output=True, check=False)

    assert (0, b"") == (done.returncode, done.stderr)


def test_a_terminal_without_our_letters_is_shown_what_it_can_show(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "axiomd", "status"], capture_output=True, check=False,
        env={**os.environ, "AXIOMD_STATE_DIR": str(tmp_path), "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip

    assert 3 == done.returncode, done.stderr
    assert b"NOT RUNNING" in done.stdout


@pytest.mark.parametrize("words", ["--help", "--version", "status", "config show --json"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_finds_no_room_is_told_as_that(words: str, unbuffered: str, tmp_path: Path) -> None:
    environ = {**os.environ, "AXIOMD_STATE_DIR": str(tmp_path), "PYTHONUNBUFFERED": unbuffered}

    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "axiomd", *words.split()], stdout=full, stderr=subprocess.PIPE, check=False,
            text=True, env=environ,
        )  # fmt: skip

    assert (7, 1) == (done.returncode, done.stderr.count("\n")), done.stderr
    assert done.stderr.startswith("error: No space left on device · ")
