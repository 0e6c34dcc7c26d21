"""The parser of every command: argparse, whose mistakes become the one line that all our errors are.

It knows no command. Sub-commands made by ``add_subparsers`` get the same class, so they speak alike.
"""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from axiomd.contracts.errors import UsageError


def words(text: str) -> str:
    """Take an argument that is said and names no file: a byte that is no character becomes a mark.

    A shell hands over what a terminal of another alphabet sent, and no socket and no journal takes that.
    """
    return text.encode(errors="replace").decode()


class Parser(argparse.ArgumentParser):
    """Parse without abbreviations, keep the epilog's line breaks, and raise `UsageError` where argparse would exit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # argparse's own signature is as wide
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise UsageError(message, self.prog, f"see {self.prog} --help")
