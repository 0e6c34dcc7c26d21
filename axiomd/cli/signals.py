"""``axiomd signals``: the signals that a run's strategies give, written as signals.csv and nothing else.

It is a replay whose orders nobody keeps: what a setup is blocked by stands in its `meta`, as in a run folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from axiomd.cli.running import add_run_options, request_of
from axiomd.contracts.errors import EXIT_OK, InputError


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = "example: axiomd signals --bars bars.parquet --daily daily.parquet --config run.yml"
    add_run_options(parser)
    parser.add_argument("--out", type=Path, default=Path("signals.csv"), metavar="FILE", help="default signals.csv")


def run(args: argparse.Namespace) -> int:
    """Write signals.csv."""
    from axiomd.cli.printing import print_json
    from axiomd.replay.driver import Replay
    from axiomd.replay.prepare import prepare
    from axiomd.runs.artifacts import write_signals

    prepared = prepare(request_of(args))
    replay = Replay(
        prepared.plan,
        prepared.tape,
        None,
        prepared.select,
        identity=prepared.identity,
        first_session=prepared.first_session,
    )
    replay.run()
    signals = replay.recorder.record.signals
    try:
        write_signals(args.out, signals)
    except OSError as error:
        raise InputError(
            f"signals cannot be written ({error.strerror})", str(args.out), "check the folder and its permissions"
        ) from error
    if args.json:
        print_json({"path": str(args.out), "signals": len(signals)})
    else:
        print(f"{len(signals)} signals: {args.out}")
    return EXIT_OK
