"""``axiomd config``: check the configuration, show every effective value with its origin, or print the schema.

It reads and prints; it changes nothing and starts nothing.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from axiomd.cli.printing import print_json, print_table
from axiomd.config.load import Loaded, load_run
from axiomd.config.settings import places
from axiomd.contracts.daemon import DaemonConfig

_EXAMPLE = """example:
  axiomd config check --config configs/runs/inside_bar.yml
  axiomd config show --json
  AXIOMD_COSTS__SLIPPAGE_BPS=2 axiomd config show"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and options of the command."""
    parser.epilog = _EXAMPLE
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        ("check", "read the configuration and say whether it can be used"),
        ("show", "print every effective value and where it came from"),
    ):
        action = actions.add_parser(name, help=text, description=text, epilog=_EXAMPLE)
        action.add_argument("--config", type=Path, metavar="FILE", help="run or daemon configuration")
        action.add_argument("--instance", metavar="NAME", help="whose settings.yml to read where no FILE is given")
        action.add_argument("--json", action="store_true", help="print JSON")
    text = "print the JSON schema of a configuration file"
    schema = actions.add_parser("schema", help=text, description=text, epilog=_EXAMPLE)
    schema.add_argument("--json", action="store_true", help="print JSON (it always does)")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; 0, or `ConfigError` for a configuration that cannot be used."""
    if args.action == "schema":
        print_json(DaemonConfig.model_json_schema())
        return 0
    loaded = load_run(_source(args), environ=os.environ)
    if args.action == "check":
        return _check(loaded, as_json=args.json)
    return _show(loaded, as_json=args.json)


def _source(args: argparse.Namespace) -> Path | None:
    if args.config is not None:
        return Path(args.config)
    own = places(args.instance).settings_file
    return own if own.is_file() else None


def _check(loaded: Loaded, *, as_json: bool) -> int:
    # Loading a strategy brings its compiler along: only the check pays for it.
    from axiomd.config.binding import check_bound

    check_bound(loaded.config, str(loaded.path))
    entries = loaded.config.normalised()
    missing = loaded.config.limits().missing_for_live()
    if as_json:
        print_json(
            {
                "ok": True,
                "path": str(loaded.path),
                "strategies": [entry.id for entry in entries],
                "symbols": list(loaded.config.all_symbols()),
                "off_that_live_needs": list(missing),
            }
        )
        return 0
    rows = [(entry.id, f"{entry.name} {entry.version}", " ".join(entry.symbols)) for entry in entries]
    print_table(("strategy", "plug-in", "symbols"), rows, title=f"{loaded.path}: ok")
    if missing:
        print(f"live would refuse: {', '.join(missing)} off")
    return 0


def _show(loaded: Loaded, *, as_json: bool) -> int:
    leaves = list(_leaves(loaded.config.model_dump(mode="json"), ""))
    if as_json:
        print_json({key: {"value": value, "from": str(loaded.origin_of(key))} for key, value in leaves})
        return 0
    rows = [(key, _text(value), str(loaded.origin_of(key))) for key, value in leaves]
    print_table(("key", "value", "from"), rows)
    return 0


def _leaves(value: object, key: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}" if key else name)
    else:
        yield key, value


def _text(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_text(item) for item in value)}]"
    return str(value)
