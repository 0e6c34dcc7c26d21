"""``axiomd run``: the daemon, in the foreground; systemd runs this.

Exit 0 stopped or tape ended, 1 refused, 2 configuration, 5 locked, 6 journal corrupt, 7 internal failure of any kind.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from axiomd.contracts.errors import ConfigError, RefusedError, UsageError
from axiomd.core.uncollected import uncollected
from axiomd.feeds.recorded import TapeProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiomd.config.load import Loaded
    from axiomd.config.settings import Places
    from axiomd.contracts.daemon import DaemonConfig
    from axiomd.daemon.identity import Identity

SOCKET_PATH_BYTES_MAX: Final = 107
"""What Linux takes, less the NUL at its end."""
MODE_VARIABLE = "TR_MODE"
LOOKED_AT_BYTES = 64 * 1024


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = "example: axiomd run --mode paper --config configs/settings.yml"
    parser.add_argument("--mode", choices=("paper", "live"), help="with TR_MODE and YAML: those given must agree")
    parser.add_argument("--config", type=Path, metavar="FILE", help="without it, settings.yml in the state dir")
    parser.add_argument("--feed", choices=("synthetic", "file", "ib"), help="instead of the configuration's")
    parser.add_argument("--speed", metavar="max|N", help="market time N times as fast")
    parser.add_argument("--instance", metavar="NAME", help="instead of AXIOMD_INSTANCE, else main")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")


def run(args: argparse.Namespace) -> int:
    """Run the daemon until it is stopped."""
    # A signal that comes before the daemon listens waits for it: none is lost, and none ends a start half-way.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1))
    # numpy's matrices would start a thread a core in every process, and let it spin: nothing here multiplies any
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    reader = TapeProcess() if _looks_recorded(args) else None
    try:
        # paused until the daemon is put together: it lets the collector go on itself
        with uncollected():
            return _locked(args, reader)
    finally:
        if reader is not None:
            reader.end()


def _looks_recorded(args: argparse.Namespace) -> bool:
    """Guess whether a file of bars will be read, so that its reader can load packages meanwhile; it decides nothing."""
    if args.feed is not None or args.config is None:
        return bool(args.feed == "file")
    try:
        with args.config.open("rb") as config:
            return b"file" in config.read(LOOKED_AT_BYTES)
    except OSError:
        return False


def _locked(args: argparse.Namespace, reader: TapeProcess | None) -> int:
    from axiomd.config.settings import places
    from axiomd.daemon import locks

    place = places(args.instance)
    identity = identity_of(args, place)
    _check_sockets(identity)
    place.state_dir.mkdir(parents=True, exist_ok=True)
    place.runtime_dir.mkdir(parents=True, exist_ok=True)
    with locks.hold(place.state_dir / locks.STATE_LOCK, "the state dir"):
        return _run(identity, reader, args.log_level, lambda: _load(args, place).config)


def identity_of(args: argparse.Namespace, place: Places) -> Identity:
    """Say who the daemon of these options is. `ConfigError` or `RefusedError` where it must not be."""
    from axiomd.config.identity import identified
    from axiomd.daemon.clock import wall_us
    from axiomd.daemon.identity import ACCOUNT_SIM, Identity

    loaded = _load(args, place)
    mode = _mode(args, loaded)
    _check(loaded.config, mode)
    digest, _ = identified(loaded.config)
    return Identity(loaded.config, place, mode, ACCOUNT_SIM, digest, wall_us())


def _run(identity: Identity, reader: TapeProcess | None, log_level: str, reread: Callable[[], DaemonConfig]) -> int:
    from axiomd.daemon.broker_process import BrokerProcess
    from axiomd.daemon.clock import wall_us

    place, feed = identity.places, identity.config.feed
    process = BrokerProcess(place.state_dir, place.runtime_dir)
    if not identity.config.broker.sim.inside and not process.socket.exists():
        process.start()
    if feed.kind == "file" and feed.path is not None:
        reader = (reader or TapeProcess()).read(Path(feed.path))
    elif reader is not None:
        reader.end()
        reader = None
    try:
        import anyio

        from axiomd.daemon.main import run_daemon
        from axiomd.daemon.systemd import Notifier
        from axiomd.observe.logging import to_stderr

        log = to_stderr(sys.stderr, os.environ, now_us=wall_us, level=log_level)
        return anyio.run(run_daemon, identity, process, reader, log, Notifier.of(os.environ, os.getpid()), reread)
    finally:
        process.end_unused()
        if reader is not None:
            reader.end()


def _check(config: DaemonConfig, mode: Literal["paper", "live"]) -> None:
    if config.broker.kind != "sim":
        raise ConfigError("broker.kind ib is not in this version", "broker.kind", "use sim")
    if config.feed.kind == "ib":
        raise ConfigError("feed.kind ib is not in this version", "feed.kind", "use synthetic or file")
    if config.feed.history is not None:
        raise ConfigError("feed.history is not in this version", "feed.history", "leave it null")
    if mode == "live":
        raise RefusedError("live needs Interactive Brokers", "--mode live", "run paper on the simulated broker")


def _check_sockets(identity: Identity) -> None:
    """Find out before anything runs that nobody could speak to it."""
    from axiomd.daemon.control_socket import gid_of

    place, group = identity.places, identity.config.control.group
    if len(os.fsencode(place.control_socket)) > SOCKET_PATH_BYTES_MAX:
        raise ConfigError(
            "the path is too long for a socket", str(place.control_socket), "set AXIOMD_RUNTIME_DIR to a shorter one"
        )
    if group is not None:
        gid_of(group)


def _load(args: argparse.Namespace, place: Places) -> Loaded:
    from axiomd.config.load import load_run

    path = args.config
    if path is None and place.settings_file.is_file():
        path = place.settings_file
    flags: dict[str, object] = {"feed.kind": args.feed}
    if args.speed is not None:
        flags["feed.speed"] = args.speed if args.speed == "max" else _speed(args.speed)
    return load_run(path, environ=os.environ, flags=flags)


def _speed(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{text!r} is no speed", "--speed", "write max or a number above 0") from None


def _mode(args: argparse.Namespace, loaded: Loaded) -> Literal["paper", "live"]:
    """Take the mode from flag, variable and YAML: those given must agree, none means paper."""
    given: dict[str, str] = {}
    if args.mode:
        given["--mode"] = args.mode
    if os.environ.get(MODE_VARIABLE):
        given[MODE_VARIABLE] = os.environ[MODE_VARIABLE]
    if loaded.origin_of("mode").layer != "default":
        given["mode in the configuration"] = loaded.config.mode
    modes = set(given.values())
    if not modes <= {"paper", "live"}:
        raise ConfigError(f"{MODE_VARIABLE} is {given[MODE_VARIABLE]}", MODE_VARIABLE, "write paper or live")
    if len(modes) > 1:
        raise ConfigError("the modes differ", ", ".join(f"{k}={v}" for k, v in given.items()), "make them agree")
    return "live" if modes == {"live"} else "paper"
