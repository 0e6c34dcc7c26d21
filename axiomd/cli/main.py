"""The table of commands: find the one that was typed, load its module alone, and turn its errors into one line.

It decides nothing about trading. It must stay cheap: ``axiomd --help`` loads this file and ``sys``, and no command ever
pays for another one's imports.
"""

from __future__ import annotations

import sys

MODULE = 0
HELP = 1

COMMANDS: dict[str, tuple[str, str]] = {
    "status": ("axiomd.cli.status", "show one screen of the running daemon's state"),
    "run": ("axiomd.cli.run", "the daemon, in the foreground"),
    "kill": ("axiomd.cli.kill", "trip the kill switch and see that it took effect"),
    "resume": ("axiomd.cli.resume", "release the kill switch, through the running daemon"),
    "close": ("axiomd.cli.close", "close one position by hand, or a part of it"),
    "pause": ("axiomd.cli.pause", "no new entries in a symbol, of a strategy, or at all; timed or not"),
    "unpause": ("axiomd.cli.pause", "lift a pause"),
    "reconcile": ("axiomd.cli.reconcile", "both truths side by side, and the broker's adopted on request"),
    "replay": ("axiomd.cli.replay", "run the whole daemon over recorded bars under a virtual clock"),
    "backtest": ("axiomd.cli.backtest", "the compiled backtest: a replay's decisions without its journal"),
    "sweep": ("axiomd.cli.sweep", "many parameter sets over many symbols, compiled"),
    "signals": ("axiomd.cli.signals", "write signals.csv only"),
    "orders": ("axiomd.cli.orders", "export, list or show orders"),
    "data": ("axiomd.cli.data", "import, validate or judge market data"),
    "report": ("axiomd.cli.report", "write a run's report as static HTML"),
    "journal": ("axiomd.cli.journal", "verify or show a journal"),
    "config": ("axiomd.cli.config", "check or show the effective configuration, or print its schema"),
    "doctor": ("axiomd.cli.doctor", "check that this machine can run axiomd"),
}

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; every error becomes one line on stderr."""
    arguments = sys.argv[1:] if argv is None else argv
    return _guarded(arguments)


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {entry[HELP]}" for name, entry in COMMANDS.items()]
    return "\n".join(
        [
            "usage: axiomd COMMAND [options]",
            "",
            "The trading daemon of one systematic trader or a small desk.",
            "",
            "commands:",
            *lines,
            "",
            "example: axiomd replay --bars bars.parquet --config configs/runs/inside_bar.yml",
            "`axiomd COMMAND --help` shows a command's options and an example.",
        ]
    )


def _guarded(arguments: list[str]) -> int:
    import os

    _hold_descriptors()
    _speak()
    try:
        code = _dispatched(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # the reader went away (`| head`)
        return EXIT_BROKEN_PIPE
    except Exception as problem:
        code, line = _told(problem)
        print(line, file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        if os.environ.get("AXIOMD_DEBUG") == "1":
            import traceback

            traceback.print_exception(problem)
        return code


def _drop_output() -> None:
    """Have what was not written go nowhere: the interpreter would try again while it ends, and complain once more."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(problem: Exception) -> tuple[int, str]:
    """Return exit code and line of an error; what no one can cause by wrong use is an internal failure."""
    from errno import ELOOP, ENAMETOOLONG

    from axiomd.contracts.errors import EXIT_INPUT, EXIT_INTERNAL, PART_LENGTH_MAX, AxiomdError, cut

    if isinstance(problem, AxiomdError):
        return problem.exit_code, problem.line()
    is_path = isinstance(
        problem, (FileNotFoundError, FileExistsError, PermissionError, NotADirectoryError, IsADirectoryError)
    )
    if isinstance(problem, OSError) and (is_path or problem.errno in (ENAMETOOLONG, ELOOP)):
        named = cut(str(problem.filename2 or problem.filename), PART_LENGTH_MAX)
        return EXIT_INPUT, f"error: {problem.strerror} · {named} · check the path and its permissions"
    if isinstance(problem, OSError) and problem.strerror and not isinstance(problem, (ConnectionError, TimeoutError)):
        return EXIT_INTERNAL, f"error: {problem.strerror} · {problem.filename or 'the output'} · look at the disk"
    cause = cut(" ".join(f"{type(problem).__name__}: {problem}".split()), PART_LENGTH_MAX)
    remedy = "run it again with AXIOMD_DEBUG=1 and report the traceback"
    return EXIT_INTERNAL, f"error: internal failure ({cause}) · axiomd · {remedy}"


def _hold_descriptors() -> None:
    """Have the first three descriptors be something: who started us may have closed them, as a daemon's parent does.

    A socket, a lock or a pipe to a process of ours would be the next to get their numbers, and whatever writes words or
    starts a program would take it for what it should be. What was not closed is left alone.
    """
    import os

    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # the lowest number that is free, which is this one
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def _speak() -> None:
    """Have words be shown as they can be: a terminal of another alphabet is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "encoding", "utf-8") != "utf-8" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _dispatched(arguments: list[str]) -> int:
    if arguments and arguments[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if arguments[:1] == ["--version"]:
        from axiomd import __version__

        print(f"axiomd {__version__}")
        return 0
    if arguments[:1] == ["kill"]:
        from axiomd.cli.kill import quick as kill

        done = kill(arguments[1:])
        if done is not None:
            return done
    if arguments[:1] == ["status"]:
        from axiomd.cli.status import quick

        done = quick(arguments[1:])
        if done is not None:
            return done
    return _dispatch(arguments)


def _dispatch(arguments: list[str]) -> int:
    from importlib import import_module

    from axiomd.cli.parser import Parser
    from axiomd.contracts.errors import UsageError

    if not arguments:
        raise UsageError("no command is given", "axiomd", "see axiomd --help")
    name, *rest = arguments
    if name not in COMMANDS:
        import difflib

        near = difflib.get_close_matches(name, COMMANDS, n=1)
        raise UsageError(
            f"unknown command {name}", "axiomd", f"did you mean {near[0]}?" if near else "see axiomd --help"
        )
    module = import_module(COMMANDS[name][MODULE])
    parser = Parser(prog=f"axiomd {name}", description=COMMANDS[name][HELP])
    module.configure(parser)
    try:
        parsed = parser.parse_args(rest)
    except SystemExit as end:  # argparse ends the process after --help
        return end.code if isinstance(end.code, int) else 0
    code = module.run(parsed)
    assert isinstance(code, int), name
    return code
